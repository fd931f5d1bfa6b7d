"""What of a text can be spoken at all, and what no text may hold. Pauses are in `pauses`."""

from __future__ import annotations

import regex

# Letters that draw nothing, and the one letter that is an emoji.
_SILENT_LETTERS = r"\u115f\u1160\u3164\uffa0ℹ"
_SPEAKABLE = regex.compile(rf"[\p{{L}}--[{_SILENT_LETTERS}]]|\p{{N}}(?!\ufe0f?\u20e3)", regex.V1)

_CONTROLS = regex.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_ENDS = regex.compile(r"\r\n?|\x85")


def is_speakable(text: str) -> bool:
    """Whether there is anything to say: a letter or a number that is no emoji."""
    return _SPEAKABLE.search(text) is not None


def strip_controls(text: str) -> str:
    """The text without control characters, lines ended by a line feed; tabs stay.

    Halves of surrogate pairs go too: they can be neither stored nor sent.
    """
    return str(_CONTROLS.sub("", _LINE_ENDS.sub("\n", text)))
