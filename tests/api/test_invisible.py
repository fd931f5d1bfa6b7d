"""Characters that draw nothing cost nothing and break no word, in every dialect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from jobs.models import Job
from speechsite.api.auth import Caller
from speechsite.credits.models import Wallet
from tests.api.asgi import ask
from tests.api.test_silence import WAYS
from tests.jobs.conftest import work
from tests.jobs.upstream_site import LIAM, site

pytestmark = pytest.mark.django_db(transaction=True)
Keyed = tuple[Caller, str]
PLAIN = "The pronunciation is fine."
SENT = "\ufeffThe pro\u00adnun\u200bci\u2060a\u200dtion \u202ais\u202c fine."


def native(key: str, text: str) -> httpx.Response:
    body: dict[str, Any] = {"model": "builtin-speech", "prompt": text, "params": {"voice": "en-us"}}
    return ask("POST", "/api/v1/generations", key, json=body)


def kie(key: str, text: str) -> httpx.Response:
    body = {"model": "builtin-speech", "input": {"text": text, "voice": "en-us"}}
    return ask("POST", "/api/v1/jobs/createTask", key, json=body)


@pytest.mark.parametrize("way", [*WAYS, native, kie])
def test_the_price_is_that_of_the_plain_text(
    live: Keyed, wallet: Wallet, way: Callable[[str, str], httpx.Response]
) -> None:
    for text in (SENT, PLAIN):
        answer = way(live[1], text)
        assert answer.status_code in (200, 201, 202), answer.text
        work()
    plain, sent = Job.objects.order_by("-pk")
    assert sent.quoted > 0
    for name in ("quoted", "charged", "units", "characters"):
        assert getattr(sent, name) == getattr(plain, name), name
    assert plain.text.startswith(PLAIN)
    assert sent.text.startswith(SENT)
    spoken = [list(job.segments.values_list("text", "units")) for job in (plain, sent)]
    assert spoken[0] == spoken[1]
    assert abs(sent.duration_ms - plain.duration_ms) < 100


def test_only_they_are_a_rest(live: Keyed) -> None:
    answer = WAYS[0](live[1], "\ufeff\u200b")
    assert answer.status_code == 200
    work()
    job = Job.objects.get()
    assert (job.quoted, job.characters) == (0, 0)


def test_they_are_sent_to_no_provider(live: Keyed, monkeypatch: pytest.MonkeyPatch) -> None:
    with site(live[0].user, monkeypatch, "elevenlabs") as behind:
        text = f"{SENT} می\u200cخواهم"
        answer = ask(
            "POST", f"/v1/text-to-speech/{LIAM}/with-timestamps", live[1], json={"text": text}
        )
        assert answer.status_code == 200, answer.text
        (task,) = behind.fakes["elevenlabs"].tasks.values()
        assert task.body["text"] == f"{PLAIN} می\u200cخواهم"
    assert "".join(answer.json()["alignment"]["characters"]) == text
    assert answer.headers["x-character-count"] == str(len(PLAIN) + 8)


def test_what_does_not_count_has_an_end_too(live: Keyed, settings: Any) -> None:
    settings.MAX_TEXT = 50
    answer = ask("POST", f"/v1/text-to-speech/{LIAM}", live[1], json={"text": "a" + "\u200b" * 400})
    assert answer.status_code in (400, 404), answer.text
    assert not Job.objects.exists()
