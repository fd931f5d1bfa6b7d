"""Webhooks on the Developers screen: added, changed, tested, replayed, removed, one's own."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from standardwebhooks import WebhookVerificationError

from jobs import endpoints, outbound
from jobs.webhook_models import EVENTS, Delivery, WebhookEndpoint
from speechsite.accounts.models import User
from speechsite.core import signing
from speechsite.pages.developers import programs
from speechsite.pages.developers.webhooks import PAGE_SIZE
from speechsite.upstreams import secrets

URL = "https://hooks.example.com/in"
NEW = {"url": URL, "name": "Orders", "event_types": EVENTS, "ticket": "first"}
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]{20,}")


@pytest.fixture
def endpoint(ada: User) -> WebhookEndpoint:
    return outbound.add_endpoint(ada, url=URL, name="Ada's own")[0]


@pytest.fixture
def address(endpoint: WebhookEndpoint) -> str:
    return f"/developers/webhooks/{endpoint.pk}/"


def secrets_in(answer: Any) -> set[str]:
    return set(SECRET.findall(answer.content.decode()))


def current_secret(endpoint: WebhookEndpoint) -> str:
    endpoint.refresh_from_db()
    return secrets.open_sealed(endpoint.secret)["secret"]


def delivery(endpoint: WebhookEndpoint, number: int = 1, **changes: Any) -> Delivery:
    told = {"event_id": f"evt_{number}", "event_type": "generation.succeeded", **changes}
    return Delivery.objects.create(endpoint=endpoint, **told)


def test_a_stranger_is_asked_to_sign_in(client: Client, db: None) -> None:
    assert client.get("/developers/webhooks/")["Location"].startswith("/account/login/")


def test_a_new_webhook_shows_its_secret_in_the_answer_and_nowhere_else(page: Client) -> None:
    answer = page.post("/developers/webhooks/", NEW)
    endpoint = WebhookEndpoint.objects.get()
    assert secrets_in(answer) == {current_secret(endpoint)}
    assert "no-store" in answer["Cache-Control"]
    for path in ("/developers/webhooks/", f"/developers/webhooks/{endpoint.pk}/"):
        again = page.get(path)
        assert secrets_in(again) == set()
        assert "Orders" in again.content.decode()


def test_a_reload_adds_nothing(page: Client) -> None:
    page.post("/developers/webhooks/", NEW)
    again = page.post("/developers/webhooks/", NEW, follow=True)
    assert secrets_in(again) == set()
    assert WebhookEndpoint.objects.count() == 1


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/x", "https://localhost/", "http://10.1.2.3/", "ftp://example.com/",
            "http://[::1]/", "https://user:pw@example.com/", "nonsense", ""],
)  # fmt: skip
def test_a_private_or_strange_address_is_refused_beside_the_field(page: Client, url: str) -> None:
    answer = page.post("/developers/webhooks/", {**NEW, "url": url})
    html = answer.content.decode()
    assert answer.status_code == 422
    assert 'id="id_url_error"' in html
    assert f'value="{url}"' in html or not url
    assert not WebhookEndpoint.objects.exists()


@pytest.mark.parametrize("events", [[], ["generation.exploded"]])
def test_events_are_chosen_from_the_list(page: Client, events: list[str]) -> None:
    answer = page.post("/developers/webhooks/", {**NEW, "event_types": events})
    assert answer.status_code == 422
    assert 'id="id_event_types_error"' in answer.content.decode()


def test_changes_are_kept(page: Client, endpoint: WebhookEndpoint, address: str) -> None:
    told = {"url": f"{URL}/2", "name": "", "event_types": ["generation.failed"]}
    assert page.post(address, told).status_code == 302
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.name) == (f"{URL}/2", "")
    assert endpoint.event_types == ["generation.failed"]


def test_a_change_to_a_private_address_is_refused(
    page: Client, endpoint: WebhookEndpoint, address: str
) -> None:
    answer = page.post(address, {**NEW, "url": "http://192.168.0.1/"})
    assert answer.status_code == 422
    assert 'id="id_url_error"' in answer.content.decode()
    endpoint.refresh_from_db()
    assert endpoint.url == URL


def test_the_program_that_checks_messages_believes_only_the_right_secret() -> None:
    found: dict[str, Any] = {}
    secret = signing.new_secret()
    (python, _node) = programs.receivers()
    exec(python.code.replace(programs.SIGNING_SECRET, secret), found)
    body = b'{"type": "generation.succeeded"}'
    now = timezone.now()
    right = signing.headers([secret], message_id="evt_1", sent_at=now, body=body)
    wrong = signing.headers([signing.new_secret()], message_id="evt_1", sent_at=now, body=body)
    assert found["message_of"](body, right) == {"type": "generation.succeeded"}
    with pytest.raises(WebhookVerificationError):
        found["message_of"](body, wrong)


def test_rotating_asks_first_and_then_shows_the_new_secret_once(
    page: Client, endpoint: WebhookEndpoint, address: str
) -> None:
    before = current_secret(endpoint)
    assert secrets_in(page.post(f"{address}rotate/")) == set()
    assert current_secret(endpoint) == before
    told = {"confirmed": "1", "ticket": "one"}
    answer = page.post(f"{address}rotate/", told)
    after = current_secret(endpoint)
    assert secrets_in(answer) == {after} != {before}
    assert secrets_in(page.post(f"{address}rotate/", told, follow=True)) == set()
    assert current_secret(endpoint) == after


def test_a_test_message_is_written_down(
    page: Client, endpoint: WebhookEndpoint, address: str
) -> None:
    page.post(f"{address}test/")
    assert Delivery.objects.get().event_type == outbound.PING
    assert "A test message" in page.get(address).content.decode()


def test_what_is_off_sends_nothing(page: Client, endpoint: WebhookEndpoint, address: str) -> None:
    sent = delivery(endpoint, state=Delivery.State.DELIVERED)
    page.post(f"{address}switch/")
    page.post(f"{address}test/")
    page.post(f"{address}deliveries/{sent.pk}/replay/")
    assert list(Delivery.objects.values_list("state", flat=True)) == ["delivered"]
    page.post(f"{address}switch/", {"enabled": "1"})
    endpoint.refresh_from_db()
    assert endpoint.is_enabled


def test_a_webhook_that_was_switched_off_says_why(
    page: Client, endpoint: WebhookEndpoint, address: str
) -> None:
    reason = "The receiver answered 410 Gone."
    WebhookEndpoint.objects.update(is_enabled=False, disabled_reason=reason)
    assert reason in page.get(address).content.decode()


def test_deleting_asks_first(page: Client, ada: User, address: str) -> None:
    assert "Delete this webhook?" in page.post(f"{address}delete/").content.decode()
    assert endpoints.of(ada).exists()
    page.post(f"{address}delete/", {"confirmed": "1"})
    assert not endpoints.of(ada).exists()
    assert page.get(address).status_code == 404


def test_the_log_shows_each_try_and_its_answer(
    page: Client, endpoint: WebhookEndpoint, address: str
) -> None:
    tried = {"at": timezone.now().isoformat(timespec="seconds"), "milliseconds": 41}
    log = [{**tried, "status": 500, "error": ""}, {**tried, "status": 0, "error": "too <slow>"}]
    delivery(endpoint, attempts=2, log=log)
    html = page.get(address).content.decode()
    assert "2 tries: no answer" in html
    assert "<b>500</b>" in html
    assert "too &lt;slow&gt;" in html
    assert "Try 3 of 10" in html


def test_the_log_can_be_narrowed_to_a_state(
    page: Client, endpoint: WebhookEndpoint, address: str
) -> None:
    delivery(endpoint, 1, state=Delivery.State.FAILED)
    delivery(endpoint, 2, state=Delivery.State.DELIVERED)
    html = page.get(address, {"state": "failed"}).content.decode()
    assert "evt_1" in html
    assert "evt_2" not in html


def test_pages_of_the_log_hold_every_delivery_once(
    page: Client, endpoint: WebhookEndpoint, address: str
) -> None:
    for number in range(PAGE_SIZE + 3):
        delivery(endpoint, number)
    first = page.get(address).context
    second = page.get(address, {"before": first["next_before"]}).context
    seen = [row["delivery"].event_id for row in (*first["rows"], *second["rows"])]
    assert len(seen) == len(set(seen)) == PAGE_SIZE + 3
    assert second["next_before"] is None
    assert page.get(address, {"before": "nonsense"}).status_code == 200


def test_a_replay_sends_the_same_message_again(
    page: Client, endpoint: WebhookEndpoint, address: str
) -> None:
    given_up = delivery(endpoint, state=Delivery.State.FAILED, attempts=10)
    page.post(f"{address}deliveries/{given_up.pk}/replay/")
    given_up.refresh_from_db()
    assert (given_up.state, given_up.attempts) == (Delivery.State.PENDING, 0)


@pytest.mark.parametrize("verb", ["switch/", "rotate/", "test/", "delete/"])
def test_looking_changes_nothing(page: Client, address: str, verb: str) -> None:
    assert page.get(f"{address}{verb}")["Location"] == address


@pytest.mark.parametrize("verb", ["", "switch/", "rotate/", "test/", "delete/"])
def test_eve_cannot_touch_adas_webhook(
    eves_page: Client, endpoint: WebhookEndpoint, address: str, verb: str
) -> None:
    before = current_secret(endpoint)
    assert eves_page.post(f"{address}{verb}", {**NEW, "confirmed": "1"}).status_code == 404
    assert current_secret(endpoint) == before
    assert (endpoint.name, endpoint.is_enabled, endpoint.deleted_at) == ("Ada's own", True, None)
    assert not Delivery.objects.exists()


def test_eve_sees_nothing_of_adas(
    eves_page: Client, eve: User, endpoint: WebhookEndpoint, address: str
) -> None:
    assert eves_page.get(address).status_code == 404
    assert "Ada&#x27;s own" not in eves_page.get("/developers/webhooks/").content.decode()
    hers = outbound.add_endpoint(eve, url=URL)[0]
    adas = delivery(endpoint, state=Delivery.State.FAILED)
    path = f"/developers/webhooks/{hers.pk}/deliveries/{adas.pk}/replay/"
    assert eves_page.post(path).status_code == 404
    adas.refresh_from_db()
    assert adas.state == Delivery.State.FAILED
