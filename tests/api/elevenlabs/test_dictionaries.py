"""A dictionary changes words; it makes no book of a letter and holds nobody up."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import LazySettings

from jobs.models import Job
from speechsite.api.auth import Caller
from speechsite.api.elevenlabs import ids
from tests.api.elevenlabs.talk import ask
from voices.models import Dictionary

pytestmark = pytest.mark.django_db(transaction=True)
Partner = tuple[Caller, str]
SPEAK = "/v1/text-to-speech/en-us"
TALK = "/v1/text-to-dialogue"
MAKE = "/v1/pronunciation-dictionaries/add-from-rules"


def rule(word: str, spoken: str, **more: Any) -> dict[str, Any]:
    return {"type": "alias", "string_to_replace": word, "alias": spoken, **more}


def kept(caller: Caller, *rules: dict[str, Any]) -> dict[str, Any]:
    """A dictionary as it may stand in the database since before there were bounds."""
    made = Dictionary.objects.create(user=caller.user, name="Old", rules=list(rules))
    return {"pronunciation_dictionary_locators": [{"pronunciation_dictionary_id": public(made)}]}


def public(dictionary: Dictionary) -> str:
    return ids.public(dictionary.pk)


@pytest.mark.parametrize("text", ["a" * 60_000, "a " * 30_000])
def test_a_letter_that_stands_for_thousands_is_refused_before_the_text_is_made(
    live: Partner, text: str
) -> None:
    named = kept(live[0], rule("a", "x" * 1_000_000, word_boundaries=False))
    answer = ask("POST", SPEAK, live[1], {"text": text, "model_id": "builtin-speech", **named})
    assert (answer.status_code, answer.json()["detail"]["code"]) == (400, "text_too_long")
    assert not Job.objects.exists()


def test_the_lines_of_a_dialogue_share_what_one_order_may_have(
    live: Partner, settings: LazySettings
) -> None:
    settings.MAX_TEXT = 150
    named = kept(live[0], rule("a", "x" * 50))
    body = {"model_id": "builtin-speech", **named}
    lines = [{"text": "a", "voice_id": "en-us"}] * 3
    answer = ask("POST", TALK, live[1], {"inputs": lines, **body})
    assert answer.json()["detail"]["code"] == "text_too_long"
    assert ask("POST", TALK, live[1], {"inputs": lines[:2], **body}).status_code == 200
    job = Job.objects.get()
    assert (job.text, job.wording.spoken) == ("a\na", "x" * 50 + "\n" + "x" * 50)


def test_rules_that_take_for_ever_are_refused(live: Partner) -> None:
    rules = [rule("a" * n + "b", "x", word_boundaries=False) for n in range(1, 200)]
    named = kept(live[0], *rules)
    body = {"text": "a" * 60_000, "model_id": "builtin-speech", **named}
    answer = ask("POST", SPEAK, live[1], body)
    assert (answer.status_code, answer.json()["detail"]["code"]) == (400, "invalid_parameters")


@pytest.mark.parametrize(
    "rules",
    [
        [rule("a" * 201, "x")],
        [rule("a", "x" * 1001)],
        [{**rule("a", ""), "type": "phoneme", "phoneme": "x" * 1001}],
        [rule(f"word {number}", "x" * 600) for number in range(500)],
    ],
)
def test_rules_are_bounded_when_they_are_kept(live: Partner, rules: list[dict[str, Any]]) -> None:
    answer = ask("POST", MAKE, live[1], {"name": "Big", "rules": rules})
    assert answer.status_code == 400, answer.content[:300]
    made = ask("POST", MAKE, live[1], {"name": "Small", "rules": [rule("a", "b")]})
    more = f"/v1/pronunciation-dictionaries/{made.json()['id']}/add-rules"
    assert ask("POST", more, live[1], {"rules": rules}).status_code == 400
    assert Dictionary.objects.get().rules[0]["alias"] == "b"
