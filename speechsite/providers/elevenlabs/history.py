"""Finding an order again in ElevenLabs' history, when its answer was lost.

There is no idempotency key: a repeated call is charged twice. But every call
leaves an item with its voice, its text and its time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any

from speechsite.providers.elevenlabs import wire
from speechsite.providers.elevenlabs.times import WordTimer
from speechsite.providers.http import sane_cost
from speechsite.providers.types import SpeechOrder, UpstreamEvent, UpstreamState, WordTime


def match(
    items: Iterable[Any], order: SpeechOrder, known: Collection[str] = ()
) -> Mapping[str, Any] | None:
    """The item that this order left; the oldest one when there are several."""
    ours = [
        item
        for item in items
        if isinstance(item, Mapping)
        and item.get("history_item_id") not in known
        and _is_ours(item, order)
    ]
    return min(ours, key=lambda item: item.get("date_unix") or 0, default=None)


def event(item: Mapping[str, Any]) -> UpstreamEvent:
    """The item as a finished task; `fetch()` takes its id."""
    item_id = str(item["history_item_id"])
    return UpstreamEvent(
        state=UpstreamState.SUCCEEDED,
        upstream_id=item_id,
        result=(item_id,),
        cost=_cost(item),
        raw=item,
    )


def words(item: Mapping[str, Any], order: SpeechOrder) -> tuple[WordTime, ...]:
    """The word times that the history keeps with the sound, where it does."""
    kept = item.get("alignments")
    timer = WordTimer(wire.script_of(order))
    return timer.feed(kept.get("alignment") if isinstance(kept, Mapping) else None) + timer.rest()


def _is_ours(item: Mapping[str, Any], order: SpeechOrder) -> bool:
    if not item.get("history_item_id") or item.get("model_id") not in (None, "", order.model):
        return False
    if order.lines:
        return _turns(item.get("dialogue")) == [
            (wire.path_part(line.voice), _plain(turn["text"]))
            for line, turn in zip(order.lines, wire.dialogue(order).body["inputs"], strict=True)
        ]
    if item.get("voice_id") != order.voice:
        return False
    return _plain(item.get("text")) in (
        _plain(wire.script_of(order).text),
        _plain(order.text),
    )


def _turns(dialogue: Any) -> list[tuple[str, str]]:
    return [
        (str(turn.get("voice_id")), _plain(turn.get("text")))
        for turn in dialogue or ()
        if isinstance(turn, Mapping)
    ]


def _plain(text: Any) -> str:
    return " ".join(str(text or "").split())


def _cost(item: Mapping[str, Any]) -> Decimal | None:
    before = item.get("character_count_change_from")
    after = item.get("character_count_change_to")
    if not isinstance(before, int) or not isinstance(after, int):
        return None
    return sane_cost(after - before)
