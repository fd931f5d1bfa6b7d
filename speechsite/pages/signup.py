"""How allauth opens an account here, and what it sends and counts."""

from __future__ import annotations

import ipaddress
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.forms import SignupForm as AllauthSignupForm
from allauth.account.models import EmailAddress
from allauth.core import context as allauth_context
from allauth.core import ratelimit
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from speechsite.accounts import plans
from speechsite.accounts.models import User
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

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """The welcome credits may have waited for this; the next page would give them as well."""
        is_confirmed = super().confirm_email(request, email_address)
        if is_confirmed:
            ledger.open_wallet(email_address.user)
        return is_confirmed

    def login(self, request: HttpRequest, user: Any) -> None:
        """Remember whether somebody is here for the first time: that page welcomes."""
        request.is_first_sign_in = user.last_login is None  # type: ignore[attr-defined]
        super().login(request, user)

    def get_client_ip(self, request: HttpRequest) -> str:
        """The visitor's address. A socket for both families writes IPv4 as ::ffff:192.0.2.7, and
        limits count IPv6 by networks: all of IPv4 would be one visitor."""
        address = ipaddress.ip_address(super().get_client_ip(request))
        return str(getattr(address, "ipv4_mapped", None) or address)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Attempts are counted by account. allauth's name has the `Host` header in it, with a
        port that the visitor chooses: each port would have a count of its own."""
        return str(credentials.get("email", credentials.get("username", ""))).lower()


class SignupForm(AllauthSignupForm):
    """allauth's, with a bound on how many accounts one address opens."""

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """Count before anything is written, and alike whether the address is known or not."""
        if not ratelimit.consume(request, action="open_account"):
            raise ImmediateHttpResponse(ratelimit.respond_429(request))
        if self.account_already_exists:
            # An account takes the time of a hash, and so must the answer that there is one.
            User().set_password(self.cleaned_data["password1"])
        return super().try_save(request)
