"""How allauth opens an account here."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context as allauth_context
from django.conf import settings
from django.http import HttpRequest

from speechsite.accounts import plans
from speechsite.core import addresses
from speechsite.credits import ledger


class AccountAdapter(DefaultAccountAdapter):
    """Accounts by e-mail address, each with a wallet from the first moment."""

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail whose links begin with SITE_URL, whatever `Host` the request came under."""
        links = {
            name: addresses.at_home(value)
            for name, value in context.items()
            if name.endswith("_url") and isinstance(value, str)
        }
        site = {"site": addresses.origin_of(allauth_context.request)}
        super().send_mail(template_prefix, email, {**context, **links, **site})

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.SIGNUP_OPEN

    def save_user(self, request: HttpRequest, user: Any, form: Any, commit: bool = True) -> Any:
        """Keep the language that the visitor read the form in."""
        user.language = getattr(request, "LANGUAGE_CODE", "")[:10]
        user = super().save_user(request, user, form, commit=commit)
        if commit:
            plans.put_on_plan(user)
            ledger.open_wallet(user)
        return user
