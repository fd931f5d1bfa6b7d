"""How addresses of speech servers become channels, and what is known of the models they bring."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from speechsite import checks
from speechsite.accounts.models import User
from speechsite.credits import prices
from speechsite.providers.types import ModelInfo
from speechsite.upstreams import catalogue, channels, secrets
from speechsite.upstreams.models import Channel
from voices import library, served
from voices.models import SpeechModel

pytestmark = pytest.mark.django_db
ADD = "/admin/upstreams/channel/add/"


def synced(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, str]:
    for name, value in variables.items():
        monkeypatch.setenv(f"OPENAI_SPEECH_{name}", value)
    return {one.slug: one.base_url for one in channels.sync_from_environment()}


def server(slug: str = "gpu", **more: Any) -> Channel:
    return Channel.objects.create(slug=slug, name=slug, adapter="openai", **more)


# --- from the environment --------------------------------------------------------------------


def test_without_a_variable_there_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    assert synced(monkeypatch, LANGUAGE="de") == {}


def test_an_address_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    assert synced(monkeypatch, BASE_URL="http://gpu:8880/v1/", VOICES="a,b") == {
        "openai": "http://gpu:8880/v1"
    }
    channel = Channel.objects.get()
    assert secrets.open_sealed(channel.credentials) == {}
    assert channel.options["voices"] == "a,b"


def test_a_key_alone_is_openais(monkeypatch: pytest.MonkeyPatch) -> None:
    assert synced(monkeypatch, API_KEY="sk-0123456789") == {"openai": "https://api.openai.com"}


def test_each_of_several_addresses_is_a_channel_and_stays_the_same_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    three = {f"http://gpu{number}:8880" for number in (1, 2, 3)}
    assert set(synced(monkeypatch, BASE_URL=",".join(sorted(three))).values()) == three
    Channel.objects.filter(slug="openai-at-2").update(priority=3)
    assert set(synced(monkeypatch, API_KEY="shared-key-0123").values()) == three
    assert Channel.objects.count() == 3
    assert Channel.objects.get(slug="openai-at-2").priority == 3
    keys = [secrets.open_sealed(one.credentials) for one in Channel.objects.all()]
    assert keys == [{"api_key": "shared-key-0123"}] * 3


def test_its_variables_are_settings_and_a_slip_is_named() -> None:
    names = ["BASE_URL", "API_KEY", "VOICES", "MODELS", "LANGUAGE", "FORMAT"]
    assert not list(checks.unknown_settings(f"OPENAI_SPEECH_{name}" for name in names))
    found = dict(checks.unknown_settings(["OPENAI_SPEECH_VOICE", "OPENAI_SPEECH_ROOM_TONE"]))
    assert found == {"OPENAI_SPEECH_VOICE": "OPENAI_SPEECH_VOICES", "OPENAI_SPEECH_ROOM_TONE": ""}


@pytest.mark.parametrize(
    ("variables", "ids"),
    [
        ({"BASE_URL": "http://gpu1:8880/v1, https://tts.example"}, []),
        ({"BASE_URL": "gpu1:8880"}, ["E011"]),
        ({"BASE_URL": "http://gpu1,ftp://gpu2,http://gpu3:port,http://a:b@gpu4"}, ["E011"] * 3),
        ({"FORMAT": "wav"}, []),
        ({"FORMAT": "ogg"}, ["E012"]),
    ],
)
def test_a_bad_setting_is_named_before_anybody_orders(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], ids: list[str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"OPENAI_SPEECH_{name}", value)
    found = checks.check_speech_servers()
    assert [one.id for one in found] == [f"speechsite.{name}" for name in ids]


# --- by hand ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "is_added"),
    [
        ({"base_url": "http://gpu:8880/v1"}, True),
        ({"api_key": "sk-0123456789"}, True),
        ({"base_url": "http://gpu:8880", "api_key": "key-0123456789"}, True),
        ({}, False),
        ({"base_url": "http://gpu:8880", "webhook_key": "x"}, False),
        ({"base_url": "http://gpu:8880", "api_key": "two words"}, False),
    ],
)
def test_a_server_needs_an_address_or_openais_key(
    admin_user: User, client: Client, told: dict[str, str], is_added: bool
) -> None:
    client.force_login(admin_user)
    client.post(ADD, {"name": "GPU", "adapter": "openai", **told})
    assert Channel.objects.filter(adapter="openai").exists() == is_added


# --- models ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("tts-1", "openai-tts-1"),
        ("speaches-ai/Kokoro-82M-v1.0-ONNX", "openai-speaches-ai-kokoro-82m-v1.0-onnx"),
        ("語音/模型", "openai-"),
        ("x" * 200, "openai-" + "x" * 73),
    ],
)
def test_a_model_has_one_name_here_wherever_it_is_served(name: str, slug: str) -> None:
    assert catalogue.served_slug(name) == slug


def test_what_is_sold_follows_the_list_and_what_was_changed_by_hand_stays() -> None:
    channel = server()
    served.store(channel, [ModelInfo("a-tts", "A", cost=1500), ModelInfo("b-tts", "B")])
    channel.offers.filter(model="openai-a-tts").update(microcredits_per_unit=7)
    served.store(channel, [ModelInfo("a-tts", "A", cost=1500), ModelInfo("c-tts", "C")])
    offers = channel.offers.values_list("model", "upstream_name", "microcredits_per_unit")
    assert set(offers) == {("openai-a-tts", "a-tts", 7), ("openai-c-tts", "c-tts", 0)}
    assert SpeechModel.objects.filter(family="openai").count() == 3


def test_a_model_is_found_by_its_name_here_and_there() -> None:
    served.store(server(), [ModelInfo("fish/S2-Pro", "Fish")])
    model = SpeechModel.objects.get(family="openai")
    assert library.model_named("openai-fish-s2-pro") == model
    assert library.model_named("fish/S2-Pro") == model
    assert library.model_named("fish-s2-pro") is None
    assert library.model_named("openai-nobody") is None


def test_a_model_gets_a_price_when_it_is_first_asked_for_and_keeps_ones_own() -> None:
    with pytest.raises(prices.NoPrice):
        prices.price_of("openai-a-tts")
    served.store(server(), [ModelInfo("a-tts", "A"), ModelInfo("tts-1-hd", "HD")])
    first = prices.price_of("openai-a-tts")
    assert (first.unit, first.millicredits_per_unit) == ("character", 2)
    assert prices.price_of("openai-tts-1-hd").millicredits_per_unit == 5
    own = prices.Price.objects.create(
        model="openai-a-tts", unit="character", millicredits_per_unit=9
    )
    assert prices.price_of("openai-a-tts") == own


def test_a_model_that_no_server_has_gets_no_price() -> None:
    channel = server()
    served.store(channel, [ModelInfo("a-tts", "A")])
    channel.offers.create(model="elevenlabs-v9", upstream_name="v9")
    for model in ("openai-b-tts", "elevenlabs-v9"):
        with pytest.raises(prices.NoPrice):
            prices.price_of(model)


def test_a_price_of_tomorrow_leaves_today_to_the_default() -> None:
    served.store(server(), [ModelInfo("a-tts", "A")])
    tomorrow = timezone.now() + timedelta(days=1)
    later = prices.Price.objects.create(
        model="openai-a-tts", unit="character", millicredits_per_unit=9, valid_from=tomorrow
    )
    assert prices.price_of("openai-a-tts").millicredits_per_unit == 2
    assert prices.price_of("openai-a-tts", tomorrow) == later
