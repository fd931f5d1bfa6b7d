"""The wallet: what is there, what is held, and how it came to be."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jobs.models import BULKY, Job
from speechsite.credits import ledger
from speechsite.credits.models import LedgerEntry
from speechsite.pages.landing import price_list
from speechsite.pages.requests import SignedIn

PAGE_SIZE = 30


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the statement."""

    entry: LedgerEntry
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
        "lines": statement(request, page[:PAGE_SIZE]),
        "next_before": page[PAGE_SIZE - 1].pk if len(page) > PAGE_SIZE else None,
        "is_first_page": not before,
        "prices": price_list(),
    }
    return render(request, "wallet/wallet.html", context)


def statement(request: SignedIn, page: list[LedgerEntry]) -> list[Line]:
    """Entries, each with the job that it belongs to."""
    wanted = {entry.job_id for entry in page if entry.job_id}
    jobs = Job.objects.filter(user=request.user, pk__in=wanted).defer(*BULKY).in_bulk()
    return [Line(entry, jobs.get(entry.job_id)) for entry in page]
