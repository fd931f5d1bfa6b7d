"""What a voice sounds like: a short sample, free, made once and kept."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from contextlib import aclosing
from pathlib import PurePosixPath

import numpy as np
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from speechsite.audio import encode, formats, probe
from speechsite.audio.decode import NotAudio
from speechsite.core import safehttp
from speechsite.providers.builtin.adapter import Builtin
from speechsite.providers.errors import ProviderError
from speechsite.providers.types import SpeechOrder
from voices.greetings import greeting
from voices.models import Voice

logger = logging.getLogger(__name__)

LARGEST = 5 * 1024 * 1024  # bytes of a provider's own sample
LONGEST_MS = 60_000


def has_preview(voice: Voice) -> bool:
    """Whether there is something to hear without paying."""
    return voice.is_usable and (voice.family == "builtin" or bool(voice.preview_url))


def preview_for(voice: Voice) -> str:
    """The stored sample of a voice, made now if need be; empty when it cannot be had."""
    name = _name(voice)
    if default_storage.exists(name):
        return name
    try:
        if voice.family == "builtin":
            sound = spoken(voice, greeting(voice.language))
        else:
            sound = asyncio.run(_fetched(voice))
    except (ProviderError, safehttp.FetchError, NotAudio) as error:
        logger.warning("no sample of voice %s: %s", voice.pk, error)
        return ""
    stored = default_storage.save(name, ContentFile(sound))
    if stored != name:
        # Somebody else made the same sample at the same moment.
        default_storage.delete(stored)
    return name


def _name(voice: Voice) -> str:
    facts = f"{voice.external_id}|{voice.preview_url}|{greeting(voice.language)}"
    digest = hashlib.sha256(facts.encode()).hexdigest()[:16]
    return str(PurePosixPath("previews", voice.family, f"{voice.pk}-{digest}.mp3"))


def spoken(voice: Voice, text: str) -> bytes:
    """Some words by a built-in voice, in the player's format. Raises ProviderError."""
    return asyncio.run(_spoken(voice, text))


async def _spoken(voice: Voice, text: str) -> bytes:
    order = SpeechOrder(
        text=text, voice=voice.external_id, model="espeak", key=f"preview-{voice.pk}"
    )
    options = {"processes": 1, "voices": str(settings.VOICES_DIR)}
    async with Builtin(options=options) as engine, aclosing(engine.speak(order)) as chunks:
        heard = [chunk async for chunk in chunks]
    samples = np.frombuffer(b"".join(chunk.audio for chunk in heard), dtype="<i2")
    rate = formats.parse(heard[0].format).rate
    return await asyncio.to_thread(encode.encode_bytes, [samples], formats.PLAYER_FORMAT, rate)


async def _fetched(voice: Voice) -> bytes:
    """The provider's own sample, in the player's format."""
    async with safehttp.client() as client:
        pieces = safehttp.stream(client, voice.preview_url, limit=LARGEST, seconds=20)
        sound = b"".join([piece async for piece in pieces])
    await asyncio.to_thread(probe.probe, sound, longest_ms=LONGEST_MS)
    return await asyncio.to_thread(encode.transcode, sound, formats.PLAYER_FORMAT)
