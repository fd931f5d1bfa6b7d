"""Rivya: `adapter` calls, `orders` writes what goes out, `answers` reads what came back."""

from speechsite.providers.rivya.adapter import Rivya

__all__ = ["Rivya"]
