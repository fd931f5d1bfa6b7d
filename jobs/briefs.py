"""Turns a claimed segment into the order its adapter gets. Reads the database, no network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Left, Right
from django.utils import timezone

from jobs import options
from jobs.models import Job, Segment, Upload
from jobs.states import SegmentState
from speechsite.core import safehttp
from speechsite.providers.errors import Unsupported
from speechsite.providers.types import CleaningOrder, Feature, Line, Order, SpeechOrder
from speechsite.upstreams import channels
from speechsite.upstreams.models import Channel, Offer
from voices.models import Voice

Context = dict[int, tuple[str, str]]  # by segment: the text before and after it

CONTEXT = 300  # characters of the neighbours that a provider is shown
TEST_VOICES = {"en": "heart", "zh": "zh-cn", "yue": "zh-hk"}
MOST_KNOWN = 5000
FALLBACK_FORMAT = "mp3_44100_128"


def brief(segment: Segment, offer: Offer, context: Context | None = None) -> Order:
    """The order for one call; the same attempt always has the same key and the same words.

    Raises Unsupported when this channel cannot take it; another may.
    """
    job, channel = segment.job, offer.channel
    if job.kind == Job.Kind.ISOLATION:
        return _cleaning(segment, offer)
    features = channels.features_of(channel)
    # What was submitted is followed to its end, whatever the channel lists by then.
    if segment.lines and segment.state == SegmentState.SUBMITTING:
        _check_voices(segment, channel)
    before, after = "", ""
    takes = channels.adapter_class(channel.adapter).takes
    if Feature.CONTEXT in features:
        known = context if context is not None else context_of([segment])
        before, after = options.around(job, segment.index, *known.get(segment.pk, ("", "")))
    return SpeechOrder(
        text=segment.text,
        voice=_voice_id(segment, channel),
        model=offer.upstream_name,
        key=f"{segment.token}-{segment.attempts}",
        settings=_settings(job, channel),
        previous_text=before,
        next_text=after,
        output_format=_format(job, channel),
        lines=tuple(Line(line["text"], line["voice"]) for line in segment.lines),
        callback_url=_callback(segment, channel, features),
        **options.for_adapter(job, takes),
    )


def _check_voices(segment: Segment, channel: Channel) -> None:
    """A scene was routed by its first voice. Raises Unsupported when the channel lacks another."""
    family = segment.voice.family if segment.voice is not None else ""
    names = {line["voice"] for line in segment.lines}
    voices = Voice.objects.filter(family=family, external_id__in=names)
    for name, listed_by in voices.values_list("name", "listed_by"):
        if listed_by and channel.slug not in listed_by:
            raise Unsupported(f"{channel.name} does not have the voice {name}")


def _cleaning(segment: Segment, offer: Offer) -> CleaningOrder:
    """The path is the file's name in the storage: `attempts` puts it on disk."""
    upload = segment.job.upload
    if upload is None:
        raise Upload.DoesNotExist(f"job {segment.job_id} has no recording")
    features = channels.features_of(offer.channel)
    return CleaningOrder(
        path=Path(upload.file),
        filename=upload.name,
        media_type=upload.media_type,
        duration_ms=upload.duration_ms,
        model=offer.upstream_name,
        key=f"{segment.token}-{segment.attempts}",
        callback_url=_callback(segment, offer.channel, features),
    )


def known_items(segment: Segment) -> list[str]:
    """What the channel calls the work of other segments since this one was submitted."""
    if segment.channel_id is None:
        return []
    since = segment.submitted_at or timezone.now()
    others = Segment.objects.filter(
        channel_id=segment.channel_id,
        submitted_at__gte=since - timedelta(hours=1),
        state=SegmentState.DONE,
    ).exclude(upstream_id="")
    return list(others.values_list("upstream_id", flat=True)[:MOST_KNOWN])


def offers_of(segments: Sequence[Segment]) -> dict[int, Offer]:
    """By segment, the offer it was submitted through; those without lost theirs since."""
    sold = Offer.objects.filter(
        channel__in={segment.channel_id for segment in segments},
        model__in={segment.model_slug for segment in segments},
    )
    rows = sold.select_related("channel") if segments else ()
    offers = {(offer.channel_id, offer.model): offer for offer in rows}
    found = {one.pk: offers.get((one.channel_id or 0, one.model_slug)) for one in segments}
    return {pk: offer for pk, offer in found.items() if offer is not None}


def context_of(segments: Sequence[Segment]) -> Context:
    """By segment, the end of the piece before it and the beginning of the one after it."""
    wanted = [segment for segment in segments if segment.job.segment_count > 1]
    if not wanted:
        return dict.fromkeys((segment.pk for segment in segments), ("", ""))
    places: dict[UUID, set[int]] = defaultdict(set)
    for segment in wanted:
        places[segment.job_id] |= {segment.index - 1, segment.index + 1}
    asked = Q()
    for job_id, indexes in places.items():
        asked |= Q(job_id=job_id, index__in=indexes)
    rows = Segment.objects.filter(asked).order_by()
    ends = rows.values_list("job_id", "index", Right("text", CONTEXT), Left("text", CONTEXT))
    texts = {(job_id, index): (end, begin) for job_id, index, end, begin in ends}
    return {
        one.pk: (
            texts.get((one.job_id, one.index - 1), ("", ""))[0],
            texts.get((one.job_id, one.index + 1), ("", ""))[1],
        )
        for one in wanted
    }


def _voice_id(segment: Segment, channel: Channel) -> str:
    voice = segment.voice
    if voice is None:
        return ""
    if channel.adapter != "builtin" or voice.family == "builtin":
        return voice.external_id
    return _stand_in(voice)


def _stand_in(voice: Voice) -> str:
    """The built-in voice that speaks a test order in place of a provider's voice."""
    language = voice.language.partition("-")[0] or "en"
    builtin = Voice.objects.usable().filter(family="builtin")
    named = builtin.filter(external_id=TEST_VOICES.get(language, language)).first()
    found = named or builtin.filter(language__startswith=language).first()
    return found.external_id if found else "en-us"


def _format(job: Job, channel: Channel) -> str:
    """The sound to ask for: as it was ordered, where that spares us an encoding."""
    wanted = job.output_format.removesuffix("_stereo")
    known = channels.adapter_class(channel.adapter).formats
    if job.segment_count > 1 or (known is not None and wanted not in known):
        return FALLBACK_FORMAT
    return wanted


def _settings(job: Job, channel: Channel) -> dict[str, Any]:
    controls = channels.adapter_class(channel.adapter).controls
    return {name: value for name, value in job.voice_settings.items() if name in controls}


def _callback(segment: Segment, channel: Channel, features: frozenset[Feature]) -> str | None:
    """Where the provider may call us; none when it could not reach us anyway."""
    if Feature.CALLBACK not in features or not settings.SITE_URL:
        return None
    if not settings.ALLOW_PRIVATE_NETWORKS and not _is_public(settings.SITE_URL):
        return None
    return f"{settings.SITE_URL}/hooks/{channel.slug}/{segment.token}/?attempt={segment.attempts}"


def _is_public(url: str) -> bool:
    try:
        safehttp.check_url(url)
    except safehttp.FetchError:
        return False
    return (urlsplit(url).hostname or "") not in {"localhost", "localhost.localdomain"}
