"""Options of kie's, MiniMax's and the native API's orders reach the provider behind us."""

from __future__ import annotations

import pytest

from jobs.models import Job
from speechsite.api.auth import Caller
from speechsite.credits.models import Wallet
from tests.api.kie import talk as kie
from tests.api.minimax import talk as minimax
from tests.api.native import talk as native
from tests.jobs.upstream_site import LIAM, VOICES, site

pytestmark = pytest.mark.django_db(transaction=True)
Live = tuple[Caller, str]
CONTEXT = {"previous_text": "It was late.", "next_text": "Then it rained.", "language_code": "de"}


def test_kies_options_reach_the_provider(
    live: Live, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site(live[0].user, monkeypatch, "kie") as behind:
        order = {"text": "Hello.", "voice": LIAM, **CONTEXT}
        assert kie.Partner(live[1]).create(kie.TURBO, order)["code"] == 200
        behind.work()
        (task,) = behind.fakes["kie"].tasks.values()
    assert {name: task.body["input"].get(name) for name in CONTEXT} == CONTEXT


def test_native_options_reach_the_provider_and_last_through_a_retry(
    live: Live, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = {"voice": LIAM, **CONTEXT, "seed": 4}
    partner = native.Partner(live[1])
    with site(live[0].user, monkeypatch, "rivya") as behind:
        order = {"model": "elevenlabs-turbo-2-5", "prompt": "Hello.", "params": params}
        first = partner.order(order)
        assert first.status_code == 201, first.content
        behind.work()
        again = partner.send(f"{native.GENERATIONS}/{first.json()['id']}/retry")
        assert again.status_code == 201, again.content
        behind.work()
        tasks = list(behind.fakes["rivya"].tasks.values())
    assert [{n: task.body["params"].get(n) for n in CONTEXT} for task in tasks] == [CONTEXT] * 2
    assert [job.options["seed"] for job in Job.objects.all()] == [4, 4]


@pytest.mark.parametrize("path", ["/t2a_v2", "/t2a_async_v2"])
def test_minimaxs_options_reach_the_provider(
    live: Live, wallet: Wallet, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    options = {
        "language_boost": "Chinese,Yue",
        "pronunciation_dict": {"tone": ["EU/European Union"]},
        "voice_modify": {"pitch": 5, "sound_effects": "robotic"},
        "aigc_watermark": True,
    }
    order = {"model": "speech-2.8-hd", "text": "Hello.", **options}
    order["voice_setting"] = {"voice_id": VOICES["minimax"]}
    with site(live[0].user, monkeypatch, "minimax") as behind:
        answer = minimax.Partner(live[1]).post(path, order)
        assert answer.status_code == 200, answer.content
        behind.work()
        (task,) = behind.fakes["minimax"].tasks.values()
    assert not answer.has_header("X-Speechsite-Ignored")
    assert {name: task.body.get(name) for name in options} == options
