"""Accounts for administrators: people, plans, keys. Credits are shown, never set."""

from __future__ import annotations

from typing import Any, cast

from allauth.account.models import EmailAddress
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from speechsite.accounts import keys, plans
from speechsite.accounts.models import ApiKey, Plan, User
from speechsite.core.adminpages import Page, ReadOnlyInline, ReadOnlyPage

MILLI = 1000
admin.site.unregister(Group)  # rights are given person by person
if admin.site.is_registered(EmailAddress):
    admin.site.unregister(EmailAddress)


class AddressInline(TabularInline):
    """Addresses, with the mark that says they were confirmed."""

    model = EmailAddress
    extra = 0
    tab = True


class KeyInline(ReadOnlyInline):
    """The account's keys; their secrets are nowhere."""

    model = ApiKey
    fields = ("prefix", "name", "mode", "created_at", "last_used_at", "revoked_at")
    readonly_fields = fields
    show_change_link = True


@admin.register(User)
class UserAdmin(DjangoUserAdmin, Page):
    """People. Only a superuser may make or touch another administrator."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    ordering = ("-date_joined",)
    list_display = ("email", "name", "plan", "balance", "is_active", "is_staff", "date_joined")
    list_filter = ("plan", "is_active", "is_staff", "date_joined")
    list_select_related = ("plan", "wallet")
    search_fields = ("email", "name", "public_id")
    filter_horizontal = ("user_permissions",)
    readonly_fields = ("public_id", "balance", "wallet_links", "last_login", "date_joined")
    inlines = (AddressInline, KeyInline)
    actions = ("deactivate", "activate")
    fieldsets = (
        (None, {"fields": ("email", "password", "name", "plan", "is_active")}),
        (_("Credits"), {"fields": ("balance", "wallet_links")}),
        (_("Preferences"), {"fields": ("language", "timezone"), "classes": ("tab",)}),
        (
            _("Rights"),
            {"fields": ("is_staff", "is_superuser", "user_permissions"), "classes": ("tab",)},
        ),
        (
            _("Dates and ids"),
            {"fields": ("public_id", "last_login", "date_joined"), "classes": ("tab",)},
        ),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "plan", "password1", "password2")}),)

    @display(description=_("credits"))
    def balance(self, user: User) -> str:
        wallet = getattr(user, "wallet", None)
        if wallet is None:
            return "–"
        held = f" (+ {wallet.held / MILLI:,g} {_('held')})" if wallet.held else ""
        return f"{wallet.available / MILLI:,.15g}{held}"

    @display(description=_("wallet"))
    def wallet_links(self, user: User) -> str:
        if user.pk is None:
            return "–"
        return format_html(
            '<a class="text-primary-600 dark:text-primary-500 underline" href="{}">{}</a>',
            reverse("admin:credits_wallet_of", args=[user.pk]),
            _("Open the wallet, its entries and the form to grant credits"),
        )

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        return self.inlines if obj else ()

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        if request.user.is_superuser:
            return fields
        return (*fields, "is_staff", "is_superuser", "user_permissions")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if not change and obj.plan_id is None:
            obj.plan = plans.default_plan()
        super().save_model(request, obj, form, change)
        if not change:
            EmailAddress.objects.get_or_create(
                user=obj, email=obj.email, defaults={"verified": True, "primary": True}
            )

    @admin.action(description=_("Deactivate: no signing in, no API"), permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        me = cast(User, request.user)
        spared = queryset.filter(pk=me.pk).exists()
        others = self._touchable(request, queryset).exclude(pk=me.pk)
        self._say(request, others.update(is_active=False))
        if spared:
            messages.warning(request, _("Your own account was left alone."))

    @admin.action(description=_("Activate again"), permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._say(request, self._touchable(request, queryset).update(is_active=True))

    def _touchable(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        return queryset if request.user.is_superuser else queryset.filter(is_superuser=False)

    def _say(self, request: HttpRequest, count: int) -> None:
        text = ngettext("%(count)d account changed.", "%(count)d accounts changed.", count)
        messages.success(request, text % {"count": count})


@admin.register(Plan)
class PlanAdmin(Page):
    """Limits; an empty one means no limit."""

    list_display = (
        "name", "slug", "requests_per_second", "concurrent_jobs", "characters_per_job",
        "upload_megabytes", "upload_files", "position",
    )  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: Plan | None = None) -> Any:
        return ("slug",) if obj else ()


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyPage):
    """Keys by their prefix. They can be revoked, not read."""

    list_display = ("prefix", "user", "name", "mode", "state", "created_at", "last_used_at")
    list_filter = ("mode", "created_at", "revoked_at")
    list_select_related = ("user",)
    search_fields = ("prefix", "name", "user__email")
    exclude = ("secret_hash",)
    actions = ("revoke",)

    @display(description=_("state"), label={"usable": "success", "ended": "danger"})
    def state(self, key: ApiKey) -> Any:
        return ("usable", _("usable")) if key.is_usable else ("ended", _("ended"))

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_apikey")

    @admin.action(description=_("Revoke, for good"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset:
            keys.revoke(key)
        messages.success(request, _("The chosen keys no longer open anything."))
