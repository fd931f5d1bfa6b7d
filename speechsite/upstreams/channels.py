"""From a channel's row to an adapter that can be called, and back from the environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import httpx
from django.conf import settings

from speechsite.core import env
from speechsite.providers.base import Adapter
from speechsite.providers.types import Feature
from speechsite.upstreams import secrets
from speechsite.upstreams.models import Channel

# Imported when first used: most sites use two of them.
ADAPTERS = {
    "builtin": "speechsite.providers.builtin.adapter:Builtin",
    "elevenlabs": "speechsite.providers.elevenlabs:ElevenLabs",
    "kie": "speechsite.providers.kie:Kie",
    "minimax": "speechsite.providers.minimax:MiniMax",
    "openai": "speechsite.providers.openai:OpenAI",
    "rivya": "speechsite.providers.rivya:Rivya",
}


@dataclass(frozen=True, slots=True)
class FromEnvironment:
    """How one provider's variables become a channel."""

    slug: str
    name: str
    default_base_url: str
    concurrency: int
    rate: tuple[int | None, int] = (None, 10)
    credentials: dict[str, str] = field(default_factory=dict)  # our name -> variable
    options: dict[str, tuple[str, str]] = field(default_factory=dict)  # -> variable, default
    prefix: str = ""  # of its variables, where the slug is not
    # Servers of one's own: no key is needed, and there may be several addresses.
    is_own: bool = False

    @property
    def address(self) -> str:
        """The variable that holds where it is."""
        return f"{self.prefix or self.slug.upper()}_BASE_URL"


SOURCES = (
    FromEnvironment(
        "elevenlabs",
        "ElevenLabs",
        "https://api.elevenlabs.io",
        concurrency=10,
        credentials={"api_key": "ELEVENLABS_API_KEY"},
    ),
    FromEnvironment(
        "kie",
        "kie.ai",
        "https://api.kie.ai",
        concurrency=100,
        rate=(20, 10),
        credentials={"api_key": "KIE_API_KEY", "webhook_key": "KIE_WEBHOOK_KEY"},
        options={"upload_url": ("KIE_UPLOAD_URL", "https://kieai.redpandaai.co")},
    ),
    FromEnvironment(
        "minimax",
        "MiniMax",
        "https://api.minimax.io",
        concurrency=20,
        rate=(60, 60),
        credentials={"api_key": "MINIMAX_API_KEY"},
        options={"upload_path": ("MINIMAX_UPLOAD_PATH", "/v1/files/upload")},
    ),
    FromEnvironment(
        "openai",
        "Speech server",
        "https://api.openai.com",
        concurrency=8,
        credentials={"api_key": "OPENAI_SPEECH_API_KEY"},
        options={
            "voices": ("OPENAI_SPEECH_VOICES", ""),
            "models": ("OPENAI_SPEECH_MODELS", ""),
            "language": ("OPENAI_SPEECH_LANGUAGE", ""),
            "format": ("OPENAI_SPEECH_FORMAT", ""),
        },
        prefix="OPENAI_SPEECH",
        is_own=True,
    ),
    FromEnvironment(
        "rivya",
        "Rivya",
        "https://rivya.ai",
        concurrency=50,
        credentials={"api_key": "RIVYA_API_KEY"},
    ),
)


def adapter_class(name: str) -> type[Adapter]:
    """The adapter registered under a name."""
    module, _, attribute = ADAPTERS[name].partition(":")
    return getattr(import_module(module), attribute)


def source_of(adapter: str) -> FromEnvironment | None:
    """What is known of a provider: its address, its limits, the names of its keys."""
    return next((source for source in SOURCES if source.slug == adapter), None)


def features_of(channel: Channel) -> frozenset[Feature]:
    """What the channel's adapter promises."""
    return adapter_class(channel.adapter).features


def open_adapter(channel: Channel, transport: httpx.AsyncBaseTransport | None = None) -> Adapter:
    """An adapter ready to call. Raises SealBroken when the credentials cannot be read."""
    options: dict[str, Any] = dict(channel.options)
    if channel.adapter == "builtin":
        options.setdefault("processes", settings.ENGINE_PROCESSES)
        options.setdefault("voices", str(settings.VOICES_DIR))
    return adapter_class(channel.adapter)(
        base_url=channel.base_url,
        credentials=secrets.open_sealed(channel.credentials),
        options=options,
        transport=transport,
    )


def sync_from_environment() -> list[Channel]:
    """Make or refresh a channel for each provider whose key is in the environment.

    A server of one's own needs no key: each of its addresses makes a channel. Only address and
    credentials follow the environment; what an administrator set in the admin (priority,
    limits, enabled) stays.
    """
    return [
        _sync(source, number, address)
        for source in SOURCES
        for number, address in enumerate(_addresses(source), 1)
    ]


def ensure_builtin() -> Channel:
    """The channel that is always there."""
    channel, _ = Channel.objects.get_or_create(
        slug="builtin",
        defaults={
            "name": "Built-in engine",
            "adapter": "builtin",
            "priority": 90,
            "origin": Channel.Origin.BUILTIN,
            "concurrency": settings.ENGINE_PROCESSES,
        },
    )
    return channel


def _addresses(source: FromEnvironment) -> list[str]:
    """Where the environment says that this provider is; nothing where it is not used."""
    is_keyed = bool(env.text(source.credentials["api_key"]))
    if source.is_own:
        return env.words(source.address) or ([source.default_base_url] if is_keyed else [])
    return [env.text(source.address, source.default_base_url)] if is_keyed else []


def _sync(source: FromEnvironment, number: int, address: str) -> Channel:
    credentials = {name: env.text(variable) for name, variable in source.credentials.items()}
    options = {name: env.text(*variable) for name, variable in source.options.items()}
    channel, _ = Channel.objects.get_or_create(
        slug=source.slug if number == 1 else f"{source.slug}-at-{number}",
        defaults={
            "name": source.name if number == 1 else f"{source.name} {number}",
            "adapter": source.slug,
            "concurrency": source.concurrency,
            "rate_count": source.rate[0],
            "rate_seconds": source.rate[1],
            "origin": Channel.Origin.ENVIRONMENT,
        },
    )
    channel.base_url = address.rstrip("/")
    channel.options = {**channel.options, **options}
    channel.credentials = secrets.seal(
        {name: value for name, value in credentials.items() if value}
    )
    channel.save(update_fields=["base_url", "options", "credentials"])
    return channel
