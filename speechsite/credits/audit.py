"""Re-adds the whole ledger and says where anything differs. Reads only.

The database does the adding and only rows that differ come back, so memory stays
small however long the ledger is. Which jobs are open is the caller's knowledge
(jobs live above credits): `auditcredits` passes it in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, F, Q, QuerySet, Sum, Window
from django.db.models.functions import Coalesce

from speechsite.credits.models import LedgerEntry, Wallet

# Unfinished jobs with what each must have on hold, sorted by id.
OpenJobs = Callable[[], Iterable[tuple[UUID, int]]]

_BEGIN = {
    "sqlite": "BEGIN",
    "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
}
Kind = LedgerEntry.Kind


@dataclass(frozen=True)
class Difference:
    """Something that does not add up. Both figures are millicredits, or counts of entries."""

    subject: str
    problem: str
    expected: int
    found: int

    def __str__(self) -> str:
        return f"{self.subject}: {self.problem} (expected {self.expected}, found {self.found})"


def audit(open_jobs: OpenJobs | None = None) -> list[Difference]:
    """All differences; an empty list means that every millicredit is accounted for."""
    return list(differences(open_jobs))


def differences(
    open_jobs: OpenJobs | None = None, more: Callable[[], Iterable[Difference]] | None = None
) -> Iterator[Difference]:
    """The differences one by one, all seen at the same moment of the database.

    `more` adds what the caller has to compare beside.
    """
    with _one_moment():
        yield from _pockets_against_entries()
        yield from _balances_along_the_way()
        yield from _entries_without_their_job()
        yield from _jobs_against_their_hold()
        if open_jobs is not None:
            yield from _open_holds_against_jobs(open_jobs())
        if more is not None:
            yield from more()


@contextmanager
def _one_moment() -> Iterator[None]:
    """A snapshot without a write lock: the site goes on working, and is not misread."""
    if connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN[connection.vendor])
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def _pockets_against_entries() -> Iterator[Difference]:
    added = Wallet.objects.annotate(
        sum_available=Coalesce(Sum("entries__available_delta"), 0),
        sum_held=Coalesce(Sum("entries__held_delta"), 0),
    )
    wrong = added.filter(~Q(available=F("sum_available")) | ~Q(held=F("sum_held")))
    for wallet in wrong.order_by("pk").iterator():
        subject = f"wallet {wallet.pk}"
        for pocket in ("available", "held"):
            expected, found = int(getattr(wallet, f"sum_{pocket}")), getattr(wallet, pocket)
            if expected != found:
                yield Difference(
                    subject, f"{pocket} is not the sum of its entries", expected, found
                )


def _balances_along_the_way() -> Iterator[Difference]:
    """Each entry names what was free to spend after it."""
    added = Window(Sum("available_delta"), partition_by="wallet_id", order_by="id")
    entries = LedgerEntry.objects.annotate(added=added).order_by("pk")
    for entry in entries.exclude(available_after=F("added")).iterator():
        problem = "the balance it names is not the sum up to it"
        yield Difference(f"entry {entry.pk}", problem, int(entry.added), entry.available_after)


def _entries_without_their_job() -> Iterator[Difference]:
    needs_job = (Kind.CAPTURE, Kind.RELEASE, Kind.REFUND)
    lost = LedgerEntry.objects.filter(job_id__isnull=True, kind__in=needs_job).order_by("pk")
    for entry in lost.iterator():
        yield Difference(f"entry {entry.pk}", f"a {entry.kind} names no job", 1, 0)


def _jobs_against_their_hold() -> Iterator[Difference]:
    wrong = _jobs().filter(
        Q(wallets__gt=1)
        | ~Q(holds=1)
        | Q(captures__gt=1)
        | Q(releases__gt=1)
        | Q(endings__gt=0) & ~Q(left=0)
        | Q(refunded__gt=F("captured"))
    )
    for job in wrong.iterator():
        yield from _problems_of_job(job)


def _jobs() -> QuerySet[Any, Any]:
    """One row per job, added up by the database."""
    return (
        LedgerEntry.objects.filter(job_id__isnull=False)
        .order_by("job_id")
        .values("job_id")
        .annotate(
            wallets=Count("wallet", distinct=True),
            holds=Count("pk", filter=Q(kind=Kind.HOLD)),
            captures=Count("pk", filter=Q(kind=Kind.CAPTURE)),
            releases=Count("pk", filter=Q(kind=Kind.RELEASE)),
            endings=Count("pk", filter=Q(kind__in=(Kind.CAPTURE, Kind.RELEASE))),
            left=Sum("held_delta"),
            captured=-Coalesce(Sum("held_delta", filter=Q(kind=Kind.CAPTURE)), 0),
            refunded=Coalesce(Sum("available_delta", filter=Q(kind=Kind.REFUND)), 0),
        )
    )


def _problems_of_job(job: dict[str, Any]) -> Iterator[Difference]:
    subject = f"job {job['job_id']}"
    if job["wallets"] > 1:
        yield Difference(subject, "its entries are in several wallets", 1, job["wallets"])
    if job["holds"] != 1:
        yield Difference(subject, "it has not exactly one hold", 1, job["holds"])
    if job["captures"] > 1 or job["releases"] > 1:
        yield Difference(subject, "it ended more than once", 1, job["endings"])
    if job["endings"] and job["left"]:
        yield Difference(subject, "its ending is not its hold", 0, int(job["left"]))
    if job["refunded"] > job["captured"]:
        problem = "more was refunded than charged"
        yield Difference(subject, problem, int(job["captured"]), int(job["refunded"]))


def _open_holds_against_jobs(open_jobs: Iterable[tuple[UUID, int]]) -> Iterator[Difference]:
    """Walks both sorted lists side by side: neither is ever in memory as a whole."""
    unnamed = LedgerEntry.objects.filter(kind=Kind.HOLD, job_id__isnull=True)
    for entry in unnamed.order_by("pk").iterator():
        yield Difference(f"entry {entry.pk}", "a hold names no job", 0, entry.held_delta)

    open_holds = _jobs().filter(holds__gt=0, endings=0).iterator()
    holds = ((row["job_id"], int(row["left"])) for row in open_holds)
    for job_id, quoted, held in _side_by_side(open_jobs, holds):
        if quoted is None:
            yield Difference(f"job {job_id}", "credits are held and it is not open", 0, held or 0)
        elif held is None:
            yield Difference(f"job {job_id}", "it is open and nothing is held", quoted, 0)
        elif quoted != held:
            yield Difference(f"job {job_id}", "the hold is not its quote", quoted, held)


def _side_by_side(
    left: Iterable[tuple[UUID, int]], right: Iterable[tuple[UUID, int]]
) -> Iterator[tuple[UUID, int | None, int | None]]:
    """Joins two sorted lists; a side that lacks an id gives None."""
    lefts = ((job_id, "left", figure) for job_id, figure in left)
    rights = ((job_id, "right", figure) for job_id, figure in right)
    for job_id, rows in groupby(merge(lefts, rights), key=itemgetter(0)):
        figures = {side: figure for _, side, figure in rows}
        yield job_id, figures.get("left"), figures.get("right")
