"""What of a text can be spoken at all, what marks it up, and what no text may hold.

Pauses are in `pauses`.
"""

from __future__ import annotations

import html

import regex

from speechsite.audio import pauses

# A tag, a comment, an instruction; an entity; what draws nothing. Each is bounded.
TAG = r"</?[A-Za-z][\w:.-]{0,40}(?:\s[^<>]{0,400})?/?>|<!--[^<>]{0,400}-->|<\?[^<>]{0,400}>"
ENTITY = r"&(?:\#\d{1,7}|\#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,24});"
# Joiners inside words shape them in some scripts, and stay.
INVISIBLE = r"[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]"
# These stand inside words or around them; any other tag parts what it stands between.
INLINE = r"</?(?:b|i|u|em|strong|emphasis|prosody|span|sub|sup|mark|small)\b"

_TAG = regex.compile(TAG)
_ENTITY = regex.compile(ENTITY)
_INVISIBLE = regex.compile(INVISIBLE)
_INLINE = regex.compile(INLINE, regex.IGNORECASE)

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


def plain(text: str) -> str:
    """The words of a text without pauses, tags, entities and what draws nothing; lines stay."""
    words = _TAG.sub(lambda tag: "" if _INLINE.match(tag.group()) else " ", pauses.blanked(text))
    words = _ENTITY.sub(lambda entity: html.unescape(entity.group()), words)
    return str(_INVISIBLE.sub("", strip_controls(words)))
