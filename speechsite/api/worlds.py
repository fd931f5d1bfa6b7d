"""What a caller may see: its own account's objects, and of these the world of its key.

Live and test are two worlds. What a key of one made does not exist for a key of the other, in
whatever dialect it asks; only the wallet, the plan and the public voices belong to both.
"""

from __future__ import annotations

from django.db.models import QuerySet

from jobs import endpoints, numbers
from jobs.models import Job, JobQuerySet, NumberedFile, Upload, WebhookEndpoint
from speechsite.api.auth import Caller
from voices import library
from voices.models import Dictionary, SpeechModel, Voice, VoiceQuerySet


def jobs(caller: Caller) -> JobQuerySet:
    """Work that was not deleted."""
    return Job.objects.of(caller.user).filter(is_test=caller.is_test)


def uploads(caller: Caller) -> QuerySet[Upload]:
    """Recordings that were not deleted."""
    mine = Upload.objects.filter(user=caller.user, is_test=caller.is_test)
    return mine.filter(deleted_at__isnull=True)


def numbered(caller: Caller, number: int) -> NumberedFile | None:
    """What a number stands for: a text that was uploaded, or the result of a task."""
    found = numbers.find(caller.user, number)
    return found if found is not None and found.is_test == caller.is_test else None


def webhooks(caller: Caller) -> QuerySet[WebhookEndpoint]:
    """Webhooks that were not removed; each is told of its own world's work."""
    return endpoints.of(caller.user).filter(is_test=caller.is_test)


def dictionaries(caller: Caller) -> QuerySet[Dictionary]:
    """Pronunciation dictionaries, archived ones included."""
    return Dictionary.objects.filter(user=caller.user, is_test=caller.is_test)


def voices(caller: Caller) -> VoiceQuerySet:
    """Public voices and the caller's own, retired ones included."""
    return Voice.objects.visible_to(caller.user).in_world(is_test=caller.is_test)


def own_voices(caller: Caller) -> VoiceQuerySet:
    """The caller's own voices that can be used."""
    return voices(caller).usable().filter(owner=caller.user)


def choosable_voices(caller: Caller) -> VoiceQuerySet:
    """Voices that some model here speaks with; with a test key all that can be used."""
    if caller.is_test:
        return voices(caller).usable()
    return library.choosable(caller.user).in_world(is_test=False)


def models(caller: Caller | None, kind: str) -> list[SpeechModel]:
    """Models that can be ordered: those on offer, with a test key all of the catalogue."""
    if caller is not None and caller.is_test:
        return list(SpeechModel.objects.filter(kind=kind, is_enabled=True))
    return library.models_of(kind)
