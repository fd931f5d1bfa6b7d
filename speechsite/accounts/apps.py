"""Django's entry for this app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "speechsite.accounts"
    label = "accounts"
    verbose_name = _("Accounts")
