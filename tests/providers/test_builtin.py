"""The built-in engine speaks: sound, words, pauses, voices and manners."""

from __future__ import annotations

import asyncio
import random
import re
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from speechsite.providers.builtin import Builtin, pool, script
from speechsite.providers.builtin.espeak import voices
from speechsite.providers.errors import Rejected, Unsupported
from speechsite.providers.types import Line, SpeechOrder, WordTime

SENTENCE = "The quick brown fox jumps over the lazy dog."


@dataclass
class Speech:
    text: str
    audio: bytes
    words: list[WordTime]

    @property
    def ms(self) -> float:
        return len(self.audio) / 44.1

    @property
    def spoken(self) -> list[str]:
        return [self.text[word.start : word.end] for word in self.words]


async def speak(text: str, voice: str = "en-us", **more: object) -> Speech:
    speech = Speech(text, b"", [])
    audio = bytearray()
    order = SpeechOrder(text=text, voice=voice, model="builtin", key="k", **more)  # type: ignore[arg-type]
    async for chunk in Builtin().speak(order):
        assert chunk.format == "pcm_22050"
        audio += chunk.audio
        speech.words.extend(chunk.words)
    speech.audio = bytes(audio)
    return speech


def said(text: str, voice: str = "en-us", **settings: float) -> Speech:
    return asyncio.run(speak(text, voice, settings=settings))


def silences_ms(speech: Speech, at_least: int) -> list[float]:
    high_bytes = speech.audio[1::2]
    runs = re.finditer(rb"[\x00\xff]{%d,}" % (at_least * 22), high_bytes)
    return [len(run.group()) / 22.05 for run in runs]


@pytest.mark.parametrize(
    ("voice", "text", "words"),
    [
        ("en-us", "Hello, world! (Twice.)", ["Hello", "world", "Twice"]),
        ("en-us", "It cost 1234567 of the euros", ["It", "cost", "1234567", "of", "the", "euros"]),
        ("zh-cn", "你好，世界。12个", ["你", "好", "世", "界", "12", "个"]),
        (
            "fr",
            "Cafe\u0301 nai\u0308f 👩\u200d🚀 oui",
            ["Cafe\u0301", "nai\u0308f", "oui"],
        ),
        ("hi", "नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("en-gb", "  \n don't   well-known ", ["don't", "well-known"]),
    ],
)
def test_every_word_has_a_time_and_its_place_in_the_text(
    voice: str, text: str, words: list[str]
) -> None:
    speech = said(text, voice)
    assert speech.spoken == words
    assert all(0 <= w.start_ms <= w.end_ms <= speech.ms + 1 for w in speech.words)
    assert all(a.end_ms <= b.start_ms + 1 for a, b in pairwise(speech.words))


def test_words_of_a_long_text_keep_their_places() -> None:
    text = "\n".join(
        f"Line {n} says hello. [pause:20ms] Then it ends, you know!" for n in range(80)
    )
    speech = said(text)
    spoken_text = re.sub(r"\[pause:20ms\]", " ", text)
    assert speech.spoken == re.findall(r"\w+", spoken_text)
    assert speech.words[-1].end_ms == pytest.approx(speech.ms, abs=200)


def test_words_that_sound_are_loud_where_they_are_said_to_be() -> None:
    speech = said("yes [pause:700ms] no")
    first, second = speech.words
    assert second.start_ms - first.end_ms == pytest.approx(700, abs=10)


@pytest.mark.parametrize(
    ("mark", "ms"),
    [
        ("[pause:1.5s]", 1500),
        ("[pause:300ms]", 300),
        ("[Pause: 2]", 2000),
        ('<break time="1s"/>', 1000),
        ("<break time='450ms' />", 450),
        ("<#0.8#>", 800),
    ],
)
def test_a_pause_is_as_long_as_it_says(mark: str, ms: int) -> None:
    speech = said(f"good {mark} day")
    assert max(silences_ms(speech, 200)) == pytest.approx(ms, abs=40)
    assert speech.words[1].start_ms - speech.words[0].end_ms == pytest.approx(ms, abs=10)
    assert speech.spoken == ["good", "day"]


def test_two_pauses_add_up_exactly() -> None:
    without, with_pause = said("[pause:0s] hm"), said("[pause:1s][pause:0.25s] hm")
    assert with_pause.ms - without.ms == pytest.approx(1250, abs=10)


def test_a_pause_alone_is_silence() -> None:
    speech = said("[pause:500ms]")
    assert speech.audio == bytes(22_050)


@pytest.mark.parametrize("text", ["", "   ", "\n\t "])
def test_nothing_to_say_gives_nothing(text: str) -> None:
    assert said(text).audio == b""


def test_hostile_markup_is_read_in_linear_time() -> None:
    text = "[pause:" * 60_000 + "<break time=" * 60_000
    assert len(list(script.pieces(text))) > 1000
    assert "".join(piece.text for piece in script.pieces(text)) == text


def test_sentences_stand_close_together() -> None:
    speech = said("First one. Second one!\n\nThird one? Fourth.")
    gaps = silences_ms(speech, 100)
    assert gaps
    assert max(gaps) <= 250


def test_speed_changes_the_length() -> None:
    slow, usual, fast = (said(SENTENCE, speed=speed).ms for speed in (0.5, 1.0, 2.0))
    assert slow > 1.6 * usual
    assert fast < 0.65 * usual


def test_pitch_moves_the_voice_up_and_down() -> None:
    def tone_hz(pitch: int) -> float:
        samples = np.frombuffer(said("mmm", pitch=pitch).audio, "<i2").astype(float)
        hum = np.convolve(samples, np.ones(40), "same")[2000:6000]  # the overtones go
        echo = np.correlate(hum, hum, "full")[len(hum) - 1 :]
        return 22_050 / (60 + int(np.argmax(echo[60:500])))

    low, usual, high = (tone_hz(pitch) for pitch in (-12, 0, 12))
    assert 1.3 < usual / low < 2.1
    assert 1.3 < high / usual < 2.1


def test_volume_scales_the_samples() -> None:
    def loudness(volume: float) -> int:
        return max(memoryview(said(SENTENCE, volume=volume).audio).cast("h"))

    soft, usual, loud = loudness(0.25), loudness(1.0), loudness(1.5)
    assert soft == pytest.approx(usual / 4, rel=0.1)
    assert loud > usual


@pytest.mark.parametrize(
    ("settings", "error"),
    [({"stability": 0.5}, Unsupported), ({"speed": 9.0}, Rejected), ({"pitch": 13}, Rejected)],
)
def test_a_setting_it_does_not_know_is_refused(
    settings: dict[str, float], error: type[Exception]
) -> None:
    with pytest.raises(error):
        said("hello", **settings)


def test_an_unknown_voice_is_refused() -> None:
    with pytest.raises(Rejected, match="no built-in voice"):
        said("hello", "nobody")


def test_a_dialogue_is_spoken_in_turn_and_counted_as_one_text() -> None:
    lines = (Line("Hello there.", "en-us-anna"), Line("你好", "zh-cn"), Line("Bye", "en-gb"))
    text = "\n".join(line.text for line in lines)
    speech = asyncio.run(speak(text, "", lines=lines))
    assert speech.spoken == ["Hello", "there", "你", "好", "Bye"]


def test_there_are_many_voices_with_names_of_their_own() -> None:
    assert len(voices.VOICES) >= 200
    assert len({voice.id for voice in voices.VOICES}) == len(voices.VOICES)
    assert len({voice.name for voice in voices.VOICES}) == len(voices.VOICES)
    assert len({voice.languages[0].split("-")[0] for voice in voices.VOICES}) >= 80
    assert all("basic" in voice.description and voice.gender for voice in voices.VOICES)
    listed = asyncio.run(Builtin().list_voices())
    assert [one.id for one in listed[:1]] == ["heart"]  # a pleasant one stands first
    assert tuple(listed[1:]) == voices.VOICES


def test_every_voice_speaks() -> None:
    async def mute() -> list[str]:
        silent = []
        for voice in voices.VOICES:
            speech = await speak("1 2", voice.id)
            if speech.ms < 200 or speech.spoken != ["1", "2"]:
                silent.append(voice.id)
        return silent

    assert asyncio.run(mute()) == []


def test_people_of_one_language_sound_different() -> None:
    def fresh(voice: str) -> bytes:
        pool.close_all()  # a new child starts from the same state
        return said("Good morning", voice).audio

    people = [voice.id for voice in voices.VOICES if voice.id.startswith("en-us")]
    assert len({fresh(voice) for voice in people}) == len(people) > 8
    assert fresh(people[0]) == fresh(people[0])


def test_digits_are_spoken_even_where_a_language_has_no_words_for_them() -> None:
    assert said("12 34", "chr").ms > 500


def test_its_use_is_not_limited() -> None:
    balance = asyncio.run(Builtin().balance())
    assert (balance.remaining, balance.unit) == (None, "unlimited")


def test_listing_voices_loads_no_engine() -> None:
    program = (
        "import sys, speechsite.providers.builtin.espeak.voices as v\n"
        "assert v.VOICES and not {'django', 'av', 'numpy', 'ctypes.util'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_any_text_can_be_spoken() -> None:
    chance = random.Random(20_26)
    planes = [(1, 0x7F), (0x80, 0x24F), (0x300, 0x1FFF), (0x2000, 0xFFFF), (0x10000, 0x10FFFF)]

    def scribble() -> str:
        return "".join(
            chr(chance.randint(*chance.choice(planes))) for _ in range(chance.randint(1, 12))
        )

    async def speak_all() -> None:
        for number in range(1000):
            text = scribble()
            voice = voices.VOICES[number // 40].id
            speech = await speak(text, voice)
            for word in speech.words:
                assert 0 <= word.start < word.end <= len(text)

    asyncio.run(speak_all())
