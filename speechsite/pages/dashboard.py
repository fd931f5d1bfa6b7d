"""The administrator's first page: how today goes, and what needs a person."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Count, Q, Sum
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from jobs import audits
from jobs.models import BULKY, DiskUse, Job, Segment
from jobs.states import JobState
from speechsite.credits import prices
from speechsite.credits.models import LedgerEntry, Wallet
from speechsite.pages import health
from speechsite.upstreams.models import Channel

LATEST = 8
LONG_WAIT_SECONDS = 60


def figures(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What `templates/admin/index.html` shows; called by the admin's first page."""
    if not request.user.has_perm("jobs.view_job"):
        return context
    since = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    context["cards"] = [*_today(since), *_now()]
    context["channels"] = _channels()
    context["failures"] = _failures()
    context["unclear"] = Segment.objects.filter(possible_cost=True).count()
    return context


def _today(since: datetime) -> list[dict[str, Any]]:
    jobs = Job.objects.filter(created_at__gte=since).aggregate(
        placed=Count("pk"), failed=Count("pk", filter=Q(state=JobState.FAILED))
    )
    captures = LedgerEntry.objects.filter(
        kind=LedgerEntry.Kind.CAPTURE, created_at__gte=since
    ).aggregate(sum=Sum("held_delta"))
    all_jobs = reverse("admin:jobs_job_changelist")
    failed_jobs = f"{all_jobs}?state__exact={JobState.FAILED.value}"
    return [
        _card(_("Jobs today"), jobs["placed"], link=all_jobs),
        _card(_("Failed today"), jobs["failed"], is_bad=jobs["failed"] > 0, link=failed_jobs),
        _card(_("Credits charged today"), prices.format_credits(-(captures["sum"] or 0))),
    ]


def _now() -> list[dict[str, Any]]:
    waited = health.longest_wait()
    live = Segment.objects.unfinished().count()
    held = Wallet.objects.aggregate(sum=Sum("held"))["sum"] or 0
    is_late = waited > LONG_WAIT_SECONDS
    return [
        _card(_("Oldest work waits"), _("%(n)d s") % {"n": waited}, is_bad=is_late),
        _card(_("Segments under way"), live),
        _card(_("Credits held"), prices.format_credits(held)),
        _ledger(),
        _card(
            _("Stored files"),
            filesizeformat(DiskUse.objects.aggregate(sum=Sum("size"))["sum"] or 0),
            link=reverse("admin:jobs_diskuse_changelist"),
        ),
    ]


def _ledger() -> dict[str, Any]:
    """What the nightly audit said; red where it found something or did not come."""
    last, link = audits.latest(), reverse("admin:credits_auditrun_changelist")
    if last is None:
        return _card(_("Ledger"), _("not added up yet"), link=link)
    if last.differences:
        said = ngettext("%(n)d difference", "%(n)d differences", last.differences)
        return _card(_("Ledger"), said % {"n": last.differences}, is_bad=True, link=link)
    is_old = timezone.now() - last.finished_at > health.AUDIT_IS_OLD
    said = _("adds up, %(moment)s") % {"moment": _moment(last.finished_at)}
    return _card(_("Ledger"), said, is_bad=is_old, link=link)


def _card(
    title: str, value: object, *, is_bad: bool = False, link: str | None = None
) -> dict[str, Any]:
    return {"title": title, "value": value, "is_bad": is_bad, "link": link}


def _channels() -> dict[str, Any]:
    rows = [
        [
            _link("upstreams_channel", channel.pk, channel.name),
            channel.get_breaker_display() if channel.is_enabled else _("switched off"),
            channel.failures,
            channel.last_error or "–",
        ]
        for channel in Channel.objects.all()
    ]
    return {"headers": [_("Channel"), _("Health"), _("Failures"), _("Last error")], "rows": rows}


def _failures() -> dict[str, Any]:
    failed = Job.objects.filter(state=JobState.FAILED).select_related("user", "model")
    rows = [
        [
            _link("jobs_job", job.pk, _moment(job.finished_at or job.created_at)),
            job.user.email,
            job.model.name,
            job.failure_message or job.failure_code,
        ]
        for job in failed.defer(*BULKY).order_by("-created_at")[:LATEST]
    ]
    return {"headers": [_("When"), _("Account"), _("Model"), _("Reason")], "rows": rows}


def _moment(then: datetime) -> str:
    return f"{timezone.localtime(then):%Y-%m-%d %H:%M}"


def _link(name: str, pk: object, shown: str) -> str:
    url = reverse(f"admin:{name}_change", args=[pk])
    return format_html(
        '<a class="text-primary-600 dark:text-primary-500 font-medium" href="{}">{}</a>', url, shown
    )
