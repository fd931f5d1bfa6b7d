"""One page of the library, and how many voices each choice of its filters would leave.

A filter's counts leave out its own choice, so that one sees what another would give. All of it is
made of what `snapshot` keeps, and of the few voices that are the reader's own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import chain, islice
from typing import Any

from django.db.models import Subquery

from voices import findable, library, snapshot
from voices.languages import language_name
from voices.models import Edition, Favourite, Voice, is_in_plan
from voices.snapshot import Entry, Snapshot, Traits

PAGE_SIZE = 48
MINE, FAVOURITES, RECOMMENDED = "mine", "favourites", "recommended"
FILTERS = ("language", "accent", "gender", "age", "use", "maker")


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


@dataclass(frozen=True, slots=True)
class Shown:
    """One page: voices by language, and the counts for the filters."""

    voices: Sequence[Voice] = ()
    total: int = 0
    number: int = 1
    pages: int = 1
    counts: Mapping[str, Counter[str]] = field(default_factory=dict)
    favourites: frozenset[int] = frozenset()
    recommended: Sequence[Voice] = ()
    also: Mapping[int, Voice] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Whom a list is for, and what can be spoken with now."""

    user: Any
    families: frozenset[str]
    favourites: frozenset[int]

    def may_use(self, traits: Traits) -> bool:
        """Whether something can speak with such a voice, and for this account's plan."""
        is_theirs = is_in_plan(traits.for_plans, self.user.plan_id)
        return is_theirs and traits.family in self.families


@dataclass(frozen=True, slots=True)
class _Shelves:
    """What fits the words of a search: a reader's own voices, the public ones, the kept ones."""

    own: Snapshot
    public: Snapshot
    kept: Sequence[Snapshot]

    def of(self, shelf: str) -> Sequence[Snapshot]:
        if shelf == MINE:
            return [self.own]
        return self.kept if shelf == FAVOURITES else [self.own, self.public]


def shown(
    user: Any,
    wanted: Wanted,
    *,
    page: int = 1,
    first_languages: Sequence[str] = (),
    also: Iterable[int] = (),
    size: int = PAGE_SIZE,
) -> Shown:
    """The page of those voices that a search leaves; languages that the reader has come first.

    Of the voices with the keys `also` those are brought along that this account may use, and
    its favourites, where nothing was searched for.
    """
    families, token = _as_of_now()
    kept = Favourite.objects.filter(user=user).values_list("voice_id", flat=True)
    reader = _Reader(user, families, frozenset(kept))
    shelves = _shelves(reader, wanted, token)
    groups = _groups(shelves.of(wanted.shelf), wanted, reader)
    total = sum(map(len, groups.values()))
    pages = max(1, -(-total // size))
    number = min(max(page, 1), pages)
    order = _in_order(groups, reader.favourites, first_languages)
    chosen = list(islice(order, (number - 1) * size, number * size))
    beside, recommended = [], []
    if wanted.is_anything:
        beside = _usable(shelves, reader, {*also, *reader.favourites})
        recommended = list(islice(_recommended(shelves.public, reader), size))
    voices = Voice.objects.in_bulk({*chosen, *beside, *recommended})
    return Shown(
        [voices[pk] for pk in chosen if pk in voices],
        total=total,
        number=number,
        pages=pages,
        counts=_counts(shelves, wanted, reader),
        favourites=reader.favourites,
        recommended=[voices[pk] for pk in recommended if pk in voices],
        also={pk: voices[pk] for pk in beside if pk in voices},
    )


def _as_of_now() -> tuple[frozenset[str], str]:
    """The families that something can speak, and the library's edition: one question."""
    token = Subquery(Edition.objects.values("token")[:1])
    rows = list(library.spoken_families().values_list("family", token))
    return frozenset(family for family, _token in rows), next((one for _, one in rows), "") or ""


def _shelves(reader: _Reader, wanted: Wanted, token: str) -> _Shelves:
    words = findable.words(wanted.query)
    own = snapshot.of(Voice.objects.usable().filter(owner=reader.user))
    public = snapshot.public(token)
    kept = [one.among(reader.favourites).saying(words) for one in (own, public)]
    return _Shelves(own.saying(words), public.saying(words), kept)


def _usable(shelves: _Shelves, reader: _Reader, keys: set[int]) -> list[int]:
    """Those of some voices that this account may speak with."""
    return [
        key
        for one in (shelves.own, shelves.public)
        for key in keys & one.by_key.keys()
        if reader.may_use(one.kinds[one.by_key[key].kind])
    ]


def _recommended(public: Snapshot, reader: _Reader) -> Iterator[int]:
    """They come first in each language."""
    for group in public.by_language.values():
        for entry in group:
            kind = public.kinds[entry.kind]
            if not kind.is_recommended:
                break
            if reader.may_use(kind):
                yield entry.pk


def _misses(traits: Traits, wanted: Wanted) -> list[str]:
    """The filters that a voice does not pass."""
    missed = [
        name
        for name in FILTERS
        if (choice := getattr(wanted, name)) and getattr(traits, name) != choice
    ]
    if wanted.shelf == RECOMMENDED and not traits.is_recommended:
        missed.append("shelf")
    return missed


def _groups(
    snapshots: Iterable[Snapshot], wanted: Wanted, reader: _Reader
) -> dict[str, list[Entry]]:
    """What passes all filters, by language."""
    groups: dict[str, list[Entry]] = defaultdict(list)
    for one in snapshots:
        fits = [reader.may_use(kind) and not _misses(kind, wanted) for kind in one.kinds]
        for language, group in one.by_language.items():
            if left := [entry for entry in group if fits[entry.kind]]:
                groups[language] += left
    return groups


def _counts(shelves: _Shelves, wanted: Wanted, reader: _Reader) -> dict[str, Counter[str]]:
    """Voices by each choice of each filter, as the other filters leave them."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for traits, number in _sizes(shelves.of(wanted.shelf), reader):
        missed = _misses(traits, wanted)
        for name in FILTERS:
            if not missed or missed == [name]:
                counts[name][getattr(traits, name)] += number
    for shelf, snapshots in ((FAVOURITES, shelves.kept), (MINE, [shelves.own])):
        for traits, number in _sizes(snapshots, reader):
            if set(_misses(traits, wanted)) <= {"shelf"}:
                counts["shelf"][shelf] += number
    for pk in _recommended(shelves.public, reader):
        traits = shelves.public.kinds[shelves.public.by_key[pk].kind]
        if set(_misses(traits, wanted)) <= {"shelf"}:
            counts["shelf"][RECOMMENDED] += 1
    return counts


def _sizes(snapshots: Iterable[Snapshot], reader: _Reader) -> Iterator[tuple[Traits, int]]:
    for one in snapshots:
        for place, number in one.sizes().items():
            if reader.may_use(one.kinds[place]):
                yield one.kinds[place], number


def _in_order(
    groups: Mapping[str, Sequence[Entry]], favourites: frozenset[int], first: Sequence[str]
) -> Iterator[int]:
    """By language: the reader's own, then the others by their names; favourites first in each."""
    ranks = {code: rank for rank, code in enumerate(first)}
    codes = sorted(
        groups, key=lambda code: (ranks.get(code, len(ranks)), not code, language_name(code))
    )
    for code in codes:
        group = groups[code]
        kept = [entry.pk for entry in group if entry.pk in favourites] if favourites else []
        rest = (entry.pk for entry in group if entry.pk not in favourites)
        yield from chain(kept, rest)
