"""A provider's key is enough: its voices come by themselves, and nobody waits for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from django.test import Client

from speechsite.accounts.models import User
from speechsite.duties import outbox, routines
from speechsite.duties.models import Duty
from speechsite.management import prepare
from speechsite.providers.elevenlabs.known import VOICES as ELEVENLABS
from speechsite.upstreams import secrets
from speechsite.upstreams.models import Channel
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.kie import FakeKie
from tests.fakes.minimax import FakeMiniMax
from tests.fakes.rivya import FakeRivya
from tests.fakes.server import serving
from tests.running import EMAIL, Site
from voices import library, sync
from voices.models import Voice

LIST = "/admin/upstreams/channel/"
SECONDS = 30
# The voice that seed 004 orders by default, and those of seeds 002 and 003.
LIAM, GEORGE = "TX3LPaxmHKxFdv7VOQHJ", "JBFqnCBsd6RMkjVDRZzb"
OF_SEEDS = {
    "elevenlabs": {
        LIAM, "cgSgspJ2msm6clMCkdW9", "pNInz6obpgDQGcFmaJgB", "BIvP0GN1cAtSRTxNHnWS",
        "aMSt68OGf4xUZAnLpTU8", GEORGE, "21m00Tcm4TlvDq8ikWAM",
    },
    "rivya": {
        LIAM, "cgSgspJ2msm6clMCkdW9", "pNInz6obpgDQGcFmaJgB", "BIvP0GN1cAtSRTxNHnWS",
        "aMSt68OGf4xUZAnLpTU8",
    },
    "kie": {LIAM, "EkK5I93UQWFDigLMpZcX"},
    "minimax": {
        "moss_audio_ce44fc67-7ce3-11f0-8de5-96e35d26fb85", "audiobook_male_1",
        "English_Graceful_Lady", "Chinese (Mandarin)_Lyrical_Voice",
    },
}  # fmt: skip


@pytest.fixture
def labs(db: None) -> Iterator[tuple[FakeElevenLabs, Channel]]:
    """A fake provider on a socket, and the channel that leads to it."""
    fake = FakeElevenLabs()
    with serving(fake) as url:
        sealed = secrets.seal({"api_key": fake.key})
        yield (
            fake,
            Channel.objects.create(
                slug="labs", name="Labs", adapter="elevenlabs", base_url=url, credentials=sealed
            ),
        )


@pytest.fixture
def boss(admin_user: User, client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("ALLOW_PRIVATE_NETWORKS", "1")
    client.force_login(admin_user)
    return client


def see_to(adapter: str = "elevenlabs") -> None:
    outbox.work(sync.duty_of(adapter), lambda: False)


def asked() -> set[str]:
    return {duty.kind for duty in Duty.objects.filter(kind__startswith="voices ")}


def until(what: Callable[[], Any], end: float) -> Any:
    while not (found := what()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.3)
    return found


# --- with nothing but keys in the environment --------------------------------------------------


@pytest.mark.processes
def test_a_key_in_the_environment_is_enough(tmp_path: Any) -> None:
    """Also where one of the providers accepts connections and never says a word."""
    fakes = {"elevenlabs": FakeElevenLabs(), "minimax": FakeMiniMax(), "rivya": FakeRivya()}
    fakes["rivya"].latency = 120
    environment = {"ALLOW_PRIVATE_NETWORKS": "1", "KIE_API_KEY": FakeKie().key, "WORKERS": "1"}
    with ExitStack() as stack:
        for name, fake in fakes.items():
            environment[f"{name.upper()}_API_KEY"] = fake.key
            environment[f"{name.upper()}_BASE_URL"] = stack.enter_context(serving(fake))
        site = stack.enter_context(Site(tmp_path, **environment))
        end = time.monotonic() + SECONDS
        before = site.rows("SELECT external_id FROM voices_voice WHERE family <> 'builtin'")
        listed = "SELECT slug FROM upstreams_channel WHERE voices_at IS NOT NULL"
        until(
            lambda: {"elevenlabs", "kie", "minimax"} <= {row[0] for row in site.rows(listed)}, end
        )
        site.open_account()
        key = site.manage("createkey", EMAIL).stdout.strip()
        order = {"model": "elevenlabs-turbo-2-5", "prompt": "Hello.", "params": {"voice": LIAM}}
        answer = httpx.post(
            f"{site.url}/api/v1/generations",
            json=order,
            headers={"Authorization": f"Bearer {key}"},
            trust_env=False,
            timeout=60,
        )
    assert OF_SEEDS["minimax"] | OF_SEEDS["elevenlabs"] <= {row[0] for row in before}
    assert answer.status_code in (200, 201, 202), answer.text


@pytest.mark.django_db
@pytest.mark.parametrize("adapter", sorted(OF_SEEDS))
def test_the_voices_of_the_examples_can_be_ordered_before_the_first_list(
    adapter: str, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{adapter.upper()}_API_KEY", "sk_never_used")
    monkeypatch.setenv(f"{adapter.upper()}_BASE_URL", "http://127.0.0.1:9")
    prepare.load_catalogue()
    chosen = set(library.choosable(ada).values_list("external_id", flat=True))
    assert OF_SEEDS[adapter] <= chosen
    for name in OF_SEEDS[adapter]:
        voice = library.voice_of_id(name, ada)
        assert voice is not None
        assert library.models_for(voice)


@pytest.mark.django_db
def test_no_voice_of_a_provider_is_there_without_a_channel() -> None:
    prepare.load_catalogue()
    assert not Voice.objects.exclude(family="builtin").exists()
    assert asked() == set()


@pytest.mark.django_db
def test_starting_twice_asks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIE_API_KEY", "sk_never_used")
    prepare.load_catalogue()
    count = Voice.objects.count()
    prepare.load_catalogue()
    assert (Duty.objects.filter(kind="voices kie").count(), Voice.objects.count()) == (1, count)
    see_to("kie")
    assert not asked()
    assert Channel.objects.get(slug="kie").voices_at is not None


def test_what_the_provider_lists_replaces_what_was_expected(
    labs: tuple[FakeElevenLabs, Channel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLOW_PRIVATE_NETWORKS", "1")
    fake, channel = labs
    sync.begin([channel])
    assert Voice.objects.usable().filter(listed_by=["labs"]).count() == len(ELEVENLABS)
    see_to()
    usable = set(Voice.objects.usable().values_list("external_id", flat=True))
    assert usable == set(fake.voices)
    channel.refresh_from_db()
    sync.begin([channel])  # the next start expects nothing any more
    assert set(Voice.objects.usable().values_list("external_id", flat=True)) == usable


@pytest.mark.django_db
def test_it_is_asked_for_each_night() -> None:
    assert "voices.sync.begin_all" in routines.PLANS
    Channel.objects.create(slug="k", name="K", adapter="kie")
    Channel.objects.create(slug="off", name="Off", adapter="minimax", is_enabled=False)
    sync.begin_all()
    assert asked() == {"voices kie"}


# --- in the administration ---------------------------------------------------------------------


def test_a_channel_made_in_the_administration_is_asked(boss: Client) -> None:
    with serving(FakeElevenLabs()) as url:
        new = {"name": "Mine", "adapter": "elevenlabs", "base_url": url, "api_key": "sk_else"}
        assert boss.post(f"{LIST}add/", new).status_code == 302
        assert Voice.objects.usable().filter(external_id=GEORGE).exists()
        assert asked() == {"voices elevenlabs"}
        see_to()
    page = boss.get(LIST).content.decode()
    assert "not listed" in page
    assert "The provider refuses the key." in page
    assert "Enter another key on the channel" in page


@pytest.mark.parametrize("is_enabled", [True, False])
def test_a_channel_that_is_edited_or_enabled_is_asked_again(
    boss: Client, labs: tuple[FakeElevenLabs, Channel], is_enabled: bool
) -> None:
    fake, channel = labs
    Channel.objects.filter(pk=channel.pk).update(
        is_enabled=is_enabled, voices_problem="BadCredentials", voices_error="no"
    )
    told = {
        "name": "Labs", "base_url": channel.base_url, "is_enabled": "on", "priority": 10,
        "weight": 1, "concurrency": 8, "rate_seconds": 10, "options": "{}", "api_key": fake.key,
        "offers-TOTAL_FORMS": 0, "offers-INITIAL_FORMS": 0,
    }  # fmt: skip
    assert boss.post(f"{LIST}{channel.pk}/change/", told).status_code == 302
    assert asked() == {"voices elevenlabs"}
    see_to()
    channel.refresh_from_db()
    assert (channel.voices_problem, channel.voices_at is None) == ("", False)
    assert "not listed" not in boss.get(LIST).content.decode()
    assert {one.external_id for one in Voice.objects.usable()} == set(fake.voices)


def test_a_failure_is_tried_again_later_and_shown_meanwhile(
    boss: Client, labs: tuple[FakeElevenLabs, Channel]
) -> None:
    fake, channel = labs
    Channel.objects.filter(pk=channel.pk).update(base_url="http://127.0.0.1:9")
    sync.begin([channel])
    see_to()
    page = boss.get(LIST).content.decode()
    assert "The provider cannot be reached." in page
    assert "It is tried again by itself." in page
    assert Duty.objects.get(kind="voices elevenlabs").attempts == 1
    # What was there stays.
    assert Voice.objects.usable().filter(external_id=LIAM).exists()
    assert fake.accepted == 0


def test_what_is_asked_for_while_it_fails_is_due_at_once(
    labs: tuple[FakeElevenLabs, Channel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is corrected during a call with the old one."""
    _fake, channel = labs
    tries: list[int] = []

    def failing(key: str, data: Any) -> None:
        tries.append(1)
        if len(tries) == 1:
            sync.begin([channel])
            raise ValueError("the old key")

    monkeypatch.setattr(sync, "do", failing)
    sync.begin([channel])
    see_to()
    assert len(tries) == 2
    assert not asked()
