"""The program that holds espeak-ng: text steps in, samples and words out.

Run as `python -I -S espeak/child.py LIBRARY DATA_FOLDER IDLE_SECONDS`; stdin and
stdout are one socket. It imports the standard library alone, because it must
start quickly and stay small, and it never starts a thread: espeak-ng keeps its
state in globals. It knows nothing of orders or markup; its parent does.

A job is a list of steps: {"say": text, "voice": v, "rate": r, "pitch": p,
"volume": percent} or {"pause": milliseconds}. A word frame holds four u32 a
word: step, character, first and last sample, counted from the start of the job.
"""

from __future__ import annotations

import array
import ctypes
import os
import sys
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]  # isolated mode leaves our folders out

from shaping import RATE, Shaper
from wire import Outlet, Wire

SECOND_VOICE = "gmw/en-US"  # for what the first cannot say at all

_SYNCHRONOUS = 2
_DONT_EXIT = 1 << 15
_UTF8 = 1
_RATE, _VOLUME, _PITCH = 1, 2, 3
_WORD, _CLAUSE_END = 1, 5


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("uid", ctypes.c_uint),
        ("position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_uint64),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Speaker:
    """espeak-ng, one step at a time."""

    def __init__(self, library: str, data: str) -> None:
        self._voice = ""
        self._library = ctypes.CDLL(library)
        if self._library.espeak_Initialize(_SYNCHRONOUS, 60, data.encode(), _DONT_EXIT) != RATE:
            raise RuntimeError("espeak-ng did not start")
        self._library.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int,
            ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,
        ]  # fmt: skip
        self._hear = _Callback(self._heard)  # kept: the library holds only a pointer
        self._library.espeak_SetSynthCallback(self._hear)

    def perform(self, steps: list[dict[str, Any]], outlet: Outlet) -> None:
        self._outlet = outlet
        pauses = ["pause" in step for step in steps]
        for number, step in enumerate(steps):
            if pauses[number]:
                outlet.audio(bytes(round(step["pause"] * RATE / 1000) * 2))
                continue
            before, after = pauses[max(number - 1, 0)], pauses[min(number + 1, len(steps) - 1)]
            self._say(number, step, Shaper(tight_start=before, tight_end=after))
        outlet.flush()

    def _say(self, number: int, step: dict[str, Any], shaper: Shaper) -> None:
        self._step, self._shaper, self._origin = number, shaper, self._outlet.samples
        self._gain = min(step["volume"], 100) / 100
        self._synthesize(step)
        if shaper.is_mute and any(map(str.isalnum, step["say"])):
            # A language without words for digits, or for the letters of another.
            _, plus, timbre = step["voice"].partition("+")
            self._synthesize({**step, "voice": SECOND_VOICE + plus + timbre})
        self._pass_on(shaper.finish(), final=True)

    def _synthesize(self, step: dict[str, Any]) -> None:
        self._tune(step)
        text = step["say"].replace("\0", " ").encode("utf-8", "replace") + b"\0"
        if self._library.espeak_Synth(text, len(text), 0, 1, 0, _UTF8, None, None):
            raise RuntimeError("espeak-ng refused the text")

    def _tune(self, step: dict[str, Any]) -> None:
        if step["voice"] != self._voice:
            self._voice = ""
            if self._library.espeak_SetVoiceByName(step["voice"].encode()):
                raise RuntimeError(f"espeak-ng has no voice {step['voice']}")
            self._voice = step["voice"]
        self._library.espeak_SetParameter(_RATE, step["rate"], 0)
        self._library.espeak_SetParameter(_PITCH, step["pitch"], 0)
        # Softer than usual is done below: the shaper needs the usual level.
        self._library.espeak_SetParameter(_VOLUME, max(step["volume"], 100), 0)

    def _heard(self, samples: Any, count: int, events: Any) -> int:
        index = 0
        while kind := events[index].type:
            if kind == _WORD:
                self._shaper.mark(events[index].position - 1, events[index].sample)
            elif kind == _CLAUSE_END:
                self._shaper.mark(-1, events[index].sample)
            index += 1
        if samples and count > 0:
            self._pass_on(self._shaper.feed(ctypes.string_at(samples, count * 2)))
        return 0

    def _pass_on(self, samples: bytes, *, final: bool = False) -> None:
        for word in self._shaper.words(final=final):
            self._outlet.word(
                self._step, word.position, self._origin + word.start, self._origin + word.end
            )
        self._outlet.audio(samples if self._gain == 1 else _softer(samples, self._gain))


def _softer(samples: bytes, gain: float) -> bytes:
    return array.array("h", [int(s * gain) for s in array.array("h", samples)]).tobytes()


def main(library: str, data: str, idle_seconds: str) -> None:
    wire = Wire(0, 1)
    speaker = Speaker(library, data)
    for steps in wire.jobs(float(idle_seconds)):
        try:
            speaker.perform(steps, Outlet(wire, RATE))
        except RuntimeError as error:
            wire.send(b"X", str(error).encode())
        else:
            wire.send(b"E")


if __name__ == "__main__":
    main(*sys.argv[1:4])
