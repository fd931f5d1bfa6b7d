"""What can be wrong with an order, said beside the field that is to blame."""

from __future__ import annotations

from django.utils.translation import gettext as _


class OrderError(Exception):
    """The order cannot be taken. `field` names the input, `code` is stable."""

    def __init__(self, field: str, message: str, *, code: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message
        self.code = code


class SiteFull(OrderError):
    """The disk is nearly full: what is under way may end, and nothing new begins."""

    def __init__(self, field: str = "") -> None:
        message = _("This site has no room left on its disk. Please try again later.")
        super().__init__(field, message, code="disk_full")
