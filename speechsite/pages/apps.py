"""Django's entry for this app."""

from datetime import timedelta

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PagesConfig(AppConfig):
    name = "speechsite.pages"
    label = "pages"
    verbose_name = _("Pages")

    def ready(self) -> None:
        from speechsite.duties import outbox

        mail = outbox.Kind(
            "mail", "speechsite.pages.mails.send", at_once=5, give_up=timedelta(days=1)
        )
        outbox.register(mail)
