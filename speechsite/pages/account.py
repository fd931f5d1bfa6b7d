"""The profile: name, language, time zone, theme. Passwords and codes are allauth's pages."""

from __future__ import annotations

import zoneinfo
from functools import lru_cache
from typing import Any, cast

from allauth.mfa.utils import is_mfa_enabled
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache

from speechsite.accounts.models import User
from speechsite.pages import preferences
from speechsite.pages.requests import SignedIn

AREAS = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe",
         "Indian", "Pacific")  # fmt: skip
THEME_CHOICES = (
    ("system", gettext_lazy("As the device says")),
    ("light", gettext_lazy("Light")),
    ("dark", gettext_lazy("Dark")),
)


class ProfileForm(forms.ModelForm):
    """What a person may change about the account."""

    theme = forms.ChoiceField(
        choices=THEME_CHOICES, label=gettext_lazy("Theme"), widget=forms.RadioSelect
    )
    shortcuts = forms.BooleanField(
        required=False,
        label=gettext_lazy("Single-key shortcuts"),
        help_text=gettext_lazy("Space, K, J, L and others in the player. Press ? for the list."),
    )
    language = forms.ChoiceField(
        choices=settings.LANGUAGES, required=False, label=gettext_lazy("Language")
    )
    timezone = forms.ChoiceField(required=False, label=gettext_lazy("Time zone"))

    class Meta:
        model = User
        fields = ("name", "language", "timezone")
        labels = {"name": gettext_lazy("Name")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        default = _("Server time ({zone})").format(zone=settings.TIME_ZONE)
        timezones = cast(forms.ChoiceField, self.fields["timezone"])
        timezones.choices = [("", default), *((z, z) for z in zones())]
        self.fields["name"].widget.attrs["autocomplete"] = "name"


@login_required
@never_cache
def profile(request: SignedIn) -> HttpResponse:
    initial = {
        "theme": preferences.theme_of(request),
        "shortcuts": preferences.shortcuts_are_on(request),
        "language": request.user.language or request.LANGUAGE_CODE,
    }
    form = ProfileForm(request.POST or None, instance=request.user, initial=initial)
    if request.method == "POST" and form.is_valid():
        return _save(request, form)
    context = {"form": form, "has_second_factor": is_mfa_enabled(request.user)}
    return render(request, "account/profile.html", context, status=422 if form.errors else 200)


def _save(request: SignedIn, form: ProfileForm) -> HttpResponse:
    user = form.save(commit=False)
    user.preferences["shortcuts"] = form.cleaned_data["shortcuts"]
    user.save(update_fields=["name", "language", "timezone", "preferences"])
    translation.activate(user.language or settings.LANGUAGE_CODE)
    messages.success(request, _("Your profile is saved."))
    response = redirect("pages:profile")
    preferences.remember_theme(request, response, form.cleaned_data["theme"])
    if user.language:
        preferences.remember_language(request, response, user.language)
    return response


@lru_cache(maxsize=1)
def zones() -> tuple[str, ...]:
    """Time zones that people know by a city."""
    names = zoneinfo.available_timezones()
    return ("UTC", *sorted(name for name in names if name.partition("/")[0] in AREAS))
