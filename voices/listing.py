"""Brings the public voices of a family in line with what its channels list.

A voice that no channel lists any longer is retired, never deleted, and comes back when it
is listed again. What an administrator retired or restored by hand stays so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from speechsite.providers.types import MADE_HERE, VoiceInfo
from speechsite.upstreams.models import Channel
from voices import snapshot
from voices.models import Voice

# What a list may tell of a voice that was known by its id alone.
FILLED = (
    "language", "languages", "gender", "accent", "age", "use_case", "description", "labels",
    "preview_url",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """What a sync changed: names of voices."""

    added: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()
    returned: tuple[str, ...] = ()


@transaction.atomic
def store(channel: str, family: str, infos: Sequence[VoiceInfo]) -> Difference:
    """Write down what one channel lists: that, and nothing else."""
    have = _locked(family)
    listed = {info.id: info for info in infos if not _is_somebodys(info)}
    added = _add(channel, family, [info for info in listed.values() if info.id not in have])
    changed = _note(channel, have.values(), listed)
    gone = [voice.name for voice in changed if not voice.is_usable]
    returned = [voice.name for voice in changed if voice.is_usable]
    return Difference(added, tuple(gone), tuple(returned))


@transaction.atomic
def expect(channel: str, family: str, infos: Sequence[VoiceInfo]) -> None:
    """Take it that a channel has these voices, until it is asked; others are left alone."""
    have = _locked(family)
    expected = {info.id: info for info in infos}
    _add(channel, family, [info for info in infos if info.id not in have])
    _note(channel, [voice for name, voice in have.items() if name in expected], expected)


def _locked(family: str) -> dict[str, Voice]:
    """All voices of a family by their ids; others who list the same wait until we have written."""
    # The rows to come cannot be locked, so those are that all who list a family share.
    list(Channel.objects.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    return {voice.external_id: voice for voice in Voice.objects.filter(family=family)}


def _is_somebodys(info: VoiceInfo) -> bool:
    """Whether a site made it for a person, whose row may not be written yet."""
    return MADE_HERE.items() <= info.labels.items()


def _add(channel: str, family: str, infos: Sequence[VoiceInfo]) -> tuple[str, ...]:
    rows = [_voice(channel, family, info, place) for place, info in enumerate(infos)]
    for row in rows:
        row.make_findable()
    # A person's clone may be written at this moment.
    Voice.objects.bulk_create(rows, batch_size=100, ignore_conflicts=True)
    return tuple(info.name for info in infos)


def _note(channel: str, voices: Collection[Voice], listed: Mapping[str, VoiceInfo]) -> list[Voice]:
    """Write down which of the public voices a channel lists; those that came or went by it."""
    touched, changed = [], []
    for voice in voices:
        if voice.owner_id is not None:
            continue
        was_usable, info = voice.is_usable, listed.get(voice.external_id)
        is_filled = info is not None and _fill(voice, info)
        if _relist(voice, channel, is_listed=info is not None) or is_filled:
            voice.make_findable()
            touched.append(voice)
        if voice.is_usable != was_usable:
            changed.append(voice)
    Voice.objects.bulk_update(
        touched, ["listed_by", "retired_at", "search", "engine", *FILLED], batch_size=50
    )
    return changed


def _fill(voice: Voice, info: VoiceInfo) -> bool:
    """Whether the list told something that was not known: what is there stays."""
    told = _voice("", voice.family, info, 0)
    blank = [name for name in FILLED if not getattr(voice, name) and getattr(told, name)]
    for name in blank:
        setattr(voice, name, getattr(told, name))
    return bool(blank)


def _relist(voice: Voice, channel: str, *, is_listed: bool) -> bool:
    """Whether anything changed by what a channel says of a voice."""
    before = set(voice.listed_by)
    after = before | {channel} if is_listed else before - {channel}
    if after == before:
        return False
    if not after:
        voice.retired_at = voice.retired_at or timezone.now()
    elif not before:
        voice.retired_at = None
    # Else it was listed and is: if it is retired, an administrator did that.
    voice.listed_by = sorted(after)
    return True


def _voice(channel: str, family: str, info: VoiceInfo, position: int) -> Voice:
    return Voice(
        listed_by=[channel],
        family=family,
        external_id=info.id,
        name=info.name[:120],
        language=info.languages[0] if info.languages else "",
        languages=list(info.languages),
        gender=info.gender,
        accent=info.accent[:60],
        age=info.age[:30],
        use_case=info.use_case[:60],
        category=info.category[:20],
        description=info.description[:400],
        labels=dict(info.labels),
        preview_url=info.preview_url[:500],
        # Of the built-in voices, those that sound like people.
        is_recommended=snapshot.maker_of(family, info.labels.get("engine", "")) == snapshot.NATURAL,
        position=position,
    )
