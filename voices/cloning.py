"""Voices that people make from recordings of their own, and the recordings themselves.

With a test key a voice is made here: it belongs to no provider, only test orders can
speak with it, and the built-in engine stands in for it. Otherwise a channel whose
provider clones makes it.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import string
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Count, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from speechsite.accounts import quota
from speechsite.accounts.models import User
from speechsite.audio import probe
from speechsite.audio.decode import NotAudio, TooLong
from speechsite.core import disk, scratch
from speechsite.core.ids import new_id, new_token
from speechsite.duties import outbox
from speechsite.providers import types
from speechsite.providers.types import Feature
from speechsite.upstreams import channels
from speechsite.upstreams.models import Channel
from voices.models import TEST_FAMILY, Addition, Sample, Voice

MOST_SAMPLES = 25
MOST_VOICES = 1000
LARGEST = 11 * 1024 * 1024  # bytes of one recording
LONGEST_MS = 15 * 60 * 1000
MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "mov,mp4,m4a,3gp,3g2,mj2": "audio/mp4",
}
_LETTERS = string.ascii_letters + string.digits


class CloningError(Exception):
    """The voice cannot be made. `code` is stable, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Uploaded(Protocol):
    """What a form hands over."""

    name: str | None
    size: int | None

    def chunks(self) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class Recording:
    """A reference recording that was read and is sound."""

    name: str
    media_type: str
    audio: bytes
    duration_ms: int


def read(files: Iterable[Uploaded]) -> list[Recording]:
    """The recordings among what was sent. Raises CloningError for what is not sound.

    A disk that is nearly full takes none: `disk_full`.
    """
    given = list(files)
    if given and disk.is_short():
        message = _("This site has no room left on its disk. Please try again later.")
        raise CloningError("disk_full", message)
    if not given:
        raise CloningError("missing_required_field", "Send at least one recording.")
    if len(given) > MOST_SAMPLES:
        raise CloningError("invalid_parameters", f"Send at most {MOST_SAMPLES} recordings.")
    return [_read(file) for file in given]


def add(
    user: User,
    *,
    name: str,
    recordings: Sequence[Recording],
    description: str = "",
    labels: Mapping[str, str] | None = None,
    is_test: bool = False,
    addition: Addition | None = None,
) -> Voice:
    """Make a voice of somebody's own. Raises CloningError or ProviderError.

    The request that asked for it, where it has a key, names the voice from the same moment on.
    """
    own = Voice.objects.usable().filter(owner=user).in_world(is_test=is_test)
    if own.count() >= MOST_VOICES:
        raise CloningError("voice_limit_reached", f"At most {MOST_VOICES} voices fit.")
    with _within_plan():
        # Before a provider is asked: what it has made is kept, whoever else came meanwhile.
        quota.check(user, _size(recordings), files=len(recordings))
    family, external_id, listed_by = TEST_FAMILY, _new_voice_id(), []
    if not is_test:
        channel = _cloning_channel()
        family, listed_by = channel.adapter, [channel.slug]
        external_id = _clone(channel, name, recordings, labels or {})
    with transaction.atomic(), _within_plan():
        if is_test:
            quota.claim(user, _size(recordings), files=len(recordings))
        voice = Voice.objects.create(
            family=family,
            external_id=external_id,
            name=name[:120],
            description=description[:400],
            labels=dict(labels or {}),
            **_described(labels or {}),
            category="cloned",
            owner=user,
            listed_by=listed_by,
        )
        keep(voice, recordings)
        if addition is not None:
            Addition.objects.filter(pk=addition.pk).update(voice=voice)
    return voice


def edit(
    voice: Voice,
    *,
    name: str,
    description: str | None = None,
    labels: Mapping[str, str] | None = None,
    recordings: Sequence[Recording] = (),
) -> Voice:
    """Rename or describe a voice; new recordings are kept beside the old ones."""
    voice.name = name[:120]
    if description is not None:
        voice.description = description[:400]
    if labels is not None:
        voice.labels = dict(labels)
        for field, value in _described(labels).items():
            setattr(voice, field, value)
    if voice.samples.count() + len(recordings) > MOST_SAMPLES:
        raise CloningError("invalid_parameters", f"A voice has at most {MOST_SAMPLES} recordings.")
    with transaction.atomic():
        if voice.owner is not None and recordings:
            with _within_plan():
                quota.claim(voice.owner, _size(recordings), files=len(recordings))
        voice.save()
        keep(voice, recordings)
    return voice


def retire(voice: Voice) -> None:
    """Take a voice out of the library, and delete its recordings. Again changes nothing."""
    channel = Channel.objects.filter(slug__in=voice.listed_by, is_enabled=True).first()
    if channel is not None and Feature.DELETE_VOICE in channels.features_of(channel):
        asyncio.run(_delete_upstream(channel, voice.external_id))
    for sample in voice.samples.all():
        drop(sample)
    Voice.objects.filter(pk=voice.pk, retired_at__isnull=True).update(retired_at=timezone.now())


def count(user: User) -> tuple[int, int]:
    """How many reference recordings are kept for somebody, and their bytes."""
    kept = Sample.objects.filter(voice__owner=user)
    sums = kept.aggregate(files=Count("pk"), size=Sum("size", default=0))
    return sums["files"], sums["size"]


def keep(voice: Voice, recordings: Sequence[Recording]) -> list[Sample]:
    """Store recordings with a voice."""
    samples = []
    for recording in recordings:
        identifier = new_id()
        path = f"samples/{identifier.hex[-2:]}/{identifier.hex}/{new_token()[:16]}"
        stored = default_storage.save(
            path + Path(recording.name).suffix[:10], ContentFile(recording.audio)
        )
        samples.append(
            Sample.objects.create(
                id=identifier,
                voice=voice,
                file=stored,
                name=recording.name[:200],
                media_type=recording.media_type,
                size=len(recording.audio),
                duration_ms=recording.duration_ms,
                sha256=hashlib.sha256(recording.audio).hexdigest(),
            )
        )
    return samples


def drop(sample: Sample) -> None:
    """Delete a recording and its file."""
    with transaction.atomic():
        outbox.add("file", [sample.file])
        sample.delete()


@contextmanager
def _within_plan() -> Iterator[None]:
    try:
        yield
    except quota.Full as error:
        raise CloningError(error.code, error.message) from error


def _read(file: Uploaded) -> Recording:
    if not file.size or file.size > LARGEST:
        message = f"A recording has at most {LARGEST // 1024 // 1024} MB, and is not empty."
        raise CloningError("invalid_file_type", message)
    audio = b"".join(file.chunks())
    with tempfile.NamedTemporaryFile(prefix=scratch.prefix()) as copy:
        copy.write(audio)
        copy.flush()
        try:
            found = probe.probe(Path(copy.name), longest_ms=LONGEST_MS)
        except TooLong as error:
            raise CloningError("audio_too_long", "The recording is too long.") from error
        except NotAudio as error:
            message = "There is no sound in this file that can be read."
            raise CloningError("invalid_audio", message) from error
    media_type = MEDIA_TYPES.get(found.container, "application/octet-stream")
    name = Path(file.name or "recording").name
    return Recording(name, media_type, audio, found.duration_ms)


def _size(recordings: Iterable[Recording]) -> int:
    return sum(len(one.audio) for one in recordings)


def _cloning_channel() -> Channel:
    for channel in Channel.objects.filter(is_enabled=True).order_by("priority"):
        if Feature.CLONE in channels.features_of(channel):
            return channel
    raise CloningError("feature_not_available", "No provider of this site clones voices.")


def _clone(
    channel: Channel, name: str, recordings: Sequence[Recording], labels: Mapping[str, str]
) -> str:
    samples = [types.Sample(one.name, one.media_type, one.audio) for one in recordings]

    async def call() -> str:
        async with channels.open_adapter(channel) as adapter:
            return (await adapter.clone(name, samples, {**labels, **types.MADE_HERE})).id

    return asyncio.run(call())


async def _delete_upstream(channel: Channel, voice_id: str) -> None:
    async with channels.open_adapter(channel) as adapter:
        await adapter.delete_voice(voice_id)


def _described(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that the library has columns for."""
    return {
        "gender": labels.get("gender", "")[:10],
        "accent": labels.get("accent", "")[:60],
        "age": labels.get("age", "")[:30],
        "language": labels.get("language", "")[:20],
        "use_case": labels.get("use_case", "")[:60],
    }


def _new_voice_id() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(20))
