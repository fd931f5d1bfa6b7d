"""ElevenLabs, called directly: speech, dialogue, isolation, voices, history."""

from speechsite.providers.elevenlabs.adapter import ElevenLabs

__all__ = ["ElevenLabs"]
