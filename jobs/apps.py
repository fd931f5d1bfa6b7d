"""Django's entry for this app."""

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


def _take_up(**_: Any) -> None:
    """A fresh worker process may follow one that was killed: its pieces are taken up at once."""
    from jobs import tasks

    tasks.take_up()
