"""Rivya's documented example for ElevenLabs Turbo 2.5, with its placeholders filled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from speechsite.accounts.models import User
from speechsite.api.auth import Caller
from speechsite.credits.models import Wallet
from tests.api.native.talk import GENERATIONS, LIAM, Partner, work
from tests.jobs.upstream_site import Site, site

REQUEST: dict[str, Any] = {
    "model": "elevenlabs-turbo-2-5",
    "prompt": "A polished audio concept for a short product story",
    "params": {
        "voice": LIAM,
        "stability": 0.5,
        "similarity_boost": 0.75,
        "style": 0,
        "speed": 1,
        "timestamps": "false",
        "previous_text": "Once there was a kettle.",
        "next_text": "And that was that.",
        "language_code": "en",
    },
}
FIELDS = [
    "id",
    "status",
    "model",
    "reserved_credits",
    "final_credits",
    "created_at",
    "updated_at",
    "result",
    "error",
]
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
VOICES = [
    LIAM,
    "cgSgspJ2msm6clMCkdW9",
    "pNInz6obpgDQGcFmaJgB",
    "BIvP0GN1cAtSRTxNHnWS",
    "aMSt68OGf4xUZAnLpTU8",
]


@pytest.fixture
def upstream(
    ada: User, wallet: Wallet, live: tuple[Caller, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """A site that reaches the seed's model through a channel."""
    with site(ada, monkeypatch, "rivya") as made:
        yield made


@pytest.mark.django_db(transaction=True)
def test_the_example_is_answered_as_documented(upstream: Site, partner: Partner) -> None:
    answer = partner.order(REQUEST)
    body = answer.json()
    assert list(body) == FIELDS
    assert body["id"].startswith("task_")
    assert MOMENT.fullmatch(body["created_at"])
    assert MOMENT.fullmatch(body["updated_at"])
    price = 6 * len(REQUEST["prompt"]) / 1000
    assert {name: body[name] for name in FIELDS if name not in ("id", *FIELDS[5:7])} == {
        "status": "queued",
        "model": "elevenlabs-turbo-2-5",
        "reserved_credits": price,
        "final_credits": 0,
        "result": None,
        "error": None,
    }
    work()
    done = partner.get(f"{GENERATIONS}/{body['id']}").json()
    assert list(done) == FIELDS
    assert (done["status"], done["final_credits"], done["error"]) == ("succeeded", price, None)
    assert done["result"]["primary_url"] == done["result"]["urls"][0]


@pytest.mark.parametrize("voice", VOICES)
def test_every_voice_of_the_seed_works_with_a_test_key(tester: Partner, voice: str) -> None:
    params = {**REQUEST["params"], "voice": voice}
    answer = tester.order({**REQUEST, "params": params})
    assert answer.status_code == 201, answer.content
    assert answer.json()["model"] == "elevenlabs-turbo-2-5"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"params": {**REQUEST["params"], "stability": 1.5}}, "validation_failed"),
        ({"params": {**REQUEST["params"], "speed": 1.25}}, "validation_failed"),
        ({"params": {"stability": 0.5}}, "validation_failed"),
        ({"prompt": None}, "validation_failed"),
    ],
)
def test_what_the_seed_forbids_is_refused_to_a_test_key_too(
    tester: Partner, change: dict[str, Any], code: str
) -> None:
    answer = tester.order({**REQUEST, **change})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


@pytest.mark.django_db(transaction=True)
def test_the_documents_own_placeholders_are_taken(upstream: Site, partner: Partner) -> None:
    """Whoever copies the minimal request word for word sends its hints as values."""
    hints = {
        "previous_text": "可選:上一段上下文",
        "next_text": "可選:下一段上下文",
        "language_code": "可選:如 en 或 zh",
    }
    body = {**REQUEST, "params": {**REQUEST["params"], **hints}, "webhook": "later", "Zürich": 1}
    answer = partner.order(body)
    assert answer.status_code == 201
    assert list(answer.json())[:9] == FIELDS
    fields = [one["field"] for one in answer.json()["warnings"]]
    assert fields == ["webhook", "Zürich", "params.language_code"]


@pytest.mark.django_db(transaction=True)
def test_an_order_that_is_heard_whole_has_no_warnings(upstream: Site, partner: Partner) -> None:
    answer = partner.order(REQUEST)
    assert answer.status_code == 201
    unheard = [one["field"] for one in answer.json().get("warnings", [])]
    assert "params.language_code" not in unheard
