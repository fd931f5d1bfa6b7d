"""Small words for templates: icons, credits, clock times. No queries here."""

from __future__ import annotations

from typing import Any

from django import forms, template
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from speechsite.credits import prices
from speechsite.credits.models import MILLI, LedgerEntry, Price
from voices.languages import language_name
from voices.models import Voice

register = template.Library()

STATE_ICONS = {
    "queued": "clock",
    "processing": "wave",
    "succeeded": "check",
    "failed": "alert",
    "canceled": "stop",
}
GENDERS = {"female": _("Female"), "male": _("Male"), "neutral": _("Neutral")}
ENTRY_WORDS = {
    "grant": _("Credits granted"),
    "voucher": _("Voucher redeemed"),
    "adjust": _("Adjusted"),
    "hold": _("Set aside for"),
    "capture": _("Charged for"),
    "release": _("Returned from"),
    "refund": _("Refunded for"),
}
FAMILIES = {
    "builtin": _("Built in"),
    "elevenlabs": "ElevenLabs",
    "minimax": "MiniMax",
    "openai": _("Speech server"),
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """An icon of our sprite; it says nothing, so words stand beside it."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        static("icons.svg"),
        name,
    )


@register.filter
def coded(text: str) -> SafeString:
    """Words between backticks as code: the API's descriptions are written that way."""
    parts = enumerate(str(text).split("`"))
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", part) if n % 2 else part,) for n, part in parts)
    )


@register.simple_tag
def state_icon(state: str) -> SafeString:
    return icon(STATE_ICONS.get(state, "clock"))


@register.filter
def credits(millicredits: int | None) -> str:
    """Millicredits as the credits that people read."""
    return prices.format_credits(millicredits or 0)


@register.filter
def credits_words(millicredits: int | None) -> str:
    """Credits with their unit: "1 credit", "0.306 credits"."""
    amount = millicredits or 0
    words = ngettext("%(n)s credit", "%(n)s credits", 1 if amount == MILLI else 2)
    return words % {"n": prices.format_credits(amount)}


@register.filter
def signed_credits(millicredits: int) -> str:
    """A change of a balance, with its sign; a dash where nothing moved."""
    if not millicredits:
        return "–"
    sign = "+" if millicredits > 0 else "−"
    return sign + prices.format_credits(abs(millicredits))


@register.filter
def clock(milliseconds: int | None) -> str:
    """A length of time as 0:07, 12:05 or 1:02:03."""
    seconds = round((milliseconds or 0) / 1000)
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{hours}:{minutes:02}:{seconds:02}"
    return f"{minutes}:{seconds:02}"


@register.filter
def described(field: forms.BoundField) -> SafeString:
    """A bound field whose control names its help and its error to screen readers."""
    ids = []
    if field.help_text:
        ids.append(f"{field.auto_id}_helptext")
    # The label says it already; a placeholder that repeats it only looks filled in.
    attributes: dict[str, Any] = {"placeholder": ""}
    if field.errors:
        ids.append(f"{field.auto_id}_error")
        attributes["aria-invalid"] = "true"
    if ids:
        attributes["aria-describedby"] = " ".join(ids)
    return field.as_widget(attrs=attributes)


@register.filter
def language(voice: Voice | None) -> str:
    """A voice's language, in the reader's."""
    return language_name(voice.language) if voice and voice.language else ""


@register.filter
def gender(voice: Voice) -> str:
    return str(GENDERS.get(voice.gender, voice.gender))


@register.filter
def per_thousand(price: Price) -> int:
    """Millicredits for a thousand units."""
    return price.millicredits_per_unit * 1000


@register.filter
def words(text: str) -> list[str]:
    """The words of a short list written into a template."""
    return text.split()


@register.filter
def eta(seconds: int) -> str:
    """A rough remaining time: people plan by it, so it does not pretend to be exact."""
    if seconds < 60:
        return ngettext("%(n)d second", "%(n)d seconds", seconds) % {"n": max(1, seconds)}
    minutes = round(seconds / 60)
    if minutes < 60:
        return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}
    hours = round(minutes / 60)
    return ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours}


@register.filter
def family_name(family: str) -> str:
    return str(FAMILIES.get(family, family.capitalize()))


@register.filter
def what_happened(entry: LedgerEntry) -> str:
    """A ledger entry as a statement says it."""
    return str(ENTRY_WORDS.get(entry.kind, entry.get_kind_display()))
