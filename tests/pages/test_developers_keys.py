"""API keys on the Developers screen: shown once, changed, rotated, revoked, one's own."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from speechsite.accounts import keys
from speechsite.accounts.keys import SCOPES
from speechsite.accounts.models import ApiKey, User

SECRET = re.compile(r"sps_(?:live|test)_[0-9a-z]{8}[\w-]{43}")
NEW = {"name": "Build server", "mode": "test", "scopes": SCOPES, "ticket": "first"}


@pytest.fixture
def key(ada: User) -> ApiKey:
    return keys.issue_key(ada, name="Ada's own", mode="live")[0]


def secrets_in(answer: Any) -> set[str]:
    return set(SECRET.findall(answer.content.decode()))


def test_a_stranger_is_asked_to_sign_in(client: Client, db: None) -> None:
    assert client.get("/developers/")["Location"].startswith("/account/login/")


def test_without_keys_the_page_says_where_to_begin(page: Client) -> None:
    assert "No keys yet" in page.get("/developers/").content.decode()


def test_a_new_key_shows_its_secret_in_the_answer_and_nowhere_else(page: Client) -> None:
    answer = page.post("/developers/", NEW)
    (secret,) = secrets_in(answer)
    key = keys.find_key(secret)
    assert key is not None
    assert (key.name, key.mode, key.scopes) == ("Build server", "test", [])
    assert "no-store" in answer["Cache-Control"]
    for path in ("/developers/", f"/developers/keys/{key.pk}/", "/developers/examples/"):
        assert secrets_in(page.get(path)) == set()


def test_a_reload_neither_shows_the_secret_again_nor_makes_a_second_key(page: Client) -> None:
    page.post("/developers/", NEW)
    again = page.post("/developers/", NEW, follow=True)
    assert secrets_in(again) == set()
    assert "made already" in again.content.decode()
    assert ApiKey.objects.count() == 1


def test_every_right_and_cap_is_kept(page: Client) -> None:
    last_day = timezone.localdate() + timedelta(days=3)
    page.post(
        "/developers/",
        {
            **NEW,
            "mode": "live",
            "scopes": ["credits:read"],
            "daily_cap": "1.5",
            "monthly_cap": "100",
            "total_cap": "0.001",
            "ip_allow": "203.0.113.7\n10.0.0.0/8, 2001:db8::1",
            "expires_on": last_day.isoformat(),
        },
    )
    key = ApiKey.objects.get()
    assert key.scopes == ["credits:read"]
    assert (key.daily_cap, key.monthly_cap, key.total_cap) == (1500, 100_000, 1)
    assert key.ip_allow == ["203.0.113.7/32", "10.0.0.0/8", "2001:db8::1/128"]
    assert key.expires_at is not None
    assert timezone.localdate(key.expires_at - timedelta(seconds=1)) == last_day


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("name", ""),
        ("name", "x" * 81),
        ("mode", "admin"),
        ("scopes", []),
        ("scopes", ["everything"]),
        ("daily_cap", "-1"),
        ("monthly_cap", "0"),
        ("total_cap", "NaN"),
        ("total_cap", "0.0001"),
        ("expires_on", "2001-01-01"),
        ("expires_on", "9999-12-31"),
        ("ip_allow", "nonsense"),
        ("ip_allow", "10.0.0.1/33"),
        ("ip_allow", "\n".join(["10.0.0.1"] * 51)),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(page: Client, field: str, wrong: Any) -> None:
    answer = page.post("/developers/", {**NEW, field: wrong})
    assert answer.status_code == 422
    assert f'id="id_{field}_error"' in answer.content.decode()
    assert not ApiKey.objects.exists()


def test_there_is_an_end_to_the_number_of_keys(
    page: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speechsite.pages.developers.keys.MOST_KEYS", 1)
    old, _ = keys.issue_key(ada)
    assert page.post("/developers/", NEW).status_code == 422
    keys.revoke(old)
    assert page.post("/developers/", NEW).status_code == 200


def test_the_list_says_what_was_spent_of_a_cap(page: Client, key: ApiKey, place: Any) -> None:
    ApiKey.objects.update(daily_cap=1000, last_used_at=timezone.now())
    job = place(api_key=key)
    html = page.get("/developers/").content.decode()
    assert job.quoted == 55
    assert "0.055 of 1 credit" in html
    assert f"{key.prefix}…" in html
    assert "last used" in html


def test_changes_are_kept_and_the_secret_stays(page: Client, ada: User) -> None:
    key, secret = keys.issue_key(ada, name="Old", daily_cap=100_000)
    form = page.get(f"/developers/keys/{key.pk}/").context["form"]
    assert form["daily_cap"].value() == "100"
    told = {"name": "New", "scopes": ["models:read"], "total_cap": "7", "ip_allow": "10.0.0.1"}
    answer = page.post(f"/developers/keys/{key.pk}/", told)
    assert answer.status_code == 302
    found = keys.find_key(secret)
    assert found is not None
    assert (found.name, found.scopes, found.daily_cap, found.total_cap) == (
        "New", ["models:read"], None, 7000,
    )  # fmt: skip
    assert found.ip_allow == ["10.0.0.1/32"]


def test_a_day_that_stays_keeps_its_minute(page: Client, key: ApiKey) -> None:
    keys.rotate(key, overlap=timedelta(hours=1))
    key.refresh_from_db()
    form = page.get(f"/developers/keys/{key.pk}/").context["form"]
    told = {"name": "x", "scopes": SCOPES, "expires_on": form["expires_on"].value().isoformat()}
    page.post(f"/developers/keys/{key.pk}/", told)
    before = key.expires_at
    key.refresh_from_db()
    assert (key.name, key.expires_at) == ("x", before)


def test_a_key_that_ended_cannot_be_brought_back(page: Client, key: ApiKey) -> None:
    keys.revoke(key)
    page.post(f"/developers/keys/{key.pk}/", {"name": "x", "scopes": SCOPES})
    page.post(f"/developers/keys/{key.pk}/rotate/", {"overlap": "24"})
    key.refresh_from_db()
    assert key.name == "Ada's own"
    assert ApiKey.objects.count() == 1
    assert "This key was revoked" in page.get(f"/developers/keys/{key.pk}/").content.decode()


def test_rotating_asks_first_and_then_shows_the_new_secret_once(page: Client, ada: User) -> None:
    key, old = keys.issue_key(ada, name="Ada's own", scopes=["models:read"])
    path = f"/developers/keys/{key.pk}/rotate/"
    assert "Rotate this key?" in page.get(path).content.decode()
    told = {"overlap": "24", "ticket": "one"}
    (new,) = secrets_in(page.post(path, told))
    assert keys.find_key(old) == key
    fresh = keys.find_key(new)
    assert fresh is not None
    assert (fresh.scopes, fresh.replaces) == (["models:read"], key)
    assert secrets_in(page.post(path, told, follow=True)) == set()
    assert ApiKey.objects.count() == 2


def test_an_overlap_of_nothing_ends_the_old_key_at_once(page: Client, ada: User) -> None:
    key, old = keys.issue_key(ada)
    page.post(f"/developers/keys/{key.pk}/rotate/", {"overlap": "0"})
    assert keys.find_key(old) is None


def test_an_overlap_that_is_not_on_offer_is_refused(page: Client, key: ApiKey) -> None:
    answer = page.post(f"/developers/keys/{key.pk}/rotate/", {"overlap": "99999"})
    assert answer.status_code == 422
    assert ApiKey.objects.count() == 1


def test_revoking_asks_first_and_then_ends_the_key_at_once(page: Client, ada: User) -> None:
    key, secret = keys.issue_key(ada, name="Leaked")
    path = f"/developers/keys/{key.pk}/revoke/"
    assert "Revoke this key?" in page.post(path).content.decode()
    assert keys.find_key(secret) == key
    assert page.post(path, {"confirmed": "1"}).status_code == 302
    assert keys.find_key(secret) is None
    assert "1 key that ended" in page.get("/developers/").content.decode()


def test_looking_revokes_nothing(page: Client, key: ApiKey) -> None:
    back = page.get(f"/developers/keys/{key.pk}/revoke/")
    assert back["Location"] == f"/developers/keys/{key.pk}/"


@pytest.mark.parametrize("path", ["", "rotate/", "revoke/"])
def test_eve_cannot_touch_adas_key(eves_page: Client, key: ApiKey, path: str) -> None:
    told = {"confirmed": "1", "overlap": "0", "name": "Eve's", "scopes": SCOPES}
    address = f"/developers/keys/{key.pk}/{path}"
    assert eves_page.post(address, told).status_code == 404
    assert eves_page.get(address, follow=True).status_code == 404
    key.refresh_from_db()
    assert (key.name, key.is_usable) == ("Ada's own", True)


def test_eve_does_not_see_adas_keys(eves_page: Client, key: ApiKey) -> None:
    html = eves_page.get("/developers/").content.decode()
    assert key.name not in html
    assert key.prefix not in html
