"""What a command says on a database that is not there, or not prepared yet."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor


def explanation(error: DatabaseError) -> str:
    """What to do about an error of the database; empty where it is a mistake of ours."""
    try:
        executor = MigrationExecutor(connection)
        is_behind = bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except DatabaseError:
        return f"The database cannot be used: {str(error).strip()}"
    if not is_behind:
        return ""
    return (
        "The database is not prepared for this version yet. "
        "Run `manage.py migrate`, or start the site once with `make run` or `manage.py up`."
    )
