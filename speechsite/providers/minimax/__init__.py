"""MiniMax speech, at its own hosts or behind a relay gateway."""

from speechsite.providers.minimax.adapter import MiniMax

__all__ = ["MiniMax"]
