"""Pronunciation dictionaries of people: made, changed, and found again for a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from speechsite.accounts.models import User
from speechsite.core.ids import new_id
from voices.models import Dictionary

Rules = Sequence[Mapping[str, Any]]
MOST = 200
MOST_RULES = 1000
LONGEST_WORD = 200  # characters that one rule replaces
LONGEST_SPOKEN = 1000  # characters that one rule puts in their place
MOST_CHARACTERS = 250_000  # of all rules


class DictionaryError(Exception):
    """The dictionary cannot be kept like this."""


def create(
    user: User, *, name: str, rules: Rules, description: str = "", is_test: bool = False
) -> Dictionary:
    """A new dictionary."""
    if not name.strip():
        raise DictionaryError("A dictionary needs a name.")
    kept = Dictionary.objects.filter(user=user, is_test=is_test, archived_at__isnull=True)
    if kept.count() >= MOST:
        raise DictionaryError(f"At most {MOST} dictionaries fit; archive one first.")
    return Dictionary.objects.create(
        user=user,
        name=name[:120],
        description=description[:400],
        rules=_checked(rules),
        is_test=is_test,
    )


def set_rules(user: User, dictionary_id: UUID, rules: Rules) -> Dictionary:
    """Replace all rules."""
    return _change(user, dictionary_id, lambda _old: list(rules))


def add_rules(user: User, dictionary_id: UUID, rules: Rules) -> Dictionary:
    """Add rules; one for the same word takes the place of the old one."""

    def changed(old: Rules) -> list[Mapping[str, Any]]:
        words = {rule["string_to_replace"] for rule in rules}
        return [rule for rule in old if rule["string_to_replace"] not in words] + list(rules)

    return _change(user, dictionary_id, changed)


def remove_rules(user: User, dictionary_id: UUID, words: Sequence[str]) -> Dictionary:
    """Take the rules for these words away."""
    gone = set(words)
    return _change(
        user,
        dictionary_id,
        lambda old: [rule for rule in old if rule["string_to_replace"] not in gone],
    )


def update(
    user: User, dictionary_id: UUID, *, name: str | None, is_archived: bool | None
) -> Dictionary:
    """Rename, archive or bring back. Raises Dictionary.DoesNotExist."""
    dictionary = Dictionary.objects.get(user=user, pk=dictionary_id)
    if name is not None and name.strip():
        dictionary.name = name[:120]
    if is_archived is not None:
        dictionary.archived_at = timezone.now() if is_archived else None
    dictionary.save(update_fields=["name", "archived_at"])
    return dictionary


def _change(user: User, dictionary_id: UUID, changed: Any) -> Dictionary:
    """Raises Dictionary.DoesNotExist or DictionaryError."""
    with transaction.atomic():
        dictionary = Dictionary.objects.select_for_update().get(user=user, pk=dictionary_id)
        dictionary.rules = _checked(changed(dictionary.rules))
        dictionary.version = new_id()
        dictionary.save(update_fields=["rules", "version"])
    return dictionary


def _checked(rules: Rules) -> list[Mapping[str, Any]]:
    if len(rules) > MOST_RULES:
        raise DictionaryError(f"A dictionary has at most {MOST_RULES} rules.")
    total = 0
    for rule in rules:
        word, spoken = rule["string_to_replace"], rule[rule["type"]]
        total += len(word) + len(spoken)
        if len(word) > LONGEST_WORD or len(spoken) > LONGEST_SPOKEN:
            raise DictionaryError(
                f"A rule replaces at most {LONGEST_WORD} characters, by at most {LONGEST_SPOKEN}."
            )
    if total > MOST_CHARACTERS:
        raise DictionaryError(
            f"The rules of a dictionary have at most {MOST_CHARACTERS:,} letters."
        )
    return list(rules)
