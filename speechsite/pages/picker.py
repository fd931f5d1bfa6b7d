"""The voice picker: one list for the Studio and the library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.utils.translation.trans_real import parse_accept_lang_header

from jobs.models import Job
from speechsite.accounts.models import User
from speechsite.pages.makers import maker_name, maker_tag
from speechsite.pages.requests import SignedIn
from speechsite.pages.templatetags.portal import GENDERS, traits
from voices import facets, samples
from voices.facets import Shown, Wanted
from voices.languages import language_name, language_of
from voices.models import Voice

PREFIX = "voice_"
LONGEST = {"query": 80, "accent": 60, "use": 60, "age": 30, "maker": 40, "language": 20}
ON_A_SHELF = 6
RECENT_JOBS = 100  # among which a person's last voices are looked for


@dataclass(frozen=True, slots=True)
class Option:
    """A choice of a filter, and how many voices it leaves."""

    value: str
    label: str
    count: int
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """A select of the form: its field, its label, what it says where nothing is chosen."""

    name: str
    label: str
    anything: str
    options: Sequence[Option]

    @property
    def is_chosen(self) -> bool:
        return any(option.is_chosen for option in self.options)


@dataclass(frozen=True, slots=True)
class Group:
    """Voices under one heading."""

    title: str
    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Picker:
    """What was searched for, what was found, and what is chosen."""

    wanted: Wanted
    shown: Shown
    filters: Mapping[str, Filter]
    shelves: Sequence[Group]
    chosen: Voice | None = None

    @property
    def is_filtered(self) -> bool:
        return not self.wanted.is_anything

    @property
    def has_more_filters(self) -> bool:
        """Whether one of the filters is chosen that are folded away."""
        return any(self.filters[name].is_chosen for name in ("accent", "age", "use", "maker"))

    @property
    def query(self) -> str:
        """The search and its filters as an address carries them, the page left out."""
        told = {one.name: getattr(self.wanted, one.name) for one in fields(self.wanted)}
        return urlencode({PREFIX + _FIELD[name]: value for name, value in told.items() if value})

    @property
    def groups(self) -> list[Group]:
        """The page by language."""
        grouped = groupby(self.shown.voices, key=lambda voice: language_of(voice.language))
        return [Group(_language(code), self._rows(voices)) for code, voices in grouped]

    @property
    def choices(self) -> list[Group]:
        """For one who picks: the chosen voice first, always, then shelves, then the page.

        A voice stands in it once, and a search never unchooses one.
        """
        first = [self.chosen] if self.chosen is not None and self.chosen.is_usable else []
        seen = {voice.pk for voice in first}
        groups = [Group("", self._rows(first))] if self.shown.number == 1 else []
        for group in (*self.shelves, *self.groups):
            groups += [Group(group.title, _unseen(group.rows, seen))]
        return [group for group in groups if group.rows]

    def _rows(self, voices: Iterable[Voice]) -> list[dict[str, Any]]:
        return [
            card(
                voice,
                is_chosen=voice == self.chosen,
                is_favourite=voice.pk in self.shown.favourites,
            )
            for voice in voices
        ]


# Field of the form by what is wanted.
_FIELD = {one.name: one.name for one in fields(Wanted)} | {"query": "q"}


def picker(request: SignedIn, told: Mapping[str, str], chosen: Voice | None = None) -> Picker:
    """Search the library with a form's words (`voice_q`, `voice_language`, ...)."""
    wanted = Wanted(
        **{
            name: told.get(PREFIX + field, "").strip()[: LONGEST.get(name, 20)]
            for name, field in _FIELD.items()
        }
    )
    page = told.get("page", "")
    recent = _recent(request.user) if wanted.is_anything and page in ("", "1") else []
    shown = facets.shown(
        request.user,
        wanted,
        page=int(page[:6]) if page.isascii() and page.isdecimal() else 1,
        first_languages=languages_of(request),
        also=recent,
    )
    shelves = _shelves(shown, recent) if wanted.is_anything and shown.number == 1 else []
    return Picker(wanted, shown, dict(_filters(wanted, shown)), shelves, chosen)


def languages_of(request: SignedIn) -> list[str]:
    """Bare codes of the languages that a reader has: the account's, then the browser's."""
    accepted = parse_accept_lang_header(request.headers.get("Accept-Language", ""))
    tags = [get_language() or "en", *(tag for tag, _weight in accepted if tag != "*")]
    return list(dict.fromkeys(map(language_of, tags)))


def card(voice: Voice, *, is_chosen: bool = False, is_favourite: bool = False) -> dict[str, Any]:
    """A voice as the lists show it."""
    return {
        "voice": voice,
        # Some names tell the accent already.
        "accent": "" if voice.accent in voice.name else voice.accent,
        "language": language_name(voice.language) if voice.language else "",
        "maker": maker_tag(voice),
        "is_chosen": is_chosen,
        "is_favourite": is_favourite,
        "has_preview": samples.has_preview(voice),
    }


def _unseen(rows: Iterable[Mapping[str, Any]], seen: set[int]) -> list[Mapping[str, Any]]:
    """Those that have not been shown yet; they have been then."""
    fresh = [row for row in rows if row["voice"].pk not in seen]
    seen.update(row["voice"].pk for row in fresh)
    return fresh


def _shelves(shown: Shown, recent: Sequence[int]) -> list[Group]:
    """Favourites, what was spoken with last, and what the operator recommends."""
    kept = {
        _("Your favourites"): [
            shown.also[pk] for pk in sorted(shown.favourites) if pk in shown.also
        ],
        _("Used lately"): [shown.also[pk] for pk in recent if pk in shown.also],
        _("Recommended"): shown.recommended,
    }
    seen: set[int] = set()
    groups = []
    for title, voices in kept.items():
        rows = [card(voice, is_favourite=voice.pk in shown.favourites) for voice in voices]
        groups.append(Group(title, _unseen(rows, seen)[:ON_A_SHELF]))
    return [group for group in groups if group.rows]


def _recent(user: User) -> list[int]:
    jobs = Job.objects.of(user).order_by("-created_at").values_list("voice_id", flat=True)
    return [pk for pk in dict.fromkeys(jobs[:RECENT_JOBS]) if pk is not None][:ON_A_SHELF]


def _filters(wanted: Wanted, shown: Shown) -> Iterable[tuple[str, Filter]]:
    said: dict[str, tuple[str, str, Callable[[str], str]]] = {
        "language": (_("Language"), _("All languages"), _language),
        "gender": (_("Gender"), _("Any gender"), _gender),
        "accent": (_("Accent"), _("Any accent"), str),
        "age": (_("Age"), _("Any age"), traits),
        "use": (_("Use"), _("Any use"), traits),
        "maker": (_("Maker"), _("All makers"), maker_name),
        "shelf": (_("Show"), _("All voices"), _shelf),
    }
    for name, (label, anything, words) in said.items():
        choice = getattr(wanted, name)
        counts = shown.counts.get(name, Counter())
        found = {value: count for value, count in counts.items() if value}
        if choice:
            found.setdefault(choice, 0)
        options = [
            Option(value, str(words(value)), count, value == choice)
            for value, count in found.items()
        ]
        options.sort(key=lambda option: option.label.casefold())
        yield name, Filter(PREFIX + name, label, anything, options)


def _language(code: str) -> str:
    return language_name(code) if code else _("Any language")


def _gender(value: str) -> str:
    return str(GENDERS.get(value, value))


def _shelf(value: str) -> str:
    names = {
        facets.FAVOURITES: _("Favourites"),
        facets.MINE: _("Mine"),
        facets.RECOMMENDED: _("Recommended"),
    }
    return names.get(value, value)
