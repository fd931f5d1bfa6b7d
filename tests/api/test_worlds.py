"""Live and test are two worlds: no dialect shows, changes or uses what the other world's key made."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.models import Delivery, Job, NumberedFile, Upload, WebhookEndpoint
from speechsite.api.auth import Caller
from speechsite.core import safehttp
from tests.api.worlds import Case, Partner, World, own_voice, populate, says_no
from voices.models import Dictionary, Voice

pytestmark = pytest.mark.django_db(transaction=True)
DICTIONARY = "/v1/pronunciation-dictionaries/{dictionary}"
RULE = {"string_to_replace": "x", "type": "alias", "alias": "y"}
SPEECH = {"model": "builtin-speech", "prompt": "Hello.", "params": {"voice": "en-us"}}
LOCATOR = {"pronunciation_dictionary_id": "{dictionary}", "version_id": "{version}"}

# What reads or uses one object, or changes it in a way that can be done again.
HARMLESS = [
    Case("GET", "/v1/history/{item}"),
    Case("GET", "/v1/history/{item}/audio"),
    Case("POST", "/v1/history/download", {"history_item_ids": ["{item}"]}),
    Case("GET", "/v1/history?start_after_history_item_id={item}"),
    Case("GET", "/v1/voices/{voice}"),
    Case("POST", "/v1/voices/{voice}/edit", {"name": "Another name"}, is_form=True),
    Case("GET", "/v1/voices/{voice}/settings"),
    Case("POST", "/v1/voices/{voice}/settings/edit", {"stability": 0.9}),
    Case("GET", "/v1/voices/{voice}/samples/{sample}/audio"),
    Case("POST", "/v1/text-to-speech/{voice}", {"text": "Hello."}),
    Case("POST", "/v1/text-to-speech/{voice}/stream", {"text": "Hello."}),
    Case(
        "POST",
        "/v1/text-to-dialogue",
        {"model_id": "builtin-speech", "inputs": [{"text": "Hello.", "voice_id": "{voice}"}]},
    ),
    Case(
        "POST",
        "/v1/text-to-speech/en-us?output_format=pcm_16000",
        {
            "text": "Hello.",
            "model_id": "builtin-speech",
            "pronunciation_dictionary_locators": [LOCATOR],
        },
    ),
    Case("GET", DICTIONARY),
    Case("PATCH", DICTIONARY, {"name": "Another name"}),
    Case("POST", f"{DICTIONARY}/set-rules", {"rules": [RULE]}),
    Case("POST", f"{DICTIONARY}/add-rules", {"rules": [RULE]}),
    Case("POST", f"{DICTIONARY}/remove-rules", {"rule_strings": ["x"]}),
    Case("GET", "/api/v1/jobs/recordInfo?taskId={task}"),
    Case("POST", "/api/v1/common/download-url", {"url": "{result_url}"}),
    Case(
        "POST",
        "/api/v1/jobs/createTask",
        {"model": "builtin-cleaning", "input": {"audio_url": "{kie_url}"}},
    ),
    Case(
        "POST",
        "/api/v1/jobs/createTask",
        {"model": "builtin-speech", "input": {"text": "Hello.", "voice": "{voice}"}},
    ),
    Case("GET", "/minimax/v1/query/t2a_async_query_v2?task_id={number}"),
    Case("GET", "/minimax/v1/files/retrieve?file_id={number}"),
    Case("GET", "/minimax/v1/files/retrieve_content?file_id={number}"),
    Case("GET", "/minimax/v1/files/retrieve?file_id={text_file}"),
    Case("GET", "/minimax/v1/files/retrieve_content?file_id={text_file}"),
    Case(
        "POST",
        "/minimax/v1/t2a_async_v2",
        {
            "model": "builtin-speech",
            "text_file_id": "{text_file}",
            "voice_setting": {"voice_id": "en-us"},
        },
    ),
    Case(
        "POST",
        "/minimax/v1/t2a_v2",
        {
            "model": "builtin-speech",
            "text": "Hello.",
            "stream": False,
            "voice_setting": {"voice_id": "{voice}"},
        },
    ),
    Case(
        "POST",
        "/v1/audio/speech",
        {"model": "builtin-speech", "input": "Hello.", "voice": "{voice}"},
    ),
    Case("GET", "/api/v1/generations/{generation}"),
    Case("GET", "/api/v1/generations?cursor={generation}"),
    Case("POST", "/api/v1/generations/{generation}/cancel"),
    Case("POST", "/api/v1/generations/{generation}/retry"),
    Case("POST", "/api/v1/generations", SPEECH | {"params": {"voice": "{voice}"}}),
    Case("GET", "/api/v1/files/{file}"),
    Case(
        "POST",
        "/api/v1/generations",
        {"model": "builtin-cleaning", "params": {"file_id": "{file}"}},
    ),
    Case(
        "POST",
        "/api/v1/generations",
        {
            "model": "builtin-cleaning",
            "params": {"referenceMediaItems": [{"url": "{file_url}", "kind": "audio"}]},
        },
    ),
    Case("GET", "/api/v1/webhooks/{webhook}"),
    Case("PATCH", "/api/v1/webhooks/{webhook}", {"name": "Another name"}),
    Case("POST", "/api/v1/webhooks/{webhook}/rotate-secret"),
    Case("POST", "/api/v1/webhooks/{webhook}/test"),
    Case("GET", "/api/v1/webhooks/{webhook}/deliveries"),
]
# What takes something away; in this order each still finds what it needs.
HARMFUL = [
    Case("DELETE", "/v1/audio-isolation/history/{cleaned}"),
    Case("DELETE", "/v1/history/{item}"),
    Case("DELETE", "/v1/voices/{voice}/samples/{sample}"),
    Case(
        "POST",
        "/minimax/v1/delete_voice",
        {"voice_type": "voice_cloning", "voice_id": "{voice}"},
    ),
    Case("DELETE", "/v1/voices/{voice}"),
    Case("DELETE", "/api/v1/generations/{generation}"),
    Case("DELETE", "/api/v1/files/{file}"),
    Case("DELETE", "/api/v1/webhooks/{webhook}"),
]
# (what is listed, what of one's own must be in it)
LISTS = [
    (Case("GET", "/v1/history?page_size=1000"), "item"),
    (Case("GET", "/v1/audio-isolation/history"), "cleaned"),
    (Case("GET", "/v1/voices"), "voice"),
    (Case("GET", "/v2/voices?page_size=100&search=Voice of"), "voice"),
    (Case("GET", "/v1/pronunciation-dictionaries"), "dictionary"),
    (Case("POST", "/minimax/v1/get_voice", {"voice_type": "all"}), "voice"),
    (Case("GET", "/v1/audio/voices"), "voice"),
    (Case("GET", "/api/v1/generations?limit=100"), "generation"),
    (Case("GET", "/api/v1/voices?query=Voice of"), "voice"),
    (Case("GET", "/api/v1/webhooks"), "webhook"),
    (Case("GET", "/api/v1/credits/ledger?limit=200"), "generation"),
]
BOTH = ["live", "test"]


@pytest.fixture
def worlds(
    live: tuple[Caller, str], trial: tuple[Caller, str], monkeypatch: pytest.MonkeyPatch
) -> dict[str, World]:
    """Everything once with the live key, and once with the test key of the same account."""
    monkeypatch.setattr(safehttp, "check_url", lambda url: None)
    made = {}
    for name, (caller, secret) in {"live": live, "test": trial}.items():
        world = made[name] = World(Partner(secret))
        populate(world, name, own_voice(caller.user, is_test=caller.is_test))
    return made


def rows() -> list[Any]:
    """All that could have been changed."""
    kinds: list[Any] = [Job, Upload, NumberedFile, Dictionary, Voice, WebhookEndpoint]
    return [sorted(kind.objects.values(), key=str) for kind in kinds]


@pytest.mark.parametrize("name", BOTH)
def test_the_other_worlds_objects_are_not_there(worlds: dict[str, World], name: str) -> None:
    other = worlds["test" if name == "live" else "live"]
    before = rows()
    seen = [
        (case.name, answer.status_code, answer.content[:300])
        for case in HARMLESS + HARMFUL
        if not says_no(answer := case.ask(worlds[name].partner, other.made))
    ]
    assert seen == []
    assert rows() == before


@pytest.mark.parametrize("name", BOTH)
def test_the_same_requests_find_what_is_of_their_own_world(
    worlds: dict[str, World], name: str
) -> None:
    refused = []
    for case in HARMLESS + HARMFUL:
        if case.path == "/v1/voices/{voice}":
            Voice.objects.filter(external_id=worlds[name].made["voice"]).update(retired_at=None)
        answer = case.ask(worlds[name].partner, worlds[name].made)
        # A recording that some work still shows stays, and says so; the engine, once it is asked,
        # knows no voice of Ada's.
        known = (b"file_in_use", b"liveVoiceOfAda")
        if says_no(answer) and not any(word in answer.content for word in known):
            refused.append((case.name, answer.status_code, answer.content[:300]))
    assert refused == []


def test_lists_sums_and_webhooks_are_of_their_own_world(worlds: dict[str, World]) -> None:
    wrong = []
    for case, own in LISTS:
        for name, other in (("live", "test"), ("test", "live")):
            said = case.ask(worlds[name].partner, {}).content.decode()
            mine, theirs = worlds[name].made[own], worlds[other].made[own]
            if mine not in said or theirs in said:
                wrong.append((name, case.name))
    assert wrong == []
    check_sums(worlds["live"].partner, worlds["test"].partner)
    check_webhooks()


def check_webhooks() -> None:
    for name in BOTH:
        endpoint = WebhookEndpoint.objects.get(is_test=name == "test")
        told = Delivery.objects.filter(endpoint=endpoint).values_list("job__is_test", flat=True)
        assert set(told) == {name == "test"}


def check_sums(live: Partner, test: Partner) -> None:
    assert live.ask("GET", "/api/v1/usage").json()["total"]["credits"] > 0
    assert test.ask("GET", "/api/v1/usage").json()["total"]["credits"] == 0
    query = "/v1/usage/character-stats?start_unix=1700000000&end_unix=1999999999"
    query += "&aggregation_interval=cumulative"
    assert sum(live.ask("GET", query).json()["usage"]["All"]) > 0
    assert sum(test.ask("GET", query).json()["usage"]["All"]) == 0
    assert live.ask("GET", "/v1/user/subscription").json()["character_count"] > 0
    assert test.ask("GET", "/v1/user/subscription").json()["character_count"] == 0
    assert live.ask("GET", "/v1/user/subscription").json()["voice_slots_used"] == 1
    assert test.ask("GET", "/v1/user/subscription").json()["voice_slots_used"] == 1
