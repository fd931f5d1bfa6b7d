"""Whether a body or a query has the documented shape; what it says where it has not.

Pure: a table of fields in, clean values out, or a list of faults that becomes the
answer 422. Whether the values make sense together is not decided here. Null counts
as not given, numbers in strings are taken as numbers, and unknown keys are ignored,
because clients do all of that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Loc = tuple[str | int, ...]
MISSING = object()


class SchemaError(Exception):
    """The request does not have the documented shape; `faults` is the answer's array."""

    def __init__(self, faults: list[dict[str, Any]]) -> None:
        super().__init__(faults[0]["msg"])
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Field:
    """One value: its kind, its bounds, and what it is when it is not given."""

    kind: str = "string"
    is_required: bool = False
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    item: Field | None = None
    fields: Mapping[str, Field] | None = None


Fields = Mapping[str, Field]


def read_json(raw: bytes | str, fields: Fields) -> dict[str, Any]:
    """The checked body of a request. Raises SchemaError."""
    try:
        body = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        fault = _fault("json_invalid", ("body", getattr(error, "pos", 0)), "JSON decode error", {})
        raise SchemaError([fault | {"ctx": {"error": "the body is not JSON"}}]) from error
    if not isinstance(body, dict):
        message = "Input should be a valid dictionary or object to extract fields from"
        raise SchemaError([_fault("model_attributes_type", ("body",), message, body)])
    return check(body, fields, ("body",))


def read_query(query: Mapping[str, list[str]], fields: Fields) -> dict[str, Any]:
    """The checked query; of a name that stands there twice the last counts, except in lists."""
    given: dict[str, Any] = {}
    for name, field in fields.items():
        values = [value for value in query.get(name, []) if value != "" or field.kind == "string"]
        if values:
            given[name] = values if field.kind == "list" else values[-1]
    return check(given, fields, ("query",))


def check(given: Mapping[str, Any], fields: Fields, loc: Loc) -> dict[str, Any]:
    """The values by name, with defaults. Raises SchemaError with every fault."""
    faults: list[dict[str, Any]] = []
    values = _object(given, fields, loc, faults)
    if faults:
        raise SchemaError(faults)
    return values


def _object(
    given: Mapping[str, Any], fields: Fields, loc: Loc, faults: list[dict[str, Any]]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, field in fields.items():
        value = given.get(name, MISSING)
        if value is MISSING and field.is_required:
            faults.append(_fault("missing", (*loc, name), "Field required", dict(given)))
        elif value is MISSING or (value is None and not field.is_required):
            values[name] = field.default
        else:
            values[name] = _value(value, field, (*loc, name), faults)
    return values


def _value(value: Any, field: Field, loc: Loc, faults: list[dict[str, Any]]) -> Any:
    if field.kind == "object":
        return _nested(value, field, loc, faults)
    if field.kind == "list":
        return _list(value, field, loc, faults)
    try:
        read = _READERS[field.kind](value)
    except _WrongKind as wrong:
        faults.append(_fault(wrong.type, loc, wrong.message, value))
        return None
    faults.extend(_out_of_bounds(read, field, loc))
    return read


def _nested(value: Any, field: Field, loc: Loc, faults: list[dict[str, Any]]) -> Any:
    if not isinstance(value, dict):
        message = "Input should be a valid dictionary or object to extract fields from"
        faults.append(_fault("model_attributes_type", loc, message, value))
        return None
    return value if field.fields is None else _object(value, field.fields, loc, faults)


def _list(value: Any, field: Field, loc: Loc, faults: list[dict[str, Any]]) -> Any:
    if not isinstance(value, list):
        faults.append(_fault("list_type", loc, "Input should be a valid list", value))
        return None
    if field.minimum is not None and len(value) < field.minimum:
        message = f"List should have at least {field.minimum:g} item after validation"
        faults.append(_fault("too_short", loc, message, value))
    if field.maximum is not None and len(value) > field.maximum:
        message = f"List should have at most {field.maximum:g} items after validation"
        faults.append(_fault("too_long", loc, message, []))
        return None
    item = field.item or Field()
    return [_value(one, item, (*loc, place), faults) for place, one in enumerate(value)]


def _out_of_bounds(value: Any, field: Field, loc: Loc) -> list[dict[str, Any]]:
    if field.choices and value not in field.choices:
        listed = " or ".join(f"'{choice}'" for choice in field.choices)
        return [_fault("literal_error", loc, f"Input should be {listed}", value)]
    if isinstance(value, str):
        return []
    if field.minimum is not None and value < field.minimum:
        message = f"Input should be greater than or equal to {field.minimum:g}"
        return [_fault("greater_than_equal", loc, message, value)]
    if field.maximum is not None and value > field.maximum:
        message = f"Input should be less than or equal to {field.maximum:g}"
        return [_fault("less_than_equal", loc, message, value)]
    return []


class _WrongKind(Exception):
    def __init__(self, type: str, message: str) -> None:
        super().__init__(message)
        self.type = type
        self.message = message


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise _WrongKind("string_type", "Input should be a valid string")
    if not _is_unicode(value):
        raise _WrongKind("string_unicode", "Input should be a valid string without half pairs")
    # No database keeps it, and nobody can say it.
    return value.replace("\x00", "")


def _number(value: Any) -> float:
    if isinstance(value, str) and len(value) < 40:
        try:
            value = float(value)
        except ValueError:
            message = "Input should be a valid number, unable to parse string as a number"
            raise _WrongKind("float_parsing", message) from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _WrongKind("float_type", "Input should be a valid number")
    # Compared, not converted: an endless whole number does not fit into a float.
    if not -1e300 < value < 1e300 or math.isnan(value):
        raise _WrongKind("finite_number", "Input should be a finite number")
    return float(value)


def _integer(value: Any) -> int:
    number = _number(value)
    if not number.is_integer() or abs(number) > 2**63:
        raise _WrongKind("int_from_float", "Input should be a valid integer")
    return int(value) if isinstance(value, int) else int(number)


def _boolean(value: Any) -> bool:
    word = value.lower() if isinstance(value, str) else value
    if isinstance(word, bool | str | int | float) and word in _BOOLEANS:
        return _BOOLEANS[word]
    raise _WrongKind("bool_parsing", "Input should be a valid boolean, unable to interpret input")


_BOOLEANS: dict[Any, bool] = {
    True: True, "true": True, "1": True, "yes": True, "on": True,
    False: False, "false": False, "0": False, "no": False, "off": False,
}  # fmt: skip
_READERS: dict[str, Callable[[Any], Any]] = {
    "string": _string,
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
}


def _fault(type: str, loc: Loc, message: str, value: Any) -> dict[str, Any]:
    return {"type": type, "loc": list(loc), "msg": message, "input": _shown(value)}


def _shown(value: Any) -> Any:
    """What was sent, if it may stand in an answer: short, and whole Unicode."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    return value if len(text) <= 500 and _is_unicode(text) else None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
