"""Outbound webhooks: where partners want to be told, and what was sent there."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from speechsite.core.ids import new_id

EVENTS = ("generation.succeeded", "generation.failed", "generation.canceled")


class WebhookEndpoint(models.Model):
    """An address of a partner. Secrets are sealed; `previous_secret` signs too while it lasts."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="webhooks")
    name = models.CharField(_("name"), max_length=80, blank=True)
    url = models.CharField(_("address"), max_length=500)
    event_types = models.JSONField(default=list, blank=True)
    secret = models.TextField(editable=False)
    previous_secret = models.TextField(blank=True, editable=False)
    previous_until = models.DateTimeField(null=True, blank=True, editable=False)
    # Told of the work of test keys, and of no other; false is the other way round.
    is_test = models.BooleanField(_("for test work"), default=False)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    disabled_reason = models.CharField(max_length=120, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    failure_count = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        app_label = "jobs"
        ordering = ("created_at",)

    def __str__(self) -> str:
        return self.name or self.url


class Delivery(models.Model):
    """One message for one endpoint: due until it was taken or its tries are used up."""

    class State(models.TextChoices):
        PENDING = "pending", _("Waiting")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Given up")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries"
    )
    job = models.ForeignKey("jobs.Job", on_delete=models.CASCADE, null=True, blank=True)
    event_id = models.CharField(max_length=64)
    event_type = models.CharField(max_length=40)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True, blank=True)
    log = models.JSONField(default=list, blank=True)  # [{at, status, error, milliseconds}]
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        app_label = "jobs"
        ordering = ("-created_at",)
        verbose_name_plural = _("deliveries")
        indexes = (
            models.Index(
                fields=("due_at",), condition=Q(state="pending"), name="deliveries_to_send"
            ),
        )
        constraints = (
            models.UniqueConstraint(fields=("endpoint", "event_id"), name="one_delivery_per_event"),
        )

    def __str__(self) -> str:
        return f"{self.event_type} → {self.endpoint}"


class Callback(models.Model):
    """One job's own address to be told at, once, when the job is over.

    `style` says whose message it gets and `origin` how this site was called, so that
    the links in the message lead back here.
    """

    job = models.OneToOneField(
        "jobs.Job", on_delete=models.CASCADE, primary_key=True, related_name="callback"
    )
    url = models.CharField(_("address"), max_length=500)
    style = models.CharField(max_length=20)
    origin = models.CharField(max_length=200)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True, blank=True)
    is_taken = models.BooleanField(default=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        app_label = "jobs"
        indexes = (
            models.Index(
                fields=("due_at",), condition=Q(finished_at__isnull=True), name="callbacks_to_send"
            ),
        )

    def __str__(self) -> str:
        return f"{self.job_id} → {self.url}"
