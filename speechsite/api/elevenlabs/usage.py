"""How much was used, over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from jobs.models import Job
from jobs.states import JobState
from speechsite.api.auth import Caller
from speechsite.api.elevenlabs import orders
from speechsite.api.elevenlabs.answers import by_method, serves
from speechsite.api.elevenlabs.models import public_name
from speechsite.api.elevenlabs.wire import account as wire
from speechsite.api.errors import Invalid

MOST_BUCKETS = 5000
LONGEST = timedelta(days=3660)
STEPS = {"hour": 3600, "day": 86400, "week": 7 * 86400, "month": 30 * 86400}
# Later than this, a number of seconds would be; so it is milliseconds.
SECONDS_UNTIL = 100_000_000_000

# (what a job counts for, by metric)
METRICS: dict[str, Callable[[Job], float]] = {
    "credits": lambda job: orders.characters(job.charged),
    "tts_characters": lambda job: job.characters,
    "request_count": lambda job: 1,
    "minutes_used": lambda job: job.duration_ms / 60_000,
}
GROUPS: dict[str, Callable[[Job], str]] = {
    "none": lambda job: "All",
    "voice": lambda job: job.voice.name if job.voice else "none",
    "model": lambda job: public_name(job.model),
    "product_type": lambda job: {"isolation": "Audio Isolation"}.get(job.kind, "TTS"),
    "api_keys": lambda job: (job.api_key.name or job.api_key.prefix) if job.api_key else "none",
}


def get_usage(request: HttpRequest, caller: Caller, query: Mapping[str, Any]) -> dict[str, Any]:
    """Sums by time and group. A metric or group that is not kept here is refused."""
    begin, end = _moment(query["start_unix"]), _moment(query["end_unix"])
    metric, group = METRICS.get(query["metric"]), GROUPS.get(query["breakdown_type"])
    if metric is None or group is None:
        raise Invalid(_("This is not counted here."), code="invalid_parameters")
    step = _step(query, begin, end)
    count = -(-int((end - begin).total_seconds()) // step) or 1
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0] * count)
    jobs = Job.objects.filter(
        user=caller.user,
        is_test=caller.is_test,
        state=JobState.SUCCEEDED,
        created_at__gte=begin,
        created_at__lt=end,
    )
    for job in jobs.select_related("voice", "model", "api_key").defer("text", "peaks").iterator():
        place = int((job.created_at - begin).total_seconds()) // step
        sums[group(job)][place] += metric(job)
    if not sums and query["breakdown_type"] == "none":
        sums["All"] = [0.0] * count
    times = [int(begin.timestamp() * 1000) + place * step * 1000 for place in range(count)]
    return {"time": times, "usage": dict(sums)}


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
