"""API keys: issued once, found by their secret, refused when they should be."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from speechsite.accounts import keys
from speechsite.accounts.models import ApiKey, User


@pytest.mark.parametrize("mode", ["live", "test"])
def test_a_key_says_what_it_is_and_is_found_again(ada: User, mode: str) -> None:
    key, secret = keys.issue_key(
        ada, name="laptop", mode=mode, scopes=("models:read", "files:read")
    )
    assert re.fullmatch(rf"sps_{mode}_[0-9a-z]{{8}}[\w-]{{43}}", secret)
    found = keys.find_key(secret)
    assert found == key
    assert (found.user, found.name, found.mode) == (ada, "laptop", mode)
    assert found.scopes == ["models:read", "files:read"]


def test_the_database_does_not_know_the_secret(ada: User) -> None:
    key, secret = keys.issue_key(ada)
    row = str(ApiKey.objects.values().get())
    assert secret.removeprefix(key.prefix) not in row
    assert str(key) == f"{key.prefix}…"
    assert secret.startswith(key.prefix)


def test_two_keys_share_nothing(ada: User) -> None:
    (_, first), (_, second) = keys.issue_key(ada), keys.issue_key(ada)
    assert first[9:] != second[9:]
    assert first[17:] != second[17:]


def test_a_right_prefix_with_a_wrong_secret_is_nobody(ada: User) -> None:
    _, secret = keys.issue_key(ada)
    last = "A" if secret[-1] != "A" else "B"
    assert keys.find_key(secret[:-1] + last) is None


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "sps_live_",
        "x" * 60,
        "sps_live_" + "a" * 51 + "\n",
        "sps_live_" + "é" * 51,
        "\0",
        None,
        7,
    ],
)
def test_what_is_not_a_key_is_nobody_without_asking_the_database(
    ada: User, secret: object, django_assert_num_queries
) -> None:
    with django_assert_num_queries(0):
        assert keys.find_key(secret) is None


def test_an_unknown_key_is_nobody(db: None) -> None:
    assert keys.find_key("sps_live_" + "a" * 51) is None


def test_a_revoked_key_is_nobody_and_keeps_its_first_moment(ada: User) -> None:
    key, secret = keys.issue_key(ada)
    first = keys.revoke(key).revoked_at
    assert keys.find_key(secret) is None
    assert keys.revoke(key).revoked_at == first


def test_a_key_expires(ada: User) -> None:
    now = timezone.now()
    _, old = keys.issue_key(ada, expires_at=now - timedelta(seconds=1))
    fresh, young = keys.issue_key(ada, expires_at=now + timedelta(days=1))
    assert keys.find_key(old) is None
    assert keys.find_key(young) == fresh


def test_the_key_of_a_barred_account_is_nobody(ada: User) -> None:
    _, secret = keys.issue_key(ada)
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert keys.find_key(secret) is None


def test_a_key_is_live_or_test(ada: User) -> None:
    with pytest.raises(ValueError, match="live or test"):
        keys.issue_key(ada, mode="admin")
