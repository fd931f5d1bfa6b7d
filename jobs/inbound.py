"""Callbacks from providers. A callback is a hint: it wakes us up to ask the provider.

Nothing that a body says is believed. The address holds a token of the segment, the
signature is checked where there is one, and then the provider is asked with our key.
"""

from __future__ import annotations

import logging

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from jobs import late, placing
from jobs.models import Segment
from jobs.states import SegmentState
from speechsite.core import queue
from speechsite.providers.errors import Forged, ProviderError
from speechsite.upstreams import channels, secrets

logger = logging.getLogger(__name__)

LARGEST_BODY = 256 * 1024


@csrf_exempt
@require_http_methods(["POST", "HEAD"])
def receive(request: HttpRequest, channel: str, token: str) -> HttpResponse:
    """200 for every callback that may be true; 403 for a forged one; 404 for a strange one."""
    if request.method == "HEAD":
        return HttpResponse()
    length = request.headers.get("Content-Length", "")
    if not length.isdecimal() or int(length) > LARGEST_BODY:
        return HttpResponse(status=413)
    segment = (
        Segment.objects.filter(token=token, channel__slug=channel).select_related("channel").first()
    )
    if segment is None:
        return HttpResponse(status=404)
    try:
        upstream_id = _named_task(segment, request)
    except Forged:
        logger.warning("segment %s: a forged callback", segment.pk)
        return HttpResponse(status=403)
    except (ProviderError, secrets.SealBroken) as error:
        logger.warning("segment %s: a callback could not be read: %s", segment.pk, error)
        upstream_id = ""
    if request.GET.get("attempt", str(segment.attempts)) != str(segment.attempts):
        # About an earlier attempt, whose end is known.
        return JsonResponse({"received": True})
    _learn(segment, upstream_id)
    _nudge(segment)
    late.notice(segment.pk)
    return JsonResponse({"received": True})


def _named_task(segment: Segment, request: HttpRequest) -> str:
    """The task that the callback is about. Raises Forged when it is not this segment's."""
    if segment.channel is None:
        return ""
    event = channels.open_adapter(segment.channel).read_webhook(request.headers, request.body)
    known, named = segment.upstream_id, event.upstream_id
    if known and named and named != known:
        raise Forged("the callback names another task")
    if named and not known:
        others = Segment.objects.filter(channel=segment.channel, upstream_id=named)
        if others.exclude(pk=segment.pk).exists():
            raise Forged("the callback names the task of another segment")
    return named


def _learn(segment: Segment, upstream_id: str) -> None:
    """A submission whose answer is not there, yet or any more, learns its task's id."""
    if upstream_id and not segment.upstream_id:
        without = Segment.objects.filter(pk=segment.pk, upstream_id="")
        without.filter(
            state__in=(SegmentState.SUBMITTING, SegmentState.UNKNOWN, SegmentState.FAILED)
        ).update(upstream_id=upstream_id[:200])


def _nudge(segment: Segment) -> None:
    """Make the segment due now."""
    now = timezone.now()
    due = Segment.objects.filter(
        pk=segment.pk, state__in=(SegmentState.RUNNING, SegmentState.UNKNOWN), due_at__gt=now
    ).update(due_at=now)
    if due:
        queue.enqueue(placing.WORK)
