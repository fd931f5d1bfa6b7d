"""The built-in engine cleans: less noise, same level, same length, any container."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest

from speechsite.providers.builtin import Builtin
from speechsite.providers.builtin.rnnoise import engine as rnnoise
from speechsite.providers.errors import Rejected
from speechsite.providers.types import CleaningOrder, SpeechOrder

Samples = np.ndarray[Any, np.dtype[np.float64]]
TEXT = "She had your dark suit in greasy wash water all year, and nobody knew why she kept it. "


def order(path: Path) -> CleaningOrder:
    return CleaningOrder(path, path.name, "audio/wav", 0, "builtin-isolation", "k")


def cleaned(path: Path) -> Samples:
    async def collect() -> bytes:
        chunks = [chunk async for chunk in Builtin().clean(order(path))]
        assert {chunk.format for chunk in chunks} == {"pcm_48000"}
        return b"".join(chunk.audio for chunk in chunks)

    return np.frombuffer(asyncio.run(collect()), "<i2").astype(float)


def save(path: Path, samples: Samples, rate: int = 48_000, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(np.clip(samples, -32_768, 32_767).astype("<i2").repeat(channels).tobytes())
    return path


@pytest.fixture(scope="module")
def speech() -> Samples:
    async def collect() -> bytes:
        speaking = Builtin().speak(SpeechOrder(TEXT * 3, "en-us", "builtin", "k"))
        return b"".join([chunk.audio async for chunk in speaking])

    raw = np.frombuffer(asyncio.run(collect()), "<i2").astype(float)
    at = np.arange(len(raw) * 48_000 // 22_050) * 22_050 / 48_000
    return np.interp(at, np.arange(len(raw)), raw) * 0.5


def pink(length: int) -> Samples:
    spectrum = np.fft.rfft(np.random.default_rng(7).standard_normal(length))
    return np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), length)


def noisy(speech: Samples, decibels: float) -> Samples:
    noise = pink(len(speech))
    return speech + noise * np.sqrt(np.mean(speech**2) / np.mean(noise**2) / 10 ** (decibels / 10))


def likeness(heard: Samples, wanted: Samples) -> float:
    """SI-SDR in decibels."""
    target = wanted * (heard @ wanted) / (wanted @ wanted)
    return float(10 * np.log10(np.sum(target**2) / np.sum((heard - target) ** 2)))


def test_noise_goes_and_speech_stays(tmp_path: Path, speech: Samples) -> None:
    recording = noisy(speech, 5)
    heard = cleaned(save(tmp_path / "noisy.wav", recording))
    assert len(heard) == len(speech)
    assert likeness(heard, speech) - likeness(recording, speech) >= 6
    level = 10 * np.log10(np.mean(heard**2) / np.mean(speech**2))
    assert abs(level) <= 2


@pytest.mark.parametrize("scale", [0.05, 1.0])
def test_clean_speech_keeps_its_level(tmp_path: Path, speech: Samples, scale: float) -> None:
    heard = cleaned(save(tmp_path / "clean.wav", speech * scale))
    level = 10 * np.log10(np.mean(heard**2) / np.mean((speech * scale) ** 2))
    assert abs(level) <= 2


def test_any_rate_and_channels_are_read(tmp_path: Path, speech: Samples) -> None:
    path = save(tmp_path / "stereo.wav", speech[::3], rate=16_000, channels=2)
    assert len(cleaned(path)) == pytest.approx(len(speech), abs=500)


def test_a_compressed_container_is_read(tmp_path: Path, speech: Samples) -> None:
    path = tmp_path / "speech.ogg"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libopus", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(speech.astype("<i2")[None], "s16", "mono")
        frame.rate = 48_000
        file.mux([*stream.encode(frame), *stream.encode(None)])
    assert len(cleaned(path)) == pytest.approx(len(speech), abs=2000)


def test_short_recordings_come_back_whole(tmp_path: Path) -> None:
    for length in (1, 479, 480, 961, 48_000):
        path = save(tmp_path / f"{length}.wav", np.full(length, 900.0))
        assert len(cleaned(path)) == length


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"this is no recording",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.wav\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile other.wav\n",
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes) -> None:
    save(tmp_path / "other.wav", np.full(48_000, 900.0))
    path = tmp_path / "recording.m3u8"
    path.write_bytes(content)
    with pytest.raises(Rejected):
        cleaned(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="cannot be opened"):
        cleaned(tmp_path / "nothing.wav")


def test_giving_up_ends_the_child(tmp_path: Path, speech: Samples) -> None:
    path = save(tmp_path / "long.wav", np.tile(speech, 6))

    async def listen_a_little() -> list[int]:
        cleaning = Builtin().clean(order(path))
        await anext(cleaning)
        busy = rnnoise.pool.children()
        await cleaning.aclose()
        return busy

    (child,) = asyncio.run(listen_a_little())
    assert not psutil.pid_exists(child)
    assert rnnoise.pool.children() == []
