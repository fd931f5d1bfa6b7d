"""Models and voices for administrators. Voices are retired, never deleted."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import display

from speechsite.core.adminpages import Page
from voices.models import SpeechModel, Voice


@admin.register(SpeechModel)
class SpeechModelAdmin(Page):
    """The catalogue: what it says can be changed, what it is cannot."""

    list_display = ("name", "slug", "family", "kind", "is_enabled", "position")
    list_filter = ("family", "kind", "is_enabled")
    search_fields = ("name", "slug")
    readonly_fields = ("slug", "family", "kind", "aliases", "languages", "controls")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Voice)
class VoiceAdmin(Page):
    """The library, with those that nobody can choose any more."""

    list_display = ("name", "family", "language", "gender", "category", "owner", "state")
    list_filter = ("family", "category", "gender", ("retired_at", admin.EmptyFieldListFilter))
    list_select_related = ("owner",)
    search_fields = ("name", "external_id", "language", "owner__email")
    readonly_fields = (
        "family", "external_id", "owner", "category", "labels", "created_at", "retired_at",
    )  # fmt: skip
    actions = ("retire", "restore")

    @display(description=_("state"), label={"usable": "success", "retired": "warning"})
    def state(self, voice: Voice) -> Any:
        return ("usable", _("usable")) if voice.is_usable else ("retired", _("retired"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.action(
        description=_("Retire: keep it in history, offer it no more"), permissions=["change"]
    )
    def retire(self, request: HttpRequest, queryset: QuerySet[Voice]) -> None:
        count = queryset.filter(retired_at__isnull=True).update(retired_at=timezone.now())
        text = ngettext("%(count)d voice retired.", "%(count)d voices retired.", count)
        messages.success(request, text % {"count": count})

    @admin.action(description=_("Restore: offer it again"), permissions=["change"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Voice]) -> None:
        count = queryset.filter(retired_at__isnull=False).update(retired_at=None)
        text = ngettext("%(count)d voice restored.", "%(count)d voices restored.", count)
        messages.success(request, text % {"count": count})
