"""One page of the library, and how many voices each choice of its filters would leave.

All voices that fit the words of a search are read once, as bare rows of what can be chosen
by. A filter's counts leave out its own choice, so that one sees what another would give.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import NamedTuple

from django.db.models import Exists, OuterRef

from voices import findable
from voices.languages import language_name
from voices.models import Favourite, Voice, VoiceQuerySet

PAGE_SIZE = 48
NATURAL, BASIC = "natural", "basic"  # makers of built-in voices, by their engine
MINE, FAVOURITES, RECOMMENDED = "mine", "favourites", "recommended"
SHELVES = (FAVOURITES, MINE, RECOMMENDED)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for; empty where anything will do. `language` is a bare code."""

    query: str = ""
    language: str = ""
    accent: str = ""
    gender: str = ""
    age: str = ""
    use: str = ""
    maker: str = ""
    shelf: str = ""

    @property
    def is_anything(self) -> bool:
        """Whether all that can be chosen was left open."""
        return not any(getattr(self, one.name) for one in fields(self))


class Traits(NamedTuple):
    """What a voice can be chosen by."""

    language: str
    accent: str
    gender: str
    age: str
    use: str
    maker: str
    shelves: frozenset[str]


class _Row(NamedTuple):
    pk: int
    traits: Traits


@dataclass(frozen=True, slots=True)
class Shown:
    """One page: voices by language, and the counts for the filters."""

    voices: Sequence[Voice] = ()
    total: int = 0
    number: int = 1
    pages: int = 1
    counts: Mapping[str, Counter[str]] = field(default_factory=dict)
    favourites: frozenset[int] = frozenset()
    recommended: Sequence[int] = ()
    everything: frozenset[int] = frozenset()  # that fits the words of the search


def shown(
    choosable: VoiceQuerySet,
    user_id: int,
    wanted: Wanted,
    *,
    page: int = 1,
    first_languages: Sequence[str] = (),
    size: int = PAGE_SIZE,
) -> Shown:
    """The page of those voices that a search leaves, languages that the reader has first."""
    rows = _rows(choosable, user_id, wanted)
    left = [row for row in rows if not _misses(row.traits, wanted)]
    order = _in_order(left, first_languages)
    pages = max(1, -(-len(order) // size))
    number = min(max(page, 1), pages)
    chosen = order[(number - 1) * size : number * size]
    places = {pk: place for place, pk in enumerate(chosen)}
    voices = sorted(Voice.objects.filter(pk__in=chosen), key=lambda voice: places[voice.pk])
    return Shown(
        voices,
        total=len(order),
        number=number,
        pages=pages,
        counts=_counts(rows, wanted),
        favourites=frozenset(row.pk for row in rows if FAVOURITES in row.traits.shelves),
        recommended=[row.pk for row in rows if RECOMMENDED in row.traits.shelves],
        everything=frozenset(row.pk for row in rows),
    )


def narrowed(voices: VoiceQuerySet, query: str) -> VoiceQuerySet:
    """Those that fit each word of a search."""
    for word in findable.words(query):
        voices = voices.filter(search__contains=word)
    return voices


def language_of(tag: str) -> str:
    """The bare code of a tag: what voices are grouped by."""
    return tag.replace("_", "-").partition("-")[0].lower()


def _rows(choosable: VoiceQuerySet, user_id: int, wanted: Wanted) -> list[_Row]:
    kept = Favourite.objects.filter(user=user_id, voice=OuterRef("pk"))
    found = narrowed(choosable, wanted.query).annotate(is_kept=Exists(kept)).values_list(
        "pk", "language", "accent", "gender", "age", "use_case", "family", "engine", "owner",
        "is_recommended", "is_kept",
    )  # fmt: skip
    return [
        _Row(pk, Traits(language_of(language), accent, gender, age, use, maker_of(family, engine),
                        _shelves(owner == user_id, is_recommended, is_kept)))
        for pk, language, accent, gender, age, use, family, engine, owner, is_recommended, is_kept
        in found.iterator()
    ]  # fmt: skip


def maker_of(family: str, engine: str) -> str:
    """The family, or which of the built-in engines."""
    if family != "builtin":
        return family
    return BASIC if engine == "espeak-ng" else NATURAL


_SHELVES = {
    (is_mine, is_recommended, is_kept): frozenset(
        name
        for name, holds in ((MINE, is_mine), (RECOMMENDED, is_recommended), (FAVOURITES, is_kept))
        if holds
    )
    for is_mine in (False, True)
    for is_recommended in (False, True)
    for is_kept in (False, True)
}


def _shelves(is_mine: bool, is_recommended: bool, is_kept: bool) -> frozenset[str]:
    return _SHELVES[bool(is_mine), bool(is_recommended), bool(is_kept)]


def _misses(traits: Traits, wanted: Wanted) -> Collection[str]:
    """The filters that a voice does not pass."""
    missed = [
        name
        for name in ("language", "accent", "gender", "age", "use", "maker")
        if (choice := getattr(wanted, name)) and getattr(traits, name) != choice
    ]
    if wanted.shelf and wanted.shelf not in traits.shelves:
        missed.append("shelf")
    return missed


def _counts(rows: Iterable[_Row], wanted: Wanted) -> dict[str, Counter[str]]:
    """Voices by each choice of each filter, as the other filters leave them."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    alike = Counter(row.traits for row in rows)
    for traits, number in alike.items():
        missed = _misses(traits, wanted)
        if len(missed) > 1:
            continue
        for name in ("language", "accent", "gender", "age", "use", "maker"):
            if not missed or missed == [name]:
                counts[name][getattr(traits, name)] += number
        if not missed or missed == ["shelf"]:
            for shelf in traits.shelves:
                counts["shelf"][shelf] += number
    return counts


def _in_order(rows: Iterable[_Row], first: Sequence[str]) -> list[int]:
    """By language: the reader's own, then the others by their names; each as the library has it.

    Within a language favourites come first, then what the operator recommends.
    """
    groups: dict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        groups[row.traits.language].append(row)
    ranks = {code: rank for rank, code in enumerate(first)}
    codes = sorted(
        groups, key=lambda code: (ranks.get(code, len(ranks)), not code, language_name(code))
    )
    return [row.pk for code in codes for row in sorted(groups[code], key=_worth)]


def _worth(row: _Row) -> tuple[bool, bool]:
    return FAVOURITES not in row.traits.shelves, RECOMMENDED not in row.traits.shelves
