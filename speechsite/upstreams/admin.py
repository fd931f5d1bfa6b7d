"""Channels and what they offer, for administrators: how they fare and how much they may take.

`ChannelPage` is registered one floor up, by `voices.admin`, which can also sync voices.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm

from speechsite.core.adminpages import Page
from speechsite.upstreams import catalogue, health, listing, trial
from speechsite.upstreams.forms import ChannelForm, NewChannelForm, key_names
from speechsite.upstreams.models import Channel, Offer

BREAKER_COLOURS = {
    Channel.Breaker.CLOSED: "success",
    Channel.Breaker.HALF_OPEN: "warning",
    Channel.Breaker.OPEN: "danger",
}
HEALTH = ("breaker", "failures", "resting_until", "last_error")


class OfferInline(TabularInline):
    """The models that this channel sells."""

    model = Offer
    extra = 0
    tab = True
    fields = ("model", "upstream_name", "max_characters", "microcredits_per_unit", "is_enabled")
    readonly_fields = ("model", "upstream_name")
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Channel | None = None) -> bool:
        return False


class ChannelPage(Page):
    """One account at a provider. Its keys can be typed in and are not shown anywhere."""

    list_display = (
        "name", "adapter", "health", "voices", "is_enabled", "priority", "weight", "concurrency", "origin",
    )  # fmt: skip
    list_filter = ("adapter", "is_enabled", "breaker")
    search_fields = ("name", "slug", "base_url")
    readonly_fields = ("slug", "origin", "created_at", *HEALTH, "voices")
    form = ChannelForm
    actions: tuple[str, ...] = ("test_channels", "reset_breakers")
    actions_detail: tuple[str, ...] = ("test_channel", "reset_breaker")

    @display(description=_("health"), label=BREAKER_COLOURS, ordering="breaker")
    def health(self, channel: Channel) -> Any:
        return channel.breaker, channel.get_breaker_display()

    @display(description=_("voices"), ordering="voices_at")
    def voices(self, channel: Channel) -> SafeString:
        told, besides = listing.state(channel)
        block = (
            '<strong class="font-normal">{}</strong>'
            '<p class="min-w-52 max-w-sm whitespace-normal">{}</p>'
        )
        return format_html(block, told, besides)

    def get_form(
        self, request: HttpRequest, obj: Channel | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        kwargs["form"] = ChannelForm if change else NewChannelForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Channel | None = None) -> Any:
        if obj is None:
            return [(None, {"fields": ("name", "adapter", "base_url", "api_key", "webhook_key")})]
        limits = ("priority", "weight", "concurrency", "rate_count", "rate_seconds")
        details = {"fields": ("options", "origin", "created_at"), "classes": ("collapse",)}
        return [
            (None, {"fields": ("name", "slug", "adapter", "base_url", "is_enabled")}),
            (_("Credentials"), _credentials(obj)),
            (_("How much it may take"), {"fields": limits}),
            (_("Health"), {"fields": (*HEALTH, "voices")}),
            (_("Details"), details),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Channel | None = None) -> Any:
        if obj is None:
            return ()
        # What comes from the environment is written anew at each start.
        from_outside = obj.origin != Channel.Origin.ADMIN
        fixed = (*self.readonly_fields, "adapter")
        return (*fixed, "base_url") if from_outside else fixed

    def get_inlines(self, request: HttpRequest, obj: Channel | None = None) -> Any:
        return (OfferInline,) if obj is not None else ()

    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            catalogue.load_offers(obj)

    def response_add(self, request: HttpRequest, obj: Channel, *args: Any, **kwargs: Any) -> Any:
        if "_addanother" in request.POST:
            return super().response_add(request, obj, *args, **kwargs)
        messages.success(request, _("The channel was added. Test it before work goes through it."))
        return redirect(self._page(obj.pk))

    @admin.action(description=_("Test: spends nothing"), permissions=["change"])
    def test_channels(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        for channel in queryset:
            self._test(request, channel)

    @admin.action(description=_("Reset the breaker"), permissions=["change"])
    def reset_breakers(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        for channel in queryset:
            self._reset(request, channel)

    @action(
        description=_("Test this channel"),
        url_path="test",
        permissions=["change"],
        icon="network_check",
        dialog={
            "title": _("Test this channel?"),
            "description": _("Asks for the balance or the list of voices. Spends nothing."),
            "form_class": None,
            "form_submit_text": _("Test it"),
        },
    )
    def test_channel(
        self, request: HttpRequest, form: BaseDialogForm, object_id: str
    ) -> HttpResponse:
        self._test(request, get_object_or_404(Channel, pk=object_id))
        return self.back(request, object_id)

    @action(
        description=_("Reset the breaker"),
        url_path="reset",
        permissions=["change"],
        icon="restart_alt",
        dialog={
            "title": _("Reset the breaker?"),
            "description": _("Work goes through this channel again at once."),
            "form_class": None,
            "form_submit_text": _("Reset it"),
        },
    )
    def reset_breaker(
        self, request: HttpRequest, form: BaseDialogForm, object_id: str
    ) -> HttpResponse:
        self._reset(request, get_object_or_404(Channel, pk=object_id))
        return self.back(request, object_id)

    def back(self, request: HttpRequest, object_id: object) -> HttpResponse:
        """To the channel's page, also from a dialog."""
        if "HX-Request" in request.headers:
            return HttpResponse(headers={"HX-Redirect": self._page(object_id)})
        return redirect(self._page(object_id))

    def _page(self, object_id: object) -> str:
        return reverse("admin:upstreams_channel_change", args=[object_id])

    def _test(self, request: HttpRequest, channel: Channel) -> None:
        finding = trial.test(channel)
        level = messages.SUCCESS if finding.works else messages.ERROR
        messages.add_message(request, level, f"{channel.name}: {finding.words}")

    def _reset(self, request: HttpRequest, channel: Channel) -> None:
        health.reset(channel)
        messages.success(request, _("%s takes work again.") % channel.name)


def _credentials(channel: Channel) -> dict[str, Any]:
    """The key fields that this channel's provider has, or why there are none."""
    if channel.origin == Channel.Origin.ENVIRONMENT:
        return {"fields": (), "description": _("They come from the environment at each start.")}
    names = key_names(channel)
    return {"fields": names, "description": "" if names else _("It needs none.")}


@admin.register(Offer)
class OfferAdmin(Page):
    """Every model on every channel."""

    list_display = ("model", "channel", "upstream_name", "max_characters", "is_enabled")
    list_filter = ("channel", "is_enabled")
    list_select_related = ("channel",)
    search_fields = ("model", "upstream_name")
    readonly_fields = ("channel", "model")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
