"""Channels in the admin: keys that go in and never come out, tests that spend nothing."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs import unclear
from jobs.models import Job, Segment
from speechsite.accounts.models import User
from speechsite.upstreams import secrets, trial
from speechsite.upstreams.models import Channel, Offer
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.minimax import FakeMiniMax
from tests.fakes.server import serving
from tests.fakes.upstream import Upstream
from voices import library
from voices.models import SpeechModel, Voice

ADD = "/admin/upstreams/channel/add/"
SECRET = "sk-very-secret-0123456789"


@pytest.fixture
def boss(admin_user: User, client: Client) -> Client:
    client.force_login(admin_user)
    return client


@pytest.fixture
def labs(db: None) -> Iterator[tuple[FakeElevenLabs, Channel]]:
    """A fake provider on a socket, and the channel that leads to it."""
    fake = FakeElevenLabs()
    with serving(fake) as url:
        yield fake, channel_to(fake, url)


@pytest.fixture
def channel(db: None) -> Channel:
    """A channel made by hand whose provider is never asked."""
    sealed = secrets.seal({"api_key": SECRET, "webhook_key": "hook-secret"})
    return Channel.objects.create(
        slug="mine", name="Mine", adapter="kie", base_url="https://kie.example", credentials=sealed
    )


def channel_to(fake: Upstream, url: str, adapter: str = "elevenlabs", key: str = "") -> Channel:
    sealed = secrets.seal({"api_key": key or fake.key})
    return Channel.objects.create(
        slug="labs", name="Labs", adapter=adapter, base_url=url, credentials=sealed
    )


def always(fake: Upstream, answer: httpx.Response) -> None:
    """From now on the provider says the same to everything, also where nothing is ordered."""

    async def handle(_request: httpx.Request) -> httpx.Response:
        return answer

    fake.handle = handle  # type: ignore[method-assign]


def new(**changes: str) -> dict[str, str]:
    return {"name": "Second account", "adapter": "kie", "api_key": SECRET} | changes


def page_of(channel: Channel) -> str:
    return reverse("admin:upstreams_channel_change", args=[channel.pk])


def kept(channel: Channel, **changes: Any) -> dict[str, Any]:
    """The channel's form as the browser sends it when only these fields were touched."""
    told = {
        "name": channel.name, "base_url": channel.base_url, "is_enabled": "on", "priority": 10,
        "weight": 1, "concurrency": 8, "rate_seconds": 10, "options": "{}", "api_key": "",
        "webhook_key": "", "offers-TOTAL_FORMS": 0, "offers-INITIAL_FORMS": 0,
    }  # fmt: skip
    return told | changes


def act(client: Client, action: str, channel: Channel) -> str:
    """Run a list action; what the next page says."""
    url = reverse("admin:upstreams_channel_changelist")
    chosen = {"action": action, "_selected_action": [str(channel.pk)]}
    return client.post(url, chosen, follow=True).content.decode()


# --- adding ----------------------------------------------------------------------------------


def test_a_channel_is_added_with_its_providers_address_limits_and_offers(boss: Client) -> None:
    answer = boss.post(ADD, new())
    added = Channel.objects.get(name="Second account")
    assert answer["Location"] == page_of(added)
    assert (added.slug, added.base_url) == ("second-account", "https://api.kie.ai")
    assert (added.rate_count, added.rate_seconds, added.concurrency) == (20, 10, 100)
    assert added.options == {"upload_url": "https://kieai.redpandaai.co"}
    assert added.origin == Channel.Origin.ADMIN
    assert added.offers.filter(model="elevenlabs-multilingual-v2").exists()


def test_a_channel_is_added_with_an_address_of_its_own(boss: Client) -> None:
    boss.post(ADD, new(adapter="minimax", base_url="https://relay.example/minimax/"))
    assert Channel.objects.get(name="Second account").base_url == "https://relay.example/minimax"


def test_the_key_is_sealed_and_stands_on_no_page(boss: Client) -> None:
    boss.post(ADD, new(webhook_key="hook-secret"))
    added = Channel.objects.get(name="Second account")
    assert SECRET not in added.credentials
    assert secrets.open_sealed(added.credentials) == {
        "api_key": SECRET,
        "webhook_key": "hook-secret",
    }
    html = boss.get(page_of(added)).content.decode()
    assert "A key is stored" in html
    for hidden in (SECRET, "hook-secret", added.credentials):
        assert hidden not in html


def test_a_refused_form_does_not_send_the_key_back(boss: Client) -> None:
    answer = boss.post(ADD, new(name=""))
    assert answer.status_code == 200
    assert SECRET not in answer.content.decode()


def test_the_name_of_a_provider_stays_free_for_the_environment(boss: Client) -> None:
    boss.post(ADD, new(name="kie"))
    boss.post(ADD, new(name="kie"))
    assert set(Channel.objects.values_list("slug", flat=True)) == {"kie-2", "kie-3"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"api_key": ""},
        {"api_key": "two words"},
        {"api_key": "schlüssel"},
        {"adapter": "builtin"},
        {"adapter": "nobody"},
        {"adapter": "rivya", "webhook_key": "x"},
        {"base_url": "ftp://kie.example"},
        {"base_url": "kie.example"},
        {"base_url": "https://user:pass@kie.example"},
        {"base_url": "https://kie.example:port"},
    ],
)
def test_a_wrong_form_adds_nothing(boss: Client, wrong: dict[str, str]) -> None:
    assert boss.post(ADD, new(**wrong)).status_code == 200
    assert not Channel.objects.exists()


# --- editing ---------------------------------------------------------------------------------


def test_empty_key_fields_keep_the_keys(boss: Client, channel: Channel) -> None:
    assert boss.post(page_of(channel), kept(channel, priority=3)).status_code == 302
    before = channel.credentials
    channel.refresh_from_db()
    assert (channel.priority, channel.credentials) == (3, before)


def test_an_emptied_address_is_the_providers_own(boss: Client, channel: Channel) -> None:
    boss.post(page_of(channel), kept(channel, base_url=""))
    channel.refresh_from_db()
    assert channel.base_url == "https://api.kie.ai"


def test_a_typed_key_replaces_that_key_alone(boss: Client, channel: Channel) -> None:
    boss.post(page_of(channel), kept(channel, api_key="another-key"))
    channel.refresh_from_db()
    assert secrets.open_sealed(channel.credentials) == {
        "api_key": "another-key",
        "webhook_key": "hook-secret",
    }


def test_keys_sealed_under_another_secret_are_entered_again(
    boss: Client, channel: Channel, settings: Any
) -> None:
    settings.SECRET_KEY = "another secret key of this site, long enough for everything"
    assert "SECRET_KEY has changed" in boss_again(boss, channel)
    boss.post(page_of(channel), kept(channel, api_key="fresh-key"))
    channel.refresh_from_db()
    assert secrets.open_sealed(channel.credentials) == {"api_key": "fresh-key"}


def boss_again(boss: Client, channel: Channel) -> str:
    """The page for an administrator who signs in after the secret has changed."""
    boss.force_login(User.objects.get(is_superuser=True))
    return boss.get(page_of(channel)).content.decode()


def test_what_comes_from_the_environment_is_not_typed_here(boss: Client, channel: Channel) -> None:
    Channel.objects.filter(pk=channel.pk).update(origin=Channel.Origin.ENVIRONMENT)
    html = boss.get(page_of(channel)).content.decode()
    assert 'name="api_key"' not in html
    assert "from the environment" in html
    boss.post(page_of(channel), kept(channel, api_key="smuggled", base_url="https://evil.example"))
    before = channel.credentials
    channel.refresh_from_db()
    assert (channel.credentials, channel.base_url) == (before, "https://kie.example")


# --- testing, syncing, resetting -------------------------------------------------------------


def test_a_test_shows_the_balance_and_spends_nothing(boss: Client, labs: Any) -> None:
    fake, channel = labs
    said = act(boss, "test_channels", channel)
    assert "Labs: It answers. Left on the account: 100,000" in said
    assert fake.accepted == 0


def test_a_provider_without_a_balance_is_asked_for_its_voices(db: None) -> None:
    fake = FakeMiniMax()
    with serving(fake) as url:
        finding = trial.test(channel_to(fake, url, "minimax"))
    assert finding.works
    assert "voices" in finding.words
    assert fake.accepted == 0


def test_a_refused_key_is_said_in_words_and_not_shown(boss: Client, labs: Any) -> None:
    _fake, channel = labs
    Channel.objects.update(credentials=secrets.seal({"api_key": SECRET}))
    said = act(boss, "test_channels", channel)
    assert "The provider refuses the key." in said
    assert SECRET not in said


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(503, text="down"), "cannot be reached"),
        (httpx.Response(429, json={"detail": {"status": "rate_limit"}}), "slow down"),
        (httpx.Response(200, text="<html>welcome</html>"), "Is the base URL right?"),
    ],
    ids=["down", "too-often", "another-site"],
)
def test_a_providers_trouble_is_said_in_words(
    labs: Any, answer: httpx.Response, words: str
) -> None:
    fake, channel = labs
    always(fake, answer)
    finding = trial.test(channel)
    assert not finding.works
    assert words in finding.words


def test_an_address_where_nobody_listens_is_said_in_words(channel: Channel) -> None:
    channel.base_url = "http://127.0.0.1:9"
    assert "cannot be reached" in trial.test(channel).words


def test_a_broken_seal_is_said_in_words(channel: Channel) -> None:
    channel.credentials = "gAAAAAsomething-else"
    assert "SECRET_KEY has changed" in trial.test(channel).words


def test_looking_at_the_question_asks_no_provider(boss: Client, labs: Any) -> None:
    _fake, channel = labs
    url = reverse("admin:upstreams_channel_test_channel", args=[channel.pk])
    assert "Spends nothing" in boss.get(url).content.decode()
    said = boss.post(url, {"_form_submitted": "True"}, follow=True).content.decode()
    assert "It answers" in said


def test_a_sync_shows_what_it_changed(boss: Client, labs: Any) -> None:
    _fake, channel = labs
    library.load()
    gone = Voice.objects.create(
        family="elevenlabs", external_id="gone", name="Old Harry", listed_by=[channel.slug]
    )
    said = act(boss, "sync_channels", channel)
    assert "3 new (" in said
    assert "1 retired (Old Harry)" in said
    gone.refresh_from_db()
    assert gone.retired_at is not None
    assert "nothing has changed" in act(boss, "sync_channels", channel)


def test_a_sync_that_fails_changes_nothing_and_says_so(boss: Client, labs: Any) -> None:
    fake, channel = labs
    library.load()
    always(fake, httpx.Response(503, text="down"))
    url = reverse("admin:upstreams_channel_sync_voices", args=[channel.pk])
    said = boss.post(url, {"_form_submitted": "True"}, follow=True).content.decode()
    assert "nothing was changed" in said
    assert not Voice.objects.filter(family="elevenlabs").exists()


def test_a_breaker_is_reset(boss: Client, channel: Channel) -> None:
    tired = {"breaker": "open", "failures": 9, "last_error": "no answer"}
    Channel.objects.filter(pk=channel.pk).update(**tired, resting_until=timezone.now())
    act(boss, "reset_breakers", channel)
    channel.refresh_from_db()
    assert (channel.breaker, channel.failures, channel.resting_until) == ("closed", 0, None)


def test_staff_who_may_only_look_can_do_nothing(client: Client, ben: User, labs: Any) -> None:
    _fake, channel = labs
    ben.is_staff = True
    ben.save()
    ben.user_permissions.add(*Permission.objects.filter(codename__startswith="view_"))
    client.force_login(ben)
    Channel.objects.update(breaker="open")
    act(client, "reset_breakers", channel)
    for name in ("test_channel", "sync_voices", "reset_breaker"):
        url = reverse(f"admin:upstreams_channel_{name}", args=[channel.pk])
        assert client.post(url, {"_form_submitted": "True"}).status_code == 403
    assert client.get(ADD).status_code == 403
    channel.refresh_from_db()
    assert channel.breaker == "open"


# --- unclear submissions ---------------------------------------------------------------------


@pytest.fixture
def unclear_segment(ada: User, channel: Channel) -> Segment:
    model = SpeechModel.objects.create(slug="basic", family="elevenlabs", name="Basic")
    Offer.objects.create(
        channel=channel, model="basic", upstream_name="b", microcredits_per_unit=9000
    )
    job = Job.objects.create(user=ada, model=model, text="Hello there", state="failed")
    common = {"user": ada, "model_slug": "basic", "channel": channel, "units": 500}
    job.segments.create(index=1, state="done", upstream_id="fine-1", **common)
    return job.segments.create(
        index=0, state="failed", possible_cost=True, upstream_id="lost-1",
        failure_message='=HYPERLINK("https://evil.example")', **common,
    )  # fmt: skip


def test_the_list_shows_only_what_was_perhaps_billed(
    boss: Client, unclear_segment: Segment
) -> None:
    html = boss.get("/admin/jobs/segment/?possible_cost__exact=1").content.decode()
    assert "lost-1" in html
    assert "fine-1" not in html
    assert ">4.5<" in html
    assert "possible_cost__exact=1" in boss.get("/admin/").content.decode()


def test_the_export_is_a_table_that_no_spreadsheet_runs(
    boss: Client, unclear_segment: Segment
) -> None:
    chosen = {"action": "export_csv", "_selected_action": [str(unclear_segment.pk)]}
    answer = boss.post("/admin/jobs/segment/?possible_cost__exact=1", chosen)
    assert answer["Content-Type"] == "text/csv"
    (row,) = csv.DictReader(answer.content.decode().splitlines())
    assert row["account"] == "ada@example.com"
    assert (row["channel"], row["upstream_id"], row["units"]) == ("mine", "lost-1", "500")
    assert float(row["possible_credits"]) == 4.5
    assert row["failure_message"].startswith("'=")


def test_a_segment_whose_price_nobody_knows_is_exported_without_one(
    unclear_segment: Segment,
) -> None:
    Offer.objects.all().delete()
    lines = list(unclear.as_csv(Segment.objects.filter(pk=unclear_segment.pk)))
    (row,) = csv.DictReader(lines)
    assert row["possible_credits"] == ""


def test_segments_are_not_edited_here(boss: Client, unclear_segment: Segment) -> None:
    url = reverse("admin:jobs_segment_change", args=[unclear_segment.pk])
    assert boss.get(url).status_code == 200
    assert boss.post(url, {"possible_cost": ""}).status_code == 403
