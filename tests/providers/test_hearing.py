"""A recogniser that knows nothing of us understands the natural voice, in our MP3."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator

import av
import numpy as np
import pytest
from pocketsphinx import Decoder

from speechsite.audio import encode
from speechsite.audio.formats import PLAYER_FORMAT
from speechsite.providers.builtin import Builtin, pool
from speechsite.providers.types import SpeechOrder, WordTime

MOST_WRONG = 0.10  # of the words
RATE = 16_000  # what the recogniser was trained with
QUIET = np.zeros(RATE // 2, np.int16)
SENTENCES = """
The doctor will see you on Monday morning at nine o'clock.
My sister lives in a small house near the river.
The weather was warm and the sky was blue.
Please send me a letter before the end of the month.
He told his friends about the long journey to the north.
The company has opened a new office in the city.
Many people came to listen to the music in the park.
I would like a cup of coffee and a piece of bread.
The government will publish the report next week.
Her father worked in a factory for thirty years.
The teacher asked the children to open their books.
It is important to drink enough water every day.
They are building a bridge across the river.
The price of oil has fallen since the summer.
We had a long discussion about the future of the school.
The train from the airport was late again.
Nobody knows what will happen after the election.
She has written three books about the history of art.
The police are looking for a man with a black dog.
You can leave your bags in the room until tomorrow.
""".strip().splitlines()


@pytest.fixture(autouse=True)
def _children_end() -> Iterator[None]:
    yield
    pool.close_all()


async def spoken(text: str) -> tuple[np.ndarray, int, list[WordTime]]:
    """Samples, their rate, and the words."""
    sound, rate, words = b"", 0, []
    order = SpeechOrder(text=text, voice="heart", model="hibari", key="k")
    async for chunk in Builtin().speak(order):
        sound += chunk.audio
        rate = int(chunk.format.removeprefix("pcm_"))
        words += chunk.words
    return np.frombuffer(sound, "<i2"), rate, words


def as_mp3(samples: np.ndarray, rate: int) -> np.ndarray:
    """What a listener gets of our MP3, at the recogniser's rate."""
    sound = encode.encode_bytes([samples], PLAYER_FORMAT, rate)
    resampler = av.AudioResampler("s16", "mono", RATE)
    with av.open(io.BytesIO(sound)) as container:
        frames = [*container.decode(audio=0), None]
        parts = [part.to_ndarray() for frame in frames for part in resampler.resample(frame)]
    return np.concatenate(parts, axis=1)[0]


def understood(recogniser: Decoder, samples: np.ndarray) -> list[str]:
    recogniser.start_utt()
    sound = np.concatenate([QUIET, samples, QUIET]).astype("<i2")
    recogniser.process_raw(sound.tobytes(), full_utt=True)
    recogniser.end_utt()
    found = recogniser.hyp()
    return found.hypstr.split() if found is not None else []


def words_of(sentence: str) -> list[str]:
    return sentence.lower().rstrip(".").split()


def wrong(wanted: list[str], heard: list[str]) -> int:
    """Words to be changed, added or left out to get from one to the other."""
    row = list(range(len(heard) + 1))
    for place, word in enumerate(wanted, 1):
        before, row = row, [place]
        for column, other in enumerate(heard, 1):
            swapped = before[column - 1] + (word != other)
            row.append(min(swapped, before[column] + 1, row[-1] + 1))
    return row[-1]


def test_twenty_sentences_are_understood_word_for_word() -> None:
    recogniser = Decoder(samprate=RATE)
    mistakes = total = 0
    for sentence in SENTENCES:
        samples, rate, _ = asyncio.run(spoken(sentence))
        assert 1.2 < len(samples) / rate < 6
        assert 2_000 < np.abs(samples).max() <= 32_767
        assert np.abs(samples[[0, -1]]).max() < 100  # nothing clicks at a join
        mistakes += wrong(words_of(sentence), understood(recogniser, as_mp3(samples, rate)))
        total += len(words_of(sentence))
    assert mistakes / total <= MOST_WRONG


def test_a_page_is_understood_where_its_word_times_say_that_it_is_said() -> None:
    recogniser = Decoder(samprate=RATE)
    page = " ".join(SENTENCES[:6])
    samples, rate, words = asyncio.run(spoken(page))
    heard = as_mp3(samples, rate)
    mistakes = total = begin = 0
    for sentence in SENTENCES[:6]:
        own = [word for word in words if begin <= word.start < begin + len(sentence)]
        first, last = own[0].start_ms - 80, own[-1].end_ms + 80
        said = heard[max(first, 0) * RATE // 1000 : last * RATE // 1000]
        mistakes += wrong(words_of(sentence), understood(recogniser, said))
        total += len(own)
        begin += len(sentence) + 1
    assert mistakes / total <= MOST_WRONG
