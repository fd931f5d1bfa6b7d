"""Who owns which URL: one owner per path, and no path that takes everything."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import LocalePrefixPattern

PARAMETER = re.compile(r"<[^>]+>|\(\?P<[^>]+>(?:[^()]|\([^()]*\))*\)")


def walk(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every path as text, with the top package of its view."""
    for pattern in patterns:
        assert not isinstance(pattern.pattern, LocalePrefixPattern)
        path = prefix + str(pattern.pattern).lstrip("^")
        if isinstance(pattern, URLResolver):
            yield from walk(pattern.url_patterns, path)
        else:
            yield path, owner(pattern.callback)


def owner(view: object) -> str:
    module = getattr(getattr(view, "view_class", view), "__module__", "")
    return ".".join(module.split(".")[:2])


@pytest.fixture(scope="module")
def claims() -> list[tuple[str, str]]:
    return list(walk(get_resolver().url_patterns))


def test_no_path_has_two_owners(claims: list[tuple[str, str]]) -> None:
    owners: dict[str, set[str]] = defaultdict(set)
    for path, name in claims:
        owners[PARAMETER.sub("*", path).rstrip("$").rstrip("/")].add(name)
    assert {path: names for path, names in owners.items() if len(names) > 1} == {}


def test_no_path_is_listed_twice(claims: list[tuple[str, str]]) -> None:
    paths = [path for path, _ in claims if not path.startswith("admin/")]
    assert sorted({path for path in paths if paths.count(path) > 1}) == []


def test_nothing_takes_every_path(claims: list[tuple[str, str]]) -> None:
    # The admin's own last pattern only adds slashes below /admin/.
    everything = {"*", ".*", ".*$", "(.*)", "*/*"}
    assert [path for path, _ in claims if PARAMETER.sub("*", path).rstrip("/") in everything] == []


def test_a_path_of_nobody_is_not_found() -> None:
    resolver = get_resolver()
    for path in ("/nothing-here", "/api/nothing", "/v1/nothing", "/files", "/.env"):
        with pytest.raises(Exception, match="path") as caught:
            resolver.resolve(path)
        assert type(caught.value).__name__ == "Resolver404"
