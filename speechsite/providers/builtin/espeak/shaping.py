"""Silence and word times of one spoken step, as the sound streams past.

espeak-ng pads sentences with long silences and reports words by sample. The
shaper shortens the silence, keeps the two in step, and ends each word where its
sound ends. It runs inside the child process: standard library only.
"""

from __future__ import annotations

import array
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

RATE = 22_050
LONGEST = RATE * 230 // 1000  # between sentences, in samples
LEADING = RATE * 20 // 1000
TRAILING = RATE * 180 // 1000
BREATH = RATE * 30 // 1000  # shorter quiet belongs to the word
FAINT = 24  # a sample this small is silence at the edge of a step

# The high byte of a 16-bit sample is 0x00 or 0xff when it is below -42 dB.
_QUIET = b"\x00\xff"
_QUIET_RUN = re.compile(rb"[\x00\xff]{%d,}" % BREATH)


@dataclass(frozen=True, slots=True)
class Heard:
    """A word: its place in the step's text, and samples from the step's start."""

    position: int
    start: int
    end: int


@dataclass(slots=True)
class Shaper:
    """Takes raw samples and marks of one step; gives shaped samples and words."""

    tight_start: bool = False
    tight_end: bool = False
    sent: int = 0  # samples handed out
    _held: bytearray = field(default_factory=bytearray)
    _base: int = 0  # raw index of the first held sample
    _begun: bool = False
    _cuts: list[tuple[int, int]] = field(default_factory=list)  # raw index, samples cut
    _quiet: list[tuple[int, int]] = field(default_factory=list)  # shaped start, end
    _marks: list[tuple[int, int]] = field(default_factory=list)  # position or -1, raw index

    @property
    def is_mute(self) -> bool:
        """Nothing loud enough to hear has come so far."""
        return not self._begun

    def mark(self, position: int, sample: int) -> None:
        """A word begins at this raw sample; position -1 means that a clause ends."""
        self._marks.append((position, sample))

    def feed(self, samples: bytes) -> bytes:
        """Raw samples in; what is certain by now out."""
        self._held += samples
        loud = len(bytes(self._held[1::2]).rstrip(_QUIET))
        if not loud:
            return b""
        body = bytes(self._held[: loud * 2])
        del self._held[: loud * 2]
        return self._shape(body)

    def finish(self) -> bytes:
        """The rest of the step, with its closing silence cut to length."""
        if self.is_mute:
            return b""
        tail = array.array("h", bytes(self._held))
        self._held.clear()
        keep = len(tail)
        while keep and abs(tail[keep - 1]) <= FAINT:
            keep -= 1
        self._quiet.append((self.sent + keep, self.sent + len(tail)))
        if not self.tight_end:
            keep = min(len(tail), keep + TRAILING)
        self.sent += keep
        return tail[:keep].tobytes()

    def words(self, *, final: bool = False) -> Iterator[Heard]:
        """Words whose end is known by now, in order."""
        while self._marks:
            position, raw = self._marks[0]
            following = self._marks[1][1] if len(self._marks) > 1 else None
            if not final and (following is None or following >= self._base):
                return
            del self._marks[0]
            if position < 0:
                continue
            start = min(self._shaped(raw), self.sent)
            end = self.sent if following is None else min(self._shaped(following), self.sent)
            yield Heard(position, start, self._sound_end(start, end))

    def _shape(self, body: bytes) -> bytes:
        out = bytearray()
        done = 0
        if not self._begun:
            done = self._skip_lead(body)
        high = body[1::2]
        for run in _QUIET_RUN.finditer(high, done):
            begin, end = run.span()
            shaped = self.sent + len(out) // 2 + begin - done
            surplus = max(end - begin - LONGEST, 0)
            self._quiet.append((shaped, shaped + end - begin - surplus))
            if surplus:
                keep = begin + LONGEST // 2
                out += body[done * 2 : keep * 2]
                done = keep + surplus
                self._cuts.append((self._base + keep, surplus))
        out += body[done * 2 :]
        self._base += len(high)
        self.sent += len(out) // 2
        return bytes(out)

    def _skip_lead(self, body: bytes) -> int:
        self._begun = True
        samples = array.array("h", body)
        first = next((i for i, sample in enumerate(samples) if abs(sample) > FAINT), 0)
        skipped = first if self.tight_start else max(first - LEADING, 0)
        if skipped:
            self._cuts.append((self._base, skipped))
        return skipped

    def _shaped(self, raw: int) -> int:
        gone = 0
        for at, count in self._cuts:
            if raw <= at:
                break
            gone += min(count, raw - at)
        return raw - gone

    def _sound_end(self, start: int, end: int) -> int:
        self._quiet = [run for run in self._quiet if run[1] > start]
        for begin, stop in self._quiet:
            if begin > start + BREATH and begin < end and stop >= end - BREATH:
                return begin
        return max(end, start)
