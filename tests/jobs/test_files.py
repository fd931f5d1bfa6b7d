"""Links to files: who may open them, what comes back, and under which name."""

from __future__ import annotations

import asyncio
import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import quote, unquote

import pytest
import time_machine
from asgiref.sync import sync_to_async
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connections
from django.test import AsyncClient, Client
from django.utils import timezone

from jobs import bundles, files, lifecycle, names
from jobs.models import Job, media_name
from speechsite.accounts.models import User
from speechsite.audio import probe
from speechsite.duties import outbox
from tests.fakes.tones import tone
from tests.jobs.conftest import claimed, delivered

Place = Callable[..., Job]
SOUND = 800


def store(job: Job, content: bytes) -> str:
    return default_storage.save(media_name(job.pk, ".mp3"), ContentFile(content))


@pytest.fixture
def spoken(place: Place) -> Callable[..., Job]:
    """A finished job with real sound, made without a worker."""

    def spoken(**order: Any) -> Job:
        job = place(**order)
        segment = claimed(job.segments.get())
        lifecycle.record(segment, delivered(segment, SOUND))
        content = tone("mp3_44100_128", SOUND)
        name = store(job, content)
        lifecycle.finish(job, audio=name, size=len(content), duration_ms=SOUND, peaks=[9])
        job.refresh_from_db()
        return job

    return spoken


def body_of(response: Any) -> bytes:
    if not response.streaming:
        return response.content

    async def read() -> bytes:
        # One thread, so that its connection can be closed: an open one would keep the
        # test database in use.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        try:
            return b"".join([part async for part in response])
        finally:
            await sync_to_async(connections.close_all, thread_sensitive=False)()

    return asyncio.run(read())


# --- who may open a link ---------------------------------------------------------------------


def test_a_link_opens_the_sound_without_a_session(spoken: Place, client: Client) -> None:
    job = spoken()
    response = client.get(files.link(job, "audio"))
    assert response.status_code == 200
    assert response["Content-Type"] == "audio/mpeg"
    assert response["Cache-Control"].startswith("private")
    assert body_of(response) == tone("mp3_44100_128", SOUND)


@pytest.mark.parametrize("forge", [str.swapcase, lambda signed: signed[:-1], lambda signed: "x"])
def test_a_forged_link_is_404(spoken: Place, client: Client, forge: Callable[[str], str]) -> None:
    _, prefix, signed, name = files.link(spoken(), "audio").split("/")
    assert client.get(f"/{prefix}/{forge(signed)}/{name}").status_code == 404


def test_a_link_that_ran_out_is_410(spoken: Place, client: Client, settings: Any) -> None:
    link = files.link(spoken(), "audio")
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.FILE_LINK_SECONDS + 5)):
        response = client.get(link)
    assert response.status_code == 410
    assert response["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("kind", ["audio", "srt", "vtt", "json"])
def test_a_deleted_job_is_410_in_all_its_forms(spoken: Place, client: Client, kind: str) -> None:
    job = spoken()
    link = files.link(job, kind)
    lifecycle.delete(job)
    assert client.get(link).status_code == 410


def test_deleting_removes_the_sound_and_what_was_made_of_it(spoken: Place, client: Client) -> None:
    job = spoken()
    body_of(client.get(files.link(job, "audio", format="wav_22050")))
    folder = job.audio.rpartition("/")[0]
    assert len(default_storage.listdir(folder)[1]) == 2
    lifecycle.delete(job)
    outbox.work(files.FILE, lambda: False)
    assert default_storage.listdir(folder)[1] == []


def test_a_job_without_sound_is_404(place: Place, client: Client) -> None:
    assert client.get(files.link(place(), "audio")).status_code == 404
    assert client.get(files.link(place(), "segment", segment=0)).status_code == 404


def test_a_file_that_is_lost_is_404(spoken: Place, client: Client) -> None:
    job = spoken()
    default_storage.delete(job.audio)
    assert client.get(files.link(job, "audio")).status_code == 404
    assert client.get(files.link(job, "audio", format="wav_22050")).status_code == 404


def test_nothing_can_be_posted_there(spoken: Place, client: Client) -> None:
    assert client.post(files.link(spoken(), "audio")).status_code == 405


# --- what comes back -------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_range_through_the_asgi_application_is_exact(spoken: Place) -> None:
    link = files.link(spoken(), "audio")

    async def fetch() -> tuple[int, str, bytes]:
        response = await AsyncClient().get(link, headers={"Range": "bytes=100-299"})
        content = b"".join([part async for part in response.streaming_content])
        return response.status_code, response["Content-Range"], content

    whole = tone("mp3_44100_128", SOUND)
    assert asyncio.run(fetch()) == (206, f"bytes 100-299/{len(whole)}", whole[100:300])


def test_head_promises_what_get_gives(spoken: Place, client: Client) -> None:
    link = files.link(spoken(), "audio")
    head, get = client.head(link), client.get(link)
    assert (head.status_code, head.content) == (200, b"")
    for header in ("Content-Length", "Content-Type", "ETag", "Accept-Ranges"):
        assert head[header] == get[header]
    assert len(body_of(get)) == int(head["Content-Length"])


def test_a_hostile_range_gets_the_whole_file(spoken: Place, client: Client) -> None:
    link = files.link(spoken(), "audio")
    response = client.get(link, headers={"Range": "bytes=" + "0-1," * 50_000})
    assert response.status_code == 200
    assert len(body_of(response)) == len(tone("mp3_44100_128", SOUND))


def test_captions_are_served_as_what_they_are(spoken: Place, client: Client) -> None:
    job = spoken(text="你好, everybody")
    srt = client.get(files.link(job, "srt"))
    vtt = client.get(files.link(job, "vtt"))
    words = client.get(files.link(job, "json"))
    assert srt["Content-Type"] == "application/x-subrip; charset=utf-8"
    assert "00:00:00,000 --> " in srt.content.decode()
    assert vtt["Content-Type"] == "text/vtt; charset=utf-8"
    assert vtt.content.decode().startswith("WEBVTT")
    assert json.loads(words.content)


def test_a_piece_is_served_as_mp3_before_the_job_is_done(place: Place, client: Client) -> None:
    job = place()
    segment = claimed(job.segments.get())
    lifecycle.record(segment, delivered(segment, SOUND))
    response = client.get(files.link(job, "segment", segment=0))
    assert response["Content-Type"] == "audio/mpeg"
    assert abs(probe.probe(body_of(response), "mp3_44100_128").duration_ms - SOUND) <= 60


@pytest.mark.parametrize("form", ["wav_22050", "flac_44100", "opus_48000_64", "ulaw_8000"])
def test_another_format_is_made_once(spoken: Place, client: Client, form: str) -> None:
    job = spoken()
    link = files.link(job, "audio", format=form)
    first = body_of(client.get(link))
    assert abs(probe.probe(first, form).duration_ms - SOUND) <= 80
    default_storage.delete(job.audio)
    assert body_of(client.get(link)) == first


# --- names -----------------------------------------------------------------------------------

EVIL = "../../etc/passwd\r\nX: y\u202egpj.exe\u200b <b>?*|\"'"


@pytest.mark.parametrize(
    "title",
    ["你好，世界" * 30, EVIL, "word " * 300, "e\u0301" * 300, "🎉" * 100, "...", "CON", "a/b\\c"],
)
def test_any_title_makes_a_name_for_any_disk(spoken: Place, client: Client, title: str) -> None:
    job = spoken()
    job.title = title[:120]
    job.save()
    name = names.file_name(job, "mp3")
    assert len(name.encode()) <= 230
    assert not set(name) & set('/\\:*?"<>|\r\n\u202e\u200b')
    assert not name.startswith(".")
    assert name.endswith(".mp3")
    response = client.get(files.link(job, "audio", download=True))
    assert response["Content-Disposition"].startswith("attachment")
    assert quote(name.partition("_")[0][:5]) in quote(unquote(response["Content-Disposition"]))
    response.close()


def test_the_name_in_the_address_cannot_break_the_headers(spoken: Place, client: Client) -> None:
    base = files.link(spoken(), "audio", download=True).rpartition("/")[0]
    response = client.get(f"{base}/{quote(chr(13) + chr(10) + 'Set-Cookie: a' + chr(0x202E))}")
    assert response.status_code == 200
    assert not set(response["Content-Disposition"]) & set("\r\n\u202e")
    response.close()


# --- many at once ----------------------------------------------------------------------------


def unzipped(response: Any) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(body_of(response)))


@pytest.mark.django_db(transaction=True)
def test_a_bundle_has_numbered_names_and_captions(spoken: Place, client: Client) -> None:
    jobs = [spoken(title="Same name") for _ in range(3)]
    archive = unzipped(client.get(files.bulk_link(jobs[0].user, [job.pk for job in jobs])))
    assert archive.testzip() is None
    found = sorted(archive.namelist())
    assert [name[:4] for name in found] == ["001_", "001_", "002_", "002_", "003_", "003_"]
    assert [name[-3:] for name in found] == ["mp3", "srt"] * 3
    assert archive.read(found[0]) == tone("mp3_44100_128", SOUND)


@pytest.mark.django_db(transaction=True)
def test_somebody_elses_jobs_are_not_in_a_bundle(spoken: Place, client: Client, ben: User) -> None:
    hers, his = spoken(), spoken(user=ben)
    archive = unzipped(client.get(files.bulk_link(ben, [hers.pk, his.pk])))
    assert len(archive.namelist()) == 2
    assert client.get(files.bulk_link(ben, [hers.pk])).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_deleted_and_lost_results_are_left_out(spoken: Place, client: Client) -> None:
    kept, deleted, lost = spoken(), spoken(), spoken()
    link = files.bulk_link(kept.user, [kept.pk, deleted.pk, lost.pk])
    lifecycle.delete(deleted)
    default_storage.delete(lost.audio)
    assert [name[:4] for name in unzipped(client.get(link)).namelist()] == ["001_", "001_"]


def test_what_is_no_id_makes_no_bundle(ada: User) -> None:
    with pytest.raises(ValueError, match="UUID"):
        files.bulk_link(ada, ["1 OR 1=1"])


def test_the_link_of_a_full_bundle_fits_into_an_address(ada: User) -> None:
    from speechsite.core.ids import new_id

    assert len(files.bulk_link(ada, [new_id() for _ in range(bundles.MOST)])) < 16_000


@pytest.mark.django_db(transaction=True)
def test_a_bundle_of_any_size_takes_little_memory(spoken: Place) -> None:
    jobs = [spoken() for _ in range(6)]
    for job in jobs:
        Job.objects.filter(pk=job.pk).update(audio=store(job, bytes(8 * 1024 * 1024)))
    rows = list(Job.objects.select_related("voice"))
    tracemalloc.start()
    size = sum(len(block) for block in bundles._zip(rows))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 48 * 1024 * 1024
    assert peak < 4 * 1024 * 1024
