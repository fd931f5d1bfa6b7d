"""Whether the welcome grant was given, and whether the wallet may pay for everything.

Wallets that are there were welcomed when they were opened; what they may buy is found out
by the first order that asks.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("credits", "0003_audit_runs")]

    operations = [
        migrations.AddField(
            model_name="wallet",
            name="is_welcomed",
            field=models.BooleanField(default=True, db_default=True, editable=False),
        ),
        migrations.AlterField(
            model_name="wallet",
            name="is_welcomed",
            field=models.BooleanField(default=False, db_default=False, editable=False),
        ),
        migrations.AddField(
            model_name="wallet",
            name="buys_everything",
            field=models.BooleanField(default=False, db_default=False, editable=False),
        ),
        migrations.AddIndex(
            model_name="ledgerentry",
            index=models.Index(
                condition=models.Q(("kind__in", ("grant", "voucher", "adjust"))),
                fields=["wallet"],
                name="credits_given",
            ),
        ),
    ]
