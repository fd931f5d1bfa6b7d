"""What keys spent, added up as it happens: the jobs themselves become too many to add up."""

from __future__ import annotations

from django.db import models

from speechsite.accounts.models import ApiKey


class KeyDay(models.Model):
    """What the work that was placed with one key on one day has cost so far.

    `since` is the moment of that day's first order, so that it says of each job where it is
    counted, whatever time zone the site is moved to: in the last sum that began before it.
    `jobs.spending` is the only writer, behind the wallet's lock.
    """

    id = models.BigAutoField(primary_key=True)
    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="+")
    since = models.DateTimeField()
    # Signed, and without a guard: no job is to be kept from ending by a sum. The audit looks.
    millicredits = models.BigIntegerField()

    class Meta:
        app_label = "jobs"
        constraints = (
            models.UniqueConstraint(fields=("api_key", "since"), name="one_sum_from_a_moment"),
        )

    def __str__(self) -> str:
        return f"{self.api_key_id} {self.since:%Y-%m-%d}"
