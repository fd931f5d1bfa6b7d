"""The sound of one answer: pieces go in as they are spoken, the bytes of one file come out.

Pieces may come in any format and at any rate. They are decoded, faded at their edges and
held to their true lengths as `join` does it, and go through one encoder: the answer has one
header. An answer of a single piece that already is what was wanted passes as it comes.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from speechsite.audio import decode, encode, formats
from speechsite.audio.decode import Samples
from speechsite.audio.incoming import Incoming

_FADE_MS = 4
_NOTHING: Samples = np.zeros(0, dtype=np.int16)
# What was sent of these can be followed by something else; any other container is closed.
_OPEN_ENDED = ("mp3", "pcm", "ulaw", "alaw")


class CannotGoOn(RuntimeError):
    """What was sent so far has no end to which anything could be put."""


class Answer:
    """All pieces of an answer, one after the other.

    `is_alone` says that there will be only one. Without `is_stream` all bytes come at the
    end, under a header that states their length.
    """

    def __init__(self, format_name: str, *, is_alone: bool = False, is_stream: bool = True) -> None:
        self._format = formats.parse(format_name)
        self._is_alone = is_alone
        self._is_stream = is_stream
        self._encoder: encode.Encoder | None = None
        self._passed: list[bytes] = []
        self._piece: Incoming | None = None
        self._fade = max(self._format.rate * _FADE_MS // 1000, 1)
        self._held = _NOTHING  # the end of what has come, as far as it may be the end of a piece
        self._is_edge = True  # the next samples begin something
        self._skip = 0  # samples of this piece that were heard before it had to be made again
        self._elapsed = Fraction(0)  # seconds of the pieces that are over
        self._ended = 0  # samples of those
        self._given = 0  # samples that went to the encoder

    def passes(self, format_name: str) -> bool:
        """Whether sound of this format goes through as it comes."""
        is_untouched = self._piece is None and self._encoder is None and not self._given
        return self._is_alone and is_untouched and format_name == self._format.name

    def write(self, audio: bytes, format_name: str) -> bytes:
        """Some sound of the piece that is spoken; the bytes that are ready, perhaps none."""
        if self.passes(format_name):
            self._passed.append(audio)
            return audio
        if self._piece is None:
            self._piece = Incoming(format_name, self._format.rate)
        return self._take(self._piece.write(audio))

    def end_piece(self) -> bytes:
        """The piece is over: what was held of it, cut or filled to the length that it has."""
        if self._piece is None:
            return b""
        return self._take(self._piece.finish()) + self._ended_after(self._piece.seconds)

    def add(self, path: Path, format_name: str) -> bytes:
        """A whole piece from a file. Raises NotAudio."""
        if self.passes(format_name):
            return self.write(path.read_bytes(), format_name)
        hint = format_name if formats.find(format_name) else None
        decoding = decode.Decoding(path, hint, self._format.rate)
        ready = b"".join([self._take(block) for block in decoding.blocks()])
        return ready + self._ended_after(decoding.seconds)

    def begin_again(self) -> bytes:
        """The piece broke off and will come once more: it goes on where it was left.

        Raises CannotGoOn for a container that passed as it came and has an end of its own.
        """
        if self._passed:
            self._take_over()
        ready = self._close(len(self._held))
        self._skip = self._given - self._ended
        return ready

    def finish(self) -> bytes:
        """The last bytes of the answer."""
        return self._encoder.finish() if self._encoder is not None else b""

    def _take(self, samples: Samples) -> bytes:
        heard = min(self._skip, len(samples))
        self._skip -= heard
        whole = np.concatenate((self._held, samples[heard:]))
        keep = max(self._fade, self._piece.held if self._piece is not None else 0)
        ready, self._held = whole[:-keep], whole[-keep:]
        return self._encode(ready)

    def _ended_after(self, seconds: Fraction) -> bytes:
        self._elapsed += seconds
        due = round(self._elapsed * self._format.rate) - self._given
        ready = self._close(max(due, 0))
        self._skip = 0
        # Of a piece that had to be made again more may have been heard than there is of it now.
        self._elapsed = max(self._elapsed, Fraction(self._given, self._format.rate))
        self._ended = self._given
        return ready

    def _close(self, length: int) -> bytes:
        """The end of what was held, with a fade, in this many samples."""
        last = np.pad(self._held, (0, max(length - len(self._held), 0)))[:length]
        self._held = _NOTHING
        fade = min(self._fade, len(last))
        if fade:
            last[-fade:] = last[-fade:] * np.linspace(1, 0, fade, dtype=np.float32)
        ready = self._encode(last)
        self._piece, self._is_edge = None, True
        return ready

    def _encode(self, samples: Samples) -> bytes:
        if not len(samples):
            return b""
        if self._is_edge:
            self._is_edge = False
            fade = min(self._fade, len(samples))
            samples = samples.copy()
            samples[:fade] = samples[:fade] * np.linspace(0, 1, fade, dtype=np.float32)
        if self._encoder is None:
            self._encoder = self._opened()
        self._given += len(samples)
        return self._encoder.write(samples)

    def _opened(self) -> encode.Encoder:
        return encode.Encoder(
            self._format.name,
            self._format.rate,
            is_stream=self._is_stream,
            is_first=not self._passed,
        )

    def _take_over(self) -> None:
        """Count what passed: from here on the sound is our own."""
        if self._format.codec not in _OPEN_ENDED:
            raise CannotGoOn(f"{self._format.codec} cannot be gone on with")
        passed = b"".join(self._passed)
        try:
            blocks = decode.decode(passed, self._format.name, self._format.rate)
            self._given = sum(len(block) for block in blocks)
        except decode.NotAudio as error:
            raise CannotGoOn("what was sent does not decode") from error
        # What follows comes at once, whoever waits for the whole of it.
        self._is_stream = True
