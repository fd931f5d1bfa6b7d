"""How much of what people upload is kept for them, by plan. Plans of before get their own figures."""

from django.db import migrations, models

# slug: megabytes and files; an empty limit means no limit
FIGURES = {
    "free": (1024, 200),
    "starter": (5 * 1024, 1000),
    "creator": (20 * 1024, 5000),
    "pro": (100 * 1024, 20_000),
}


def fill(apps, schema_editor):
    plans = apps.get_model("accounts", "Plan").objects.using(schema_editor.connection.alias)
    # Plans that an administrator made had no such limit: they get none behind their back.
    plans.exclude(slug__in=FIGURES).update(upload_megabytes=None, upload_files=None)
    for slug, (megabytes, files) in FIGURES.items():
        plans.filter(slug=slug).update(upload_megabytes=megabytes, upload_files=files)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_cache_table")]

    operations = [
        migrations.AddField(
            model_name="plan",
            name="upload_megabytes",
            field=models.PositiveIntegerField(
                blank=True, default=1024, null=True, verbose_name="megabytes of uploads"
            ),
        ),
        migrations.AddField(
            model_name="plan",
            name="upload_files",
            field=models.PositiveIntegerField(
                blank=True, default=500, null=True, verbose_name="uploads kept at once"
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
