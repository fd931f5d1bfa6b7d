"""Wallets, entries and prices for administrators.

Nothing here assigns a balance: credits move through the ledger's verbs, with a
reason and a name. Prices are added, never edited.
"""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from speechsite.accounts.admin import UserAdmin
from speechsite.accounts.models import User
from speechsite.core.adminpages import Page, ReadOnlyInline, ReadOnlyPage
from speechsite.credits import ledger, prices
from speechsite.credits.forms import MoveForm, PriceForm
from speechsite.credits.models import AuditRun, LedgerEntry, Price, Wallet


def signed(millicredits: int) -> str:
    """+6, -0.306, or a dash for nothing."""
    if not millicredits:
        return "–"
    sign = "+" if millicredits > 0 else "−"
    return f"{sign}{prices.format_credits(abs(millicredits))}"


class AccountAdmin(UserAdmin):
    """Accounts as `accounts` shows them; one that is made here has its wallet, as others do."""

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        ledger.open_wallet(obj)


admin.site.unregister(User)
admin.site.register(User, AccountAdmin)


class EntryColumns:
    """How an entry is shown, alone and under its wallet."""

    @display(description=_("available"))
    def available_moved(self, entry: LedgerEntry) -> str:
        return signed(entry.available_delta)

    @display(description=_("held"))
    def held_moved(self, entry: LedgerEntry) -> str:
        return signed(entry.held_delta)

    @display(description=_("job"))
    def job_link(self, entry: LedgerEntry) -> str:
        if entry.job_id is None:
            return "–"
        return format_html(
            '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>',
            reverse("admin:jobs_job_change", args=[entry.job_id]),
            str(entry.job_id)[-12:],
        )


class EntryInline(EntryColumns, ReadOnlyInline):
    """The wallet's entries, newest first."""

    model = LedgerEntry
    fields = (
        "created_at", "kind", "available_moved", "held_moved", "reason", "actor", "job_link",
    )  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("actor")


@admin.register(Wallet)
class WalletAdmin(ReadOnlyPage):
    """Two pockets to look at, and one door through which credits are given."""

    list_display = ("user", "available_credits", "held_credits", "created_at")
    list_select_related = ("user",)
    search_fields = ("user__email", "user__name")
    fields = readonly_fields = ("user", "available_credits", "held_credits", "created_at")
    inlines = (EntryInline,)
    actions_detail = ("move_credits",)

    @display(description=_("available"), ordering="available")
    def available_credits(self, wallet: Wallet) -> str:
        return prices.format_credits(wallet.available)

    @display(description=_("held"), ordering="held")
    def held_credits(self, wallet: Wallet) -> str:
        return prices.format_credits(wallet.held)

    def get_urls(self) -> list[URLPattern]:
        mine = path(
            "of/<int:user_id>/", self.admin_site.admin_view(self.of), name="credits_wallet_of"
        )
        return [mine, *super().get_urls()]

    def of(self, request: HttpRequest, user_id: int) -> HttpResponseRedirect:
        """To the wallet of a user, opened now if need be."""
        wallet = ledger.open_wallet(get_object_or_404(User, pk=user_id))
        return redirect("admin:credits_wallet_change", wallet.pk)

    def has_move_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("credits.add_ledgerentry")

    @action(
        description=_("Grant or adjust credits"),
        url_path="move",
        permissions=["move"],
        icon="toll",
    )
    def move_credits(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The form that gives or takes credits; sent twice, it moves them once."""
        wallet = get_object_or_404(Wallet.objects.select_related("user"), pk=object_id)
        form = MoveForm(request.POST or None)
        if form.is_valid() and self._move(request, wallet, form):
            return redirect("admin:credits_wallet_change", wallet.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Grant or adjust credits"),
            "wallet": wallet,
            "form": form,
            "available": prices.format_credits(wallet.available),
            "held": prices.format_credits(wallet.held),
        }
        return TemplateResponse(request, "admin/credits/wallet/move.html", context)

    def _move(self, request: HttpRequest, wallet: Wallet, form: MoveForm) -> bool:
        try:
            form.move(wallet, actor=cast(User, request.user))
        except ledger.InsufficientCredits:
            free = prices.format_credits(wallet.available)
            form.add_error("amount", _("Only %(free)s credits are free to take.") % {"free": free})
            return False
        except ledger.CreditError as error:
            form.add_error(None, str(error))
            return False
        messages.success(request, _("The credits were moved."))
        return True


@admin.register(LedgerEntry)
class LedgerEntryAdmin(EntryColumns, ReadOnlyPage):
    """Every movement there ever was."""

    list_display = (
        "created_at", "wallet_of", "kind", "available_moved", "held_moved", "reason", "actor",
        "job_link",
    )  # fmt: skip
    list_filter = ("kind", "created_at")
    list_select_related = ("wallet__user", "actor")
    search_fields = ("wallet__user__email", "reason", "key", "=job_id")
    fields = readonly_fields = (
        "created_at", "wallet_of", "kind", "available_moved", "held_moved", "reason", "actor",
        "job_link", "key",
    )  # fmt: skip

    @display(description=_("account"), ordering="wallet__user__email")
    def wallet_of(self, entry: LedgerEntry) -> str:
        return str(entry.wallet.user)


@admin.register(AuditRun)
class AuditRunAdmin(ReadOnlyPage):
    """Each night the ledger is added up; a difference is for a person to look at."""

    list_display = ("finished_at", "wallets", "entries", "differences")
    fields = readonly_fields = (
        "started_at", "finished_at", "wallets", "entries", "differences", "found",
    )  # fmt: skip

    @display(description=_("problems"))
    def found(self, run: AuditRun) -> str:
        return format_html_join("", "<p>{}</p>", ([problem] for problem in run.problems)) or "–"


@admin.register(Price)
class PriceAdmin(Page):
    """A new price is a new row. Jobs keep the one they were quoted."""

    form = PriceForm
    list_display = (
        "model", "unit", "credits_per_thousand", "minimum", "counting", "valid_from", "created_by",
    )  # fmt: skip
    list_filter = ("model", "unit")
    list_select_related = ("created_by",)
    search_fields = ("model",)

    @display(description=_("credits per 1,000 units"))
    def credits_per_thousand(self, price: Price) -> str:
        return prices.format_credits(price.millicredits_per_unit * 1000)

    @display(description=_("minimum"))
    def minimum(self, price: Price) -> str:
        return prices.format_credits(price.minimum_millicredits)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Price, form: Any, change: bool) -> None:
        obj.created_by = cast(User, request.user)
        super().save_model(request, obj, form, change)
