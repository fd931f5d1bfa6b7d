"""`/metrics` for Prometheus: counted in the database at the moment of asking.

Nothing is counted in memory, so any web process gives the whole site's figures.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterator, Mapping

from django.conf import settings
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from jobs import audits
from jobs.models import DiskUse, Job, Segment
from jobs.states import JobState, SegmentState
from speechsite.accounts import staff
from speechsite.core import kin
from speechsite.credits.models import MILLI, Wallet
from speechsite.duties import outbox, routines
from speechsite.pages import health
from speechsite.upstreams.models import Channel

LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
# What proxies and their makers put into a request to say for whom they ask.
FORWARDING = re.compile(
    r"(x-)?forwarded|via$|x-real-ip|x-original|x-client|true-client-ip|client-ip|x-cluster"
    r"|(cf|fastly|fly|akamai|x-envoy|x-azure|x-amzn|cdn)-",
    re.IGNORECASE,
)


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """For staff and who bears METRICS_TOKEN; without a token, for this machine itself."""
    if not _may_read(request):
        return HttpResponseForbidden("Metrics need METRICS_TOKEN as a bearer token.\n")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SiteCollector())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class SiteCollector(Collector):
    """The site's figures as they are now."""

    def collect(self) -> Iterator[Metric]:
        for figures in FIGURES:
            yield from figures()


def _jobs() -> Iterator[Metric]:
    yield _by_state("speechsite_jobs", "Jobs by state.", Job, JobState.values)


def _segments() -> Iterator[Metric]:
    yield _by_state("speechsite_segments", "Segments by state.", Segment, SegmentState.values)


def _ledger() -> Iterator[Metric]:
    last = audits.latest()
    yield GaugeMetricFamily(
        "speechsite_ledger_differences",
        "Differences that the last audit of the ledger found.",
        last.differences if last is not None else 0,
    )


def _queue() -> Iterator[Metric]:
    for name, text, ask in (
        ("segment", "first due segment", health.oldest_wait),
        ("task", "first task in the queue", health.oldest_task),
    ):
        try:
            value = ask()
        except health.NotReady:
            continue  # no figure is better than a wrong one
        yield GaugeMetricFamily(
            f"speechsite_oldest_{name}_seconds", f"Age of the {text}.", value=value
        )


def _duties() -> Iterator[Metric]:
    yield _gauge(
        "speechsite_oldest_duty_seconds",
        "For how long the first duty of a kind has been due, taken or not.",
        health.duty_ages(),
    )
    yield _gauge("speechsite_duties", "Duties in the outbox, by kind.", outbox.counts())
    yield _gauge(
        "speechsite_routine_late_seconds",
        "By how much a routine is late.",
        health.routine_ages(),
        label="routine",
    )


def _files() -> Iterator[Metric]:
    swept = {"file": 0, "temporary": 0} | routines.counts("jobs.strays.sweep")
    family = CounterMetricFamily(
        "speechsite_swept", "Files of killed work that were deleted.", labels=["kind"]
    )
    for kind, number in swept.items():
        family.add_metric([kind], number)
    yield family
    sizes = DiskUse.objects.order_by().values_list("kind").annotate(sum=Sum("size"))
    kinds = dict.fromkeys(DiskUse.Kind.values, 0) | dict(sizes)
    yield _gauge("speechsite_disk_bytes", "Bytes of stored files at the last sweep.", kinds)


def _processes() -> Iterator[Metric]:
    yield _gauge(
        "speechsite_process_deaths",
        "How often a process of this machine died in a row, soon after it began.",
        kin.deaths(),
        label="process",
    )


def _credits() -> Iterator[Metric]:
    sums = Wallet.objects.aggregate(available=Sum("available"), held=Sum("held"))
    pockets = GaugeMetricFamily("speechsite_credits", "Credits of all wallets.", labels=["pocket"])
    for pocket, millicredits in sums.items():
        pockets.add_metric([pocket], (millicredits or 0) / MILLI)
    yield pockets


def _channels() -> Iterator[Metric]:
    states = GaugeMetricFamily(
        "speechsite_channel_breaker",
        "1 for the state that a channel is in.",
        labels=["channel", "state"],
    )
    for channel in Channel.objects.filter(is_enabled=True):
        for state in Channel.Breaker.values:
            states.add_metric([channel.slug, state], float(channel.breaker == state))
    yield states


def _gauge(
    name: str, text: str, values: Mapping[str, float], label: str = "kind"
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for kind, value in values.items():
        family.add_metric([kind.replace(" ", "_")], value)
    return family


def _by_state(
    name: str, text: str, model: type[Job] | type[Segment], states: list[str]
) -> GaugeMetricFamily:
    """A state without rows is 0, not absent."""
    found = dict(
        model._default_manager.order_by().values_list("state").annotate(number=Count("pk"))
    )
    family = GaugeMetricFamily(name, text, labels=["state"])
    for state in states:
        family.add_metric([state], found.get(state, 0))
    return family


def _may_read(request: HttpRequest) -> bool:
    if request.user.is_authenticated and staff.may_administer(request):
        return True
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        expected = f"Bearer {settings.METRICS_TOKEN}"
        return hmac.compare_digest(given.encode(), expected.encode())
    # Behind a proxy everybody comes from this machine, or from a neighbour.
    is_proxied = settings.BEHIND_PROXY or any(FORWARDING.match(name) for name in request.headers)
    return request.META.get("REMOTE_ADDR") in LOOPBACK and not is_proxied


FIGURES: tuple[Callable[[], Iterator[Metric]], ...] = (
    _jobs,
    _segments,
    _queue,
    _duties,
    _files,
    _processes,
    _credits,
    _ledger,
    _channels,
)
