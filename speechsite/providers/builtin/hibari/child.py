"""The program that holds hibari: text steps in, samples and words out.

Run as `python -I hibari/child.py IDLE_SECONDS`; stdin and stdout are one socket (frames:
`wire.py`). Models are loaded when they are first asked for. Nothing is fetched: a model is
the wheel's own or a file that the parent names together with its SHA-256.

A job is a list of steps: {"say": text, "model": path or "", "sha256": ..., "british": bool,
"speed": factor, "pitch": semitones, "volume": factor} or {"pause": milliseconds}.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# Isolated mode leaves our folders out. The one above comes last: this folder, seen from
# there, has the name of the package.
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.append(os.path.dirname(HERE))

import alignment
import hibari
import numpy as np
from hibari import Hibari, dsp
from hibari.g2p.normalize import normalize
from wire import Outlet, Wire

RATE = 24_000
FRAMES_PER_UNIT = 2  # a unit of the model's own durations is two of its 12.5 ms frames
# The graph expands its durations by this tensor; it is no output of the published file.
DURATIONS = "/Cast_32_output_0"
MOST_UNITS = 400  # phonemes at once: memory grows with them, and no sentence needs more
MOST_MODELS = 2
QUIET = 0.004  # of full scale: less than this at an edge is silence
LEADING, TRAILING = RATE * 20 // 1000, RATE * 180 // 1000
FADE = RATE * 4 // 1000
SEED = 1  # the same text sounds the same each time

_ENDLESS = re.compile(r"[^\W\d_]{20}(?=[^\W\d_])")

Samples = np.ndarray[Any, np.dtype[np.float32]]


def _field(number: int, payload: bytes) -> bytes:
    return _number(number << 3 | 2) + _number(len(payload)) + payload


def _number(value: int) -> bytes:
    parts = bytearray()
    while value >= 128:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


# A message of this format may be given in parts: graph (7), its outputs (12), a name (1).
ONE_MORE_OUTPUT = _field(7, _field(12, _field(1, DURATIONS.encode())))


@dataclass(slots=True)
class Word:
    """A spoken word: its phonemes and where its written word begins."""

    phonemes: str
    place: int


class Voice:
    """One model, its front end, and the lengths that it gives its phonemes."""

    def __init__(self, model: str, sha256: str, *, british: bool) -> None:
        name = "emma" if british else "heart"  # chooses the front end's dialect, no more
        graph = _read(model, sha256)
        self.has_durations = True
        try:
            self._hibari = Hibari(voice=name, model=graph + ONE_MORE_OUTPUT)
        except Exception:  # onnxruntime's errors share no base: a model of another make
            self._hibari = Hibari(voice=name, model=graph)
            self.has_durations = False

    def words(self, sentence: str) -> list[Word]:
        """What is spoken of a sentence, in order."""
        # The front end takes [word](/phonemes/) as a way to say how a word sounds.
        tokens = self._hibari.g2p.tokenize(_readable(normalize(sentence)).replace("](", "] ("))
        spoken: list[tuple[str, str]] = [("", "")]
        for token in self._hibari.g2p.phonemize_tokens(tokens):
            text, phonemes = spoken[-1]
            spoken[-1] = (text + token.text, phonemes + (token.phonemes or ""))
            if token.whitespace:
                spoken.append(("", ""))
        spoken = [pair for pair in spoken if pair[1]]
        read = [alignment.plain(text) for text, _ in spoken]
        found = alignment.places(alignment.words_of(sentence), read)
        pairs = zip(spoken, found, strict=True)
        return [Word(phonemes, place) for (_, phonemes), place in pairs]

    def speak(self, words: list[Word], *, speed: float, pitch: float) -> tuple[Samples, list[int]]:
        """Sound of some words, and at which sample each begins and ends; no marks if unknown."""
        units, spans = self._units(words)
        if len(units) < 3:
            return np.zeros(0, np.float32), []
        given = {"ids": np.asarray([units], np.int64), "speed": np.asarray([speed], np.float32)}
        found = self._hibari.sess.run(None, given)
        spectrum = [one[0] for one in found[:6]]
        spectrum[5] = spectrum[5] * np.float32(2 ** (pitch / 12))
        sound = dsp.synth(*spectrum, np.random.default_rng(SEED))
        if not self.has_durations:
            return sound, []
        ends = np.cumsum(found[6]) * FRAMES_PER_UNIT * dsp.HOP
        marks = [int(ends[place - 1]) for span in spans for place in span]
        return sound, marks

    def _units(self, words: list[Word]) -> tuple[list[int], list[tuple[int, int]]]:
        """The model's numbers for phonemes, and where those of each word begin and end."""
        units, spans = [0], []
        for number, word in enumerate(words):
            if number:
                units += self._hibari.ids(" ")[1:-1]
            begin = len(units)
            units += self._hibari.ids(word.phonemes)[1:-1]
            heard = len(self._hibari.ids(word.phonemes.rstrip(';:,.!?—…"“”() '))) - 2
            spans.append((begin, begin + max(heard, 0)))
        return [*units, 0], spans


class Speaker:
    """hibari, one step at a time."""

    def __init__(self) -> None:
        self._voices: dict[str, Voice] = {}

    def perform(self, steps: list[dict[str, Any]], outlet: Outlet) -> None:
        for number, step in enumerate(steps):
            if "pause" in step:
                outlet.audio(bytes(round(step["pause"] * RATE / 1000) * 2))
                continue
            neighbours = (steps[max(number - 1, 0)], steps[min(number + 1, len(steps) - 1)])
            self._say(number, step, outlet, *("pause" in one for one in neighbours))
        outlet.flush()

    def _say(
        self, number: int, step: dict[str, Any], outlet: Outlet, after: bool, before: bool
    ) -> None:
        voice = self._voice(step)
        phrases = list(_phrases(voice, step["say"]))
        for index, phrase in enumerate(phrases):
            sound, marks = voice.speak(phrase, speed=step["speed"], pitch=step["pitch"])
            start, stop = _loud(sound)
            # Beside a pause nothing is added, so that it is as long as it says.
            begin = start if index == 0 and after else max(start - LEADING, 0)
            is_last = index == len(phrases) - 1
            end = stop if is_last and before else min(stop + TRAILING, len(sound))
            origin = outlet.samples - begin
            if marks:
                # Its first word begins where something is heard, whatever the model says.
                marks[0], marks[-1] = start, stop
            edges = np.clip(np.maximum.accumulate([start, *marks])[1:], start, stop)
            for word, first, last in zip(phrase, edges[::2], edges[1::2], strict=False):
                outlet.word(number, word.place, origin + int(first), origin + int(last))
            outlet.audio(_pcm(sound[begin:end], step["volume"]))

    def _voice(self, step: dict[str, Any]) -> Voice:
        voice = self._voices.pop(step["model"], None)
        if voice is None:
            while len(self._voices) >= MOST_MODELS:
                self._voices.pop(next(iter(self._voices)))
            voice = Voice(step["model"], step["sha256"], british=step["british"])
        self._voices[step["model"]] = voice
        return voice


def _readable(text: str) -> str:
    """Words without end in parts: of an unknown word the front end reads the beginning only."""
    return _ENDLESS.sub(r"\g<0> ", text)


def _phrases(voice: Voice, text: str) -> Iterator[list[Word]]:
    """Sentences, and of one that is too long its parts: what the model speaks at once."""
    begin = 0
    for sentence in Hibari.split_sentences(text):
        begin = text.index(sentence, begin)
        phrase: list[Word] = []
        size = 0
        for word in voice.words(sentence):
            word.place += begin
            for piece in _bounded(word):
                if phrase and size + len(piece.phonemes) >= MOST_UNITS:
                    yield phrase
                    phrase, size = [], 0
                phrase.append(piece)
                size += len(piece.phonemes) + 1
        if phrase:
            yield phrase
        begin += len(sentence)


def _bounded(word: Word) -> Iterator[Word]:
    for start in range(0, len(word.phonemes), MOST_UNITS // 2):
        yield Word(word.phonemes[start : start + MOST_UNITS // 2], word.place)


def _loud(sound: Samples) -> tuple[int, int]:
    """Where something is heard, without the silence at both edges."""
    loud = np.flatnonzero(np.abs(sound) > QUIET)
    return (int(loud[0]), int(loud[-1]) + 1) if loud.size else (0, 0)


def _pcm(sound: Samples, volume: float) -> bytes:
    """Samples as 16-bit numbers, fading in and out so that nothing clicks at a join."""
    shaped = sound * np.float32(volume)
    fade = min(FADE, len(shaped) // 2)
    if fade:
        slope = np.linspace(0, 1, fade, dtype=np.float32)
        shaped[:fade] *= slope
        shaped[-fade:] *= slope[::-1]
    return (np.clip(shaped, -1, 1) * 32_767).astype("<i2").tobytes()


def _read(path: str, sha256: str) -> bytes:
    """A model's bytes; a file that is not what it was published as is not used."""
    bundled = os.path.join(os.path.dirname(hibari.__file__), "assets", "hibari.onnx")
    with open(path or bundled, "rb") as file:
        model = file.read()
    if path and hashlib.sha256(model).hexdigest() != sha256:
        raise RuntimeError(f"{os.path.basename(path)} is damaged: lay the file there again")
    return model


def main(idle_seconds: str) -> None:
    wire = Wire(0, 1)
    speaker = Speaker()
    for steps in wire.jobs(float(idle_seconds)):
        try:
            speaker.perform(steps, Outlet(wire, RATE))
        except (RuntimeError, OSError) as error:
            wire.send(b"X", str(error).encode())
        else:
            wire.send(b"E")


if __name__ == "__main__":
    main(*sys.argv[1:2])
