"""MiniMax's voice list, and deleting a voice of one's own."""

from __future__ import annotations

import pytest

from speechsite.accounts.models import User
from tests.api.minimax.talk import Partner
from voices.models import Voice


@pytest.fixture
def own(ada: User) -> Voice:
    return Voice.objects.create(
        family="minimax", external_id="ada-clone-1", name="Ada herself", owner=ada
    )


def listed(partner: Partner, kind: str) -> dict[str, list[str]]:
    answer = partner.post("/get_voice", {"voice_type": kind}).json()
    names = ("system_voice", "voice_cloning", "voice_generation")
    return {name: [voice["voice_id"] for voice in answer[name]] for name in names}


def test_voices_are_listed_by_kind(partner: Partner, own: Voice, ben: User) -> None:
    Voice.objects.create(family="minimax", external_id="English_Graceful_Lady", name="Lady")
    Voice.objects.create(family="minimax", external_id="bens", name="Ben", owner=ben)
    everything = listed(partner, "all")
    assert {"English_Graceful_Lady", "en-us"} <= set(everything["system_voice"])
    assert everything["voice_cloning"] == ["ada-clone-1"]
    assert listed(partner, "system")["voice_cloning"] == []
    assert listed(partner, "voice_cloning")["system_voice"] == []


@pytest.mark.parametrize("body", [{}, {"voice_type": "mine"}, {"voice_type": 7}])
def test_a_kind_must_be_known(partner: Partner, body: dict[str, object]) -> None:
    answer = partner.post("/get_voice", body)
    assert (answer.status_code, answer.json()["base_resp"]["status_code"]) == (400, 2013)


def test_a_voice_of_ones_own_is_deleted(partner: Partner, own: Voice) -> None:
    body = {"voice_type": "voice_cloning", "voice_id": own.external_id}
    assert partner.post("/delete_voice", body).json()["base_resp"]["status_code"] == 0
    own.refresh_from_db()
    assert own.retired_at is not None
    again = partner.post("/delete_voice", body)
    assert again.json()["base_resp"]["status_code"] == 2054


def test_nobody_elses_voice_is_deleted(partner: Partner, ben: User) -> None:
    Voice.objects.create(family="minimax", external_id="bens", name="Ben", owner=ben)
    for voice in ("bens", "en-us"):
        body = {"voice_type": "voice_cloning", "voice_id": voice}
        answer = partner.post("/delete_voice", body)
        assert answer.json()["base_resp"]["status_code"] == 2054
    assert not Voice.objects.filter(retired_at__isnull=False).exists()
