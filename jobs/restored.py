"""A site that comes back from a backup, after the old one went on: ask first, send nothing twice.

What the backup calls waiting may long be made and billed, and what it calls undelivered may
long be delivered. Nobody here can know; so what can be asked is asked, what may be done twice
for nothing goes on, and the rest ends with words that say why.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from jobs import lifecycle
from jobs.models import BULKY_OF_JOB, Callback, Delivery, Job, Segment
from jobs.outcomes import Refused
from jobs.states import FINAL_JOB, SegmentState
from speechsite.providers.types import Feature
from speechsite.upstreams import channels
from speechsite.upstreams.models import Channel, Offer

CODE = "restored"
BATCH = 200


@dataclass(frozen=True, slots=True)
class Calmed:
    """How much was stopped, and how much will be asked about."""

    asked: int  # pieces that a provider may have
    ended: int  # pieces that may have been sent since
    untold: int  # webhooks and callbacks that may have been sent since


def calm_down() -> Calmed:
    """Before a restored site starts for the first time. Safe to repeat."""
    # What ends here below is news, and told: so first what was left untold.
    untold = _hush_deliveries() + _hush_callbacks()
    Job.objects.filter(join_lease_until__isnull=False).update(join_lease_until=None)
    return Calmed(asked=_ask_anew(), ended=_end_unsent(), untold=untold)


def _ask_anew() -> int:
    """Their time to be asked about begins now: while nobody looked, it may have run out."""
    now = timezone.now()
    live = Segment.objects.unfinished().exclude(state=SegmentState.WAITING)
    asked = live.update(worker="", lease_until=now, due_at=now, polls=0)
    unclear = now + timedelta(seconds=settings.UNCLEAR_DEADLINE_SECONDS)
    live.filter(state=SegmentState.UNKNOWN).update(deadline_at=unclear)
    live.filter(state=SegmentState.RUNNING).update(submitted_at=now)
    _send_no_more(live)
    return asked


def _send_no_more(live: QuerySet[Segment]) -> None:
    """Where nobody can say what became of an order, the old site may have sent it again already."""
    told = {Feature.REPEAT, Feature.FIND}
    mute = [one.pk for one in Channel.objects.all() if not told & channels.features_of(one)]
    most = settings.UNCLEAR_RESENDS
    unclear = live.filter(state__in=(SegmentState.SUBMITTING, SegmentState.UNKNOWN))
    unclear.filter(channel__in=mute, resends__lt=most).update(resends=most)


def _end_unsent() -> int:
    """End what would be sent where sending it twice would cost twice."""
    models = _paid_models()
    message = _(
        "The site was restored from a backup, and this may have been made meanwhile. "
        "It was not charged: please order it again."
    )
    refused = Refused(CODE, message, possible_cost=True)
    ended = 0
    while batch := list(_waiting(models)[:BATCH]):
        ended += sum(lifecycle.record_all([(segment, refused) for segment in batch]))
    return ended


def _waiting(models: Iterable[str]) -> QuerySet[Segment]:
    rows = Segment.objects.unfinished().filter(state=SegmentState.WAITING, model_slug__in=models)
    return rows.select_related("job").defer(*BULKY_OF_JOB).order_by("pk")


def _paid_models() -> list[str]:
    """Models that some channel sells where an order that is sent twice is made twice."""
    safe = [one.pk for one in Channel.objects.all() if Feature.REPEAT in channels.features_of(one)]
    sold = Offer.objects.exclude(channel__in=safe)
    return sorted(set(sold.values_list("model", flat=True)))


def _hush_deliveries() -> int:
    """What may have arrived is not sent by itself; "send again" is on the Developers page."""
    now = timezone.now()
    entry = {
        "at": now.isoformat(timespec="seconds"),
        "status": 0,
        "error": "The site was restored from a backup; this may have been sent before.",
        "milliseconds": 0,
    }
    pending = Delivery.objects.filter(state=Delivery.State.PENDING)
    rows = list(pending.only("pk", "log"))
    for row in rows:
        row.log = [*row.log, entry]
        row.state, row.finished_at, row.lease_until = Delivery.State.FAILED, now, None
    Delivery.objects.bulk_update(
        rows, ["log", "state", "finished_at", "lease_until"], batch_size=BATCH
    )
    return len(rows)


def _hush_callbacks() -> int:
    """Callbacks of jobs that are over; those of the others wait for an end that is news."""
    waiting = Callback.objects.filter(finished_at__isnull=True, job__state__in=FINAL_JOB)
    return waiting.update(finished_at=timezone.now(), lease_until=None)
