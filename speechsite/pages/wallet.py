"""The wallet: what is there, what is held, and how it came to be."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet, Sum
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jobs.models import Job
from speechsite.credits import ledger
from speechsite.credits.models import LedgerEntry, Wallet
from speechsite.pages.landing import price_list
from speechsite.pages.requests import SignedIn

PAGE_SIZE = 30


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the statement."""

    entry: LedgerEntry
    balance: int  # available after this entry
    job: Job | None


@login_required
@never_cache
@require_safe
def wallet(request: SignedIn) -> HttpResponse:
    own = ledger.open_wallet(request.user)
    kind = request.GET.get("kind", "")
    entries = LedgerEntry.objects.filter(wallet=own).select_related("actor")
    if kind in LedgerEntry.Kind.values:
        entries = entries.filter(kind=kind)
    before = request.GET.get("before", "")
    if before.isdecimal():
        entries = entries.filter(pk__lt=int(before[:18]))
    page = list(entries[: PAGE_SIZE + 1])
    context = {
        "own": own,
        "kind": kind,
        "kinds": LedgerEntry.Kind.choices,
        "lines": statement(request, own, page[:PAGE_SIZE]),
        "next_before": page[PAGE_SIZE - 1].pk if len(page) > PAGE_SIZE else None,
        "is_first_page": not before,
        "prices": price_list(),
    }
    return render(request, "wallet/wallet.html", context)


def statement(request: SignedIn, own: Wallet, page: list[LedgerEntry]) -> list[Line]:
    """Entries with the balance after each and the job each belongs to."""
    if not page:
        return []
    balances = _balances(own, newest=page[0].pk, oldest=page[-1].pk)
    wanted = {entry.job_id for entry in page if entry.job_id}
    jobs = Job.objects.filter(user=request.user, pk__in=wanted).defer("text", "peaks").in_bulk()
    return [Line(e, balances[e.pk], jobs.get(e.job_id)) for e in page]


def _balances(own: Wallet, *, newest: int, oldest: int) -> dict[int, int]:
    """The running balance over a stretch of the ledger, added up from its start."""
    entries: QuerySet[LedgerEntry] = LedgerEntry.objects.filter(wallet=own)
    total = entries.filter(pk__lt=oldest).aggregate(total=Sum("available_delta"))["total"] or 0
    stretch = entries.filter(pk__gte=oldest, pk__lte=newest).order_by("pk")
    balances = {}
    for pk, delta in stretch.values_list("pk", "available_delta"):
        total += delta
        balances[pk] = total
    return balances
