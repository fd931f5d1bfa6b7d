"""Django's entry for this app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DutiesConfig(AppConfig):
    name = "speechsite.duties"
    label = "duties"
    verbose_name = _("Duties")
