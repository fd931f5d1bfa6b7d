"""What a provider sends is stored, and then charged, only where it decodes from end to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile

from jobs import intake, lifecycle, streaming, uploads
from jobs.models import Job, Upload
from jobs.outcomes import Delivered
from jobs.states import JobState
from jobs.worker import Worker
from speechsite.audio import encode
from speechsite.credits.models import Wallet
from speechsite.providers.errors import Garbled
from speechsite.providers.types import Chunk
from tests.audio.sounds import sine
from tests.fakes.upstream import Fault, damaged
from tests.jobs.upstream_site import Site, hurry, settled
from voices.models import SpeechModel

FORMATS = ["mp3_44100_128", "mp3_22050_32", "opus_48000_64", "flac_44100", "wav_44100"]


def sound_in(name: str) -> bytes:
    return encode.encode_bytes([sine(3)], name, 44_100)


def received(job: Job, audio: bytes, name: str) -> Delivered:
    async def chunks() -> AsyncIterator[Chunk]:
        for at in range(0, len(audio), 10_000):
            yield Chunk(audio[at : at + 10_000], name)

    return asyncio.run(intake.receive(chunks(), job.segments.get()))


def files_in(folder: str) -> list[Path]:
    return [path for path in Path(folder).rglob("*") if path.is_file()]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", FORMATS)
def test_a_whole_sound_is_kept_as_it_came(place: Callable[..., Job], name: str) -> None:
    sound = sound_in(name)
    kept = received(place(), sound, name)
    assert abs(kept.duration_ms - 3000) <= 1
    with default_storage.open(kept.audio) as file:
        assert file.read() == sound


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_sound_is_not_taken_and_leaves_no_file(
    place: Callable[..., Job], settings: Any, name: str
) -> None:
    sound = sound_in(name)
    # Any samples are a sound: of a WAV only what is missing can be seen.
    bad = sound[: len(sound) // 2] if name.startswith("wav") else damaged(sound)
    with pytest.raises(Garbled):
        received(place(), bad, name)
    assert files_in(settings.MEDIA_ROOT) == []


@pytest.mark.django_db(transaction=True)
def test_damage_is_not_charged_to_who_listens(
    open_site: Callable[..., Site], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamed from the provider: some of it was heard before it was seen."""
    hurry(settings, monkeypatch)
    here = open_site("elevenlabs")
    here.fakes["elevenlabs"].fault = Fault.AUDIO_DAMAGED
    available = Wallet.objects.get(user=here.user).available
    job = here.place(reserve_seconds=streaming.RESERVE)

    async def listen() -> None:
        async for _piece in streaming.listen(job):
            pass

    async def listen_beside_a_worker() -> list[BaseException | None]:
        both = asyncio.gather(listen(), Worker(lambda: False).run(), return_exceptions=True)
        return await asyncio.wait_for(both, 60)

    [broken, _] = asyncio.run(listen_beside_a_worker())
    assert isinstance(broken, streaming.StreamBroken | streaming.SpeechFailed)
    job = settled(job)
    assert (job.state, job.charged, job.audio) == (JobState.FAILED, 0, "")
    assert Wallet.objects.get(user=here.user).available == available


@pytest.mark.django_db(transaction=True)
def test_a_damaged_cleaning_is_not_charged(
    open_site: Callable[..., Site], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(settings, monkeypatch)
    here = open_site("elevenlabs")
    here.fakes["elevenlabs"].fault = Fault.AUDIO_DAMAGED
    job = lifecycle.place_cleaning(
        here.user,
        model=SpeechModel.objects.get(slug="elevenlabs-audio-isolation"),
        upload=recording(here),
    )
    here.work(seconds=60)
    job = settled(job)
    piece = job.segments.get()
    assert (job.state, job.charged) == (JobState.FAILED, 0)
    assert (piece.audio, piece.possible_cost) == ("", True)


def recording(here: Site) -> Upload:
    return uploads.take(here.user, SimpleUploadedFile("noise.mp3", sound_in("mp3_44100_128")))
