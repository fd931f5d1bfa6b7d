"""Django's entry for this app."""

from datetime import timedelta

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class VoicesConfig(AppConfig):
    name = "voices"
    label = "voices"
    verbose_name = _("Voices")

    def ready(self) -> None:
        from speechsite.accounts import quota
        from speechsite.duties import outbox, routines
        from speechsite.upstreams import channels
        from voices import sync

        for adapter in channels.ADAPTERS:
            # What fails for so long is asked for anew each night, and shown with the channel.
            kind = outbox.Kind(sync.duty_of(adapter), "voices.sync.do", 1, timedelta(hours=20))
            outbox.register(kind)
        routines.nightly("voices.sync.begin_all", hour=4)
        quota.counted_by("voices.cloning.count")
