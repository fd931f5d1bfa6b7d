"""The administrator's forms for credits and prices."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from speechsite.accounts.models import User
from speechsite.core.ids import new_token
from speechsite.credits import ledger
from speechsite.credits.models import MILLI, Price, Wallet
from speechsite.upstreams.models import Offer

LARGEST = Decimal("1000000000")


class MoveForm(forms.Form):
    """An amount of credits, up or down, and why. The token makes sending it twice harmless."""

    amount = forms.DecimalField(
        label=_("Credits"),
        min_value=-LARGEST,
        max_value=LARGEST,
        decimal_places=3,
        help_text=_("500 gives, -500 takes back. Down to a thousandth."),
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "0.001"}),
    )
    reason = forms.CharField(
        label=_("Reason"),
        max_length=200,
        help_text=_("Stands in the ledger for good; the account's owner can read it."),
        widget=UnfoldAdminTextInputWidget(),
    )
    token = forms.CharField(max_length=60, min_length=20, widget=forms.HiddenInput())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["token"] = new_token()

    def clean_amount(self) -> Decimal:
        amount = self.cleaned_data["amount"]
        if not amount:
            raise forms.ValidationError(_("Zero credits are nothing to move."))
        return amount

    def move(self, wallet: Wallet, *, actor: User) -> None:
        """Grant what is above zero, adjust by what is below. Raises CreditError."""
        millicredits = int(self.cleaned_data["amount"] * MILLI)
        verb = ledger.grant if millicredits > 0 else ledger.adjust
        entry = verb(
            wallet,
            millicredits,
            key=f"admin:{wallet.pk}:{self.cleaned_data['token']}",
            reason=self.cleaned_data["reason"],
            actor=actor,
        )
        if entry.available_delta != millicredits:
            raise ledger.CreditError(_("This form was sent before with another amount."))


class PriceForm(forms.ModelForm):
    """A new price, valid from now on or from a later moment, never from the past."""

    model = forms.ChoiceField(label=_("model"), widget=UnfoldAdminSelectWidget())

    class Meta:
        model = Price
        fields = (
            "model", "unit", "millicredits_per_unit", "minimum_millicredits", "counting",
            "valid_from",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast(forms.ChoiceField, self.fields["model"])
        field.choices = [(slug, slug) for slug in _models()]

    def clean_valid_from(self) -> Any:
        return max(self.cleaned_data["valid_from"], timezone.now())


def _models() -> list[str]:
    offered = Offer.objects.order_by().values_list("model", flat=True)
    priced = Price.objects.order_by().values_list("model", flat=True)
    return sorted({*offered, *priced})
