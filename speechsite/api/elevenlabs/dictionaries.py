"""Pronunciation dictionaries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from jobs import names
from speechsite.api import worlds
from speechsite.api.auth import Caller
from speechsite.api.elevenlabs import ids
from speechsite.api.elevenlabs.answers import by_method, serves
from speechsite.api.elevenlabs.wire import dictionaries as wire
from speechsite.api.errors import Invalid, NotFound
from voices import dictionaries as verbs
from voices.dictionaries import DictionaryError
from voices.models import Dictionary

READ, WRITE = "voices:read", "voices:write"
ORDERS = {"creation_time_unix": "created_at", "name": "name"}


def list_all(request: HttpRequest, caller: Caller, query: Mapping[str, Any]) -> dict[str, Any]:
    rows = worlds.dictionaries(caller)
    if not query["include_archived"]:
        rows = rows.filter(archived_at__isnull=True)
    is_rising = query["sort_direction"].upper().startswith("ASC")
    column = ORDERS.get(query["sort"], "created_at")
    sorted_rows = rows.order_by(column if is_rising else f"-{column}", "pk")
    start = _start(query["cursor"])
    found = list(sorted_rows[start : start + query["page_size"] + 1])
    has_more = len(found) > query["page_size"]
    return {
        "pronunciation_dictionaries": [
            wire.metadata(_row(one)) for one in found[: query["page_size"]]
        ],
        "next_cursor": str(start + query["page_size"]) if has_more else None,
        "has_more": has_more,
    }


def get_one(request: HttpRequest, caller: Caller, dictionary: str) -> dict[str, Any]:
    found = _found(caller, dictionary)
    return {**wire.metadata(_row(found)), "rules": found.rules}


def update(
    request: HttpRequest, caller: Caller, dictionary: str, body: Mapping[str, Any]
) -> dict[str, Any]:
    key = _found(caller, dictionary).pk
    changed = verbs.update(caller.user, key, name=body["name"], is_archived=body["archived"])
    return wire.metadata(_row(changed))


def add_from_rules(request: HttpRequest, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    return _create(caller, body, wire.clean(body["rules"]))


def add_from_file(request: HttpRequest, caller: Caller, form: Mapping[str, Any]) -> dict[str, Any]:
    file = request.FILES.get("file")
    rules: list[dict[str, Any]] = []
    if file is not None:
        if (file.size or 0) > wire.LARGEST_LEXICON:
            raise Invalid(_("The lexicon is too large."), code="invalid_file_type", field="file")
        try:
            rules = wire.from_lexicon(file.read())
        except wire.BadLexicon as error:
            raise Invalid(str(error), code="invalid_file_type", field="file") from error
    return _create(caller, form, rules)


def set_rules(
    request: HttpRequest, caller: Caller, dictionary: str, body: Mapping[str, Any]
) -> dict[str, Any]:
    return _change(caller, dictionary, verbs.set_rules, wire.clean(body["rules"]))


def add_rules(
    request: HttpRequest, caller: Caller, dictionary: str, body: Mapping[str, Any]
) -> dict[str, Any]:
    return _change(caller, dictionary, verbs.add_rules, wire.clean(body["rules"]))


def remove_rules(
    request: HttpRequest, caller: Caller, dictionary: str, body: Mapping[str, Any]
) -> dict[str, Any]:
    return _change(caller, dictionary, verbs.remove_rules, body["rule_strings"])


def download(request: HttpRequest, caller: Caller, dictionary: str, version: str) -> HttpResponse:
    """The rules as a lexicon file; only the latest version is kept."""
    found = _found(caller, dictionary)
    if ids.private(version) != found.version:
        raise _not_found()
    response = HttpResponse(wire.to_lexicon(found.rules), content_type="text/plain; charset=utf-8")
    names.attach(response, f"{found.name}.pls")
    return response


def _create(caller: Caller, given: Mapping[str, Any], rules: list[dict[str, Any]]) -> Any:
    try:
        made = verbs.create(
            caller.user,
            name=given["name"],
            rules=rules,
            description=given["description"] or "",
            is_test=caller.is_test,
        )
    except DictionaryError as error:
        raise Invalid(str(error), code="invalid_parameters") from error
    return wire.made(_row(made))


def _change(
    caller: Caller, name: str, verb: Callable[..., Dictionary], change: Any
) -> dict[str, Any]:
    try:
        changed = verb(caller.user, _found(caller, name).pk, change)
    except DictionaryError as error:
        raise Invalid(str(error), code="invalid_parameters") from error
    return wire.changed(_row(changed))


def _found(caller: Caller, name: str) -> Dictionary:
    found = worlds.dictionaries(caller).filter(pk=_key(name)).first()
    if found is None:
        raise _not_found()
    return found


def _key(name: str) -> UUID:
    key = ids.private(name)
    if key is None:
        raise _not_found()
    return key


def _not_found() -> NotFound:
    return NotFound(
        _("There is no such pronunciation dictionary."), code="pronunciation_dictionary_not_found"
    )


def _start(cursor: str | None) -> int:
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 9):
        raise Invalid(_("This cursor did not come from here."), code="invalid_cursor")
    return int(cursor)


def _row(one: Dictionary) -> dict[str, Any]:
    return {
        "id": ids.public(one.pk),
        "version_id": ids.public(one.version),
        "name": one.name,
        "description": one.description,
        "rules": one.rules,
        "created_by": ids.public(one.user.public_id),
        "created_unix": int(one.created_at.timestamp()),
        "archived_unix": int(one.archived_at.timestamp()) if one.archived_at else None,
    }


everything = by_method(GET=serves(READ, query=wire.LIST_QUERY)(list_all))
from_rules = by_method(POST=serves(WRITE, body=wire.ADD_FROM_RULES)(add_from_rules))
from_file = by_method(POST=serves(WRITE, form=wire.ADD_FROM_FILE)(add_from_file))
one = by_method(GET=serves(READ)(get_one), PATCH=serves(WRITE, body=wire.UPDATE)(update))
setting = by_method(POST=serves(WRITE, body=wire.CHANGE_RULES)(set_rules))
adding = by_method(POST=serves(WRITE, body=wire.CHANGE_RULES)(add_rules))
removing = by_method(POST=serves(WRITE, body=wire.REMOVE_RULES)(remove_rules))
lexicon = by_method(GET=serves(READ)(download))
