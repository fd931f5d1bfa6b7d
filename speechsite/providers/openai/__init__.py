"""Whatever speaks OpenAI's `/v1/audio/speech`: OpenAI, or a server of one's own."""

from speechsite.providers.openai.adapter import OpenAI

__all__ = ["OpenAI"]
