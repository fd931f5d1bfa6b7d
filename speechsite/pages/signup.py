"""How allauth opens an account here."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest

from speechsite.accounts import plans
from speechsite.credits import ledger


class AccountAdapter(DefaultAccountAdapter):
    """Accounts by e-mail address, each with a wallet from the first moment."""

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
