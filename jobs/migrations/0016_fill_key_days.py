"""What keys spent before sums were kept: added up from their jobs, key by key and day by day.

Each key is a transaction of its own, so that no lock is held for long, and each day one
statement that reads that day's part of an index. A run that broke off may be repeated.
"""

from datetime import timedelta

from django.db import migrations, transaction
from django.db.models import Case, F, Q, Sum, When
from django.utils import timezone

LIVE = ("queued", "processing")
COST = Case(When(Q(state__in=LIVE), then=F("quoted")), default=F("charged"))
BATCH = 500


def fill(apps, schema_editor):
    for key in apps.get_model("accounts", "ApiKey").objects.order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            fill_key(apps.get_model("jobs", "KeyDay"), apps.get_model("jobs", "Job"), key)


def fill_key(KeyDay, Job, key):
    KeyDay.objects.filter(api_key_id=key).delete()
    days = (
        KeyDay(api_key_id=key, since=since, millicredits=total)
        for since, total in days_of(Job.objects.filter(api_key_id=key).order_by("created_at"))
    )
    KeyDay.objects.bulk_create(days, batch_size=BATCH)


def days_of(jobs):
    """The first moment of each day that has jobs, and what they cost."""
    first = jobs.values_list("created_at", flat=True).first()
    while first is not None:
        end = next_day(first)
        day = jobs.filter(created_at__gte=first, created_at__lt=end)
        yield first, day.aggregate(total=Sum(COST))["total"]
        rest = jobs.filter(created_at__gte=end)
        first = rest.values_list("created_at", flat=True).first()


def next_day(moment):
    """Days of the site's own time zone."""
    here = timezone.localtime(moment, timezone.get_default_timezone())
    return here.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0015_key_days")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
