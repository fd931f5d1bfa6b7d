"""Rows that say what is to be done. They are written with whatever makes it necessary."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from speechsite.core.ids import new_token


class Duty(models.Model):
    """Something small to be done once, such as a file to delete. It is gone once that is done.

    `token` changes with each time that it is asked for: whoever has done it deletes the row
    that it took, and not what was asked for meanwhile.
    """

    kind = models.CharField(_("kind"), max_length=20)
    key = models.CharField(_("about"), max_length=255)
    data = models.JSONField(default=dict, blank=True, editable=False)
    token = models.CharField(max_length=64, default=new_token, editable=False)
    due_at = models.DateTimeField(_("due"), default=timezone.now)
    lease_until = models.DateTimeField(_("taken until"), null=True, blank=True)
    attempts = models.PositiveIntegerField(_("tries that failed"), default=0)
    error = models.CharField(_("last error"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("asked for"), default=timezone.now, editable=False)

    class Meta:
        ordering = ("due_at",)
        verbose_name_plural = _("duties")
        constraints = (models.UniqueConstraint(fields=("kind", "key"), name="one_duty_of_a_kind"),)
        indexes = (models.Index(fields=("kind", "due_at"), name="duties_by_kind"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class Routine(models.Model):
    """When something that comes again and again is due, and how it went the last time."""

    name = models.CharField(_("name"), max_length=100, primary_key=True)
    due_at = models.DateTimeField(_("due"), default=timezone.now)
    lease_until = models.DateTimeField(_("taken until"), null=True, blank=True)
    began_at = models.DateTimeField(_("last begun"), null=True, blank=True)
    ended_at = models.DateTimeField(_("last ended"), null=True, blank=True)
    error = models.CharField(_("last error"), max_length=200, blank=True)
    # What it has counted since the site was made, by what it calls it.
    counts = models.JSONField(_("counted"), default=dict, blank=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
