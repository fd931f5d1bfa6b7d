"""An entry does not go by a way around its guards either.

On SQLite `INSERT OR REPLACE` takes the rows away that are in its way, and asks the trigger on
deletion only where a connection has chosen so: whoever comes with a tool of his own has not.
On PostgreSQL a TRUNCATE passes over the triggers of rows. Who starts over makes a new database.
"""

from django.db import migrations

GUARDS = {
    "sqlite": """
        CREATE TRIGGER credits_entry_no_replace BEFORE INSERT ON credits_ledgerentry
        WHEN EXISTS (SELECT 1 FROM credits_ledgerentry WHERE id = NEW.id)
            OR EXISTS (SELECT 1 FROM credits_ledgerentry WHERE key = NEW.key)
            OR EXISTS (
                SELECT 1 FROM credits_ledgerentry WHERE job_id = NEW.job_id AND kind = NEW.kind
            )
        BEGIN SELECT RAISE(ABORT, 'ledger entries are final'); END
        """,
    "postgresql": """
        CREATE TRIGGER credits_entry_no_truncate BEFORE TRUNCATE ON credits_ledgerentry
        FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse_change()
        """,
}
RELEASES = {
    "sqlite": "DROP TRIGGER credits_entry_no_replace",
    "postgresql": "DROP TRIGGER credits_entry_no_truncate ON credits_ledgerentry",
}


def guard(apps, schema_editor):
    schema_editor.execute(GUARDS[schema_editor.connection.vendor])


def release(apps, schema_editor):
    schema_editor.execute(RELEASES[schema_editor.connection.vendor])


class Migration(migrations.Migration):
    dependencies = [("credits", "0004_welcome")]

    operations = [migrations.RunPython(guard, release)]
