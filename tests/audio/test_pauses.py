"""One way to write pauses, for the built-in voice, the adapters and the captions."""

from __future__ import annotations

import time

import pytest

from speechsite.audio import captions, pauses
from speechsite.audio.captions import TimedWord
from speechsite.providers import script
from speechsite.providers.builtin import script as builtin
from speechsite.providers.minimax import wire as minimax
from speechsite.providers.types import SpeechOrder

MARKS = {
    "[pause:300ms]": 300,
    "[PAUSE: 2s]": 2000,
    "[pause=1.5 s]": 1500,
    "[pause:1]": 1000,
    "<#1.5#>": 1500,
    "[pause:30s]": 30_000,
    '<break time="1s"/>': 1000,
    "<BREAK time = '250ms' />": 250,
    '<break time="1.5s"></break>': 1500,
    "[pause:999999s]": 60_000,
}


@pytest.mark.parametrize(("mark", "ms"), MARKS.items())
def test_a_mark_means_the_same_to_everybody(mark: str, ms: int) -> None:
    text = f"one {mark} two"
    assert list(pauses.find(text)) == [pauses.Pause(4, 4 + len(mark), ms)]
    assert [piece.pause_ms for piece in builtin.pieces(text)] == [0, ms, 0]
    said = [
        int(part.seconds * 1000) for part in script.parts(text) if isinstance(part, script.Pause)
    ]
    assert said == [ms]
    sent = minimax.script_of(SpeechOrder(text, "voice", "model", "key")).text
    assert sent == f"one <#{ms / 1000:g}#> two"
    shown = captions.cues(text, [TimedWord(0, 3, 0, 500)], 3000)
    assert " ".join(cue.text for cue in shown) == "one two"


@pytest.mark.parametrize("text", ["[pause]", "[pause:]", "[pause:x]", "<break>", "<#a#>", "<##>"])
def test_what_is_no_pause_is_text(text: str) -> None:
    assert not list(pauses.find(f"a{text}b"))


def test_blanks_keep_every_position() -> None:
    assert pauses.blanked("a[pause:1s]b") == "a          b"


@pytest.mark.parametrize("unit", ["[", "[pause:", "<break ", "<#1", "a[pause:1s]", "[ pause : 1"])
def test_hostile_text_takes_a_moment(unit: str) -> None:
    text = (unit * 200_000)[:200_000]
    begun = time.process_time()
    pauses.blanked(text)
    assert time.process_time() - begun < 1
