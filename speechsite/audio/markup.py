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
BREAKING = r"[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]"
# These stand inside words or around them; any other tag parts what it stands between.
INLINE = r"</?(?:b|i|u|em|strong|emphasis|prosody|span|sub|sup|mark|small)\b"

_TAG = regex.compile(TAG)
_ENTITY = regex.compile(ENTITY)
_BREAKING = regex.compile(BREAKING)
_INLINE = regex.compile(INLINE, regex.IGNORECASE)

# Letters that draw nothing, and the one letter that is an emoji.
_SILENT_LETTERS = r"\u115f\u1160\u3164\uffa0ℹ"
_SPEAKABLE = regex.compile(rf"[\p{{L}}--[{_SILENT_LETTERS}]]|\p{{N}}(?!\ufe0f?\u20e3)", regex.V1)

_CONTROLS = regex.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_ENDS = regex.compile(r"\r\n?|\x85")

# What draws nothing by itself: zero-width and bidirectional marks, soft hyphens, joiners, variation
# selectors, tags. The Studio counts by the same list.
INVISIBLE = (
    r"\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    r"\ufff9-\ufffb\U000e0001\U000e0020-\U000e007f\U000e0100-\U000e01ef"
)
_INVISIBLE = regex.compile(f"[{INVISIBLE}]+")
# Some of it says how its neighbours are read: joiners in scripts whose letters join, and what
# makes one emoji of several.
_JOINING = (
    r"\p{Arabic}\p{Syriac}\p{Nko}\p{Mongolian}\p{Devanagari}\p{Bengali}\p{Gurmukhi}\p{Gujarati}"
    r"\p{Oriya}\p{Tamil}\p{Telugu}\p{Kannada}\p{Malayalam}\p{Sinhala}\p{Khmer}\p{Myanmar}\p{Tibetan}"
    r"\u064b-\u065f\u0670"
)
_MEANT = (
    rf"(?<=[{_JOINING}])[\u200c\u200d]"
    r"|(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])\u200d(?=\p{Extended_Pictographic})"
    r"|(?<=\p{Extended_Pictographic})[\ufe0e\ufe0f]|(?<=[#*0-9])\ufe0f(?=\u20e3)"
    r"|(?<=\U0001f3f4[\U000e0020-\U000e007e]{0,8})[\U000e0020-\U000e007f]"
)
_UNSPOKEN = regex.compile(
    rf"{_LINE_ENDS.pattern}|{_CONTROLS.pattern}|(?:(?!{_MEANT})[{INVISIBLE}])+", regex.V1
)
_UNSTORABLE = regex.compile(r"[\x00\ud800-\udfff]")
Change = tuple[int, int, str]  # as in `wording`


def is_speakable(text: str) -> bool:
    """Whether there is anything to say: a letter or a number that is no emoji."""
    return _SPEAKABLE.search(text) is not None


def countable(text: str) -> str:
    """What counts of a text: all but the characters that draw nothing."""
    return str(_INVISIBLE.sub("", text))


def unspoken(text: str) -> list[Change]:
    """What of a text reaches no voice, as changes of it.

    That is what draws nothing and breaks words, as they are copied from pages and books. What
    joins letters or emoji stays.
    """
    return [
        (found.start(), found.end(), "\n" if found.group()[0] in "\r\x85" else "")
        for found in _UNSPOKEN.finditer(text)
    ]


def storable(text: str) -> str:
    """The text without what can be neither stored nor sent: NUL and halves of surrogate pairs."""
    return str(_UNSTORABLE.sub("", text))


def strip_controls(text: str) -> str:
    """The text without control characters, lines ended by a line feed; tabs stay.

    Halves of surrogate pairs go too: they can be neither stored nor sent.
    """
    return str(_CONTROLS.sub("", _LINE_ENDS.sub("\n", text)))


def plain(text: str) -> str:
    """The words of a text without pauses, tags, entities and what draws nothing; lines stay."""
    words = _TAG.sub(lambda tag: "" if _INLINE.match(tag.group()) else " ", pauses.blanked(text))
    words = _ENTITY.sub(lambda entity: html.unescape(entity.group()), words)
    return str(_BREAKING.sub("", strip_controls(words)))
