"""The database itself refuses to change or delete a ledger entry.

Ways around these guards are closed in 0005.
SQLite drops a table's triggers when a later migration rebuilds the table: such a
migration has to run `guard` again (a test on a freshly migrated file notices).
"""

from django.db import migrations

GUARDS = {
    "sqlite": (
        """
        CREATE TRIGGER credits_entry_no_update BEFORE UPDATE ON credits_ledgerentry
        BEGIN SELECT RAISE(ABORT, 'ledger entries are final'); END
        """,
        """
        CREATE TRIGGER credits_entry_no_delete BEFORE DELETE ON credits_ledgerentry
        BEGIN SELECT RAISE(ABORT, 'ledger entries are final'); END
        """,
    ),
    "postgresql": (
        """
        CREATE FUNCTION credits_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'ledger entries are final'
                USING ERRCODE = 'integrity_constraint_violation';
        END $$
        """,
        """
        CREATE TRIGGER credits_entry_final BEFORE UPDATE OR DELETE ON credits_ledgerentry
        FOR EACH ROW EXECUTE FUNCTION credits_refuse_change()
        """,
    ),
}
RELEASES = {
    "sqlite": (
        "DROP TRIGGER credits_entry_no_delete",
        "DROP TRIGGER credits_entry_no_update",
    ),
    "postgresql": (
        "DROP TRIGGER credits_entry_final ON credits_ledgerentry",
        "DROP FUNCTION credits_refuse_change()",
    ),
}


def guard(apps, schema_editor):
    for statement in GUARDS[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def release(apps, schema_editor):
    for statement in RELEASES[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("credits", "0001_initial")]

    operations = [migrations.RunPython(guard, release)]
