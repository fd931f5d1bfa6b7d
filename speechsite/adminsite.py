"""The administration's front door and the policy of its pages.

It has no door of its own: whoever is not signed in goes to the site's, with its throttle and
its second factor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp
from django.contrib import admin, messages
from django.contrib.admin import sites
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext as _
from unfold.apps import DefaultAppConfig
from unfold.sites import UnfoldAdminSite

# Unfold is made with Alpine, which evaluates what stands in attributes, and with styles in
# attributes. Scripts still come from this site alone, and nothing is embedded or sent away.
POLICY: dict[str, Any] = {
    "default-src": [SELF],
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:"],
    "object-src": [NONE],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
    "form-action": [SELF],
}


class Config(DefaultAppConfig):
    """Puts our site where Django and unfold put theirs."""

    default = False

    def ready(self) -> None:
        admin.site = sites.site = Site()  # type: ignore[misc, assignment]


class Site(UnfoldAdminSite):
    """Unfold's, entered through the site's own sign-in."""

    def has_permission(self, request: HttpRequest) -> bool:
        from speechsite.accounts import staff

        return staff.may_administer(request)

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        return csp(POLICY)(super().admin_view(view, cacheable))

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Lead to whatever is missing: signing in, a second factor, or its proof."""
        from speechsite.accounts import staff

        if not request.user.is_authenticated:
            return self._lead(request, "account_login")
        if not (request.user.is_active and request.user.is_staff):
            raise PermissionDenied
        missing = staff.missing(request)
        if missing is staff.Missing.FACTOR:
            text = _("The administration asks for a second factor. Set one up, then come back.")
            messages.warning(request, text)
            return redirect("mfa_activate_totp")
        if missing is staff.Missing.PROOF:
            return self._lead(request, "mfa_reauthenticate")
        return redirect(self._wanted(request))

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The site's page for it, which is throttled and tells the other sessions."""
        return redirect("account_change_password")

    def _lead(self, request: HttpRequest, name: str) -> HttpResponse:
        return redirect(f"{reverse(name)}?{urlencode({'next': self._wanted(request)})}")

    def _wanted(self, request: HttpRequest) -> str:
        """The page of the administration that somebody asked for, or its first one."""
        wanted = request.GET.get("next", "")
        is_ours = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
        return wanted if is_ours else reverse("admin:index")
