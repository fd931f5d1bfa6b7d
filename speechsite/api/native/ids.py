"""Public ids: a word that says what it names, and the row's own id."""

from __future__ import annotations

import re
from uuid import UUID

GENERATION = "task_"
FILE = "file_"

_HEX = re.compile(r"[0-9a-f]{32}", re.ASCII)


def public(prefix: str, row_id: UUID) -> str:
    """The id that partners see."""
    return f"{prefix}{row_id.hex}"


def private(prefix: str, given: str) -> UUID | None:
    """The row's id behind a public one; None for what never was one of ours."""
    digits = given.removeprefix(prefix)
    if digits == given or _HEX.fullmatch(digits) is None:
        return None
    return UUID(hex=digits)
