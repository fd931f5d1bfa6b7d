"""The key that signs sessions and links: made once, kept private, never silently replaced."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from speechsite.core import secretkey
from speechsite.core.env import BadSetting


def test_the_key_stays_the_same(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret_key"
    assert secretkey.load_or_make(path) == secretkey.load_or_make(path)


def test_only_its_owner_can_read_the_key(tmp_path: Path) -> None:
    secretkey.load_or_make(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0


def test_two_sites_have_different_keys(tmp_path: Path) -> None:
    assert secretkey.load_or_make(tmp_path / "a") != secretkey.load_or_make(tmp_path / "b")


def test_nothing_but_the_key_is_left_behind(tmp_path: Path) -> None:
    secretkey.load_or_make(tmp_path / "key")
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_damaged_key_is_reported_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("short")
    with pytest.raises(BadSetting, match="damaged"):
        secretkey.load_or_make(tmp_path / "key")
    assert (tmp_path / "key").read_text() == "short"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadSetting, match="DATA_DIR"):
        secretkey.load_or_make(tmp_path / "file" / "key")


def test_who_comes_second_takes_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with ThreadPoolExecutor(4) as threads:
        keys = set(threads.map(lambda _: secretkey.load_or_make(path), range(8)))
    assert keys == {path.read_text()}
