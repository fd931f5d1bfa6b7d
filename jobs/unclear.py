"""Submissions that a provider may have billed without a result: what they may have cost."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from decimal import Decimal

from django.db.models import F, OuterRef, QuerySet, Subquery

from jobs.models import Segment
from speechsite.upstreams.models import Offer

MICRO = 1_000_000  # an offer's price is in millionths of our credit
HEADER = (
    "job", "segment", "account", "channel", "model", "state", "submitted_at", "finished_at",
    "upstream_id", "attempts", "units", "possible_credits", "failure_code", "failure_message",
)  # fmt: skip


def with_rates(segments: QuerySet[Segment]) -> QuerySet[Segment]:
    """The segments, each with `possible_microcredits` by its channel's present price."""
    rate = Offer.objects.filter(channel=OuterRef("channel"), model=OuterRef("model_slug"))
    rates = Subquery(rate.values("microcredits_per_unit")[:1])
    return segments.annotate(possible_microcredits=F("units") * rates)


def possible_credits(segment: Segment) -> Decimal | None:
    """What the provider may have billed; None where no price is known."""
    micro: int | None = getattr(segment, "possible_microcredits", None)
    return None if not micro else Decimal(micro) / MICRO


def as_csv(segments: QuerySet[Segment]) -> Iterator[str]:
    """The segments as lines of a CSV file, its header first."""
    writer = csv.writer(_Echo())
    yield writer.writerow(HEADER)
    rows = with_rates(segments).select_related("channel", "user").defer("text", "words", "lines")
    for segment in rows.iterator(chunk_size=500):
        yield writer.writerow(map(_cell, _row(segment)))


class _Echo:
    """A file that hands each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def _row(segment: Segment) -> tuple[object, ...]:
    return (
        segment.job_id,
        segment.index,
        segment.user.email,
        segment.channel.slug if segment.channel else "",
        segment.model_slug,
        segment.state,
        segment.submitted_at and segment.submitted_at.isoformat(),
        segment.finished_at and segment.finished_at.isoformat(),
        segment.upstream_id,
        segment.attempts,
        segment.units,
        possible_credits(segment),
        segment.failure_code,
        segment.failure_message,
    )


def _cell(value: object) -> object:
    # A spreadsheet runs what begins like a formula, and providers write some of these.
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None else value
