"""The sweep of files that no row names: it deletes those, and never another."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from jobs import files, lifecycle, numbers, renditions, strays
from jobs.models import DiskUse, Job, Upload, media_name
from speechsite.accounts.models import User
from speechsite.core import scratch
from speechsite.core.ids import new_id
from speechsite.duties import outbox, routines
from tests.jobs.conftest import claimed
from voices.models import Sample, Voice

pytestmark = pytest.mark.django_db(transaction=True)
Place = Callable[..., Job]
AT_ONCE = timedelta(0)


def put(name: str, size: int = 10, age: timedelta = timedelta(days=365)) -> str:
    """Store a file, as if that had been long ago."""
    stored = default_storage.save(name, ContentFile(b"x" * size))
    then = time.time() - age.total_seconds()
    os.utime(default_storage.path(stored), (then, then))
    return stored


def there(*names: str) -> list[bool]:
    return [default_storage.exists(name) for name in names]


@pytest.fixture
def job(place: Place) -> Job:
    job = place()
    job.audio = put(media_name(job.pk, ".mp3"), 100)
    job.save(update_fields=["audio"])
    return job


def test_what_a_row_names_is_kept_however_old_it_is(job: Job, ada: User) -> None:
    piece = job.segments.get()
    piece.audio = put(media_name(job.pk, ".flac"))
    piece.save(update_fields=["audio"])
    made = put(renditions.names_beside(job.audio)[0])
    upload_id = new_id()
    recording = put(f"uploads/{upload_id.hex[-2:]}/{upload_id.hex}/abc.wav")
    Upload.objects.create(
        id=upload_id, user=ada, file=recording, name="a", media_type="audio/wav",
        size=10, duration_ms=1, sha256="0",
    )  # fmt: skip
    sample_id = new_id()
    sample = put(f"samples/{sample_id.hex[-2:]}/{sample_id.hex}/abc.wav")
    voice = Voice.objects.create(family="elevenlabs", external_id="mine", name="M", owner=ada)
    Sample.objects.create(
        id=sample_id, voice=voice, file=sample, name="a", media_type="audio/wav",
        size=10, duration_ms=1, sha256="0",
    )  # fmt: skip
    text = put("texts/ab/abcdef")
    numbers.NumberedFile.objects.create(user=ada, purpose="text", name="a", file=text, size=10)
    preview = put("previews/builtin/1-abc.mp3")
    assert strays.sweep(AT_ONCE)["file"] == 0
    assert all(there(job.audio, piece.audio, made, recording, sample, text, preview))


def test_what_killed_work_left_goes_once_it_is_old(job: Job) -> None:
    left = put(media_name(job.pk, ".mp3"))
    made = put(renditions.names_beside(left)[0])
    of_nobody = put(media_name(new_id(), ".flac"))
    upload = new_id()
    recording = put(f"uploads/{upload.hex[-2:]}/{upload.hex}/abc.wav")
    text = put("texts/ab/abcdef")
    young = put(media_name(new_id(), ".mp3"), age=timedelta(hours=5))
    assert strays.sweep()["file"] == 5
    assert there(left, made, of_nobody, recording, text) == [False] * 5
    assert all(there(job.audio, young))
    assert strays.sweep()["file"] == 0


def test_what_cannot_be_told_is_left_alone() -> None:
    strange = put("jobs/somebody's own.mp3")
    other = put("elsewhere/file.bin")
    assert strays.sweep(AT_ONCE)["file"] == 0
    assert all(there(strange, other))


def test_a_piece_stored_by_a_worker_that_died_before_its_row_is_swept(place: Place) -> None:
    segment = claimed(place().segments.get())
    stored = put(media_name(segment.job_id, ".flac"))
    assert strays.sweep()["file"] == 1
    assert there(stored) == [False]


def test_a_deletion_that_waits_is_not_lost_while_the_queue_is_away(
    job: Job, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.Q_CLUSTER = {"redis": "redis://127.0.0.1:1"}
    audio = job.audio
    lifecycle.delete(job)
    assert there(audio) == [True]
    outbox.work(files.FILE, lambda: False)
    assert there(audio) == [False]


def test_disk_use_is_counted_by_account_and_kind(job: Job, ada: User, admin_client: Client) -> None:
    put(renditions.names_beside(job.audio)[0], 50)
    text = put("texts/ab/abcdef", 7)
    numbers.NumberedFile.objects.create(user=ada, purpose="text", name="a", file=text, size=7)
    strays.sweep()
    found = set(DiskUse.objects.values_list("user__email", "kind", "files", "size"))
    assert found == {(ada.email, "jobs", 2, 150), (ada.email, "texts", 1, 7)}
    page = admin_client.get("/admin/jobs/diskuse/").content.decode()
    assert ada.email in page
    assert "150" in page
    assert "157" in admin_client.get("/admin/").content.decode()


def test_what_was_swept_is_counted_in_the_metrics(client: Client) -> None:
    for _ in range(2):
        put(media_name(new_id(), ".mp3"))
        routines.due()
        routines.Routine.objects.update(due_at=timezone.now())
        routines.run("jobs.strays.sweep")
    text = client.get("/metrics").content.decode()
    assert 'speechsite_swept_total{kind="file"} 2.0' in text
    assert 'speechsite_disk_bytes{kind="jobs"} 0.0' in text


def test_folders_of_dead_processes_are_removed_and_those_of_living_ones_are_not(
    tmp_path: Path,
) -> None:
    code = "from speechsite.core import scratch; print(scratch.prefix())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    dead, file_of_dead = tmp_path / f"{done.stdout.strip()}ab", tmp_path / f"{done.stdout.strip()}c"
    dead.mkdir()
    (dead / "result.mp3").write_bytes(b"x")
    file_of_dead.write_bytes(b"x")
    ours, unnamed = tmp_path / f"{scratch.prefix()}ab", tmp_path / "speechsite-young"
    old, strange = tmp_path / "speechsite-old", tmp_path / "other"
    for folder in (ours, unnamed, old, strange):
        folder.mkdir()
    for folder in (ours, old, strange):
        os.utime(folder, (0, 0))
    assert scratch.sweep(tmp_path) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        path.name for path in (ours, unnamed, strange)
    )
