"""Which script a stretch of text is written in, and which basic voice can read it.

A voice that reads Latin letters alone hands the rest to the basic voice of that script's
most spoken language: a word is never dropped.
"""

from __future__ import annotations

from collections.abc import Iterator

import regex

_FOREIGN = r"[\p{L}--\p{Latin}]"
_STRETCH = regex.compile(
    rf"(?V1)\p{{N}}*{_FOREIGN}(?:[^\p{{Latin}}]*{_FOREIGN})?[\p{{M}}\p{{N}}]*[^\S\n]*[。！？；，、：]*"
)

# script | ISO 15924's name in Unicode's property | basic voice
_VOICES = (
    ("Hiragana", "ja-sakura"),
    ("Katakana", "ja-sakura"),
    ("Hangul", "ko-jiwoo"),
    ("Han", "zh-cn-mei"),
    ("Cyrillic", "ru-olga"),
    ("Greek", "el"),
    ("Arabic", "ar-layla"),
    ("Hebrew", "he"),
    ("Devanagari", "hi-priya"),
    ("Bengali", "bn-nusrat"),
    ("Tamil", "ta"),
    ("Telugu", "te"),
    ("Gujarati", "gu"),
    ("Gurmukhi", "pa"),
    ("Kannada", "kn"),
    ("Malayalam", "ml"),
    ("Oriya", "or"),
    ("Sinhala", "si"),
    ("Thai", "th"),
    ("Myanmar", "my"),
    ("Georgian", "ka"),
    ("Armenian", "hy"),
    ("Ethiopic", "am"),
    ("Cherokee", "chr"),
)
_SCRIPTS = tuple((regex.compile(rf"\p{{{script}}}"), voice) for script, voice in _VOICES)
ANY_SCRIPT = "en-us"  # names the letters it cannot read


def stretches(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, basic voice) of each part of a text; the voice is empty for Latin letters.

    The parts put together are the text.
    """
    done = 0
    for match in _STRETCH.finditer(text):
        if match.start() > done:
            yield done, match.start(), ""
        yield match.start(), match.end(), _voice_for(match.group())
        done = match.end()
    if done < len(text):
        yield done, len(text), ""


def _voice_for(stretch: str) -> str:
    return next((voice for script, voice in _SCRIPTS if script.search(stretch)), ANY_SCRIPT)
