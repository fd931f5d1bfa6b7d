"""The form of an API key: what it may do, from where, for how long and for how much."""

from __future__ import annotations

import ipaddress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from speechsite.accounts.keys import SCOPES
from speechsite.accounts.models import ApiKey
from speechsite.credits.models import MILLI

MOST_ADDRESSES = 50
MODE_CHOICES = (
    ("test", gettext_lazy("Test: the built-in engine speaks, costs nothing")),
    ("live", gettext_lazy("Live: the voice you name speaks, spends your credits")),
)
SCOPE_WORDS = {
    "models:read": gettext_lazy("See models and prices"),
    "voices:read": gettext_lazy("See voices"),
    "voices:write": gettext_lazy("Add, change and delete voices"),
    "generations:create": gettext_lazy("Place work"),
    "generations:read": gettext_lazy("See work and its results"),
    "files:create": gettext_lazy("Upload files"),
    "files:read": gettext_lazy("See uploaded files"),
    "credits:read": gettext_lazy("See the balance and usage"),
    "history:read": gettext_lazy("See the history"),
    "history:write": gettext_lazy("Delete from the history"),
    "webhooks:manage": gettext_lazy("Manage webhooks"),
}
SCOPE_CHOICES = [(scope, SCOPE_WORDS.get(scope, scope)) for scope in SCOPES]


def _credits_field(label: Any) -> forms.DecimalField:
    return forms.DecimalField(
        required=False,
        min_value=Decimal("0.001"),
        max_value=Decimal(10**9),
        decimal_places=3,
        label=label,
        error_messages={"min_value": gettext_lazy("Enter at least %(limit_value)s credits.")},
        widget=forms.NumberInput(attrs={"inputmode": "decimal", "step": "any"}),
    )


class KeyForm(forms.Form):
    """What can be changed on a key that exists."""

    name = forms.CharField(
        max_length=80,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("Where the key is used, for example the name of the server."),
        error_messages={"required": gettext_lazy("Give the key a name.")},
    )
    daily_cap = _credits_field(gettext_lazy("Credits a day"))
    monthly_cap = _credits_field(gettext_lazy("Credits a month"))
    total_cap = _credits_field(gettext_lazy("Credits in all"))
    expires_on = forms.DateField(
        required=False,
        label=gettext_lazy("Last day"),
        help_text=gettext_lazy("Empty means that the key does not expire."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    ip_allow = forms.CharField(
        required=False,
        max_length=4000,
        label=gettext_lazy("Allowed addresses"),
        help_text=gettext_lazy(
            "One IP address or network per line, such as 203.0.113.7 or 203.0.113.0/24. "
            "Empty means everywhere."
        ),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )
    scopes = forms.MultipleChoiceField(
        choices=SCOPE_CHOICES,
        initial=SCOPES,
        label=gettext_lazy("What it may do"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("Allow at least one thing.")},
    )

    # The fields that most people leave as they are.
    ADVANCED = ("daily_cap", "monthly_cap", "total_cap", "expires_on", "ip_allow", "scopes")

    @classmethod
    def of(cls, key: ApiKey, data: Any = None) -> KeyForm:
        """The form of a key, as it stands or as it was filled in."""
        caps = {name: _credits(getattr(key, name)) for name in CAPS}
        return cls(
            data,
            initial={
                "name": key.name,
                "expires_on": _last_day_of(key),
                "ip_allow": "\n".join(map(plain_address, key.ip_allow)),
                "scopes": key.scopes or SCOPES,
                **caps,
            },
        )

    @property
    def is_advanced_wrong(self) -> bool:
        return any(name in self.errors for name in self.ADVANCED)

    def clean_expires_on(self) -> date | None:
        last_day: date | None = self.cleaned_data["expires_on"]
        if last_day is None:
            return None
        if last_day < timezone.localdate():
            raise forms.ValidationError(_("This day is over."))
        if last_day > timezone.localdate() + timedelta(days=36_500):
            raise forms.ValidationError(_("Choose a day within a hundred years."))
        return last_day

    def clean_ip_allow(self) -> list[str]:
        lines = self.cleaned_data["ip_allow"].replace(",", "\n").split()
        if len(lines) > MOST_ADDRESSES:
            message = _("At most %(most)d addresses are possible.")
            raise forms.ValidationError(message % {"most": MOST_ADDRESSES})
        for line in lines:
            try:
                ipaddress.ip_network(line, strict=False)
            except ValueError as error:
                message = _("“%(line)s” is not an IP address or network.")
                raise forms.ValidationError(message % {"line": line[:60]}) from error
        return lines

    def rights(self) -> dict[str, Any]:
        """The form in the words of `accounts.keys`."""
        data = self.cleaned_data
        last_day: date | None = data["expires_on"]
        return {
            "name": data["name"],
            # All of them is the same as none named: later ones are then allowed as well.
            "scopes": [] if set(data["scopes"]) == set(SCOPES) else data["scopes"],
            "expires_at": _end_of(last_day) if last_day else None,
            "ip_allow": data["ip_allow"],
            **{name: _millicredits(data[name]) for name in CAPS},
        }


class NewKeyForm(KeyForm):
    """A key that does not exist yet: its mode is chosen once."""

    mode = forms.ChoiceField(
        choices=MODE_CHOICES,
        initial="test",
        label=gettext_lazy("Kind"),
        widget=forms.RadioSelect,
    )

    def rights(self) -> dict[str, Any]:
        return {**super().rights(), "mode": self.cleaned_data["mode"]}


CAPS = ("daily_cap", "monthly_cap", "total_cap")


def plain_address(network: str) -> str:
    """A network of one address, written as that address."""
    address, _slash, length = network.partition("/")
    return address if length in ("32", "128") else network


def _last_day_of(key: ApiKey) -> date | None:
    """The day in which a key still works; its end may be the midnight after."""
    if key.expires_at is None:
        return None
    return timezone.localdate(key.expires_at - timedelta(microseconds=1))


def _end_of(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))


def _millicredits(credits: Decimal | None) -> int | None:
    return None if credits is None else int(credits * MILLI)


def _credits(millicredits: int | None) -> str | None:
    """Without zeros at the end, and never as 1E+2."""
    return None if millicredits is None else f"{Decimal(millicredits) / MILLI:f}"
