"""What stands in a text and is not spoken: tags, entities, emoji, characters that draw nothing.

espeak-ng would read all of it by name. Each character that stays knows where it stood.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import regex

from speechsite.audio import markup

_EMOJI = (
    r"(?:[\p{Extended_Pictographic}--[©®™‼⁉〰〽]]|[#*0-9]\ufe0f?\u20e3"
    r"|[\p{Regional_Indicator}\p{Emoji_Modifier}\ufe0e\ufe0f\U000e0020-\U000e007f]"
    r"|(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])\u200d)++"
)
_UNSPOKEN = regex.compile(
    rf"(?P<tag>{markup.TAG})|(?P<entity>{markup.ENTITY})|(?P<invisible>{markup.BREAKING})"
    rf"|(?P<emoji>{_EMOJI})",
    regex.V1,
)
_INLINE = regex.compile(markup.INLINE, regex.IGNORECASE)


def left_out(text: str) -> tuple[str, Sequence[int] | None]:
    """What is spoken of a text, and where each of its characters stands; None: all of it."""
    said: list[str] = []
    places: list[int] = []
    at = 0
    for found in _UNSPOKEN.finditer(text):
        said.append(text[at : found.start()])
        places.extend(range(at, found.start()))
        instead = _instead(found)
        said.append(instead)
        places.extend([found.start()] * len(instead))
        at = found.end()
    if at == 0:
        return text, None
    said.append(text[at:])
    places.extend(range(at, len(text)))
    return "".join(said), places


def _instead(found: regex.Match[str]) -> str:
    whole = found.group()
    if found["entity"]:
        return html.unescape(whole)
    if found["emoji"]:
        return " "
    return "" if found["invisible"] or _INLINE.match(whole) else " "
