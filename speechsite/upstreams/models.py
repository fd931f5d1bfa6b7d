"""Channels (one configured account at a provider) and what each offers."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Channel(models.Model):
    """One account through which work reaches a provider.

    `credentials` is an encrypted JSON object: `secrets.open_sealed` reads it, and
    no page ever shows it again.
    """

    class Breaker(models.TextChoices):
        CLOSED = "closed", _("closed: healthy")
        OPEN = "open", _("open: resting after failures")
        HALF_OPEN = "half_open", _("half open: trying once")

    class Origin(models.TextChoices):
        BUILTIN = "builtin", _("built in")
        ENVIRONMENT = "environment", _("environment")
        ADMIN = "admin", _("administrator")

    slug = models.SlugField(unique=True)
    name = models.CharField(_("name"), max_length=80)
    adapter = models.CharField(_("adapter"), max_length=20)
    base_url = models.CharField(_("base URL"), max_length=300, blank=True)
    credentials = models.TextField(_("credentials"), blank=True, editable=False)
    options = models.JSONField(_("options"), default=dict, blank=True)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    priority = models.PositiveSmallIntegerField(
        _("priority"), default=10, help_text=_("lower is tried first")
    )
    weight = models.PositiveSmallIntegerField(_("weight"), default=1)
    concurrency = models.PositiveIntegerField(_("calls at once"), default=8)
    # What the provider's own headers allow, where it sends them.
    observed_concurrency = models.PositiveIntegerField(null=True, blank=True, editable=False)
    rate_count = models.PositiveIntegerField(_("calls per window"), null=True, blank=True)
    rate_seconds = models.PositiveIntegerField(_("window in seconds"), default=10)
    origin = models.CharField(max_length=12, choices=Origin, default=Origin.ADMIN, editable=False)
    breaker = models.CharField(
        max_length=10, choices=Breaker, default=Breaker.CLOSED, editable=False
    )
    failures = models.PositiveIntegerField(default=0, editable=False)
    resting_until = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.CharField(max_length=300, blank=True, editable=False)
    # When its voices were last listed, and why they were not since: the name of an error of
    # the provider, and its words.
    voices_at = models.DateTimeField(_("voices listed"), null=True, blank=True, editable=False)
    voices_problem = models.CharField(max_length=30, blank=True, editable=False)
    voices_error = models.CharField(max_length=300, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("priority", "slug")

    def __str__(self) -> str:
        return self.name


class Offer(models.Model):
    """A model as one channel sells it. `model` and `family` are catalogue slugs."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="offers")
    model = models.CharField(_("model"), max_length=80)
    upstream_name = models.CharField(_("name at the provider"), max_length=120)
    max_characters = models.PositiveIntegerField(_("characters per call"), default=5000)
    microcredits_per_unit = models.PositiveBigIntegerField(
        _("provider's price"), default=0, help_text=_("millionths of our credit for one unit")
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        ordering = ("channel", "model")
        constraints = (
            models.UniqueConstraint(fields=("channel", "model"), name="one_offer_per_model"),
            models.CheckConstraint(condition=Q(max_characters__gte=1), name="offer_takes_text"),
        )

    def __str__(self) -> str:
        return f"{self.model} @ {self.channel}"
