"""Files that go by a number, for clients that know numbers and no other ids."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.db import models
from django.utils import timezone

LOWEST, HIGHEST = 10**14, 9 * 10**15


def new_number() -> int:
    """A number that says nothing and that JavaScript can hold exactly."""
    return LOWEST + secrets.randbelow(HIGHEST - LOWEST)


class NumberedFile(models.Model):
    """A text that somebody uploaded, or the result of a job.

    `parts` names the recordings of a job that was made from several texts, with the
    length of each in characters, in the order in which they are spoken.
    """

    number = models.BigIntegerField(primary_key=True, default=new_number, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    job = models.OneToOneField(
        "jobs.Job", on_delete=models.CASCADE, null=True, blank=True, related_name="numbered"
    )
    purpose = models.CharField(max_length=40)
    name = models.CharField(max_length=200)
    file = models.CharField(max_length=200, blank=True)
    size = models.PositiveBigIntegerField(default=0)
    parts = models.JSONField(default=list, blank=True)
    is_test = models.BooleanField(default=False)  # made or given with a test key
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        app_label = "jobs"

    def __str__(self) -> str:
        return f"{self.number} {self.name}"
