"""The administrator's forms for channels. A key goes in and never comes out again."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget

from speechsite.upstreams import channels, secrets
from speechsite.upstreams.models import Channel

LONGEST_KEY = 400
LONGEST_SLUG = 50


def _secret(label: Any) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=LONGEST_KEY,
        # Nothing is written back, and no browser fills in somebody's own password.
        widget=UnfoldAdminPasswordWidget(
            render_value=False, attrs={"autocomplete": "new-password", "spellcheck": "false"}
        ),
    )


class KeysForm(forms.ModelForm):  # type: ignore[type-arg]
    """What both forms share: an address and the keys, sealed before they are stored."""

    api_key = _secret(_("API key"))
    webhook_key = _secret(_("Webhook key"))

    class Meta:
        model = Channel
        fields: tuple[str, ...] = ()

    def clean_api_key(self) -> str:
        return _clean_secret(self.cleaned_data["api_key"])

    def clean_webhook_key(self) -> str:
        return _clean_secret(self.cleaned_data["webhook_key"])

    def clean_base_url(self) -> str:
        return _clean_url(self.cleaned_data["base_url"])

    def typed_keys(self) -> dict[str, str]:
        """The keys that were typed in; an empty field keeps what is there."""
        names = ("api_key", "webhook_key")
        typed = {name: self.cleaned_data.get(name, "") for name in names}
        return {name: key for name, key in typed.items() if key}

    def save(self, commit: bool = True) -> Channel:
        typed = self.typed_keys()
        if typed:
            self.instance.credentials = secrets.seal({**stored_keys(self.instance), **typed})
        saved: Channel = super().save(commit)
        return saved


class NewChannelForm(KeysForm):
    """A channel made by hand: an account at one of the providers that we know."""

    adapter = forms.ChoiceField(label=_("Provider"), widget=UnfoldAdminSelectWidget)

    class Meta:
        model = Channel
        fields = ("name", "adapter", "base_url")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(source.slug, source.name) for source in channels.SOURCES]
        self.fields["adapter"].choices = choices  # type: ignore[attr-defined]
        self.fields["base_url"].help_text = _(
            "Empty: the provider's own address. A speech server is reached at its own, and needs "
            "a key only where it asks for one."
        )
        self.fields["webhook_key"].help_text = _("kie.ai signs its callbacks with it.")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        source = channels.source_of(cleaned.get("adapter", ""))
        is_idle = source is not None and "webhook_key" not in source.credentials
        is_open = source is not None and source.is_own and cleaned.get("base_url")
        if not is_open and "api_key" in cleaned and not cleaned["api_key"]:
            self.add_error("api_key", self.fields["api_key"].error_messages["required"])
        if is_idle and cleaned.get("webhook_key"):
            self.add_error("webhook_key", _("This provider has no webhook key."))
        return cleaned

    def save(self, commit: bool = True) -> Channel:
        channel = self.instance
        source = next(one for one in channels.SOURCES if one.slug == channel.adapter)
        channel.slug = _free_slug(channel.name, source.slug)
        channel.base_url = channel.base_url or source.default_base_url
        channel.concurrency = source.concurrency
        channel.rate_count, channel.rate_seconds = source.rate
        channel.options = {name: default for name, (_v, default) in source.options.items()}
        return super().save(commit)


class ChannelForm(KeysForm):
    """An existing channel. Only what is typed into a key's field replaces that key."""

    class Meta:
        model = Channel
        fields = (
            "name", "base_url", "is_enabled", "priority", "weight", "concurrency", "rate_count",
            "rate_seconds", "options",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = key_names(self.instance)
        for name in ("api_key", "webhook_key"):
            if name in names:
                self.fields[name].help_text = key_state(self.instance, name)
            else:
                del self.fields[name]

    def clean_base_url(self) -> str:
        source = channels.source_of(self.instance.adapter)
        return super().clean_base_url() or (source.default_base_url if source else "")


def key_names(channel: Channel) -> tuple[str, ...]:
    """The keys that an administrator may type: the environment's are the environment's."""
    source = channels.source_of(channel.adapter)
    if source is None or channel.origin != Channel.Origin.ADMIN:
        return ()
    return tuple(source.credentials)


def key_state(channel: Channel, name: str) -> Any:
    """Whether a key is stored, in words."""
    try:
        is_stored = bool(secrets.open_sealed(channel.credentials).get(name))
    except secrets.SealBroken:
        return _("The stored key cannot be read: SECRET_KEY has changed since. Enter it again.")
    if is_stored:
        return _("A key is stored. Leave this empty to keep it.")
    return _("No key is stored.")


def stored_keys(channel: Channel) -> dict[str, str]:
    """The keys as they are; none where the seal is broken, since nobody can read those."""
    try:
        return secrets.open_sealed(channel.credentials)
    except secrets.SealBroken:
        return {}


def _clean_secret(typed: str) -> str:
    # It becomes part of a header: a line end or a letter outside ASCII breaks every call.
    if not typed.isascii() or not typed.isprintable() or " " in typed:
        raise forms.ValidationError(_("This does not look like a key: paste it once more."))
    return typed


def _clean_url(typed: str) -> str:
    if not typed:
        return ""
    try:
        parts = urlsplit(typed)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_plain = not (parts.username or parts.password or parts.query or parts.fragment)
        _port = parts.port
    except ValueError:
        is_usable = is_plain = False
    if not is_usable or not is_plain:
        raise forms.ValidationError(_("Write an address such as https://api.example.com."))
    return typed.rstrip("/")


def _free_slug(name: str, fallback: str) -> str:
    """A slug that no channel has: callbacks name the channel by it."""
    stem = slugify(name)[: LONGEST_SLUG - 4] or fallback
    taken = set(Channel.objects.filter(slug__startswith=stem).values_list("slug", flat=True))
    # A provider's own name belongs to the channel that its environment variable makes.
    taken |= {source.slug for source in channels.SOURCES} | {"builtin"}
    if stem not in taken:
        return stem
    return next(f"{stem}-{n}" for n in range(2, len(taken) + 3) if f"{stem}-{n}" not in taken)
