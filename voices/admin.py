"""Models, voices and the channels that list them, for administrators.

Voices are retired, never deleted.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from speechsite.accounts.models import Plan
from speechsite.core.adminpages import Page
from speechsite.upstreams.admin import ChannelPage
from speechsite.upstreams.models import Channel
from voices import sync
from voices.models import SpeechModel, Voice

MOST_NAMES = 20


@admin.register(Channel)
class ChannelAdmin(ChannelPage):
    """Channels, and the voices that each lists."""

    actions = (*ChannelPage.actions, "sync_channels")
    actions_detail = (*ChannelPage.actions_detail, "sync_voices")

    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        sync.begin([obj])

    @admin.action(description=_("Sync voices"), permissions=["change"])
    def sync_channels(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        for channel in queryset:
            self._sync(request, channel)

    @action(
        description=_("Sync voices"),
        url_path="sync",
        permissions=["change"],
        icon="sync",
        dialog={
            "title": _("Sync voices?"),
            "description": _("New voices are added; those that no channel lists are retired."),
            "form_class": None,
            "form_submit_text": _("Sync them"),
        },
    )
    def sync_voices(
        self, request: HttpRequest, form: BaseDialogForm, object_id: str
    ) -> HttpResponse:
        self._sync(request, get_object_or_404(Channel, pk=object_id))
        return self.back(request, object_id)

    def _sync(self, request: HttpRequest, channel: Channel) -> None:
        report = sync.sync(channel)
        if report.error:
            text = _("%(channel)s was not synced, and nothing was changed: %(error)s")
            messages.error(request, text % {"channel": channel.name, "error": report.error})
            return
        messages.success(request, f"{channel.name}: {_difference(report)}")


def _difference(report: sync.Report) -> str:
    """What a sync changed, with the names that an administrator will look for."""
    changes = report.difference
    kinds = (
        (_("%(count)d new"), changes.added),
        (_("%(count)d back"), changes.returned),
        (_("%(count)d retired"), changes.retired),
    )
    told = [_with_names(words % {"count": len(names)}, names) for words, names in kinds if names]
    return "; ".join(told) or str(_("nothing has changed."))


def _with_names(words: str, names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:MOST_NAMES])
    return f"{words} ({shown}{'…' if len(names) > MOST_NAMES else ''})"


@admin.register(SpeechModel)
class SpeechModelAdmin(Page):
    """The catalogue: what it says can be changed, what it is cannot."""

    list_display = ("name", "slug", "family", "kind", "is_enabled", "position")
    list_filter = ("family", "kind", "is_enabled")
    search_fields = ("name", "slug")
    readonly_fields = ("slug", "family", "kind", "aliases", "languages", "controls")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


class VoiceForm(forms.ModelForm):  # type: ignore[type-arg]
    """A voice, and the plans whose accounts alone may use it."""

    plans = forms.ModelMultipleChoiceField(
        label=_("plans"),
        queryset=Plan.objects.all(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("Only accounts on these plans may use it; everybody where none is chosen."),
    )

    class Meta:
        model = Voice
        fields = (
            "name", "description", "language", "languages", "gender", "accent", "age", "use_case",
            "voice_settings", "preview_url", "position", "is_recommended", "is_hidden",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = [int(key) for key in self.instance.for_plans.split(",") if key]
        self.fields["plans"].initial = chosen

    def save(self, commit: bool = True) -> Voice:
        keys = sorted(plan.pk for plan in self.cleaned_data["plans"])
        self.instance.for_plans = f",{','.join(map(str, keys))}," if keys else ""
        return super().save(commit)


@admin.register(Voice)
class VoiceAdmin(Page):
    """The library, with those that nobody can choose any more."""

    form = VoiceForm
    list_display = (
        "name", "family", "language", "gender", "category", "is_recommended", "owner", "state",
    )  # fmt: skip
    list_filter = (
        "family", "category", "gender", "is_recommended", "is_hidden",
        ("retired_at", admin.EmptyFieldListFilter),
    )  # fmt: skip
    list_select_related = ("owner",)
    search_fields = ("name", "external_id", "language", "owner__email")
    readonly_fields = (
        "family", "external_id", "owner", "category", "labels", "created_at", "retired_at",
    )  # fmt: skip
    actions = ("recommend", "stop_recommending", "hide", "publish", "retire", "restore")

    @display(
        description=_("state"), label={"usable": "success", "hidden": "info", "retired": "warning"}
    )
    def state(self, voice: Voice) -> Any:
        if not voice.is_usable:
            return "retired", _("retired")
        return ("hidden", _("hidden")) if voice.is_hidden else ("usable", _("usable"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.action(description=_("Recommend: show it first"), permissions=["change"])
    def recommend(self, request: HttpRequest, queryset: QuerySet[Voice]) -> None:
        _told(request, queryset.update(is_recommended=True), _("recommended"))

    @admin.action(description=_("Recommend no more"), permissions=["change"])
    def stop_recommending(self, request: HttpRequest, queryset: QuerySet[Voice]) -> None:
        _told(request, queryset.update(is_recommended=False), _("no longer recommended"))

    @admin.action(description=_("Hide: list it nowhere"), permissions=["change"])
    def hide(self, request: HttpRequest, queryset: QuerySet[Voice]) -> None:
        _told(request, queryset.update(is_hidden=True), _("hidden"))

    @admin.action(description=_("Publish: list it again"), permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[Voice]) -> None:
        _told(request, queryset.update(is_hidden=False), _("published"))

    @admin.action(
        description=_("Retire: keep it in history, offer it no more"), permissions=["change"]
    )
    def retire(self, request: HttpRequest, queryset: QuerySet[Voice]) -> None:
        count = queryset.filter(retired_at__isnull=True).update(retired_at=timezone.now())
        _told(request, count, _("retired"))

    @admin.action(description=_("Restore: offer it again"), permissions=["change"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Voice]) -> None:
        count = queryset.filter(retired_at__isnull=False).update(retired_at=None)
        _told(request, count, _("restored"))


def _told(request: HttpRequest, count: int, what: Any) -> None:
    text = ngettext("%(count)d voice: %(what)s.", "%(count)d voices: %(what)s.", count)
    messages.success(request, text % {"count": count, "what": what})
