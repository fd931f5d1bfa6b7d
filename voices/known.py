"""Voices that providers' documents and their clients name, whether or not a channel lists them.

A test key may name them on a site without the provider; the built-in engine stands in for them.
"""

from __future__ import annotations

from functools import lru_cache

from speechsite.providers.elevenlabs import known as elevenlabs
from speechsite.providers.kie import voices as kie
from speechsite.providers.minimax import known as minimax
from speechsite.providers.rivya import adapter as rivya
from voices.models import Voice


def voice_of(external_id: str) -> Voice | None:
    """A known voice, as a row that is not in the database."""
    return _voices().get(external_id)


def voices() -> list[Voice]:
    """All of them."""
    return list(_voices().values())


def found(
    *, query: str = "", language: str = "", gender: str = "", family: str = ""
) -> list[Voice]:
    """Those that fit; of their languages and sexes nothing is known."""
    words = [word.casefold() for word in query.split()[:8]]
    return [
        one
        for one in voices()
        if not language
        and not gender
        and family in ("", one.family)
        and all(word in (one.name + " " + one.external_id).casefold() for word in words)
    ]


def id_of(name: str) -> str | None:
    """The id of a voice that a client calls by its name, whatever its case."""
    wanted = name.casefold()
    return next((one.external_id for one in voices() if one.name.casefold() == wanted), None)


@lru_cache(maxsize=1)
def _voices() -> dict[str, Voice]:
    # Two providers have a Liam and mean the same one; the first to name a voice is right.
    named: dict[str, str] = {}
    for info in (*elevenlabs.VOICES, *rivya.VOICES, *kie.VOICES):
        named.setdefault(info.id, info.name)
    rows = [Voice(family="elevenlabs", external_id=id, name=name) for id, name in named.items()]
    rows += [Voice(family="minimax", external_id=one.id, name=one.id) for one in minimax.VOICES]
    return {row.external_id: row for row in rows}
