"""Turns a claimed segment into the order its adapter gets. Reads the database, no network."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from jobs.models import Job, Segment, Upload
from jobs.states import SegmentState
from speechsite.core import safehttp
from speechsite.providers.types import CleaningOrder, Feature, Line, Order, SpeechOrder
from speechsite.upstreams import channels
from speechsite.upstreams.models import Channel, Offer
from voices.models import Voice

CONTEXT = 300  # characters of the neighbours that a provider is shown
TEST_VOICES = {"en": "en-us", "zh": "zh-cn", "yue": "zh-hk"}
MOST_KNOWN = 5000
FALLBACK_FORMAT = "mp3_44100_128"


def brief(segment: Segment, offer: Offer) -> Order:
    """The order for one call; the same attempt always has the same key."""
    job, channel = segment.job, offer.channel
    if job.kind == Job.Kind.ISOLATION:
        return _cleaning(segment, offer)
    features = channels.features_of(channel)
    before, after = _neighbours(segment) if Feature.CONTEXT in features else ("", "")
    return SpeechOrder(
        text=segment.text,
        voice=_voice_id(segment, channel),
        model=offer.upstream_name,
        key=f"{segment.token}-{segment.attempts}",
        settings=_settings(job, channel),
        language=job.language or None,
        previous_text=before,
        next_text=after,
        output_format=job.output_format if job.segment_count == 1 else FALLBACK_FORMAT,
        lines=tuple(Line(line["text"], line["voice"]) for line in segment.lines),
        callback_url=_callback(segment, channel, features),
    )


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


def offer_of(segment: Segment) -> Offer | None:
    """The offer through which a segment was submitted; None when it was taken away since."""
    if segment.channel_id is None:
        return None
    return (
        Offer.objects.filter(channel_id=segment.channel_id, model=segment.model_slug)
        .select_related("channel")
        .first()
    )


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


def _settings(job: Job, channel: Channel) -> dict[str, Any]:
    controls = channels.adapter_class(channel.adapter).controls
    return {name: value for name, value in job.voice_settings.items() if name in controls}


def _neighbours(segment: Segment) -> tuple[str, str]:
    rows = Segment.objects.filter(
        job_id=segment.job_id, index__in=(segment.index - 1, segment.index + 1)
    ).values_list("index", "text")
    texts = dict(rows)
    before = texts.get(segment.index - 1, "")[-CONTEXT:]
    return before, texts.get(segment.index + 1, "")[:CONTEXT]


def _callback(segment: Segment, channel: Channel, features: frozenset[Feature]) -> str | None:
    """Where the provider may call us; none when it could not reach us anyway."""
    if Feature.CALLBACK not in features or not settings.SITE_URL:
        return None
    if not settings.ALLOW_PRIVATE_NETWORKS and not _is_public(settings.SITE_URL):
        return None
    return f"{settings.SITE_URL}/hooks/{channel.slug}/{segment.token}/"


def _is_public(url: str) -> bool:
    try:
        safehttp.check_url(url)
    except safehttp.FetchError:
        return False
    return (urlsplit(url).hostname or "") not in {"localhost", "localhost.localdomain"}
