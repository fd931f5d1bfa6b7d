"""What can come of one attempt at a segment, however we heard of it.

The worker, a poll and a webhook all end in one of these, and
`lifecycle.record` is the one place that applies them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the task; ask again in `due_in` seconds."""

    upstream_id: str
    due_in: float
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StillRunning:
    """Asked, and not finished yet, or finished and not yet fetched."""

    due_in: float
    fetch_failed: bool = False
    is_answer: bool = True  # False where the question itself came to nothing
    is_missing: bool = False  # looked up, and not there
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivered:
    """The audio was fetched, decodes, has a length and is stored under `audio`.

    `words` are [start, end, start_ms, end_ms] relative to the segment's text.
    """

    audio: str
    audio_format: str
    duration_ms: int
    size: int = 0  # bytes
    words: Sequence[Sequence[int]] = ()
    words_are_exact: bool = False
    cost: Decimal | None = None
    upstream_id: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Postponed:
    """To be tried again, here or elsewhere: nothing was accepted upstream, as far as we know."""

    reason: str
    code: str = "unavailable"
    due_in: float = 1.0
    leave_out: bool = False  # do not use this channel for this segment again
    counts: bool = True  # whether this uses up one of the segment's attempts
    at_risk: bool = False  # the order before may have been accepted, and billed
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lost:
    """The order went out and its answer was lost: it may have been accepted."""

    reason: str
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """This segment will not be spoken."""

    code: str
    message: str
    raw: Mapping[str, Any] = field(default_factory=dict)
    possible_cost: bool = False


Outcome = Accepted | StillRunning | Delivered | Postponed | Lost | Refused
