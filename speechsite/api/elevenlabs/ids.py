"""Our identifiers as ElevenLabs' clients expect them: twenty letters and digits.

Pure and reversible: the six bits that every version 7 UUID has in common are left
out, and the rest fits into twenty digits of base 62.
"""

from __future__ import annotations

import string
import uuid

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
LENGTH = 20

_DIGITS = {letter: value for value, letter in enumerate(ALPHABET)}
_LOW = (1 << 62) - 1
_MIDDLE = (1 << 12) - 1
_LARGEST = 1 << (48 + 12 + 62)


def public(identifier: uuid.UUID) -> str:
    """What a client sees of one of our ids."""
    value = identifier.int
    packed = (value >> 80) << 74 | (value >> 64 & _MIDDLE) << 62 | value & _LOW
    letters = []
    for _ in range(LENGTH):
        packed, digit = divmod(packed, len(ALPHABET))
        letters.append(ALPHABET[digit])
    return "".join(reversed(letters))


def private(name: str) -> uuid.UUID | None:
    """The id behind what a client sent; None for what cannot be one of ours."""
    if len(name) != LENGTH or not all(letter in _DIGITS for letter in name):
        return None
    packed = 0
    for letter in name:
        packed = packed * len(ALPHABET) + _DIGITS[letter]
    if packed >= _LARGEST:
        return None
    value = (packed >> 74) << 80 | 0x7 << 76 | (packed >> 62 & _MIDDLE) << 64
    return uuid.UUID(int=value | 0b10 << 62 | packed & _LOW)
