"""The public voices as lists need them, kept in memory for as long as nothing of them changes.

Reading 5,000 rows for each look at the library took more than all the rest of the page. Whatever
changes a voice turns the library's edition in the same transaction (`models.Edition`); a process
whose snapshot is of another edition reads anew.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from voices.languages import language_of
from voices.models import Voice, VoiceQuerySet

NATURAL, BASIC = "natural", "basic"  # makers of built-in voices, by their engine


class Traits(NamedTuple):
    """What a voice can be chosen by, and who may choose it."""

    language: str
    accent: str
    gender: str
    age: str
    use: str
    maker: str
    family: str
    is_recommended: bool
    for_plans: str


class Entry(NamedTuple):
    """A voice in a list; `kind` is the place of its traits among the snapshot's."""

    pk: int
    kind: int
    search: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Entries by language, the recommended first, then as the library has them."""

    kinds: Sequence[Traits]
    by_language: Mapping[str, Sequence[Entry]]
    by_key: Mapping[int, Entry]

    def sizes(self) -> Counter[int]:
        """How many entries are of each kind."""
        return Counter(entry.kind for group in self.by_language.values() for entry in group)

    def saying(self, words: Iterable[str]) -> Snapshot:
        """Those that can be found by each of some folded words; `by_key` has them all."""
        groups = self.by_language
        for word in words:
            left = {
                language: [entry for entry in group if word in entry.search]
                for language, group in groups.items()
            }
            groups = {language: group for language, group in left.items() if group}
        return Snapshot(self.kinds, groups, self.by_key)

    def among(self, keys: Iterable[int]) -> Snapshot:
        """Those with one of these keys."""
        return _arranged(self.kinds, [self.by_key[key] for key in keys if key in self.by_key])


_kept: dict[str, Snapshot] = {}


def public(token: str) -> Snapshot:
    """The voices that are there for everybody or for some plans, as of an edition just read."""
    found = _kept.get(token)
    if found is None:
        found = of(Voice.objects.usable().filter(owner__isnull=True, is_hidden=False))
        if token:
            _kept.clear()  # the others are of the past
            _kept[token] = found
    return found


def of(voices: VoiceQuerySet) -> Snapshot:
    """A snapshot of these voices, read as bare rows."""
    rows = voices.order_by("-is_recommended", "position", "name", "pk").values_list(
        "pk", "language", "accent", "gender", "age", "use_case", "family", "engine",
        "is_recommended", "for_plans", "search",
    )  # fmt: skip
    places: dict[Traits, int] = {}
    entries = []
    for pk, language, accent, gender, age, use, family, engine, is_first, plans, search in rows:
        traits = Traits(
            language_of(language), accent, gender, age, use, maker_of(family, engine), family,
            is_first, plans,
        )  # fmt: skip
        entries.append(Entry(pk, places.setdefault(traits, len(places)), search))
    return _arranged(list(places), entries)


def maker_of(family: str, engine: str) -> str:
    """The family, or which of the built-in engines."""
    if family != "builtin":
        return family
    return BASIC if engine == "espeak-ng" else NATURAL


def _arranged(kinds: Sequence[Traits], entries: Sequence[Entry]) -> Snapshot:
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[kinds[entry.kind].language].append(entry)
    return Snapshot(kinds, groups, {entry.pk: entry for entry in entries})
