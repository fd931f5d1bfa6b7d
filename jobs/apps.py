"""Django's entry for this app."""

from datetime import timedelta
from typing import Any

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class JobsConfig(AppConfig):
    name = "jobs"
    label = "jobs"
    verbose_name = _("Jobs")

    def ready(self) -> None:
        from django_q.signals import post_spawn

        post_spawn.connect(_take_up, dispatch_uid="jobs")
        _register_duties()
        _count_uploads()


def _count_uploads() -> None:
    from speechsite.accounts import quota

    quota.counted_by("jobs.uploads.count")
    quota.counted_by("jobs.numbers.count")


def _register_duties() -> None:
    """What the duties' process does for this app."""
    from speechsite.duties import outbox, routines, runner

    runner.add_lane("webhook", is_due="jobs.outbound.anything_due", work="jobs.outbound.deliver")
    runner.add_lane("callback", is_due="jobs.callbacks.anything_due", work="jobs.callbacks.deliver")
    runner.add_lane(
        "left work", is_due="jobs.tasks.is_left_behind", work="jobs.tasks.wake", pause=2.0
    )
    outbox.register(outbox.Kind("file", "jobs.files.erase"))
    # One at a time: a download may take minutes.
    outbox.register(outbox.Kind("late look", "jobs.late.look", at_once=1))
    routines.every("jobs.tasks.watch", timedelta(minutes=1))
    routines.nightly("jobs.tasks.audit")
    routines.every("jobs.strays.sweep", timedelta(hours=6))


def _take_up(**_: Any) -> None:
    """A fresh worker process may follow one that was killed: its pieces are taken up at once."""
    from jobs import tasks

    tasks.take_up()
