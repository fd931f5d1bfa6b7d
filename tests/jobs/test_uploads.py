"""What people upload is kept within what their plan says."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.files import File
from django.core.files.storage import default_storage

from jobs import numbers, uploads
from jobs.errors import OrderError
from speechsite.accounts import plans, quota
from speechsite.accounts.models import User
from tests.fakes.tones import tone
from voices import cloning
from voices.models import Sample, Voice

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_media(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


def take(user: User, sound: bytes) -> Any:
    return uploads.take(user, File(io.BytesIO(sound), name="a.wav"))  # type: ignore[arg-type]


def limit(user: User, **figures: int | None) -> None:
    plan = plans.put_on_plan(user)
    for name, value in figures.items():
        setattr(plan, name, value)
    plan.save()


def test_recordings_are_counted_and_a_deleted_one_gives_its_place_back(ada: User) -> None:
    limit(ada, upload_files=2, upload_megabytes=None)
    sound = tone("wav_16000", 200)
    first = take(ada, sound)
    take(ada, sound)
    with pytest.raises(OrderError) as refused:
        take(ada, sound)
    assert refused.value.code == "upload_quota_reached"
    uploads.discard(first)
    take(ada, sound)


def test_bytes_are_counted_over_all_recordings(ada: User, ben: User) -> None:
    limit(ada, upload_files=None, upload_megabytes=1)
    sound = tone("wav_16000", 20_000)  # 640 kB
    take(ada, sound)
    with pytest.raises(OrderError) as refused:
        take(ada, sound)
    assert refused.value.code == "upload_quota_reached"
    take(ben, sound)


def test_a_refused_recording_leaves_no_file(ada: User) -> None:
    limit(ada, upload_files=0)
    with pytest.raises(OrderError):
        take(ada, tone("wav_16000", 200))
    assert not default_storage.exists("uploads") or default_storage.listdir("uploads")[0] == []


def test_a_plan_without_limits_keeps_everything(ada: User) -> None:
    limit(ada, upload_files=None, upload_megabytes=None)
    take(ada, tone("wav_16000", 200))


def keep_text(user: User, size: int) -> None:
    content = io.BytesIO(b"x" * size)
    numbers.keep(user, name="a.txt", purpose="t2a_async_input", content=content, size=size)


def clone(user: User) -> Voice:
    sound = File(io.BytesIO(tone("wav_16000", 20_000)), name="a.wav")
    read = cloning.read([sound, sound])
    return cloning.add(user, name="Own", recordings=read, is_test=True)


def test_texts_and_reference_recordings_count_like_recordings(ada: User) -> None:
    limit(ada, upload_files=4, upload_megabytes=None)
    take(ada, tone("wav_16000", 200))
    voice = clone(ada)
    keep_text(ada, 10)
    with pytest.raises(quota.Full):
        keep_text(ada, 10)
    with pytest.raises(cloning.CloningError) as refused:
        clone(ada)
    assert refused.value.code == "upload_quota_reached"
    cloning.retire(voice)
    keep_text(ada, 10)


def test_bytes_are_counted_over_all_kinds(ada: User) -> None:
    limit(ada, upload_files=None, upload_megabytes=2)
    voice = clone(ada)  # 1.3 MB
    with pytest.raises(quota.Full):
        keep_text(ada, 1024 * 1024)
    keep_text(ada, 500_000)
    sound = File(io.BytesIO(tone("wav_16000", 20_000)), name="b.wav")
    with pytest.raises(cloning.CloningError):
        cloning.edit(voice, name="Own", recordings=cloning.read([sound]))
    assert Sample.objects.count() == 2
