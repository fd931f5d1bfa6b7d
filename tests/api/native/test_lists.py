"""Models, voices, credits, the ledger and usage."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from speechsite.api.auth import Caller
from speechsite.credits.models import Wallet
from tests.api.native.talk import GENERATIONS, SPEECH, Partner, work
from voices.models import Voice


def test_everybody_may_see_the_models(catalogue: None) -> None:
    models = {one["id"]: one for one in Client().get("/api/v1/models").json()["data"]}
    speech, cleaning = models["builtin-speech"], models["builtin-cleaning"]
    params = {one["key"]: one for one in speech["params"]}
    assert (speech["base_credits"], speech["api_status"]) == (1, "available")
    assert "en-us" in params["voice"]["options"]
    assert (params["speed"]["min"], params["speed"]["max"]) == (0.5, 2)
    assert (cleaning["requires_files_api"], cleaning["base_credits"]) == (True, 0.01)


def test_models_that_nobody_sells_are_not_listed(catalogue: None) -> None:
    listed = [one["id"] for one in Client().get("/api/v1/models").json()["data"]]
    assert "elevenlabs-turbo-2-5" not in listed


def test_voices_are_found_by_language(partner: Partner) -> None:
    body = partner.get("/api/v1/voices", {"language": "zh"}).json()
    assert body["data"]
    assert all(one["language"].startswith("zh") for one in body["data"])
    assert body["data"][0]["models"] == ["builtin-speech"]
    assert body["total"] == len(body["data"])


def test_voices_come_in_pages(partner: Partner) -> None:
    first = partner.get("/api/v1/voices").json()
    beyond = partner.get("/api/v1/voices", {"page": 9999}).json()
    assert first["has_more"] is (first["total"] > len(first["data"]))
    assert (beyond["data"], beyond["has_more"]) == ([], False)


def test_a_voice_of_somebody_else_is_not_listed(
    live: tuple[Caller, str], partner: Partner, stranger: Partner
) -> None:
    owner = live[0].user
    Voice.objects.create(family="builtin", external_id="mine", name="Mine", owner=owner)
    found = [
        one.get("/api/v1/voices", {"query": "Mine"}).json()["data"] for one in (partner, stranger)
    ]
    assert ([voice["is_own"] for voice in found[0]], found[1]) == ([True], [])


def test_credits_are_numbers(partner: Partner) -> None:
    partner.order()
    body = partner.get("/api/v1/credits").json()
    assert body == {"current_credits": 99.988, "held_credits": 0.012}


def test_the_ledger_adds_up_to_the_credits(partner: Partner, wallet: Wallet) -> None:
    made = partner.order().json()["id"]
    partner.send(f"{GENERATIONS}/{made}/cancel")
    entries, cursor = [], {}
    while True:
        page = partner.get("/api/v1/credits/ledger", {"limit": 2, **cursor}).json()
        entries += page["data"]
        if not page["has_more"]:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert [one["kind"] for one in entries[:2]] == ["release", "hold"]
    assert entries[0]["generation_id"] == made
    assert sum(one["available_delta"] for one in entries) == pytest.approx(100)
    holds = partner.get("/api/v1/credits/ledger", {"kind": "hold"}).json()["data"]
    assert [one["held_delta"] for one in holds] == [0.012]


def test_eve_sees_her_own_ledger(partner: Partner, stranger: Partner) -> None:
    partner.order()
    kinds = [one["kind"] for one in stranger.get("/api/v1/credits/ledger").json()["data"]]
    assert kinds == ["grant"]


@pytest.mark.django_db(transaction=True)
def test_usage_adds_up_what_was_made(partner: Partner, stranger: Partner) -> None:
    partner.order()
    partner.order({**SPEECH, "prompt": "One two three."})
    work()
    body = partner.get("/api/v1/usage", {"group_by": "model"}).json()
    (row,) = body["data"]
    assert (row["model"], row["generations"], row["characters"]) == ("builtin-speech", 2, 26)
    assert (row["credits"], row["seconds"] > 0.5) == (0.026, True)
    assert body["total"] == {name: row[name] for name in body["total"]}
    days = partner.get("/api/v1/usage").json()["data"]
    assert [(one["day"], one["credits"]) for one in days] == [(body["end"], 0.026)]
    assert stranger.get("/api/v1/usage").json()["total"]["generations"] == 0


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/v1/usage", {"start": "2026-13-01"}),
        ("/api/v1/usage", {"start": "2026-02-01", "end": "2026-01-01"}),
        ("/api/v1/usage", {"start": "2000-01-01", "end": "2026-01-01"}),
        ("/api/v1/usage", {"end": "0001-01-01"}),
        ("/api/v1/usage", {"end": "9999-12-31"}),
        ("/api/v1/usage", {"group_by": "colour"}),
        ("/api/v1/voices", {"page": 0}),
        ("/api/v1/voices", {"page": "one"}),
        ("/api/v1/voices", {"query": "\0"}),
        ("/api/v1/voices", {"query": "x" * 201}),
        ("/api/v1/credits/ledger", {"limit": 201}),
        ("/api/v1/credits/ledger", {"cursor": 10**30}),
        ("/api/v1/credits/ledger", {"kind": "gift"}),
    ],
)
def test_a_query_that_cannot_be_read_is_refused(
    partner: Partner, path: str, query: dict[str, Any]
) -> None:
    answer = partner.get(path, query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "validation_failed")
