"""PostgreSQL: every table by COPY in one snapshot, put back into a schema of its own.

No `pg_dump` is needed, whose version would have to fit the server's: see
docs/decisions/0020-backup-by-copy.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from psycopg import sql

from speechsite.management.backups.manifest import BLOCK, BadBackup, Manifest

FOLDER = "tables"
HISTORY = "django_migrations"
STAGE, REPLACED = "speechsite_restoring", "speechsite_replaced"
_TABLES = """
    SELECT table_name, column_name FROM information_schema.columns
    JOIN information_schema.tables USING (table_schema, table_name)
    WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'
    ORDER BY table_name, ordinal_position
"""
_NUMBERED = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = current_schema()
    AND (is_identity = 'YES' OR column_default LIKE 'nextval(%%')
"""
_OTHERS = """
    SELECT COUNT(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND backend_type = 'client backend'
"""


@contextmanager
def snapshot(folder: Path) -> Iterator[None]:
    """Copy all tables as they are at one moment; inside the block Django reads that moment."""
    (folder / FOLDER).mkdir()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for table, columns in _columns(cursor).items():
            out = _copy("COPY {} ({}) TO STDOUT", table, columns)
            with (folder / _path(table)).open("wb") as file, cursor.copy(out) as rows:
                for block in rows:
                    file.write(block)
        yield


def describe(manifest: Manifest) -> None:
    """Note the columns of each table and how far its numbers have come. Inside `snapshot`."""
    with connection.cursor() as cursor:
        manifest.tables = _columns(cursor)
        cursor.execute(_NUMBERED)
        for table, column in cursor.fetchall():
            cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [f'"{table}"', column])
            (sequence,) = cursor.fetchone()
            if sequence is None:
                continue
            schema, name = sequence.replace('"', "").split(".")
            cursor.execute(
                sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(schema, name))
            )
            value, is_called = cursor.fetchone()
            if is_called:
                manifest.sequences[f"{table}.{column}"] = value


@contextmanager
def staged(folder: Path, manifest: Manifest) -> Iterator[None]:
    """Fill a schema of its own; inside the block Django works on it and sees no other.

    Leaving the block renames it into the place of the live one, in one transaction; an error
    leaves that as it was.
    """
    (live,) = _one("SELECT current_schema()")
    try:
        _open_stage()
        _build(manifest)
        with transaction.atomic(), connection.cursor() as cursor:
            _fill(cursor, folder, manifest)
        yield
        _swap(live)
    finally:
        _close_stage()


def in_use() -> str:
    """Why the live database cannot be replaced now; empty when nobody else is connected."""
    (others,) = _one(_OTHERS)
    return f"{others} other connections to the database are open" if others else ""


def _columns(cursor: Any) -> dict[str, list[str]]:
    cursor.execute(_TABLES)
    found: dict[str, list[str]] = {}
    for table, column in cursor.fetchall():
        found.setdefault(table, []).append(column)
    return found


def _path(table: str) -> str:
    return f"{FOLDER}/{table}.copy"


def _copy(statement: str, table: str, columns: list[str]) -> sql.Composed:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL(statement).format(sql.Identifier(table), names)


def _one(statement: str) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()


def _run(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _open_stage() -> None:
    try:
        _run(
            f"DROP SCHEMA IF EXISTS {STAGE} CASCADE",
            f"CREATE SCHEMA {STAGE}",
            f"SET search_path TO {STAGE}",
        )
    except DatabaseError as error:
        reason = str(error).strip()
        raise BadBackup(
            f"The database user must own the database to restore into it: {reason}."
        ) from error


def _build(manifest: Manifest) -> None:
    """The tables as they were when the backup was taken: later migrations come afterwards."""
    executor = MigrationExecutor(connection)
    known = executor.loader.graph.nodes
    applied = {(app, name) for app, name in manifest.migrations if (app, name) in known}
    last = [
        key for key in applied
        if not any(child.key in applied for child in executor.loader.graph.node_map[key].children)
    ]  # fmt: skip
    executor.migrate(sorted(last))


def _fill(cursor: Any, folder: Path, manifest: Manifest) -> None:
    tables = {name: columns for name, columns in manifest.tables.items() if name != HISTORY}
    for table in tables:
        # What migrations wrote; an empty table is left alone, for the ledger's guards.
        cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(table)))
        if cursor.fetchone()[0]:
            cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
    for table, columns in tables.items():
        into = _copy("COPY {} ({}) FROM STDIN", table, columns)
        with (folder / _path(table)).open("rb") as file, cursor.copy(into) as rows:
            while block := file.read(BLOCK):
                rows.write(block)
    for name, value in manifest.sequences.items():
        table, _, column = name.partition(".")
        if table != HISTORY:
            sequence = "SELECT setval(pg_get_serial_sequence(%s, %s), %s, true)"
            cursor.execute(sequence, [f'"{table}"', column, value])


def _swap(live: str) -> None:
    if problem := in_use():
        raise BadBackup(f"Nothing was changed: {problem}.")
    with transaction.atomic():
        _run(
            f"ALTER SCHEMA {connection.ops.quote_name(live)} RENAME TO {REPLACED}",
            f"ALTER SCHEMA {STAGE} RENAME TO {connection.ops.quote_name(live)}",
        )
    _run(f"DROP SCHEMA {REPLACED} CASCADE")


def _close_stage() -> None:
    if not connection.is_usable():
        connection.close()
    _run("RESET search_path", f"DROP SCHEMA IF EXISTS {STAGE} CASCADE")
