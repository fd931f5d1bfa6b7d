"""Who makes a voice, in words: a provider, or one of the engines of this machine."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from voices import snapshot
from voices.models import Voice

NAMES = {
    "builtin": gettext_lazy("Built in"),
    snapshot.NATURAL: gettext_lazy("Built in, natural"),
    snapshot.BASIC: gettext_lazy("Built in, basic"),
    "elevenlabs": "ElevenLabs",
    "minimax": "MiniMax",
    "kie": "kie.ai",
    "openai": "Speech server",
}


KINDS = {snapshot.NATURAL: gettext_lazy("Natural"), snapshot.BASIC: gettext_lazy("Basic")}


def maker_name(maker: str) -> str:
    """A maker's name as people read it."""
    return str(NAMES.get(maker, maker.capitalize()))


def maker_tag(voice: Voice) -> str:
    """Who makes a voice, in a word or two: of a built-in one, of what kind it is."""
    maker = snapshot.maker_of(voice.family, voice.engine)
    return str(KINDS.get(maker) or maker_name(maker))
