"""Recordings, texts and webhooks belong to one of two worlds: live keys' or test keys'.

What test orders alone have used is theirs. Webhooks and the rest stay live.
"""

from django.db import migrations, models


def part(apps, schema_editor):
    """Give to the test world what only test orders have named."""
    alias = schema_editor.connection.alias
    jobs = apps.get_model("jobs", "Job").objects.using(alias)
    of_upload = jobs.filter(upload=models.OuterRef("pk"))
    uploads = apps.get_model("jobs", "Upload").objects.using(alias)
    uploads.filter(
        models.Exists(of_upload.filter(is_test=True)),
        ~models.Exists(of_upload.filter(is_test=False)),
    ).update(is_test=True)
    numbered = apps.get_model("jobs", "NumberedFile").objects.using(alias)
    numbered.filter(job__is_test=True).update(is_test=True)


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0011_what_lists_ask"),
    ]

    operations = [
        migrations.AddField(
            model_name="numberedfile",
            name="is_test",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="upload",
            name="is_test",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="webhookendpoint",
            name="is_test",
            field=models.BooleanField(default=False, verbose_name="for test work"),
        ),
        migrations.RunPython(part, migrations.RunPython.noop, elidable=True),
    ]
