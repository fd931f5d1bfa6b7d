"""What an order asks beside its settings: kept in bounds, and told to channels that take it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobs import briefs, lifecycle, options
from jobs.errors import OrderError
from jobs.models import Job
from speechsite.accounts.models import User
from speechsite.credits.models import Wallet
from speechsite.providers.types import SpeechOrder
from speechsite.upstreams import catalogue as offers
from speechsite.upstreams.models import Channel, Offer
from voices.models import Voice

pytestmark = pytest.mark.django_db
Place = Callable[..., Job]
ALL = {
    "previous_text": "Before.",
    "next_text": "After.",
    "language": "de",
    "seed": 0,
    "pronunciations": [["EU", "European Union"]],
    "voice_modify": {"pitch": 5},
    "watermark": True,
}


def brief(job: Job, adapter: str, index: int = 0) -> SpeechOrder:
    """The order that a channel of this adapter would get for a piece."""
    channel, _ = Channel.objects.get_or_create(slug=adapter, defaults={"adapter": adapter})
    offer = Offer(channel=channel, model="m", upstream_name="m")
    order = briefs.brief(job.segments.get(index=index), offer)
    assert isinstance(order, SpeechOrder)
    return order


def test_the_ends_of_a_job_know_what_the_partner_said(place: Place, wallet: Wallet) -> None:
    sentences = " ".join(f"This is the sentence number {number}." for number in range(12))
    job = place(sentences, options=ALL)
    last = job.segment_count - 1
    texts = list(job.segments.order_by("index").values_list("text", flat=True))
    assert last > 0
    first, end = brief(job, "elevenlabs"), brief(job, "elevenlabs", last)
    assert (first.previous_text, first.next_text) == ("Before.", texts[1][:300])
    assert (end.previous_text, end.next_text) == (texts[-2][-300:], "After.")


@pytest.mark.parametrize(
    ("adapter", "told"),
    [
        ("elevenlabs", {"language", "seed", "context"}),
        ("kie", {"language", "context"}),
        ("rivya", {"language", "context"}),
        ("minimax", {"language", "pronunciations", "voice_modify", "watermark"}),
        ("builtin", set()),
    ],
)
def test_a_channel_is_told_what_its_adapter_takes(
    place: Place, wallet: Wallet, adapter: str, told: set[str]
) -> None:
    order = brief(place(options=ALL), adapter)
    found = {
        "language": order.language == "de",
        "seed": order.seed == 0,
        "context": (order.previous_text, order.next_text) == ("Before.", "After."),
        "pronunciations": order.pronunciations == (("EU", "European Union"),),
        "voice_modify": order.extra.get("voice_modify") == {"pitch": 5},
        "watermark": order.extra.get("watermark") is True,
    }
    assert {name for name, is_told in found.items() if is_told} == told


def test_without_a_wish_the_voice_tells_the_language(place: Place, wallet: Wallet) -> None:
    job = place()
    assert job.options == {}
    assert brief(job, "kie").language == job.language != ""


def test_only_what_differs_from_nothing_is_kept() -> None:
    nothing: dict[str, Any] = {
        "previous_text": "",
        "language": "",
        "seed": None,
        "pronunciations": [],
        "voice_modify": {"pitch": 0, "sound_effects": ""},
        "watermark": False,
    }
    assert options.checked(nothing) == {}
    assert options.checked(ALL) == ALL
    assert options.checked(options.checked(ALL)) == ALL


def test_of_a_long_context_the_near_end_is_kept() -> None:
    text = "a" + "b" * 5000 + "c"
    kept = options.checked({"previous_text": text, "next_text": text})
    assert (kept["previous_text"], kept["next_text"]) == (text[-5000:], text[:5000])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("previous_text", 4),
        ("language", "english"),
        ("language", "e"),
        ("seed", -1),
        ("seed", 2**32),
        ("seed", True),
        ("seed", 1.5),
        ("pronunciations", [["a", "b"]] * 501),
        ("pronunciations", [["a", ""]]),
        ("pronunciations", [["a"]]),
        ("voice_modify", {"timbre": 101}),
        ("voice_modify", {"sound_effects": ["robotic"]}),
        ("watermark", "yes"),
    ],
)
def test_nonsense_is_refused_by_its_name(
    place: Place, wallet: Wallet, name: str, value: object
) -> None:
    with pytest.raises(OrderError) as refused:
        place(options={name: value})
    assert refused.value.field == name
    assert not Job.objects.exists()


def test_what_no_channel_can_say_is_known(place: Place, wallet: Wallet) -> None:
    assert options.unheard(place(options={"seed": 3})) == ["seed"]
    channel = Channel.objects.create(slug="minimax", adapter="minimax")
    offers.load_offers(channel)
    job = place(options={"seed": 3, "watermark": True})
    job.segments.update(model_slug="minimax-speech-2.8-hd")
    assert options.unheard(job) == ["seed"]


def test_a_dialogue_keeps_its_options(ada: User, wallet: Wallet, voice: Voice, model: Any) -> None:
    lines = [(voice, "Hello."), (voice, "Good day.")]
    job = lifecycle.place_dialogue(ada, model=model, lines=lines, options={"seed": 5})
    assert job.options == {"seed": 5}
