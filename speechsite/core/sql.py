"""Statements that every order runs, put together once or written out.

Django takes longer to put such a statement together than the database takes to run it.
A `Query` is any queryset: Django compiles it at its first use, and from then on it is only
filled in. `insert` and `update` write what they are given. Values are always parameters,
prepared by their fields; errors are those of Django's own statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any, Generic, TypeAlias, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.models.base import ModelState
from django.db.models.query import get_related_populators

Row = TypeVar("Row", bound=models.Model)
_PLAIN = frozenset({str, int, bool, type(None)})
_PLAIN_FIELDS = (models.CharField, models.TextField, models.IntegerField, models.BooleanField)
MOST_ROWS = 100  # in one statement
_SEVERAL = (tuple, frozenset, set, list)
Kind: TypeAlias = "models.Field[Any, Any]"


def changed(statement: str, values: Sequence[Any]) -> int:
    """Run an UPDATE; how many rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def rows(statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """What a SELECT finds, or an UPDATE with RETURNING changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def insert(row: models.Model) -> None:
    """Write one new row; a key that the database gives is put on it. No signals."""
    here: Any = connections[DEFAULT_DB_ALIAS]
    shape = _shape(type(row))
    values = _prepared(row, shape, here)
    with here.cursor() as cursor:
        if shape.key is None:
            cursor.execute(shape.statement, values)
        elif here.features.can_return_columns_from_insert:
            cursor.execute(f"{shape.statement} RETURNING {_quoted(shape.key)}", values)
            row.pk = cursor.fetchone()[0]
        else:
            cursor.execute(shape.statement, values)
            row.pk = here.ops.last_insert_id(cursor, row._meta.db_table, shape.key.column)
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


def insert_all(model: type[models.Model], rows: Sequence[Any]) -> None:
    """Write new rows in their order, each an object with the attributes of the model.

    Keys that the database gives are not asked for.
    """
    here: Any = connections[DEFAULT_DB_ALIAS]
    shape = _shape(model)
    for start in range(0, len(rows), MOST_ROWS):
        few = rows[start : start + MOST_ROWS]
        statement = shape.statement + f", ({marks(len(shape.fields))})" * (len(few) - 1)
        changed(statement, [value for row in few for value in _prepared(row, shape, here)])


def update(model: type[models.Model], where: Mapping[str, Any], **changes: Any) -> int:
    """Change the rows whose fields have these values, or one of several; how many there were.

    `None` is not looked for.
    """
    if any(isinstance(value, _SEVERAL) and not value for value in where.values()):
        return 0
    here: Any = connections[DEFAULT_DB_ALIAS]
    counts = tuple(len(value) if isinstance(value, _SEVERAL) else None for value in where.values())
    statement, fields = _update(model, tuple(changes), tuple(where), counts)
    values = [
        field.get_db_prep_save(value, here)
        for field, value in zip(fields, changes.values(), strict=False)
    ]
    for field, value in zip(fields[len(values) :], where.values(), strict=True):
        looked_for = value if isinstance(value, _SEVERAL) else (value,)
        values += [field.get_db_prep_value(one, here) for one in looked_for]
    return changed(statement, values)


class Constant(models.Value):
    """A word that is written into a statement instead of being passed to it.

    An index of some rows only serves who surely asks for no others, and SQLite looks at the
    statement alone to find that out.
    """

    def __init__(self, word: str) -> None:
        if not word.isidentifier():
            raise ValueError(f"{word!r} is no plain word")
        super().__init__(str(word), output_field=models.CharField())

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return written([self.value]), []


def constants(words: Iterable[str]) -> list[Constant]:
    """Several words, for `__in`; an index's condition has them in the same order."""
    return [Constant(word) for word in words]


def written(words: Iterable[str]) -> str:
    """Plain words as they stand in a list of a statement."""
    return ", ".join(f"'{word}'" for word in words)


class Query(Generic[Row]):
    """A queryset with places left open; called with their values, it gives the rows.

    `make` gets an expression for each place, in the order of their kinds, and is called
    once. `None` cannot be filled in: SQL asks for it with other words.
    """

    def __init__(self, make: Callable[..., models.QuerySet[Row]], *kinds: Kind) -> None:
        self._make = make
        self._places = [_Place(number, kind) for number, kind in enumerate(kinds)]
        self._compiled: _Compiled[Row] | None = None

    def __call__(self, *values: Any) -> list[Row]:
        if self._compiled is None:
            self._compiled = _compile(self._make(*self._places))
        return self._compiled.rows(values)

    def first(self, *values: Any) -> Row | None:
        """The first row, if there is any."""
        return next(iter(self(*values)), None)


class _Place(models.Expression):
    """Stands in a queryset for a value that is not known yet."""

    def __init__(self, number: int, kind: Kind) -> None:
        super().__init__(output_field=kind)
        self.number = number

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [self]


class _Make(Generic[Row]):
    """Makes instances of what was read, as unpickling does: `__init__` weighs every column."""

    def __init__(self, model: type[Row]) -> None:
        if model.__init__ is not models.Model.__init__:
            raise TypeError(f"{model.__name__} is made in a way of its own")
        self.model = model

    def from_db(self, alias: str, names: Sequence[str], values: Sequence[Any]) -> Row:
        made = self.model.__new__(self.model)
        state = ModelState()
        state.db, state.adding = alias, False
        vars(made).update(zip(names, values, strict=True), _state=state)
        return made


@dataclass(frozen=True, slots=True)
class _Compiled(Generic[Row]):
    """What Django made of a queryset, and how rows become instances."""

    make: _Make[Row]
    statement: str
    values: Sequence[Any]
    compiler: Any
    converters: Any
    own: slice  # the columns of the model itself; others belong to related rows
    names: Sequence[str]
    related: Sequence[Any]

    def rows(self, given: Sequence[Any]) -> list[Row]:
        found: Iterable[Any] = rows(
            self.statement, [self._filled(one, given) for one in self.values]
        )
        if self.converters:
            found = self.compiler.apply_converters(found, self.converters)
        return [self._instance(row) for row in found]

    def _instance(self, row: Sequence[Any]) -> Row:
        made = self.make.from_db(DEFAULT_DB_ALIAS, self.names, row[self.own])
        for populator in self.related:
            populator.populate(row, made)
        return made

    @staticmethod
    def _filled(value: Any, given: Sequence[Any]) -> Any:
        if not isinstance(value, _Place):
            return value
        return value.output_field.get_db_prep_value(given[value.number], connection)


def _compile(queryset: models.QuerySet[Row]) -> _Compiled[Row]:
    """As Django's own iteration over models does it, but only once."""
    compiler: Any = queryset.query.get_compiler(connection=connections[DEFAULT_DB_ALIAS])
    statement, values = compiler.as_sql()
    # Kept for all threads. It must not keep a connection from being closed, so it gets one that
    # is never opened: from here on it is only asked what kind of database it belongs to.
    compiler.connection = connections.create_connection(DEFAULT_DB_ALIAS)
    columns = compiler.klass_info["select_fields"]
    own = slice(columns[0], columns[-1] + 1)
    related: Any = get_related_populators  # the stubs are of a later Django
    populators = related(compiler.klass_info, compiler.select, DEFAULT_DB_ALIAS)
    _make_plainly(populators)
    return _Compiled(
        make=_Make(queryset.model),
        statement=statement,
        values=values,
        compiler=compiler,
        converters=compiler.get_converters([one[0] for one in compiler.select]),
        own=own,
        names=[one[0].target.attname for one in compiler.select[own]],
        related=populators,
    )


def _make_plainly(populators: Iterable[Any]) -> None:
    for one in populators:
        one.model_cls = _Make(one.model_cls)
        _make_plainly(one.related_populators)


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a row of a model is written."""

    statement: str
    fields: Sequence[Any]
    are_plain: Sequence[bool]  # a driver takes their plainest values as they are
    values_of: Callable[[Any], Sequence[Any]]
    key: Any  # the field whose value the database gives; None where we give it


def _prepared(row: Any, shape: _Shape, here: Any) -> list[Any]:
    return [
        value if is_plain and type(value) in _PLAIN else field.get_db_prep_save(value, here)
        for field, is_plain, value in zip(
            shape.fields, shape.are_plain, shape.values_of(row), strict=True
        )
    ]


@lru_cache(maxsize=64)
def _shape(model: type[models.Model]) -> _Shape:
    meta = model._meta
    key = meta.auto_field
    fields = [field for field in meta.local_concrete_fields if field is not key]
    columns, values = ", ".join(map(_quoted, fields)), marks(len(fields))
    return _Shape(
        f"INSERT INTO {_quoted(meta)} ({columns}) VALUES ({values})",  # noqa: S608
        fields,
        [_is_plain(field) for field in fields],
        attrgetter(*(field.attname for field in fields)),
        key,
    )


@lru_cache(maxsize=256)
def _update(
    model: type[models.Model],
    changes: Sequence[str],
    where: Sequence[str],
    counts: Sequence[int | None],
) -> tuple[str, Sequence[Any]]:
    """The statement, and the fields that it names; a count for each that has several values."""
    meta = model._meta
    changed: list[Any] = [meta.get_field(name) for name in changes]
    asked: list[Any] = [meta.pk if name == "pk" else meta.get_field(name) for name in where]
    assignments = ", ".join(f"{_quoted(field)} = %s" for field in changed)
    conditions = " AND ".join(
        f"{_quoted(field)} = %s" if count is None else f"{_quoted(field)} IN ({marks(count)})"
        for field, count in zip(asked, counts, strict=True)
    )
    statement = f"UPDATE {_quoted(meta)} SET {assignments} WHERE {conditions}"  # noqa: S608
    return statement, [*changed, *asked]


def marks(count: int) -> str:
    """Places for so many values, in a list of a statement."""
    return ", ".join(["%s"] * count)


def _is_plain(field: Any) -> bool:
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        raise TypeError(f"{field} is given its value by Django when it saves")
    kind = field.target_field if isinstance(field, models.ForeignKey) else field
    return isinstance(kind, _PLAIN_FIELDS)


def _quoted(named: Any) -> str:
    """The name of a field's column or of a model's table."""
    name = named.db_table if hasattr(named, "db_table") else named.column
    return str(connection.ops.quote_name(name))
