"""How much was used, over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import (
    BigIntegerField,
    Count,
    ExpressionWrapper,
    Func,
    Q,
    QuerySet,
    Sum,
    Value,
)
from django.http import HttpRequest
from django.utils.translation import gettext as _

from jobs import spending
from jobs.models import Job
from jobs.states import JobState
from speechsite.api.auth import Caller
from speechsite.api.elevenlabs import orders
from speechsite.api.elevenlabs.answers import by_method, serves
from speechsite.api.elevenlabs.models import public_name
from speechsite.api.elevenlabs.wire import account as wire
from speechsite.api.errors import Invalid
from voices.models import SpeechModel

MOST_BUCKETS = 5000
MOST_FIGURES = 100_000  # in one answer: groups times steps
LONGEST = timedelta(days=3660)
STEPS = {"hour": 3600, "day": 86400, "week": 7 * 86400, "month": 30 * 86400}
# Later than this, a number of seconds would be; so it is milliseconds.
SECONDS_UNTIL = 100_000_000_000


@dataclass(frozen=True, slots=True)
class Group:
    """By what jobs are told apart: columns, and what a row of these is called."""

    columns: tuple[str, ...] = ()
    name: Callable[..., str] = lambda: "All"


def _model(slug: str, aliases: list[str]) -> str:
    return public_name(SpeechModel(slug=slug, aliases=aliases))


def _product(kind: str) -> str:
    return "Audio Isolation" if kind == Job.Kind.ISOLATION else "TTS"


METRICS: dict[str, Any] = {
    "credits": Sum(spending.NET),
    "tts_characters": Sum("characters"),
    "request_count": Count("pk"),
    "minutes_used": Sum("duration_ms"),
}
GROUPS = {
    "none": Group(),
    "voice": Group(("voice__name",), lambda name: name or "none"),
    "model": Group(("model__slug", "model__aliases"), _model),
    "product_type": Group(("kind",), _product),
    "api_keys": Group(
        ("api_key__name", "api_key__prefix"), lambda name, prefix: name or prefix or "none"
    ),
}


class Milliseconds(Func):
    """A time as milliseconds since 1970."""

    output_field = BigIntegerField()
    template = "FLOOR(EXTRACT(EPOCH FROM %(expressions)s) * 1000)::bigint"

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        template = (
            "(CAST(strftime('%%%%s', %(expressions)s) AS INTEGER) * 1000"
            " + CAST(substr(strftime('%%%%f', %(expressions)s), 4) AS INTEGER))"
        )
        return self.as_sql(compiler, connection, template=template, **more)


def get_usage(request: HttpRequest, caller: Caller, query: Mapping[str, Any]) -> dict[str, Any]:
    """Sums by time and group. A metric or group that is not kept here is refused."""
    begin, end = _moment(query["start_unix"]), _moment(query["end_unix"])
    metric, group = query["metric"], GROUPS.get(query["breakdown_type"])
    if metric not in METRICS or group is None:
        raise Invalid(_("This is not counted here."), code="invalid_parameters")
    step = _step(query, begin, end)
    count = -(-int((end - begin).total_seconds()) // step) or 1
    jobs = _used(caller, begin, end)
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0] * count)
    for *named, place, total in _rows(jobs, begin, step, METRICS[metric], group.columns):
        sums[group.name(*named)][min(place, count - 1)] += total
        if len(sums) * count > MOST_FIGURES:
            raise Invalid(_("Choose fewer, longer steps."), code="invalid_parameters")
    if not sums and not group.columns:
        sums["All"] = [0.0] * count
    times = [int(begin.timestamp() * 1000) + place * step * 1000 for place in range(count)]
    unit = _unit(metric)
    usage = {name: [total / unit for total in totals] for name, totals in sums.items()}
    return {"time": times, "usage": usage}


def _used(caller: Caller, begin: datetime, end: datetime) -> QuerySet[Job]:
    """All work that was paid for, however it ended, and what was free and succeeded."""
    return Job.objects.filter(
        Q(state=JobState.SUCCEEDED) | Q(charged__gt=0),
        user=caller.user,
        is_test=caller.is_test,
        created_at__gte=begin,
        created_at__lt=end,
    ).order_by()


def _rows(
    jobs: QuerySet[Job], begin: datetime, step: int, metric: Any, columns: tuple[str, ...]
) -> Iterable[tuple[Any, ...]]:
    """The columns, the number of the step and the sum, added up by the database."""
    since = Milliseconds("created_at") - Value(int(begin.timestamp() * 1000))
    place = ExpressionWrapper(since / Value(step * 1000), output_field=BigIntegerField())
    grouped = jobs.annotate(place=place).values(*columns, "place").annotate(total=metric)
    return grouped.values_list(*columns, "place", "total").iterator()


def _unit(metric: str) -> int:
    """What the sums are divided by, once each."""
    if metric == "credits":
        return orders.millicredits_per_character()
    return 60_000 if metric == "minutes_used" else 1


def _moment(number: int) -> datetime:
    """Milliseconds, as documented, or the seconds of the documentation's own example."""
    seconds = number / 1000 if abs(number) > SECONDS_UNTIL else number
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Invalid(_("This is not a time."), code="invalid_parameters") from error


def _step(query: Mapping[str, Any], begin: datetime, end: datetime) -> int:
    length = end - begin
    if length <= timedelta() or length > LONGEST:
        raise Invalid(_("The end must lie after the start."), code="invalid_parameters")
    if query["aggregation_interval"] == "cumulative":
        return int(length.total_seconds()) or 1
    step = query["aggregation_bucket_size"] or STEPS.get(query["aggregation_interval"], 0)
    if step < 1 or length.total_seconds() / step > MOST_BUCKETS:
        raise Invalid(_("Choose fewer, longer steps."), code="invalid_parameters")
    return step


usage = by_method(GET=serves("credits:read", query=wire.USAGE_QUERY)(get_usage))
