"""Usage: what was ordered, added up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, F, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from jobs import spending
from jobs.models import Job
from speechsite.api.errors import Invalid
from speechsite.api.native import base, inputs, schema, wire
from speechsite.api.native.schema import operation

DEFAULT_DAYS = 30
LONGEST = timedelta(days=366)
FIRST_YEAR = 2000
SUMS = {
    "generations": Count("pk"),
    "characters": Sum("characters"),
    "milliseconds": Sum("duration_ms"),
    "millicredits": Sum(spending.NET),
}


class Usage(base.NativeView):
    """Sums over the generations of some days, deleted ones included."""

    scopes = {"GET": "credits:read"}

    @operation(
        "getUsage",
        "usage",
        schema.UsageSerializer,
        parameters=[inputs.UsageQuerySerializer],
    )
    def get(self, request: Request) -> Response:
        """Sums by day, model or kind; days are UTC's and both ends are included."""
        query = base.checked(inputs.UsageQuerySerializer, request.query_params)
        first, last = _period(query)
        begin = datetime(first.year, first.month, first.day, tzinfo=UTC)
        end = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)
        jobs = Job.objects.filter(
            user=self.caller.user,
            is_test=self.caller.is_test,
            created_at__gte=begin,
            created_at__lt=end,
        ).order_by()
        name = query["group_by"]
        rows = _grouped(jobs, name).annotate(**SUMS).order_by("group")
        body = {
            "object": "usage",
            "start": first.isoformat(),
            "end": last.isoformat(),
            "group_by": name,
            "data": [{name: str(row["group"]), **_sums(row)} for row in rows],
            "total": _sums(jobs.aggregate(**SUMS)),
        }
        return Response(body)


def _period(query: dict[str, Any]) -> tuple[Any, Any]:
    last = query.get("end") or timezone.now().astimezone(UTC).date()
    if not FIRST_YEAR <= last.year < 9999:
        raise Invalid(_("This day is out of range."), field="end")
    first = query.get("start") or last - timedelta(days=DEFAULT_DAYS - 1)
    if first > last:
        raise Invalid(_("The end lies before the start."), field="end")
    if last - first > LONGEST:
        raise Invalid(_("At most a year can be added up at once."), field="start")
    return first, last


def _grouped(jobs: QuerySet[Job], name: str) -> QuerySet[Any, Any]:
    group = {
        "day": TruncDate("created_at", tzinfo=UTC),
        "model": F("model__slug"),
        "kind": F("kind"),
    }[name]
    return jobs.annotate(group=group).values("group")


def _sums(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "generations": row["generations"],
        "characters": row["characters"] or 0,
        "seconds": (row["milliseconds"] or 0) / 1000,
        "credits": wire.number(row["millicredits"] or 0),
    }
