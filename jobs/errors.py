"""What can be wrong with an order, said beside the field that is to blame."""

from __future__ import annotations


class OrderError(Exception):
    """The order cannot be taken. `field` names the input, `code` is stable."""

    def __init__(self, field: str, message: str, *, code: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message
        self.code = code
