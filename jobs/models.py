"""Jobs, their segments and their events. `lifecycle` is the only writer of states."""

from __future__ import annotations

import uuid
from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from jobs import states
from speechsite.accounts.models import ApiKey
from speechsite.audio.wording import Wording
from speechsite.core import sql
from speechsite.core.ids import new_id, new_token
from speechsite.credits.models import Price
from speechsite.upstreams.models import Channel, Offer
from voices.models import SpeechModel, Voice

# In one order everywhere: an index of some rows is found by the very words of its condition.
LIVE_JOBS = tuple(state.value for state in states.JobState if state in states.LIVE_JOB)
LIVE_SEGMENTS = tuple(state.value for state in states.SegmentState if state in states.LIVE_SEGMENT)


class Upload(models.Model):
    """A recording that somebody gave us, checked to be sound when it came in."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey("accounts.User", on_delete=models.PROTECT, related_name="uploads")
    file = models.CharField(max_length=200)
    name = models.CharField(max_length=200)
    media_type = models.CharField(max_length=80)
    size = models.PositiveBigIntegerField()
    duration_ms = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    is_test = models.BooleanField(default=False)  # given with a test key
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.name


class Asked(models.Func):
    """A word of what a partner asked, as an index and a search both write it."""

    word = ""
    output_field = models.CharField()
    template = "(%(expressions)s ->> '%(word)s')"

    def __init__(self) -> None:
        super().__init__("asked", word=self.word)

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        template = "json_extract(%(expressions)s, '$.%(word)s')"
        return self.as_sql(compiler, connection, template=template, **more)


class Reference(Asked):
    """The id that a partner gave an order."""

    word = "reference"


class ModelName(Asked):
    """What a partner called the model."""

    word = "model"


class CanceledBy(Asked):
    """Who stopped it, where that was a program."""

    word = "canceled_by"


CANCELED = [states.JobState.CANCELED]

# What of a job is long: lists, and whoever moves its states, do without.
BULKY = ("text", "changes", "peaks")
BULKY_OF_JOB = tuple(f"job__{name}" for name in BULKY)


class JobQuerySet(models.QuerySet["Job"]):
    """Questions asked of jobs."""

    def of(self, user: object) -> JobQuerySet:
        """What a person sees in History."""
        return self.filter(user=user, deleted_at__isnull=True)

    def unfinished(self) -> JobQuerySet:
        """The few that are under way, by indexes that hold no others."""
        return self.filter(state__in=sql.constants(LIVE_JOBS))

    def canceled_by(self, who: str) -> JobQuerySet:
        """Those that a program stopped, by an index that holds the canceled ones only."""
        canceled = self.filter(state__in=sql.constants(CANCELED))
        return canceled.alias(canceled_by=CanceledBy()).filter(canceled_by=who)

    def joined_by_nobody(self) -> JobQuerySet:
        """Those whose sound nobody is putting together at this moment."""
        now = timezone.now()
        return self.filter(Q(join_lease_until__isnull=True) | Q(join_lease_until__lte=now))


class Job(models.Model):
    """What somebody ordered, at the price it was quoted."""

    class Kind(models.TextChoices):
        SPEECH = "speech", _("Speech")
        DIALOGUE = "dialogue", _("Dialogue")
        ISOLATION = "isolation", _("Cleaning")

    class Source(models.TextChoices):
        PORTAL = "portal", _("Portal")
        API = "api", _("API")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="jobs"
    )
    api_key = models.ForeignKey(ApiKey, on_delete=models.SET_NULL, null=True, blank=True)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.SPEECH)
    source = models.CharField(max_length=8, choices=Source, default=Source.PORTAL)
    is_test = models.BooleanField(default=False)
    state = models.CharField(
        max_length=10, choices=states.JobState.choices, default=states.JobState.QUEUED
    )

    title = models.CharField(max_length=120, blank=True)
    text = models.TextField(blank=True)  # as it was sent
    # What is spoken instead of stretches of it: [start, end, text] each; see `audio.wording`.
    changes = models.JSONField(default=list, blank=True)
    characters = models.PositiveIntegerField(default=0)  # that are spoken and count
    language = models.CharField(max_length=20, blank=True)
    model = models.ForeignKey(SpeechModel, on_delete=models.PROTECT)
    voice = models.ForeignKey(Voice, on_delete=models.PROTECT, null=True, blank=True)
    upload = models.ForeignKey(Upload, on_delete=models.PROTECT, null=True, blank=True)
    voice_settings = models.JSONField(default=dict, blank=True)
    # What else was asked and differs from nothing; `jobs.options` knows the names.
    options = models.JSONField(default=dict, blank=True)
    output_format = models.CharField(max_length=24, default="mp3_44100_128")

    price = models.ForeignKey(Price, on_delete=models.PROTECT, null=True)
    units = models.PositiveBigIntegerField(default=0)
    quoted = models.PositiveBigIntegerField(default=0)  # millicredits held
    charged = models.PositiveBigIntegerField(default=0)  # millicredits captured

    # The same form or the same partner request sent twice names the same job.
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)
    request_hash = models.CharField(max_length=64, blank=True)
    # What a partner called the voice and model, and its own reference for the order.
    asked = models.JSONField(default=dict, blank=True)

    segment_count = models.PositiveIntegerField(default=0)
    audio = models.CharField(max_length=200, blank=True)
    audio_bytes = models.PositiveBigIntegerField(default=0)
    duration_ms = models.PositiveBigIntegerField(default=0)
    peaks = models.JSONField(default=list, blank=True)  # the outline of its sound
    failure_code = models.CharField(max_length=40, blank=True)
    failure_message = models.CharField(max_length=300, blank=True)

    # All pieces are final and at least one is done: a worker may put the audio together.
    is_joinable = models.BooleanField(default=False)
    join_turn = models.DateTimeField(null=True, blank=True)  # whose is earliest is joined first
    joiner = models.CharField(max_length=64, blank=True)
    join_lease_until = models.DateTimeField(null=True, blank=True)
    join_attempts = models.PositiveSmallIntegerField(default=0)

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    # Set by `placing` on a job that an earlier order with the same key made.
    is_replay = False
    # Set by `placing` where the placing process speaks the first piece itself: that piece,
    # with its channel, and the offer to send it through.
    first_claim: tuple[Segment, Offer] | None = None
    # Set by the limits of the API: the account's jobs under way when this one was placed.
    under_way: int | None = None
    # Set by `joining`: a piece that comes meanwhile is told by the number.
    joined_pieces: int | None = None

    class Meta:
        ordering = ("-created_at",)
        indexes = (
            models.Index(fields=("user", "-created_at"), name="jobs_of_user"),
            models.Index(
                fields=("state", "created_at"),
                condition=Q(state__in=LIVE_JOBS),
                name="jobs_under_way",
            ),
            models.Index(
                fields=("user", "source"),
                condition=Q(state__in=LIVE_JOBS),
                name="jobs_of_user_under_way",
            ),
            models.Index(fields=("user", "state", "-created_at"), name="jobs_of_user_by_state"),
            models.Index(fields=("user", "kind", "-created_at"), name="jobs_of_user_by_kind"),
            models.Index(fields=("user", "model", "-created_at"), name="jobs_of_user_by_model"),
            models.Index(models.F("user"), Reference(), name="jobs_by_reference"),
            models.Index(
                models.F("user"),
                ModelName(),
                models.F("created_at").desc(),
                name="jobs_by_model_name",
            ),
            models.Index(
                models.F("user"),
                CanceledBy(),
                models.F("created_at").desc(),
                condition=Q(state__in=CANCELED),
                name="jobs_canceled_by",
            ),
            models.Index(fields=("api_key", "created_at"), name="jobs_of_key"),
            models.Index(fields=("join_turn",), condition=Q(is_joinable=True), name="jobs_to_join"),
        )
        constraints = (
            models.UniqueConstraint(fields=("user", "idempotency_key"), name="one_job_per_key"),
            models.CheckConstraint(
                condition=Q(charged__lte=models.F("quoted")), name="charge_within_quote"
            ),
        )

    def __str__(self) -> str:
        return self.title or str(self.id)

    @property
    def is_finished(self) -> bool:
        return self.state in states.FINAL_JOB

    @property
    def wording(self) -> Wording:
        """What was sent and what is spoken of it, which the segments are pieces of."""
        return Wording(self.text, tuple((start, end, said) for start, end, said in self.changes))


class SegmentQuerySet(models.QuerySet["Segment"]):
    """Questions asked of segments."""

    def with_sound(self) -> SegmentQuerySet:
        """Those that can be heard: the finished ones, and those whose sound came late."""
        return self.exclude(audio="")

    def unfinished(self) -> SegmentQuerySet:
        """The few that are under way, by an index that holds no others."""
        return self.filter(state__in=sql.constants(LIVE_SEGMENTS))


class Segment(models.Model):
    """A piece of a job, small enough for one upstream call.

    `start` is where its text begins in what the job speaks (code points). `user_id`
    repeats the job's, so that claims can be fair without a join.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="segments")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    index = models.PositiveIntegerField()
    state = models.CharField(
        max_length=10, choices=states.SegmentState.choices, default=states.SegmentState.WAITING
    )
    text = models.TextField(blank=True)
    start = models.PositiveIntegerField(default=0)
    voice = models.ForeignKey(Voice, on_delete=models.PROTECT, null=True, blank=True)
    lines = models.JSONField(default=list, blank=True)
    units = models.PositiveBigIntegerField(default=0)
    model_slug = models.CharField(max_length=80)

    channel = models.ForeignKey(Channel, on_delete=models.SET_NULL, null=True, blank=True)
    excluded_channels = models.JSONField(default=list, blank=True)
    token = models.CharField(max_length=64, unique=True, default=new_token)
    upstream_id = models.CharField(max_length=200, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    polls = models.PositiveIntegerField(default=0)
    fetches = models.PositiveSmallIntegerField(default=0)  # downloads of the result that failed
    worker = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(default=timezone.now)
    deadline_at = models.DateTimeField(null=True, blank=True)
    submitted_at = models.DateTimeField(null=True, blank=True)
    # Of an order whose answer was lost: when, how often it was looked up and not there, and
    # how many orders were sent again without knowing what became of the one before.
    lost_at = models.DateTimeField(null=True, blank=True)
    looks = models.PositiveSmallIntegerField(default=0)
    resends = models.PositiveSmallIntegerField(default=0)
    waiting_reason = models.CharField(max_length=200, blank=True)

    audio = models.CharField(max_length=200, blank=True)
    audio_format = models.CharField(max_length=24, blank=True)
    duration_ms = models.PositiveBigIntegerField(default=0)
    words = models.JSONField(default=list, blank=True)  # [start, end, start_ms, end_ms] each
    words_are_exact = models.BooleanField(default=False)
    upstream_cost = models.DecimalField(max_digits=16, decimal_places=4, null=True, blank=True)
    possible_cost = models.BooleanField(default=False)
    failure_code = models.CharField(max_length=40, blank=True)
    failure_message = models.CharField(max_length=300, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = SegmentQuerySet.as_manager()

    class Meta:
        ordering = ("job", "index")
        constraints = (
            models.UniqueConstraint(fields=("job", "index"), name="one_segment_per_place"),
        )
        indexes = (
            models.Index(
                fields=("state", "due_at", "user", "model_slug"),
                condition=Q(state__in=LIVE_SEGMENTS),
                name="segments_under_way",
            ),
            models.Index(
                fields=("lease_until",),
                condition=Q(possible_cost=True),
                name="segments_maybe_billed",
            ),
            models.Index(fields=("channel", "state"), name="segments_of_channel"),
            models.Index(fields=("channel", "submitted_at"), name="segments_submitted"),
        )

    def __str__(self) -> str:
        return f"{self.job_id} #{self.index}"


class FinalEvents(models.QuerySet["JobEvent"]):
    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError("events are final")


class JobEvent(models.Model):
    """Something that happened to a job; the live status pages read these rows."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events")
    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, null=True, blank=True)
    user_id = models.BigIntegerField()
    kind = models.CharField(max_length=30)
    data = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = FinalEvents.as_manager()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.kind} {self.job_id}"


def media_name(job_id: uuid.UUID, suffix: str) -> str:
    """Where a file of a job is stored: nobody can guess or collide with it."""
    # One folder for some five hours of jobs: a file system is slower where files lie scattered.
    return f"jobs/{job_id.hex[:6]}/{job_id.hex}-{new_token()[:16]}{suffix}"


# Django finds an app's models here; these have a room of their own.
from jobs.disk_models import DiskUse  # noqa: E402, F401
from jobs.number_models import NumberedFile  # noqa: E402, F401
from jobs.spending_models import KeyDay  # noqa: E402, F401
from jobs.webhook_models import Callback, Delivery, WebhookEndpoint  # noqa: E402, F401
