"""The text of a job, cut so that each spoken word can be lit and clicked.

Short texts come with the page; the parts of long ones are fetched as they scroll into
view, so that a million characters cost no more than a page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from jobs.models import Job, Segment
from jobs.states import FINAL_SEGMENT, SegmentState
from speechsite.audio.captions import TimedWord
from speechsite.audio.wording import Wording

INLINE_CHARACTERS = 12_000
CHARACTERS_PER_LINE = 80
LINE_HEIGHT = 30
TALLEST_SPACER = 4000


@dataclass(slots=True)
class Part:
    """One segment as the page shows it. `html` is None where it is fetched later."""

    index: int
    state: str
    start_ms: int
    duration_ms: int
    characters: int
    html: SafeString | None = field(default=None)

    @property
    def spacer(self) -> int:
        """About as tall as the text will be, so that the scroll bar tells the truth."""
        return min(TALLEST_SPACER, LINE_HEIGHT * (1 + self.characters // CHARACTERS_PER_LINE))

    @property
    def is_failed(self) -> bool:
        return self.state == SegmentState.FAILED and not self.duration_ms


def parts_of(job: Job) -> list[Part]:
    """Every part in order; the first ones with their text."""
    rows = job.segments.order_by("index").values_list("index", "state", "start", "duration_ms")
    skeleton = list(rows)
    parts, at = [], 0
    for place, (index, state, start, duration) in enumerate(skeleton):
        is_last = place + 1 == len(skeleton)
        end = job.characters if is_last else skeleton[place + 1][2]
        parts.append(Part(index, state, at, duration, max(0, end - start)))
        at += duration
    _fill(job, parts)
    return parts


def part_of(job: Job, segment: Segment) -> Part:
    """One part with its text and its place in the joined audio."""
    before = job.segments.filter(index__lt=segment.index).values_list("duration_ms", flat=True)
    return Part(
        index=segment.index,
        state=segment.state,
        start_ms=sum(before),
        duration_ms=segment.duration_ms,
        characters=len(segment.text),
        html=_sent(_changed(job), segment.start, segment.text, segment.words),
    )


def playable_lengths(job: Job) -> list[int]:
    """Milliseconds of the parts from the start that are settled; 0 for a failed one."""
    lengths = []
    rows = job.segments.order_by("index").values_list("state", "audio", "duration_ms")
    for state, audio, duration in rows.iterator(chunk_size=200):
        if state not in FINAL_SEGMENT:
            break
        lengths.append(duration if audio else 0)
    return lengths


def spoken(text: str, words: Sequence[Sequence[int]]) -> SafeString:
    """Escaped text with a span around each spoken word, times in milliseconds."""
    pieces: list[str] = []
    at = 0
    for start, end, start_ms, end_ms in words:
        if start < at or end <= start:
            continue  # a provider's times may overlap; the text must not
        pieces.append(escape(text[at:start]))
        pieces.append(
            format_html(
                '<span class="word" data-s="{}" data-e="{}">{}</span>',
                start_ms,
                end_ms,
                text[start:end],
            )
        )
        at = end
    pieces.append(escape(text[at:]))
    return mark_safe("".join(pieces))  # noqa: S308 - every piece above is escaped


def _changed(job: Job) -> Wording | None:
    """The job's wording where it speaks something else than was sent: few do, and texts are long."""
    return job.wording if job.changes else None


def _sent(
    wording: Wording | None, start: int, text: str, words: Sequence[Sequence[int]]
) -> SafeString:
    """A piece of what is spoken, which begins at `start`, as it was sent."""
    if wording is None:
        return spoken(text, words)
    begin, end = wording.ends_at(start), wording.ends_at(start + len(text))
    timed = wording.words_sent([TimedWord(start + a, start + b, *when) for a, b, *when in words])
    # A word that begins in the piece before is shown there.
    shown = [
        (max(one.start, begin) - begin, min(one.end, end) - begin, one.start_ms, one.end_ms)
        for one in timed
    ]
    return spoken(wording.sent[begin:end], shown)


def _fill(job: Job, parts: list[Part]) -> None:
    room, last = INLINE_CHARACTERS, -1
    for part in parts:
        room -= part.characters
        if room < 0 and part.index > 0:
            break
        last = part.index
    rows = job.segments.filter(index__lte=last).values_list("index", "start", "text", "words")
    texts = {index: rest for index, *rest in rows}
    wording = _changed(job)
    for part in parts[: last + 1]:
        if part.index in texts:
            part.html = _sent(wording, *texts[part.index])
