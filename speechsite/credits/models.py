"""Wallets, their ledger, and the prices. `ledger` is the only writer of the first two.

All amounts are integers of millicredits; one credit is 1,000 of them.
"""

from __future__ import annotations

from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

MILLI = 1000


class Wallet(models.Model):
    """One account's two pockets: free to spend, and held for work under way."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="wallet"
    )
    available = models.BigIntegerField(_("available"), default=0, editable=False)
    held = models.BigIntegerField(_("held"), default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # The welcome grant was given, or the site gave none then.
    is_welcomed = models.BooleanField(default=False, db_default=False, editable=False)
    # Found once and kept: see `welcome`.
    buys_everything = models.BooleanField(default=False, db_default=False, editable=False)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(available__gte=0), name="available_not_negative"),
            models.CheckConstraint(condition=Q(held__gte=0), name="held_not_negative"),
        )

    def __str__(self) -> str:
        return f"{self.user}: {self.available / MILLI:g}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Refuses to write the pockets of an existing wallet: only the ledger moves them."""
        if self.pk is not None:
            raise TypeError("a wallet changes only through the ledger")
        if self.available or self.held:
            raise TypeError("a wallet is opened empty")
        super().save(*args, **kwargs)


class FinalQuerySet(models.QuerySet["LedgerEntry"]):
    """Entries are final."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError("ledger entries are final")

    def delete(self) -> NoReturn:
        raise TypeError("ledger entries are final")


class LedgerEntry(models.Model):
    """One movement of millicredits. `key` makes doing it twice return the first."""

    class Kind(models.TextChoices):
        GRANT = "grant", _("grant")
        VOUCHER = "voucher", _("voucher")
        ADJUST = "adjust", _("adjustment")
        HOLD = "hold", _("hold")
        CAPTURE = "capture", _("charge")
        RELEASE = "release", _("release")
        REFUND = "refund", _("refund")

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="entries")
    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    available_delta = models.BigIntegerField(_("available"))
    held_delta = models.BigIntegerField(_("held"))
    available_after = models.BigIntegerField(_("available after it"))
    key = models.CharField(max_length=120, unique=True)
    job_id = models.UUIDField(_("job"), null=True, blank=True, db_index=True)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = FinalQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = _("ledger entries")
        indexes = (
            models.Index(fields=("wallet", "-id"), name="entries_of_wallet"),
            # Few among many: whether anybody gave this account credits.
            models.Index(
                fields=("wallet",),
                condition=Q(kind__in=("grant", "voucher", "adjust")),
                name="credits_given",
            ),
            models.Index(fields=("wallet", "kind", "-id"), name="entries_of_wallet_by_kind"),
        )
        constraints = (
            models.CheckConstraint(
                name="entry_moves_as_its_kind_says",
                condition=(
                    Q(kind__in=("grant", "voucher", "refund"), available_delta__gt=0, held_delta=0)
                    | Q(kind="adjust", held_delta=0) & ~Q(available_delta=0)
                    | Q(kind="hold", available_delta=-models.F("held_delta"), held_delta__gte=0)
                    | Q(kind="capture", available_delta=0, held_delta__lte=0)
                    | Q(kind="release", available_delta=-models.F("held_delta"), held_delta__lte=0)
                ),
            ),
            models.UniqueConstraint(
                fields=("job_id", "kind"),
                condition=Q(job_id__isnull=False),
                name="one_entry_of_a_kind_per_job",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.available_delta / MILLI:+g} / {self.held_delta / MILLI:+g}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise TypeError("ledger entries are final")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("ledger entries are final")


class AuditRun(models.Model):
    """What came of adding the whole ledger up once; `problems` are the first of them in words."""

    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"), default=timezone.now)
    wallets = models.PositiveBigIntegerField(_("wallets"))
    entries = models.PositiveBigIntegerField(_("entries"))
    differences = models.PositiveBigIntegerField(_("differences"))
    problems = models.JSONField(_("problems"), default=list, blank=True)

    class Meta:
        ordering = ("-id",)
        verbose_name = _("audit")
        verbose_name_plural = _("audits")

    def __str__(self) -> str:
        return f"{self.finished_at:%Y-%m-%d %H:%M}: {self.differences}"


class Price(models.Model):
    """What one unit of a model costs from a moment on; a job freezes the row it was quoted."""

    class Unit(models.TextChoices):
        CHARACTER = "character", _("character")
        SECOND = "second", _("second")
        REQUEST = "request", _("request")

    class Counting(models.TextChoices):
        CODE_POINTS = "code_points", _("every character is one")
        CJK_DOUBLE = "cjk_double", _("a Chinese character is two")

    model = models.CharField(_("model"), max_length=80)
    unit = models.CharField(_("unit"), max_length=10, choices=Unit)
    millicredits_per_unit = models.PositiveBigIntegerField(_("millicredits per unit"))
    minimum_millicredits = models.PositiveBigIntegerField(_("minimum"), default=0)
    counting = models.CharField(
        _("counting"), max_length=12, choices=Counting, default=Counting.CODE_POINTS
    )
    valid_from = models.DateTimeField(_("valid from"), default=timezone.now)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ("model", "-valid_from")
        constraints = (
            models.UniqueConstraint(fields=("model", "valid_from"), name="one_price_per_moment"),
        )

    def __str__(self) -> str:
        return f"{self.model}: {self.millicredits_per_unit} m¢/{self.unit}"
