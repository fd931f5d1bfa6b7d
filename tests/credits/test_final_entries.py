"""The database as the last guard: what raw SQL and careless code cannot do."""

from __future__ import annotations

import ast
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction

from speechsite.accounts.models import User
from speechsite.credits import ledger
from speechsite.credits.models import AuditRun, LedgerEntry, Price, Wallet

ROOT = Path(__file__).resolve().parents[2]
REPLACING = (
    "INSERT OR REPLACE INTO credits_ledgerentry (id, wallet_id, kind, available_delta,"
    " held_delta, available_after, job_id, key, reason, created_at)"
    " VALUES ({id}, 1, 'grant', 9, 0, 9, {job}, '{key}', '', '2026-01-01')"
)


def migrate(path: Path, *target: str) -> None:
    surroundings = os.environ | {"DATABASE_URL": f"sqlite:///{path}", "DATA_DIR": str(path.parent)}
    command = [sys.executable, "manage.py", "migrate", "--skip-checks", "-v0", *target]
    subprocess.run(command, cwd=ROOT, env=surroundings, check=True, capture_output=True)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fresh") / "site.sqlite3"
    migrate(path)
    return path


@pytest.fixture
def fresh(migrated: Path, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A site's own SQLite file, just migrated, with one entry in its ledger."""
    path = Path(shutil.copy(migrated, tmp_path / "site.sqlite3"))
    with closing(sqlite3.connect(path)) as site, site:
        site.execute(
            "INSERT INTO accounts_user (id, public_id, email, password, is_superuser, is_staff,"
            " is_active, date_joined, name, language, timezone, preferences)"
            " VALUES (1, 'x', 'a@example.com', '', 0, 0, 1, '2026-01-01', '', '', '', '{}')"
        )
        site.execute(
            "INSERT INTO credits_wallet (id, user_id, available, held, created_at)"
            " VALUES (1, 1, 5, 0, '2026-01-01')"
        )
        site.execute(
            "INSERT INTO credits_ledgerentry (id, wallet_id, kind, available_delta, held_delta,"
            " available_after, job_id, key, reason, created_at)"
            " VALUES (1, 1, 'grant', 5, 0, 5, '0a', 'k', '', '2026-01-01')"
        )
        yield site


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE credits_ledgerentry SET available_delta = 6",
        "UPDATE credits_ledgerentry SET reason = 'prettier'",
        "DELETE FROM credits_ledgerentry",
        "DELETE FROM credits_ledgerentry WHERE id = 1",
        REPLACING.format(id=1, job="NULL", key="k"),
        REPLACING.format(id=1, job="NULL", key="other"),
        REPLACING.format(id=2, job="NULL", key="k"),
        REPLACING.format(id=2, job="'0a'", key="other"),
        "UPDATE OR REPLACE credits_ledgerentry SET key = 'other'",
    ],
)
def test_a_fresh_sqlite_site_refuses_to_change_an_entry(
    fresh: sqlite3.Connection, change: str
) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="ledger entries are final"):
        fresh.execute(change)


@pytest.mark.parametrize("pocket", ["available", "held"])
def test_a_fresh_sqlite_site_refuses_a_negative_pocket(
    fresh: sqlite3.Connection, pocket: str
) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=f"{pocket}_not_negative"):
        fresh.execute(f"UPDATE credits_wallet SET {pocket} = -1")


def test_the_guards_and_the_plans_can_be_taken_back(migrated: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(migrated, tmp_path / "site.sqlite3"))
    triggers = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'credits%'"
    with closing(sqlite3.connect(path)) as site:
        plans = site.execute("SELECT slug FROM accounts_plan ORDER BY position").fetchall()
        assert plans == [("free",), ("starter",), ("creator",), ("pro",), ("enterprise",)]
        assert site.execute(triggers).fetchone() == (3,)
    migrate(path, "credits", "0001")
    migrate(path, "accounts", "0001")
    with closing(sqlite3.connect(path)) as site:
        assert site.execute(triggers).fetchone() == (0,)
        assert site.execute("SELECT count(*) FROM accounts_plan").fetchone() == (0,)


def refused(statement: str) -> None:
    with (
        pytest.raises(IntegrityError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_raw_sql_cannot_edit_an_entry(wallet: Wallet) -> None:
    refused("UPDATE credits_ledgerentry SET available_delta = available_delta + 1")


@pytest.mark.postgres
@pytest.mark.skipif(
    connection.vendor != "postgresql",
    reason="needs PostgreSQL: set DATABASE_URL (CI runs the suite once more there)",
)
def test_raw_sql_cannot_delete_an_entry_on_postgresql(wallet: Wallet) -> None:
    refused("DELETE FROM credits_ledgerentry")


@pytest.mark.postgres
@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL, as above")
@pytest.mark.parametrize("table", ["credits_ledgerentry", "credits_wallet", "accounts_user"])
def test_raw_sql_cannot_empty_the_ledger_on_postgresql(wallet: Wallet, table: str) -> None:
    # The tests' own flush has to, so that this guard is taken out of their database.
    guards = import_module("speechsite.credits.migrations.0005_entries_cannot_be_replaced").GUARDS
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(guards["postgresql"])
    refused(f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize("pocket", ["available", "held"])
def test_raw_sql_cannot_make_a_pocket_negative(wallet: Wallet, pocket: str) -> None:
    refused(f"UPDATE credits_wallet SET {pocket} = -1")


@pytest.mark.parametrize(
    ("kind", "available", "held"),
    [
        ("grant", -1, 0),
        ("grant", 0, 0),
        ("voucher", 1, 1),
        ("adjust", 0, 0),
        ("hold", 1, -1),
        ("hold", -1, 2),
        ("capture", 0, 1),
        ("capture", 1, -1),
        ("release", -1, 1),
        ("release", 2, -1),
        ("refund", -1, 0),
        ("gift", 1, 0),
    ],
)
def test_an_entry_moves_as_its_kind_says(
    wallet: Wallet, kind: str, available: int, held: int
) -> None:
    refused(
        "INSERT INTO credits_ledgerentry (wallet_id, kind, available_delta, held_delta,"
        " available_after, key, reason, created_at)"
        f" VALUES ({wallet.pk}, '{kind}', {available}, {held}, 9, 'raw', '',"
        " '2026-01-01 00:00:00+00')"
    )


def test_the_models_refuse_what_only_the_ledger_may_do(wallet: Wallet, ada: User) -> None:
    entry = wallet.entries.latest("id")
    for change in (
        entry.save,
        entry.delete,
        LedgerEntry.objects.all().delete,
        lambda: LedgerEntry.objects.update(reason="prettier"),
    ):
        with pytest.raises(TypeError, match="ledger entries are final"):
            change()
    with pytest.raises(TypeError, match="a wallet changes only through the ledger"):
        wallet.save()
    for pocket in ("available", "held"):
        with pytest.raises(TypeError, match="a wallet is opened empty"):
            Wallet(user=ada, **{pocket: 5}).save()


def test_rows_say_what_they_are(wallet: Wallet) -> None:
    assert str(wallet) == "ada@example.com: 100"
    assert str(wallet.entries.earliest("id")) == "grant +1000 / +0"
    assert str(ledger.hold(wallet, 306, key="hold")) == "hold -0.306 / +0.306"
    night = datetime(2026, 5, 30, 3, tzinfo=UTC)
    assert str(AuditRun(finished_at=night, differences=2)) == "2026-05-30 03:00: 2"
    assert str(Price(model="basic", unit="second", millicredits_per_unit=9)) == (
        "basic: 9 m¢/second"
    )


def sources() -> Iterator[Path]:
    for package in ("speechsite", "jobs", "voices"):
        for path in (ROOT / package).rglob("*.py"):
            if "migrations" not in path.parts and path.name != "ledger.py":
                yield path


def moves_a_pocket(node: ast.AST) -> bool:
    """An assignment to somebody's pocket, an update of one, or an entry made by hand."""
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(
            isinstance(target, ast.Attribute)
            and target.attr in {"available", "held"}
            and not (isinstance(target.value, ast.Name) and target.value.id == "self")
            for target in targets
        )
    if not isinstance(node, ast.Call):
        return False
    name = ast.unparse(node.func)
    names_a_pocket = {word.arg for word in node.keywords} & {"available", "held"}
    if name.rpartition(".")[2] in {"update", "update_or_create", "bulk_update"} and names_a_pocket:
        return True
    return name == "LedgerEntry" or name.startswith(
        ("LedgerEntry.objects.cr", "LedgerEntry.objects.b")
    )


def test_no_other_code_moves_a_pocket() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if moves_a_pocket(node)
    ]
    assert found == []


@pytest.mark.parametrize(
    "careless",
    [
        "wallet.available = 5",
        "wallet.held += 5",
        "wallets.update(available=5)",
        "LedgerEntry(kind='grant')",
        "LedgerEntry.objects.create(kind='grant')",
        "LedgerEntry.objects.bulk_create([])",
    ],
)
def test_the_search_finds_careless_code(careless: str) -> None:
    assert any(moves_a_pocket(node) for node in ast.walk(ast.parse(careless)))
