"""What was free to spend after each entry, written down instead of added up from the start.

The triggers of 0002 and 0005 are in the way of filling it in for entries that are there, and
SQLite loses them when it rebuilds the table: they are made anew in the end, either way.
"""

from importlib import import_module

from django.db import migrations, models

FINAL = import_module("speechsite.credits.migrations.0002_entries_are_final")
IRREPLACEABLE = import_module("speechsite.credits.migrations.0005_entries_cannot_be_replaced")

GUARDS = {
    "sqlite": (*FINAL.GUARDS["sqlite"], IRREPLACEABLE.GUARDS["sqlite"]),
    # The function and the trigger on TRUNCATE stay.
    "postgresql": FINAL.GUARDS["postgresql"][1:],
}
RELEASES = {
    "sqlite": (
        "DROP TRIGGER IF EXISTS credits_entry_no_update",
        "DROP TRIGGER IF EXISTS credits_entry_no_delete",
        "DROP TRIGGER IF EXISTS credits_entry_no_replace",
    ),
    "postgresql": ("DROP TRIGGER credits_entry_final ON credits_ledgerentry",),
}
# Entries of one wallet have their ids in the order in which they moved it: an id is taken
# while the wallet is locked.
FILL = """
    UPDATE credits_ledgerentry SET available_after = running.total
    FROM (
        SELECT id, SUM(available_delta) OVER (PARTITION BY wallet_id ORDER BY id) AS total
        FROM credits_ledgerentry
    ) AS running
    WHERE running.id = credits_ledgerentry.id
"""


def guard(apps, schema_editor):
    for statement in GUARDS[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def release(apps, schema_editor):
    for statement in RELEASES[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def fill(apps, schema_editor):
    schema_editor.execute(FILL)


class Migration(migrations.Migration):
    dependencies = [("credits", "0006_what_lists_ask")]

    operations = [
        migrations.RunPython(release, guard),
        migrations.AddField(
            model_name="ledgerentry",
            name="available_after",
            field=models.BigIntegerField(null=True),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="ledgerentry",
            name="available_after",
            field=models.BigIntegerField(verbose_name="available after it"),
        ),
        migrations.RunPython(guard, release),
    ]
