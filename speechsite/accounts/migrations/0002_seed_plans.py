"""The plans that a fresh site starts with. An empty limit means no limit."""

from django.db import migrations

# slug, name, requests per second, jobs at once
PLANS = (
    ("free", "Free", 3, 2),
    ("starter", "Starter", 5, 2),
    ("creator", "Creator", 10, 5),
    ("pro", "Pro", 20, 10),
    ("enterprise", "Enterprise", None, None),
)


def seed(apps, schema_editor):
    plans = _plans(apps, schema_editor)
    for position, (slug, name, requests, jobs) in enumerate(PLANS):
        figures = {
            "name": name,
            "requests_per_second": requests,
            "concurrent_jobs": jobs,
            "position": position,
        }
        plans.get_or_create(slug=slug, defaults=figures)


def remove(apps, schema_editor):
    """Takes the seeded plans back; a plan somebody has stays with them."""
    plans = _plans(apps, schema_editor)
    plans.filter(slug__in=[row[0] for row in PLANS], user__isnull=True).delete()


def _plans(apps, schema_editor):
    return apps.get_model("accounts", "Plan").objects.using(schema_editor.connection.alias)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [migrations.RunPython(seed, remove)]
