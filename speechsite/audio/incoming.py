"""One piece of sound that is decoded while it comes in.

Raw samples and MP3 are decoded as they arrive. Other containers wait for their end: what
speaks piece by piece sends them only where they were ordered, and then they pass as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from speechsite.audio import decode, formats, note
from speechsite.audio.decode import Samples

_RAW_DECODERS = {"pcm": "pcm_s16le", "ulaw": "pcm_mulaw", "alaw": "pcm_alaw"}
_TAG_HEAD = 10
_PADDING = 3 * 1152  # samples of silence that an encoder may have put behind an MP3


class Incoming:
    """Bytes in, mono samples of the wanted rate out; then `seconds` says how long it was."""

    def __init__(self, format_name: str, rate: int) -> None:
        self.seconds = Fraction(0)
        self._format = format_name
        self._rate = rate
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
        self._codec = format_name.partition("_")[0]
        self._context = _decoder(format_name)
        self._rest = b""  # bytes that are less than a sample or the head of a tag
        self._whole = bytearray()  # a container that is decoded at its end
        self._note: note.Note | None = None
        self._is_begun = False
        self._tag: int | None = None  # bytes of a tag that are still to come
        self._silent = 0  # samples in front that are still to be left out
        self._decoded = 0
        self._own_rate = 0

    @property
    def held(self) -> int:
        """Samples that may turn out to be padding once the end is known."""
        is_open = self._note is not None and self._note.padding > 0
        return _PADDING * self._rate // (self._own_rate or self._rate) if is_open else 0

    def write(self, audio: bytes) -> Samples:
        """Take bytes; the samples that can be told by now. Raises NotAudio."""
        if self._context is None:
            self._whole += audio
            return _joined(())
        if self._codec == "mp3":
            packets = self._context.parse(audio) if (audio := self._behind_tag(audio)) else []
        else:
            whole = self._rest + audio
            size = len(whole) - len(whole) % self._sample_size
            whole, self._rest = whole[:size], whole[size:]
            packets = [av.Packet(whole)] if whole else []
        return _joined(block for packet in packets for block in self._packet(packet))

    def finish(self) -> Samples:
        """The samples that are left."""
        if self._context is None:
            return self._decoded_whole()
        packets = self._context.parse(None) if self._codec == "mp3" else []
        blocks = [block for packet in packets for block in self._packet(packet)]
        padding = self._note.padding if self._note is not None else 0
        if self._own_rate:
            self.seconds = Fraction(max(self._decoded - padding, 0), self._own_rate)
        return _joined([*blocks, *self._resampled(None)])

    @property
    def _sample_size(self) -> int:
        return 2 if self._codec == "pcm" else 1

    def _packet(self, packet: av.Packet) -> list[Samples]:
        if self._codec == "mp3" and not self._is_begun:
            self._is_begun = True
            self._note = note.read(bytes(packet))
            if self._note is not None:
                self._silent = self._note.delay
                return []
        try:
            decoded = cast(AudioCodecContext, self._context).decode(packet)
        except av.FFmpegError:
            # A damaged packet is left out here as in a file.
            return []
        return [block for frame in decoded for block in self._sounding(frame)]

    def _sounding(self, frame: av.AudioFrame) -> list[Samples]:
        self._own_rate = frame.sample_rate
        cut = min(self._silent, frame.samples)
        self._silent -= cut
        if cut == frame.samples:
            return []
        self._decoded += frame.samples - cut
        return self._resampled(_without(frame, cut) if cut else frame)

    def _behind_tag(self, audio: bytes) -> bytes:
        """MP3 without the tag in front of it, whose bytes may look like frames."""
        if self._tag is None:
            self._rest += audio
            if len(self._rest) < _TAG_HEAD:
                return b""
            audio, self._rest = self._rest, b""
            self._tag = _tag_size(audio)
        gone = min(self._tag, len(audio))
        self._tag -= gone
        return audio[gone:]

    def _resampled(self, frame: av.AudioFrame | None) -> list[Samples]:
        return [block.to_ndarray()[0] for block in self._resampler.resample(frame)]

    def _decoded_whole(self) -> Samples:
        hint = self._format if formats.find(self._format) else None
        decoding = decode.Decoding(bytes(self._whole), hint, self._rate)
        samples = _joined(decoding.blocks())
        self.seconds = decoding.seconds
        return samples


def _decoder(format_name: str) -> AudioCodecContext | None:
    codec, _, rest = format_name.partition("_")
    if codec == "mp3":
        return cast(AudioCodecContext, av.CodecContext.create("mp3float", "r"))
    if codec not in _RAW_DECODERS:
        return None
    context = cast(AudioCodecContext, av.CodecContext.create(_RAW_DECODERS[codec], "r"))
    context.sample_rate = int(rest.partition("_")[0])
    context.layout = "stereo" if format_name.endswith("_stereo") else "mono"
    return context


def _tag_size(head: bytes) -> int:
    """Bytes of the ID3v2 tag at the front; its own length has seven bits in a byte."""
    if not head.startswith(b"ID3"):
        return 0
    size = 0
    for byte in head[6:_TAG_HEAD]:
        size = size << 7 | byte & 0x7F
    return _TAG_HEAD + size


def _without(frame: av.AudioFrame, cut: int) -> av.AudioFrame:
    samples = np.ascontiguousarray(frame.to_ndarray()[:, cut:], dtype=np.float32)
    left = av.AudioFrame.from_ndarray(samples, format=frame.format.name, layout=frame.layout.name)
    left.sample_rate = frame.sample_rate
    return left


def _joined(blocks: Iterable[Samples]) -> Samples:
    found = list(blocks)
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int16)
