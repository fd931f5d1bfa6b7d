"""Jobs for administrators: to look at, and to cancel. The queue's own tables beside them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django_q import admin as queue_admin
from django_q import models as queue
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm

from jobs import lifecycle, names, unclear
from jobs.models import BULKY, DiskUse, Job, JobEvent, Segment
from jobs.states import JobState, SegmentState
from speechsite.core.adminpages import ReadOnly, ReadOnlyInline, ReadOnlyPage
from speechsite.credits import prices

SHOWN_CHARACTERS = 2000
COLOURS = {
    JobState.QUEUED: "info",
    JobState.PROCESSING: "info",
    JobState.SUCCEEDED: "success",
    JobState.FAILED: "danger",
    JobState.CANCELED: "warning",
    SegmentState.UNKNOWN: "warning",
    SegmentState.DONE: "success",
}


class SegmentInline(ReadOnlyInline):
    """Where each piece is, and through which channel."""

    model = Segment
    fields = (
        "index", "state", "units", "channel", "attempts", "upstream_id", "duration_ms",
        "possible_cost", "waiting_reason", "failure_message",
    )  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Segment]:
        return super().get_queryset(request).select_related("channel").defer("text", "words")


class EventInline(ReadOnlyInline):
    """What happened, in order."""

    model = JobEvent
    fields = readonly_fields = ("created_at", "kind", "segment", "data")

    def get_queryset(self, request: HttpRequest) -> QuerySet[JobEvent]:
        return super().get_queryset(request).select_related("segment")


@admin.register(Job)
class JobAdmin(ReadOnlyPage):
    """Every job, also those that their owners have deleted from History."""

    list_display = (
        "created_at", "user", "title", "kind", "state_label", "characters", "charge", "source",
        "is_test",
    )  # fmt: skip
    list_filter = ("state", "kind", "source", "is_test", "model", "created_at")
    list_select_related = ("user",)
    search_fields = ("=id", "title", "user__email")
    fieldsets = (
        (None, {"fields": ("state_label", "user", "title", "failure_message", "text_begin")}),
        (_("Credits"), {"fields": ("quote", "charge", "units", "price")}),
        (
            _("Order"),
            {
                "fields": (
                    "model", "voice", "voice_settings", "options", "language", "output_format",
                    "kind", "source", "api_key", "is_test", "idempotency_key",
                )
            },
        ),
        (
            _("Result"),
            {"fields": ("audio_name", "audio_bytes", "duration_ms", "segment_count", "failure_code")},
        ),
        (_("Times"), {"fields": ("created_at", "started_at", "finished_at", "deleted_at")}),
    )  # fmt: skip
    readonly_fields = ("state_label", "text_begin", "quote", "charge", "audio_name", "created_at")
    inlines = (SegmentInline, EventInline)
    actions = ("cancel_jobs",)
    actions_detail = ("cancel_job",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        return super().get_queryset(request).defer(*BULKY)

    @display(description=_("state"), label=COLOURS, ordering="state")
    def state_label(self, job: Job) -> Any:
        return job.state, job.get_state_display()

    @display(description=_("charged"), ordering="charged")
    def charge(self, job: Job) -> str:
        return prices.format_credits(job.charged)

    @display(description=_("quoted"), ordering="quoted")
    def quote(self, job: Job) -> str:
        return prices.format_credits(job.quoted)

    @display(description=_("file"))
    def audio_name(self, job: Job) -> str:
        return format_html('<span class="break-all">{}</span>', job.audio or "–")

    @display(description=_("text"))
    def text_begin(self, job: Job) -> str:
        text = job.text
        return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"

    def has_cancel_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("jobs.change_job")

    @admin.action(
        description=_("Cancel: the rest of the credits goes back"), permissions=["cancel"]
    )
    def cancel_jobs(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        live = [job for job in queryset if not job.is_finished]
        for job in live:
            lifecycle.cancel(job)
        text = ngettext("%(count)d job canceled.", "%(count)d jobs canceled.", len(live))
        messages.success(request, text % {"count": len(live)})

    @action(
        description=_("Cancel this job"),
        url_path="cancel",
        permissions=["cancel"],
        icon="cancel",
        dialog={
            "title": _("Cancel this job?"),
            "description": _("Finished pieces are kept and charged; the rest goes back."),
            "form_class": None,
            "form_submit_text": _("Cancel the job"),
        },
    )
    def cancel_job(
        self, request: HttpRequest, form: BaseDialogForm, object_id: str
    ) -> HttpResponse:
        job = get_object_or_404(Job, pk=object_id)
        if job.is_finished:
            messages.warning(request, _("This job is over already."))
        else:
            lifecycle.cancel(job)
            messages.success(request, _("The job was canceled."))
        page = reverse("admin:jobs_job_change", args=[object_id])
        if "HX-Request" in request.headers:  # the question was asked in a dialog
            return HttpResponse(headers={"HX-Redirect": page})
        return redirect(page)


@admin.register(Segment)
class SegmentAdmin(ReadOnlyPage):
    """Pieces of all jobs; `possible cost` finds those that were perhaps billed for nothing."""

    list_display = (
        "job_link", "user", "channel", "model_slug", "state_label", "possible_cost",
        "possible_credits", "submitted_at", "upstream_id", "failure_message",
    )  # fmt: skip
    list_filter = ("possible_cost", "state", "channel", "submitted_at")
    list_select_related = ("user", "channel")
    search_fields = ("=job__id", "=upstream_id", "user__email")
    ordering = ("-id",)
    fields = (
        "job_link", "index", "user", "channel", "model_slug", "state_label", "possible_cost",
        "possible_credits", "units", "attempts", "upstream_id", "upstream_cost", "submitted_at",
        "finished_at", "waiting_reason", "failure_code", "failure_message",
    )  # fmt: skip
    readonly_fields = ("job_link", "state_label", "possible_credits")
    actions = ("export_csv",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Segment]:
        return unclear.with_rates(super().get_queryset(request)).defer("text", "words", "lines")

    @display(description=_("job"), ordering="job")
    def job_link(self, segment: Segment) -> str:
        url = reverse("admin:jobs_job_change", args=[segment.job_id])
        shown = f"{str(segment.job_id)[-12:]} #{segment.index}"
        return format_html(
            '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', url, shown
        )

    @display(description=_("state"), label=COLOURS, ordering="state")
    def state_label(self, segment: Segment) -> Any:
        return segment.state, segment.get_state_display()

    @display(description=_("credits it may have cost"), ordering="possible_microcredits")
    def possible_credits(self, segment: Segment) -> str:
        found = unclear.possible_credits(segment) if segment.possible_cost else None
        return "–" if found is None else f"{found.normalize():f}"

    @admin.action(description=_("Export as CSV"), permissions=["view"])
    def export_csv(self, request: HttpRequest, queryset: QuerySet[Segment]) -> HttpResponse:
        response = HttpResponse("".join(unclear.as_csv(queryset)), content_type="text/csv")
        names.attach(response, "segments.csv")
        return response


@admin.register(DiskUse)
class DiskUseAdmin(ReadOnlyPage):
    """Who fills the disk, and with what."""

    list_display = ("user", "kind", "shown_size", "files", "counted_at")
    list_filter = ("kind",)
    search_fields = ("user__email",)
    list_select_related = ("user",)

    @display(description=_("size"), ordering="size")
    def shown_size(self, use: DiskUse) -> str:
        return filesizeformat(use.size)


def _only_to_look_at(model: Any, page: Any) -> None:
    """Give a page of django-q2 the look of the others, and take its buttons away.

    A schedule or a task names a function to call: who could write one could run anything.
    """
    if admin.site.is_registered(model):
        admin.site.unregister(model)
        name = f"ReadOnly{page.__name__}"
        admin.site.register(model, type(name, (ReadOnly, page, ModelAdmin), {"actions": ()}))


for queue_model, queue_page in (
    (queue.Schedule, queue_admin.ScheduleAdmin),
    (queue.Success, queue_admin.TaskAdmin),
    (queue.Failure, queue_admin.FailAdmin),
    (queue.OrmQ, queue_admin.QueueAdmin),
):
    _only_to_look_at(queue_model, queue_page)
