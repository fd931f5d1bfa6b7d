"""Channels and what they offer, for administrators: how they fare and how much they may take."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.decorators import display

from speechsite.core.adminpages import Page
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


@admin.register(Channel)
class ChannelAdmin(Page):
    """One account at a provider. Its credentials are not shown anywhere."""

    list_display = (
        "name", "adapter", "health", "is_enabled", "priority", "weight", "concurrency", "origin",
    )  # fmt: skip
    list_filter = ("adapter", "is_enabled", "breaker")
    search_fields = ("name", "slug", "base_url")
    readonly_fields = ("slug", "adapter", "origin", "created_at", *HEALTH)
    inlines = (OfferInline,)
    fieldsets = (
        (None, {"fields": ("name", "slug", "adapter", "base_url", "is_enabled")}),
        (
            _("How much it may take"),
            {"fields": ("priority", "weight", "concurrency", "rate_count", "rate_seconds")},
        ),
        (_("Health"), {"fields": HEALTH}),
        (_("Details"), {"fields": ("options", "origin", "created_at"), "classes": ("collapse",)}),
    )

    @display(description=_("health"), label=BREAKER_COLOURS, ordering="breaker")
    def health(self, channel: Channel) -> Any:
        return channel.breaker, channel.get_breaker_display()

    def get_readonly_fields(self, request: HttpRequest, obj: Channel | None = None) -> Any:
        # What comes from the environment is written anew at each start.
        from_outside = obj is not None and obj.origin != Channel.Origin.ADMIN
        return (*self.readonly_fields, "base_url") if from_outside else self.readonly_fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


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
