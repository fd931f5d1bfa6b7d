"""Settings from the environment: what is read, what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from speechsite.core import env

NAME = "A_SETTING"


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "asked", set())
    monkeypatch.delenv(NAME, raising=False)


def test_a_variable_loses_the_blanks_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "  value\n")
    assert env.text(NAME) == "value"


def test_a_secret_is_read_from_the_file_that_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("hush\n")
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "secret"))
    assert env.text(NAME, "default") == "hush"


def test_the_variable_itself_wins_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(NAME, "")
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "missing"))
    assert env.text(NAME, "default") == ""


@pytest.mark.parametrize("content", [None, b"\xff\xfe\xfd"])
def test_a_file_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv(f"{NAME}_FILE", str(path))
    with pytest.raises(env.BadSetting, match=rf"{NAME}_FILE.*{path}"):
        env.text(NAME)


@pytest.mark.parametrize(
    ("value", "meaning"),
    [("1", True), ("TRUE", True), ("on", True), ("0", False), ("no", False), ("", False)],
)
def test_yes_and_no_have_several_spellings(
    monkeypatch: pytest.MonkeyPatch, value: str, meaning: bool
) -> None:
    monkeypatch.setenv(NAME, value)
    assert env.boolean(NAME, default=not meaning) is meaning


@pytest.mark.parametrize("value", ["7.5", "seven", "-1", "11", ""])
def test_a_number_out_of_bounds_or_none_at_all_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv(NAME, value)
    with pytest.raises(env.BadSetting, match=NAME):
        env.integer(NAME, 5, maximum=10)


def test_maybe_is_neither_yes_nor_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "maybe")
    with pytest.raises(env.BadSetting, match=f"{NAME} must be 1 or 0"):
        env.boolean(NAME)


def test_a_list_is_parted_by_commas_and_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "a.example, b.example  c.example,")
    assert env.words(NAME) == ["a.example", "b.example", "c.example"]


def test_a_choice_is_found_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "json")
    assert env.choice(NAME, "TEXT", ("TEXT", "JSON")) == "JSON"


def test_an_unknown_choice_is_answered_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "xml")
    with pytest.raises(env.BadSetting, match="TEXT, JSON, not 'xml'"):
        env.choice(NAME, "TEXT", ("TEXT", "JSON"))


@pytest.mark.parametrize("value", ["UTC", "Asia/Shanghai"])
def test_a_time_zone_of_the_database_is_taken(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)
    assert env.time_zone(NAME, "UTC") == value


@pytest.mark.parametrize("value", ["Mars/Olympus", "../../etc/passwd", "/etc/localtime"])
def test_no_other_time_zone_is(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)
    with pytest.raises(env.BadSetting, match=NAME):
        env.time_zone(NAME, "UTC")


def test_a_bad_database_address_is_shown_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(NAME, "oracel://someone:s3cret@host/db")
    with pytest.raises(env.BadSetting) as caught:
        env.database(NAME, "")
    assert NAME in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_every_name_asked_for_is_remembered() -> None:
    env.text(NAME)
    env.words("ANOTHER")
    assert env.asked == {NAME, "ANOTHER"}
