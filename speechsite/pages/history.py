"""History: everything a person made, found again by text, title, voice, state or date."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.db.models.functions import Left
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jobs import files, lifecycle, states
from jobs.models import BULKY, Job, JobQuerySet
from speechsite.accounts.models import User
from speechsite.audio import markup
from speechsite.pages.posting import only_posted
from speechsite.pages.requests import SignedIn

PAGE_SIZE = 25
PREVIEW = 160  # characters of a text that a row shows
READ = 1000  # characters in which they are looked for: markup takes room
MOST_SELECTED = 200
SEARCHED = 1000  # pieces whose words are looked through at once


@dataclass(frozen=True, slots=True)
class Filters:
    """What somebody looks for; what cannot be read is left out."""

    q: str
    state: str
    kind: str
    since: date | None
    until: date | None

    @classmethod
    def read(cls, told: Any) -> Filters:
        state, kind = told.get("state", ""), told.get("kind", "")
        return cls(
            q=told.get("q", "").strip()[:200],
            state=state if state in states.JobState.values else "",
            kind=kind if kind in Job.Kind.values else "",
            since=_day(told.get("since", "")),
            until=_day(told.get("until", "")),
        )

    @property
    def is_active(self) -> bool:
        return any((self.q, self.state, self.kind, self.since, self.until))

    @property
    def query(self) -> str:
        told = {
            "q": self.q,
            "state": self.state,
            "kind": self.kind,
            "since": self.since or "",
            "until": self.until or "",
        }
        return urlencode({name: value for name, value in told.items() if value})


@login_required
@never_cache
@require_safe
def history(request: SignedIn) -> HttpResponse:
    filters = Filters.read(request.GET)
    found = find(request.user, filters, before=request.GET.get("before", ""))
    context = {
        "filters": filters,
        "rows": [_row(job) for job in found.jobs],
        "next_before": found.next_before,
        "is_all_searched": found.is_all_searched,
        "is_first_page": not request.GET.get("before"),
        "states": states.JobState.choices,
        "kinds": Job.Kind.choices,
    }
    is_fragment = request.htmx and not request.htmx.history_restore_request
    template = "history/_results.html" if is_fragment else "history/history.html"
    return render(request, template, context)


@login_required
@only_posted("pages:history")
def selected(request: SignedIn) -> HttpResponse:
    """Delete or download the ticked rows; deleting asks once more."""
    wanted = [i for i in map(_uuid, request.POST.getlist("ids")[:MOST_SELECTED]) if i]
    found = Job.objects.of(request.user).filter(pk__in=wanted)
    jobs = list(found.select_related("voice").defer(*BULKY))
    if not jobs:
        messages.warning(request, _("Nothing was selected."))
        return redirect("pages:history")
    if request.POST.get("do") == "download":
        return _download(request, jobs)
    if not request.POST.get("confirmed"):
        return render(request, "history/delete.html", {"jobs": jobs})
    for job in jobs:
        lifecycle.delete(job)
    said = ngettext("%(count)d item was deleted.", "%(count)d items were deleted.", len(jobs))
    messages.success(request, said % {"count": len(jobs)})
    return redirect("pages:history")


@dataclass(frozen=True, slots=True)
class Found:
    """One page, and where the next one begins if there is one."""

    jobs: Sequence[Job]
    next_before: str = ""
    is_all_searched: bool = True


def find(user: User, filters: Filters, *, before: str = "") -> Found:
    """Newest first; no counting. Words are looked for in so many pieces at a time."""
    jobs = _before(_narrow(Job.objects.of(user), filters), user, before)
    jobs = jobs.order_by("-created_at", "-pk")
    last_searched = None
    if filters.q:
        searched = list(jobs.values_list("pk", flat=True)[: SEARCHED + 1])
        last_searched = searched[SEARCHED - 1] if len(searched) > SEARCHED else None
        if last_searched is not None:
            jobs = _since(jobs, last_searched)
        jobs = _with_words(jobs, filters.q)
    shown = jobs.select_related("voice", "model").defer(*BULKY)
    rows = list(shown.annotate(beginning=Left("text", READ))[: PAGE_SIZE + 1])
    for row in rows:
        row.beginning = _beginning(row)
    if len(rows) > PAGE_SIZE:
        return Found(rows[:PAGE_SIZE], str(rows[PAGE_SIZE - 1].pk))
    return Found(rows, str(last_searched or ""), is_all_searched=last_searched is None)


def _beginning(job: Any) -> str:
    """The first words without markup; empty where the title says all of them."""
    words = " ".join(markup.plain(job.beginning).split())
    return "" if words == job.title else words[:PREVIEW].rstrip()


def _before(jobs: JobQuerySet, user: User, before: str) -> JobQuerySet:
    last = _uuid(before)
    at = last and _moment_of(Job.objects.of(user), last)
    return jobs.filter(Q(created_at__lt=at) | Q(created_at=at, pk__lt=last)) if at else jobs


def _since(jobs: JobQuerySet, first: uuid.UUID) -> JobQuerySet:
    at = _moment_of(jobs, first)
    return jobs.filter(Q(created_at__gt=at) | Q(created_at=at, pk__gte=first))


def _moment_of(jobs: JobQuerySet, pk: uuid.UUID) -> datetime | None:
    return jobs.filter(pk=pk).values_list("created_at", flat=True).first()


def _with_words(jobs: JobQuerySet, words: str) -> JobQuerySet:
    return jobs.filter(
        Q(title__icontains=words) | Q(voice__name__icontains=words) | Q(text__icontains=words)
    )


def _narrow(jobs: JobQuerySet, filters: Filters) -> JobQuerySet:
    if filters.state:
        jobs = jobs.filter(state=filters.state)
    if filters.kind:
        jobs = jobs.filter(kind=filters.kind)
    if filters.since:
        jobs = jobs.filter(created_at__gte=_midnight(filters.since))
    if filters.until:
        jobs = jobs.filter(created_at__lt=_midnight(filters.until + timedelta(days=1)))
    return jobs


def _row(job: Job) -> dict[str, Any]:
    row: dict[str, Any] = {"job": job}
    if job.audio:
        row["listen"] = files.link(job, "audio", format="mp3_44100_128")
        row["download"] = files.link(job, "audio", download=True)
    return row


def _download(request: SignedIn, jobs: list[Job]) -> HttpResponse:
    ready = [job.pk for job in jobs if job.audio]
    if not ready:
        messages.warning(request, _("None of the selected items has audio yet."))
        return redirect("pages:history")
    return redirect(files.bulk_link(request.user, ready))


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
