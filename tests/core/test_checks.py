"""System checks: each bad setting is found, with its id and a cure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from speechsite import checks


def ids(found: list[Any]) -> list[str]:
    assert all(message.hint for message in found)
    return [message.id for message in found]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("DATABSE_URL", "DATABASE_URL"),
        ("SITE_ULR", "SITE_URL"),
        ("KIE_APIKEY", "KIE_API_KEY"),
        ("TIMEZONE", "TIME_ZONE"),
        ("ADMIN_EMIAL", "ADMIN_EMAIL"),
    ],
)
def test_a_slip_of_the_finger_gets_the_nearest_setting(name: str, nearest: str) -> None:
    assert list(checks.unknown_settings([name])) == [(name, nearest)]


def test_a_name_with_our_prefix_that_is_no_setting_is_reported() -> None:
    assert list(checks.unknown_settings(["RIVYA_WORKSPACE_NUMBER"])) == [
        ("RIVYA_WORKSPACE_NUMBER", "")
    ]


def test_the_environment_of_an_ordinary_machine_is_left_alone() -> None:
    ordinary = (
        "PATH HOME LANG LC_ALL TERM USER SHELL PWD HOSTNAME TZ EDITOR DISPLAY XDG_DATA_DIRS "
        "VIRTUAL_ENV PYTHONPATH HTTPS_PROXY no_proxy SSH_AUTH_SOCK INVOCATION_ID JOURNAL_STREAM "
        "REDIS_PORT POSTGRES_PASSWORD AWS_REGION AWS_PROFILE KUBERNETES_SERVICE_PORT GITHUB_TOKEN "
        "DJANGO_SETTINGS_MODULE PYTEST_CURRENT_TEST CI"
    ).split()
    assert list(checks.unknown_settings(ordinary)) == []


def test_real_settings_and_their_file_form_are_known() -> None:
    names = {*checks.known_settings(), "SECRET_KEY_FILE", "KIE_API_KEY_FILE"}
    assert list(checks.unknown_settings(names)) == []


@pytest.mark.parametrize(
    "url",
    [
        "speech.example.com", "ftp://a.example", "https://", "https://a.example/sub",
        "https://me:pw@a.example", "https://a.example:99999", "https://a b.example",
        "https://a.example?x=1", "//a.example",
    ],
)  # fmt: skip
def test_a_site_url_that_is_no_bare_address_is_an_error(url: str) -> None:
    with override_settings(SITE_URL=url):
        assert ids(checks.check_addresses()) == ["speechsite.E001"]


@pytest.mark.parametrize(
    "url", ["", "https://a.example", "http://127.0.0.1:8000", "http://[::1]:8000"]
)
def test_a_bare_address_is_fine(url: str) -> None:
    with override_settings(SITE_URL=url):
        assert checks.check_addresses() == []


def test_redis_needs_a_redis_address() -> None:
    with override_settings(REDIS_URL="127.0.0.1:6379"):
        assert ids(checks.check_addresses()) == ["speechsite.E002"]


def test_the_administrator_needs_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_EMAIL", "root")
    assert ids(checks.check_addresses()) == ["speechsite.E003"]


def test_a_short_secret_key_is_a_warning() -> None:
    with override_settings(SECRET_KEY="short"):
        assert ids(checks.check_secret_key()) == ["speechsite.W002"]


def test_a_data_dir_below_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with override_settings(DATA_DIR=tmp_path / "file" / "data"):
        assert ids(checks.check_data_dir()) == ["speechsite.E004"]


def test_a_data_dir_yet_to_be_made_is_fine(tmp_path: Path) -> None:
    with override_settings(DATA_DIR=tmp_path / "a" / "b"):
        assert checks.check_data_dir() == []


@pytest.mark.parametrize(
    ("change", "identity"),
    [
        ({"retry": 900, "timeout": 900}, "speechsite.E005"),
        ({"timeout": None}, "speechsite.E005"),
        ({"max_attempts": 0}, "speechsite.E006"),
        ({"orm": "other", "redis": None}, "speechsite.E007"),
    ],
)
def test_a_queue_that_could_run_away_is_an_error(change: dict[str, Any], identity: str) -> None:
    with override_settings(Q_CLUSTER={**settings.Q_CLUSTER, **change}):
        assert ids(checks.check_queue()) == [identity]


def test_the_queue_as_it_is_set_is_fine() -> None:
    assert checks.check_queue() == []


def test_half_a_pair_of_storage_keys_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    assert ids(checks.check_storage()) == ["speechsite.E008"]


def test_storage_details_without_a_bucket_are_a_warning() -> None:
    with override_settings(AWS_S3_ENDPOINT_URL="https://s3.example", AWS_STORAGE_BUCKET_NAME=""):
        assert ids(checks.check_storage()) == ["speechsite.W003"]


def test_a_storage_endpoint_without_scheme_is_an_error() -> None:
    with override_settings(AWS_S3_ENDPOINT_URL="s3.example", AWS_STORAGE_BUCKET_NAME="b"):
        assert ids(checks.check_storage()) == ["speechsite.E009"]


def test_a_site_without_an_address_is_reported_before_it_goes_out() -> None:
    with override_settings(SITE_URL="", ALLOWED_HOSTS=["*"], HAS_EMAIL=False):
        found = ids(checks.check_what_is_open())
    assert found == ["speechsite.W004", "speechsite.W005", "speechsite.I001"]


def test_a_site_that_is_set_up_has_nothing_open() -> None:
    with override_settings(SITE_URL="https://speech.example.com", HAS_EMAIL=True):
        assert checks.check_what_is_open() == []


def test_a_sqlite_that_cannot_return_what_it_changed_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checks.sqlite3, "sqlite_version_info", (3, 34, 1))
    with override_settings(IS_SQLITE=True):
        assert [found.id for found in checks.check_sqlite()] == ["speechsite.E010"]
    with override_settings(IS_SQLITE=False):
        assert checks.check_sqlite() == []
