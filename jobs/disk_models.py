"""What the files of each account take up, as the last sweep found it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class DiskUse(models.Model):
    """The stored files of one kind of one account."""

    class Kind(models.TextChoices):
        JOBS = "jobs", _("Speech")
        UPLOADS = "uploads", _("Recordings")
        SAMPLES = "samples", _("Samples of voices")
        TEXTS = "texts", _("Texts")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("account"),
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    files = models.PositiveIntegerField(_("files"))
    size = models.PositiveBigIntegerField(_("size"))  # bytes
    counted_at = models.DateTimeField(_("counted"))

    class Meta:
        app_label = "jobs"
        ordering = ("-size",)
        verbose_name = _("disk use")
        verbose_name_plural = _("disk use")
        constraints = (models.UniqueConstraint(fields=("user", "kind"), name="one_use_of_a_kind"),)

    def __str__(self) -> str:
        return f"{self.user} {self.kind}"
