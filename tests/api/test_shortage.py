"""Too few credits, in every dialect: how many are missing, and what the operator says to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from jobs.models import Job
from speechsite.api.auth import Caller
from speechsite.credits import ledger
from speechsite.credits.models import Price, Wallet
from tests.api.asgi import ask
from tests.api.elevenlabs.test_sockets import DEAR, talk

pytestmark = pytest.mark.django_db(transaction=True)
Keyed = tuple[Caller, str]
TEXT = "This text costs more than there is."
MISSING = "0.015"  # of 0.035
OFFER = "Write to sales@example.com"
MINIMAX = {"model": "builtin-speech", "voice_setting": {"voice_id": "en-us"}, "text": TEXT}
NATIVE = {"model": "builtin-speech", "prompt": TEXT, "params": {"voice": "en-us"}}
KIE = {"model": "builtin-speech", "input": {"text": TEXT, "voice": "en-us"}}
OPENAI = {"model": "tts-1", "voice": "en-us", "input": TEXT}
LABS = {"text": TEXT, "model_id": "builtin-speech"}
TURNS = {"model_id": "builtin-speech", "inputs": [{"text": TEXT, "voice_id": "en-us"}]}

WAYS: dict[str, tuple[str, dict[str, Any], Callable[[Any], str]]] = {
    "native": ("/api/v1/generations", NATIVE, lambda said: said["error"]["message"]),
    "openai": ("/v1/audio/speech", OPENAI, lambda said: said["error"]["message"]),
    "elevenlabs": ("/v1/text-to-speech/en-us", LABS, lambda said: said["detail"]["message"]),
    "stream": ("/v1/text-to-speech/en-us/stream", LABS, lambda said: said["detail"]["message"]),
    "dialogue": ("/v1/text-to-dialogue", TURNS, lambda said: said["detail"]["message"]),
    "kie": ("/api/v1/jobs/createTask", KIE, lambda said: said["msg"]),
    "minimax": ("/minimax/v1/t2a_v2", MINIMAX, lambda said: said["base_resp"]["status_msg"]),
    "task": ("/minimax/v1/t2a_async_v2", MINIMAX, lambda said: said["base_resp"]["status_msg"]),
}


@pytest.fixture
def _poor(live: Keyed, settings: Any) -> None:
    wallet = Wallet.objects.get(user=live[0].user)
    ledger.adjust(wallet, 20 - wallet.available, key="poor", reason="spent", actor=live[0].user)
    settings.CREDITS_OFFER = OFFER.replace(" ", "\n")


@pytest.mark.usefixtures("_poor")
@pytest.mark.parametrize("way", WAYS)
def test_it_says_what_is_missing_and_what_is_on_offer(live: Keyed, way: str) -> None:
    path, body, message = WAYS[way]
    answer: httpx.Response = ask("POST", path, live[1], json=body)
    said = message(answer.json())
    assert f"{MISSING} are missing" in said
    assert said.endswith(OFFER)
    assert not Job.objects.exists()


@pytest.mark.usefixtures("_poor")
def test_the_native_api_gives_the_figure_too(live: Keyed) -> None:
    error = ask("POST", "/api/v1/generations", live[1], json=NATIVE).json()["error"]
    assert (error["needed"], error["available"], error["missing"]) == (0.035, 0.02, 0.015)


@pytest.mark.usefixtures("_poor")
def test_a_socket_says_it_too(live: Keyed) -> None:
    path = "/v1/text-to-speech/en-us/stream-input?model_id=builtin-speech"
    messages, code = talk(path, live[1], {"text": DEAR, "flush": True}, {"text": ""})
    assert code == 1008
    assert "124.98 are missing" in messages[-1]["message"]
    assert messages[-1]["message"].endswith(OFFER)


def test_a_text_for_nothing_is_not_priced_even_with_a_minimum(live: Keyed) -> None:
    Price.objects.update(minimum_millicredits=500)
    assert ask("POST", "/v1/audio/speech", live[1], json={**OPENAI, "input": "..."}).is_success
    assert Job.objects.get().quoted == 0
