"""Pauses written in a text, and what is left to be spoken when decoration is taken out.

One dialect is understood: `[pause:1.5s]`, `[pause:300ms]`, `<break time="1.5s"/>` and
`<#1.5#>`. Every pattern here is bounded, so hostile text costs no more than any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import regex

LONGEST_PAUSE_MS = 10_000
LONGEST_KEPT_MS = 60_000  # of one pause, by the built-in voices
# ElevenLabs takes no single break above this; longer ones are written as several.
_ELEVENLABS_BREAK_MS = 3_000
_SMALLEST_MS = 10

_NUMBER = r"\d{1,9}(?:\.\d{0,9})?"
_PAUSE = regex.compile(
    rf"\[pause[:=]\s{{0,8}}(?P<count>{_NUMBER})\s{{0,8}}(?P<unit>ms|s)?\s{{0,8}}\]"
    rf"|<break\s{{1,8}}time\s{{0,8}}=\s{{0,8}}[\"'](?P<count>{_NUMBER})\s{{0,8}}(?P<unit>ms|s)?[\"']"
    r"\s{0,8}(?:/\s{0,8}>|>(?:\s{0,8}</break>)?)"
    rf"|<#(?P<count>{_NUMBER})#>",
    regex.IGNORECASE,
)

_PAUSE_AND_GAP = regex.compile(rf"(?:{_PAUSE.pattern})(?P<gap>\s?)", regex.IGNORECASE)

# Letters that draw nothing, and the one letter that is an emoji.
_SILENT_LETTERS = r"\u115f\u1160\u3164\uffa0ℹ"
_SPEAKABLE = regex.compile(rf"[\p{{L}}--[{_SILENT_LETTERS}]]|\p{{N}}(?!\ufe0f?\u20e3)", regex.V1)

_CONTROLS = regex.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_ENDS = regex.compile(r"\r\n?|\x85")

_EMOJI = regex.compile(
    r"(?:[\p{Extended_Pictographic}--[©®™‼⁉〰〽]]|[#*0-9]\ufe0f?\u20e3"
    r"|[\p{Regional_Indicator}\p{Emoji_Modifier}\ufe0e\ufe0f\U000e0020-\U000e007f]"
    r"|(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])\u200d)++[ \t]?",
    regex.V1,
)
_WIDE_GAP = regex.compile(r"(?<=\S)[ \t]{2,}+")
_URL = regex.compile(r"<?(?:https?://|www\.)(?P<rest>[!-~--[<>\"]]++)>?", regex.V1 | regex.I)
_LINK = regex.compile(
    r"!?\[(?P<said>[^\[\]\n]{0,1000})\]"
    r"\([^()\s]{0,2000}(?:\([^()\s]{0,200}\)[^()\s]{0,200})?(?:[ \t]{1,4}\"[^\"\n]{0,300}\")?\)"
)
_FOOTNOTE = regex.compile(r"\[\^[^\[\]\s]{1,60}\]:?")
_LINE_MARK = regex.compile(
    r"^[ \t]{0,8}(?:#{1,6}[ \t]++|(?:>[ \t]?){1,8}|[-*+][ \t]++(?:\[[ xX]\][ \t]++)?)", regex.M
)
_EMPTY_LINE_MARK = regex.compile(
    r"^[ \t]{0,8}(?:`{3,}+[^`\n]{0,100}|~{3,}+[^~\n]{0,100}|(?:[-*_=][ \t]?){3,}+|[|:\- ]{3,}+)$",
    regex.M,
)
_EMPHASIS = regex.compile(
    r"(?<![\w*~])(?:[*_]{1,3}|~~)(?=[^\s*_~])|(?<=[^\s*_~])(?:[*_]{1,3}|~~)(?![\w*~])|`++"
)


@dataclass(frozen=True, slots=True)
class Speech:
    """Words to be spoken; `text` stands at `start` in the text that was parsed."""

    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence between two pieces of speech."""

    ms: int


def parse(text: str) -> list[Speech | Pause]:
    """Speech and pauses in turn, beginning and ending with speech.

    Pauses at the edges are dropped, neighbours are added up, and none is longer
    than ten seconds. What cannot be spoken between two pauses is left out.
    """
    found: list[Speech | Pause] = []
    waiting = 0
    for item in _items(text):
        if isinstance(item, Pause):
            waiting = min(waiting + item.ms, LONGEST_PAUSE_MS)
            continue
        if found and waiting >= _SMALLEST_MS:
            found.append(Pause(waiting))
        found.append(item)
        waiting = 0
    return found


def for_elevenlabs(text: str) -> str:
    """The text with its pauses as break tags."""
    return _rendered(text, _break_tags)


def for_minimax(text: str) -> str:
    """The text with its pauses in MiniMax' marks, each between two speakable parts."""
    return _rendered(text, lambda ms: f"<#{ms / 1000:.2f}#>")


def pauses_ms(text: str) -> int:
    """How long all pauses of a text may last, each as the most patient voice keeps it."""
    return sum(min(_written_ms(mark), LONGEST_KEPT_MS) for mark in _PAUSE.finditer(text))


def plain(text: str) -> str:
    """The text without its pauses; words that only a pause kept apart stay apart."""
    return str(_PAUSE_AND_GAP.sub(_gap, text))


def blanked(text: str) -> str:
    """The text with blanks in place of its pauses, so that positions stay true."""
    return str(_PAUSE.sub(lambda mark: " " * len(mark.group()), text))


def is_speakable(text: str) -> bool:
    """Whether there is anything to say: a letter or a number that is no emoji."""
    return _SPEAKABLE.search(text) is not None


def strip_controls(text: str) -> str:
    """The text without control characters, lines ended by a line feed; tabs stay.

    Halves of surrogate pairs go too: they can be neither stored nor sent.
    """
    return str(_CONTROLS.sub("", _LINE_ENDS.sub("\n", text)))


def clean(text: str, *, markdown: bool = True, urls: bool = True, emoji: bool = True) -> str:
    """What will be spoken: no Markdown marks, host names for addresses, no emoji."""
    if markdown:
        text = _without_markdown(text)
    if urls:
        text = _URL.sub(_host, text)
    if emoji:
        text = _WIDE_GAP.sub(" ", _EMOJI.sub(" ", text)) if _EMOJI.search(text) else text
    return text


def _items(text: str) -> Iterator[Speech | Pause]:
    at = 0
    for mark in _PAUSE.finditer(text):
        if is_speakable(text[at : mark.start()]):
            yield Speech(text[at : mark.start()], at)
        yield Pause(_milliseconds(mark))
        at = mark.end()
    if is_speakable(text[at:]):
        yield Speech(text[at:], at)


def _milliseconds(mark: regex.Match[str]) -> int:
    return min(_written_ms(mark), LONGEST_PAUSE_MS)


def _written_ms(mark: regex.Match[str]) -> int:
    factor = 1 if (mark["unit"] or "s").lower() == "ms" else 1000
    return round(float(mark["count"]) * factor)


def _gap(mark: regex.Match[str]) -> str:
    text: str = mark.string
    if mark.start() == 0 or mark.end() == len(text) or text[mark.start() - 1].isspace():
        return ""
    return str(mark["gap"]) or " "


def _rendered(text: str, written: Callable[[int], str]) -> str:
    return "".join(
        item.text if isinstance(item, Speech) else written(item.ms) for item in parse(text)
    )


def _break_tags(ms: int) -> str:
    tags = []
    while ms > 0:
        now = min(ms, _ELEVENLABS_BREAK_MS)
        tags.append(f'<break time="{now / 1000:.2f}s" />')
        ms -= now
    return "".join(tags)


def _without_markdown(text: str) -> str:
    text = _LINK.sub(lambda link: link["said"], text)
    text = _FOOTNOTE.sub("", text)
    text = _EMPTY_LINE_MARK.sub("", text)
    text = _LINE_MARK.sub("", text)
    return str(_EMPHASIS.sub("", text))


def _host(address: regex.Match[str]) -> str:
    rest = str(address["rest"])
    # What ends the sentence does not belong to the address.
    end = rest[len(rest.rstrip(".,;:!?)]}'*_")) :]
    place = str(regex.split(r"[/?#]", rest, maxsplit=1)[0])
    host = place.rpartition("@")[2].partition(":")[0]
    return host.removeprefix("www.").rstrip(".,;:!?)]}'*_") + end
