"""Webhooks over the API: secrets once, public addresses, one's own, replay."""

from __future__ import annotations

import re
from typing import Any

import pytest

from jobs import outbound
from jobs.webhook_models import EVENTS, Delivery, WebhookEndpoint
from speechsite.accounts import keys
from speechsite.accounts.models import User
from speechsite.api.auth import Caller
from speechsite.upstreams import secrets
from tests.api.native.talk import Partner

PATH = "/api/v1/webhooks"
URL = "https://hooks.example.com/in"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]{20,}")


@pytest.fixture
def partner(live: tuple[Caller, str]) -> Partner:
    return Partner(live[1])


@pytest.fixture
def eves(eve: User) -> Partner:
    return Partner(keys.issue_key(eve)[1])


@pytest.fixture
def made(partner: Partner) -> dict[str, Any]:
    """A webhook of Ada's as it was answered."""
    answer = partner.send(PATH, {"url": URL, "name": "Orders"})
    assert answer.status_code == 201, answer.content
    body: dict[str, Any] = answer.json()
    return body


def change(partner: Partner, path: str, body: Any) -> Any:
    return partner.patch(path, body, content_type="application/json")


def delivery(number: int = 1, **changes: Any) -> Delivery:
    told = {"event_id": f"evt_{number}", "event_type": "generation.succeeded", **changes}
    return Delivery.objects.create(endpoint=WebhookEndpoint.objects.get(), **told)


def test_a_new_webhook_has_the_documented_shape(made: dict[str, Any]) -> None:
    endpoint = WebhookEndpoint.objects.get()
    assert made["id"] == f"whend_{endpoint.pk.hex}"
    assert (made["object"], made["status"], made["failure_count"]) == (
        "webhook_endpoint", "active", 0,
    )  # fmt: skip
    assert made["event_types"] == sorted(EVENTS)
    assert made["signing_secret"] == secrets.open_sealed(endpoint.secret)["secret"]
    assert made["secret_preview"].endswith(made["signing_secret"][-4:])


def test_the_secret_is_in_one_answer_only(partner: Partner, made: dict[str, Any]) -> None:
    for path in (PATH, f"{PATH}/{made['id']}"):
        answer = partner.get(path)
        assert answer.status_code == 200
        assert SECRET.search(answer.content.decode()) is None


def test_the_list_holds_the_accounts_own(
    partner: Partner, eves: Partner, made: dict[str, Any]
) -> None:
    listed = partner.get(PATH).json()
    assert [row["id"] for row in listed["data"]] == [made["id"]]
    assert (listed["object"], listed["has_more"]) == ("list", False)
    assert eves.get(PATH).json()["data"] == []


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/x", "https://localhost/", "http://10.1.2.3/", "ftp://example.com/",
            "https://user:pw@example.com/", "nonsense"],
)  # fmt: skip
def test_a_private_or_strange_address_has_its_own_code(partner: Partner, url: str) -> None:
    answer = partner.send(PATH, {"url": url})
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["code"], error["field"]) == ("webhook_url_rejected", "url")
    assert not WebhookEndpoint.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [{}, {"url": 1}, {"url": ""}, {"url": URL, "name": 5}, {"url": URL, "event_types": "all"},
     {"url": URL, "event_types": ["generation.exploded"]}, {"url": URL, "event_types": [1]},
     {"url": URL, "name": "x" * 81}, {"url": URL, "name": "\x00"}, [], "text"],
)  # fmt: skip
def test_bad_input_is_said_and_adds_nothing(partner: Partner, wrong: Any) -> None:
    answer = partner.send(PATH, wrong)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "validation_failed"
    assert not WebhookEndpoint.objects.exists()


def test_there_is_an_end_to_the_number_of_webhooks(
    partner: Partner, made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "MOST_ENDPOINTS", 1)
    error = partner.send(PATH, {"url": URL}).json()["error"]
    assert (error["code"], error["reason"]) == ("validation_failed", "too_many_webhooks")


def test_what_is_left_out_stays(partner: Partner, made: dict[str, Any]) -> None:
    path = f"{PATH}/{made['id']}"
    body = change(partner, path, {"event_types": ["generation.failed"]}).json()
    assert (body["event_types"], body["url"], body["name"]) == (
        ["generation.failed"], URL, "Orders",
    )  # fmt: skip
    assert change(partner, path, {"url": "http://10.0.0.1/"}).status_code == 400
    assert partner.get(path).json()["url"] == URL


def test_it_can_be_switched_off_and_on(partner: Partner, made: dict[str, Any]) -> None:
    path = f"{PATH}/{made['id']}"
    sent = delivery(state=Delivery.State.DELIVERED)
    assert change(partner, path, {"status": "disabled"}).json()["status"] == "disabled"
    for verb in ("test", f"deliveries/whdel_{sent.pk.hex}/replay"):
        answer = partner.post(f"{path}/{verb}")
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "webhook_disabled"
    assert change(partner, path, {"status": "active"}).json()["status"] == "active"


def test_a_removed_webhook_is_gone(partner: Partner, made: dict[str, Any]) -> None:
    path = f"{PATH}/{made['id']}"
    assert partner.delete(path).status_code == 204
    assert partner.get(path).status_code == 404
    assert partner.delete(path).status_code == 404


def test_rotating_answers_with_another_secret_and_says_how_long_the_old_one_lasts(
    partner: Partner, made: dict[str, Any]
) -> None:
    body = partner.post(f"{PATH}/{made['id']}/rotate-secret").json()
    assert body["signing_secret"] != made["signing_secret"]
    assert body["previous_secret_expires_at"] is not None
    assert made["previous_secret_expires_at"] is None


def test_a_test_message_can_be_followed(partner: Partner, made: dict[str, Any]) -> None:
    answer = partner.post(f"{PATH}/{made['id']}/test")
    assert answer.status_code == 202
    body = answer.json()
    assert (body["event_type"], body["status"], body["generation_id"]) == (
        "webhook.test", "pending", None,
    )  # fmt: skip
    assert partner.get(f"{PATH}/{made['id']}/deliveries").json()["data"] == [body]


def test_each_try_is_told(partner: Partner, made: dict[str, Any]) -> None:
    tried = {"at": "2026-06-01T08:00:00+00:00", "status": 0, "error": "too slow"}
    delivery(attempts=1, log=[{**tried, "milliseconds": 15_000}])
    (row,) = partner.get(f"{PATH}/{made['id']}/deliveries").json()["data"]
    assert row["tries"] == [{**tried, "status": None, "duration_ms": 15_000}]


def test_pages_hold_every_delivery_once(partner: Partner, made: dict[str, Any]) -> None:
    for number in range(5):
        delivery(number, state="failed" if number % 2 else "delivered")
    path, seen, cursor = f"{PATH}/{made['id']}/deliveries", [], None
    while True:
        page = partner.get(path, {"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [row["event_id"] for row in page["data"]]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert sorted(seen) == [f"evt_{number}" for number in range(5)]
    assert len(partner.get(path, {"status": "failed"}).json()["data"]) == 2


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": "x"}, {"cursor": "x"}, {"status": "x"}])
def test_a_strange_page_is_refused(
    partner: Partner, made: dict[str, Any], query: dict[str, Any]
) -> None:
    assert partner.get(f"{PATH}/{made['id']}/deliveries", query).status_code == 400


def test_a_replay_sends_the_same_message_again(partner: Partner, made: dict[str, Any]) -> None:
    row = delivery(state=Delivery.State.FAILED, attempts=10)
    answer = partner.post(f"{PATH}/{made['id']}/deliveries/whdel_{row.pk.hex}/replay")
    assert answer.status_code == 202
    body = answer.json()
    assert (body["status"], body["attempts"], body["event_id"]) == ("pending", 0, row.event_id)


def test_the_events_are_listed_without_a_key(db: None) -> None:
    listed = Partner().get("/api/v1/webhook-events").json()
    assert [row["type"] for row in listed["data"]] == list(EVENTS)
    assert all(row["description"] != row["type"] for row in listed["data"])


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", ""), ("patch", ""), ("delete", ""), ("post", "/rotate-secret"), ("post", "/test"),
     ("get", "/deliveries")],
)  # fmt: skip
def test_eve_cannot_touch_adas_webhook(
    eves: Partner, made: dict[str, Any], method: str, path: str
) -> None:
    before = WebhookEndpoint.objects.values().get()
    answer = getattr(eves, method)(f"{PATH}/{made['id']}{path}", content_type="application/json")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"
    assert WebhookEndpoint.objects.values().get() == before
    assert not Delivery.objects.exists()


def test_eve_cannot_replay_adas_message_through_her_own_webhook(
    eves: Partner, eve: User, made: dict[str, Any]
) -> None:
    adas = delivery(state=Delivery.State.FAILED)
    hers = eves.send(PATH, {"url": URL}).json()
    answer = eves.post(f"{PATH}/{hers['id']}/deliveries/whdel_{adas.pk.hex}/replay")
    assert answer.status_code == 404


def test_without_the_scope_nothing_is_shown(ada: User, made: dict[str, Any]) -> None:
    _, secret = keys.issue_key(ada, scopes=["models:read"])
    answer = Partner(secret).get(PATH)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "api_scope_denied"
    assert Partner().get(PATH).status_code == 401
