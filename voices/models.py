"""Models and voices: the library that people choose from.

Rows are never deleted, only retired, so that history stays readable.
"""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from speechsite.core.ids import new_id
from speechsite.upstreams import routing
from speechsite.upstreams.models import Offer
from voices import findable

TEST_FAMILY = "test"  # of voices that were made with a test key: no provider knows them


class SpeechModel(models.Model):
    """What speaks or cleans: one entry of the catalogue."""

    class Kind(models.TextChoices):
        SPEECH = "speech", _("speech")
        DIALOGUE = "dialogue", _("dialogue")
        ISOLATION = "isolation", _("cleaning")

    slug = models.CharField(max_length=80, unique=True)
    family = models.CharField(_("family"), max_length=40, db_index=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.SPEECH)
    name = models.CharField(_("name"), max_length=80)
    description = models.CharField(max_length=300, blank=True)
    aliases = models.JSONField(default=list, blank=True)
    languages = models.JSONField(default=list, blank=True)
    controls = models.JSONField(default=dict, blank=True)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ("position", "name")

    def __str__(self) -> str:
        return self.name

    @cached_property
    def offers(self) -> list[Offer]:
        """What enabled channels sell of it, read once for an order that asks several times."""
        return routing.sold(self.slug)


class Edition(models.Model):
    """Another word after each change of a voice, so that who keeps a list knows that it is old."""

    token = models.CharField(max_length=32)

    def __str__(self) -> str:
        return self.token

    @staticmethod
    def turn() -> None:
        """Say, with the transaction that goes on, that some voice is not what it was."""
        Edition.objects.bulk_create(
            [Edition(pk=1, token=secrets.token_hex(16))],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=["token"],
        )


class VoiceQuerySet(models.QuerySet["Voice"]):
    """Questions people ask of the library. What changes many voices turns its edition."""

    def update(self, **changes: Any) -> int:
        """As Django has it; `bulk_update` comes by here too."""
        count = super().update(**changes)
        Edition.turn()
        return count

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(self, objs: Any, *args: Any, **kwargs: Any) -> Any:
        """As Django has it."""
        made = super().bulk_create(objs, *args, **kwargs)
        Edition.turn()
        return made

    def delete(self) -> tuple[int, dict[str, int]]:
        """As Django has it."""
        told = super().delete()
        Edition.turn()
        return told

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def saying(self, query: str) -> VoiceQuerySet:
        """Those that can be found by each word of a search."""
        found = self
        for word in findable.words(query):
            found = found.filter(search__contains=word)
        return found

    def usable(self) -> VoiceQuerySet:
        return self.filter(retired_at__isnull=True)

    def visible_to(self, user: Any) -> VoiceQuerySet:
        """The person's own, and public voices that are there for everybody or for their plan."""
        is_theirs = Q(for_plans="") | Q(for_plans__contains=f",{user.plan_id},")
        return self.filter(Q(owner=user) | Q(owner__isnull=True, is_hidden=False) & is_theirs)

    def in_world(self, *, is_test: bool) -> VoiceQuerySet:
        """Public voices, and of people's own those that test keys made, or the others."""
        made_by_test_keys = Q(family=TEST_FAMILY)
        return self.filter(
            Q(owner__isnull=True) | (made_by_test_keys if is_test else ~made_by_test_keys)
        )


def is_in_plan(for_plans: str, plan: int | None) -> bool:
    """Whether a voice with these plans is for an account on that one; see `Voice.for_plans`."""
    return not for_plans or f",{plan}," in for_plans


class Voice(models.Model):
    """A voice of one family; `external_id` is the id its providers know it by."""

    family = models.CharField(_("family"), max_length=40)
    external_id = models.CharField(_("id at the provider"), max_length=200)
    name = models.CharField(_("name"), max_length=120)
    language = models.CharField(_("language"), max_length=20, blank=True)
    languages = models.JSONField(default=list, blank=True)
    gender = models.CharField(_("gender"), max_length=10, blank=True)
    accent = models.CharField(_("accent"), max_length=60, blank=True)
    age = models.CharField(_("age"), max_length=30, blank=True)
    use_case = models.CharField(_("use"), max_length=60, blank=True)
    category = models.CharField(_("category"), max_length=20, default="premade")
    description = models.CharField(_("description"), max_length=400, blank=True)
    labels = models.JSONField(default=dict, blank=True)
    engine = models.CharField(_("engine"), max_length=20, blank=True)  # of a built-in voice
    # What it is found by; `findable` writes it.
    search = models.TextField(blank=True, editable=False)
    preview_url = models.CharField(max_length=500, blank=True)
    voice_settings = models.JSONField(default=dict, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="voices",
    )
    # Slugs of the channels that list this voice; empty where every channel of the family has it.
    listed_by = models.JSONField(default=list, blank=True)
    # What the operator makes of it.
    is_hidden = models.BooleanField(_("hidden"), default=False)
    is_recommended = models.BooleanField(_("recommended"), default=False)
    # Keys of the plans whose accounts alone may use it, as ",1,3,"; empty for everybody.
    for_plans = models.CharField(max_length=200, blank=True, editable=False)
    position = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    retired_at = models.DateTimeField(_("retired"), null=True, blank=True)

    objects = VoiceQuerySet.as_manager()

    # Set by `additions` on a voice that an earlier request with the same key made.
    is_replay = False

    class Meta:
        ordering = ("position", "name")
        constraints = (
            models.UniqueConstraint(
                fields=("family", "external_id"), name="one_voice_per_family_id"
            ),
        )
        indexes = (
            models.Index(fields=("language",), name="voices_by_language"),
            models.Index(fields=("external_id",), name="voices_by_external_id"),
        )

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.make_findable()
        fields = kwargs.get("update_fields")
        if fields is not None:
            kwargs["update_fields"] = {*fields, "search", "engine"}
        super().save(*args, **kwargs)
        Edition.turn()

    def make_findable(self) -> None:
        """Write down what it is found by; for whoever saves many at once."""
        self.engine = str(self.labels.get("engine", ""))[:20]
        self.search = findable.text_of(self)

    def is_for(self, user: Any) -> bool:
        """Whether a person may speak with it: their own, or one that their plan has."""
        if self.owner_id is not None:
            return bool(self.owner_id == user.pk)
        return is_in_plan(self.for_plans, user.plan_id)

    @property
    def is_test(self) -> bool:
        """Made with a test key: only orders of test keys speak with it."""
        return self.family == TEST_FAMILY

    @property
    def is_usable(self) -> bool:
        return self.retired_at is None


class Favourite(models.Model):
    """A voice that a person wants to find again."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    voice = models.ForeignKey(Voice, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("user", "voice"), name="one_favourite_per_voice"),
        )

    def __str__(self) -> str:
        return str(self.voice_id)


class Addition(models.Model):
    """A request for a voice of one's own that may come again, and the voice that came of it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request_hash = models.CharField(max_length=64)
    voice = models.ForeignKey(
        Voice, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    begun_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("user", "key"), name="one_addition_per_key"),
        )

    def __str__(self) -> str:
        return self.key


class Sample(models.Model):
    """A reference recording that a person gave for a voice of their own."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    voice = models.ForeignKey(Voice, on_delete=models.CASCADE, related_name="samples")
    file = models.CharField(max_length=200)
    name = models.CharField(max_length=200)
    media_type = models.CharField(max_length=80)
    size = models.PositiveBigIntegerField()
    duration_ms = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("created_at", "id")

    def __str__(self) -> str:
        return self.name


class Dictionary(models.Model):
    """How a person wants words to be spoken; `version` names this state of the rules.

    A rule is {"type": "alias", "string_to_replace": ..., "alias": ...,
    "case_sensitive": ..., "word_boundaries": ...} or the same with "phoneme".
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="dictionaries"
    )
    name = models.CharField(_("name"), max_length=120)
    description = models.CharField(_("description"), max_length=400, blank=True)
    rules = models.JSONField(default=list, blank=True)
    is_test = models.BooleanField(default=False)  # made with a test key
    version = models.UUIDField(default=new_id, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)
        verbose_name_plural = _("dictionaries")
        indexes = (models.Index(fields=("user", "-created_at"), name="dictionaries_of_user"),)

    def __str__(self) -> str:
        return self.name
