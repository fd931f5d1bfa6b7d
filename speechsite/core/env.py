"""Reads settings from the environment, or from the file that NAME_FILE points to."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}
PASSWORD_IN_URL = re.compile(r"(?<=:)[^:@/]*(?=@)")

# Every name that was ever asked for: what is not among them is not a setting.
asked: set[str] = set()


class BadSetting(ValueError):
    """An environment variable holds something that cannot be used."""


def text(name: str, default: str = "") -> str:
    """The variable, or the content of the file named by NAME_FILE, or the default."""
    asked.add(name)
    if name in os.environ:
        return os.environ[name].strip()
    path = os.environ.get(f"{name}_FILE", "")
    if not path:
        return default
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadSetting(f"{name}_FILE: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadSetting(f"{name}_FILE: {path} is not text in UTF-8") from error


def boolean(name: str, default: bool = False) -> bool:
    """1, true, yes, on / 0, false, no, off."""
    value = text(name, "1" if default else "0").lower()
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise BadSetting(f"{name} must be 1 or 0, not {value!r}")


def integer(name: str, default: int, *, minimum: int = 0, maximum: int = 2**31) -> int:
    """A whole number between two bounds."""
    value = text(name, str(default))
    try:
        number = int(value)
    except ValueError as error:
        raise BadSetting(f"{name} must be a whole number, not {value!r}") from error
    if not minimum <= number <= maximum:
        raise BadSetting(f"{name} must lie between {minimum} and {maximum}, not {number}")
    return number


def words(name: str, default: str = "") -> list[str]:
    """A list, separated by commas or blanks."""
    return text(name, default).replace(",", " ").split()


def choice(name: str, default: str, choices: Iterable[str]) -> str:
    """One of a few words, in any case."""
    allowed = {word.lower(): word for word in choices}
    value = text(name) or default
    if value.lower() not in allowed:
        raise BadSetting(f"{name} must be one of {', '.join(allowed.values())}, not {value!r}")
    return allowed[value.lower()]


def time_zone(name: str, default: str) -> str:
    """A name of the time zone database, such as Asia/Shanghai."""
    value = text(name) or default
    if value == "UTC":  # known even where the machine has no time zone database
        return value
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise BadSetting(
            f"{name} must be a time zone such as UTC or Asia/Shanghai, not {value!r}"
        ) from error
    return value


def database(name: str, default: str, **options: Any) -> dict[str, Any]:
    """A database address as Django's settings."""
    import dj_database_url

    value = text(name) or default
    try:
        return dict(dj_database_url.parse(value, **options))
    except ValueError as error:
        shown = PASSWORD_IN_URL.sub("***", value)
        raise BadSetting(
            f"{name} must look like postgres://user:password@host:5432/name, not {shown!r}"
        ) from error
