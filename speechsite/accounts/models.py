"""Users, the plans that limit them, and their API keys.

Balances live in `speechsite.credits`; nothing here knows of money.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from speechsite.core.ids import new_id


class Plan(models.Model):
    """What an account may do at once. An empty limit means no limit."""

    slug = models.SlugField(unique=True)
    name = models.CharField(_("name"), max_length=60)
    requests_per_second = models.PositiveIntegerField(
        _("requests per second"), null=True, blank=True
    )
    concurrent_jobs = models.PositiveIntegerField(_("jobs at once"), null=True, blank=True)
    characters_per_job = models.PositiveIntegerField(_("characters per job"), null=True, blank=True)
    upload_megabytes = models.PositiveIntegerField(
        _("megabytes of uploads"), null=True, blank=True, default=1024
    )
    upload_files = models.PositiveIntegerField(
        _("uploads kept at once"), null=True, blank=True, default=500
    )
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ("position", "slug")

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    """Makes users by e-mail address."""

    use_in_migrations = True

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).strip(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, email: str | None) -> User:
        return self.get(email__iexact=email)


class User(AbstractUser):
    """A person or a partner, known by an e-mail address."""

    # This is how Django removes an inherited field; its stubs know only strings here.
    username = None  # type: ignore[assignment]
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    public_id = models.UUIDField(default=new_id, unique=True, editable=False)
    email = models.EmailField(_("e-mail address"), unique=True)
    name = models.CharField(_("name"), max_length=80, blank=True)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, null=True, blank=True)
    language = models.CharField(_("language"), max_length=10, blank=True)
    timezone = models.CharField(_("time zone"), max_length=60, blank=True)
    preferences = models.JSONField(default=dict, blank=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    # The stubs expect Django's manager, whose verbs want a user name.
    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    class Meta:
        constraints = (models.UniqueConstraint(Lower("email"), name="one_account_per_address"),)

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.name or self.email.partition("@")[0]


class ApiKey(models.Model):
    """A partner's secret: shown once, kept as a hash, found by its prefix."""

    class Mode(models.TextChoices):
        LIVE = "live", _("live")
        TEST = "test", _("test")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(_("name"), max_length=80, blank=True)
    mode = models.CharField(max_length=4, choices=Mode, default=Mode.LIVE)
    prefix = models.CharField(max_length=24, unique=True)
    secret_hash = models.CharField(max_length=64)
    scopes = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    # Addresses or networks that may use it; empty means all.
    ip_allow = models.JSONField(default=list, blank=True)
    # Millicredits that work placed with it may cost; empty means no cap.
    daily_cap = models.PositiveBigIntegerField(null=True, blank=True)
    monthly_cap = models.PositiveBigIntegerField(null=True, blank=True)
    total_cap = models.PositiveBigIntegerField(null=True, blank=True)
    # The key that this one replaces; both work until the old one expires.
    replaces = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.prefix}…"

    @property
    def is_usable(self) -> bool:
        """Neither revoked nor expired."""
        if self.revoked_at is not None:
            return False
        return self.expires_at is None or self.expires_at > timezone.now()


class Allowance(models.Model):
    """Until when an account's requests are used up: `rates` counts here without Redis."""

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="allowance"
    )
    used_until = models.BigIntegerField(default=0)  # microseconds since 1970

    def __str__(self) -> str:
        return f"{self.user_id}: {self.used_until}"
