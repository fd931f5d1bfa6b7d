"""What a partner can be told went wrong. Each dialect writes these in its own shape.

ApiError
├── KeyMissing, KeyInvalid, KeyRevoked, KeyExpired      401
├── ScopeDenied, AddressDenied                          403
├── NotEnoughCredits                                    402
├── NotFound                                            404
├── Invalid                                             400
├── TooLarge                                            413
├── Conflict                                            409
├── RateLimited, ConcurrencyLimited, CapReached         429
└── Unavailable                                         503
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext as _

from jobs.errors import OrderError, SiteFull
from speechsite.credits import welcome
from speechsite.credits.errors import InsufficientCredits, NoPrice, RestrictedCredits
from speechsite.credits.prices import format_credits


class ApiError(Exception):
    """An answer that is not what was asked for.

    `limit` names the limit that stopped the request; `needed`, `available` and
    `missing` are millicredits; `retry_after` is in seconds.
    """

    code = "error"
    status = 400

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        status: int = 0,
        field: str = "",
        limit: str = "",
        needed: int | None = None,
        available: int | None = None,
        missing: int | None = None,
        retry_after: float | None = None,
        resets_at: datetime | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.status = status or type(self).status
        self.field = field
        self.limit = limit
        self.needed = needed
        self.available = available
        self.missing = missing
        self.retry_after = retry_after
        self.resets_at = resets_at


class KeyMissing(ApiError):
    code, status = "api_key_missing", 401


class KeyInvalid(ApiError):
    code, status = "api_key_invalid", 401


class KeyRevoked(ApiError):
    code, status = "api_key_revoked", 401


class KeyExpired(ApiError):
    code, status = "api_key_expired", 401


class ScopeDenied(ApiError):
    code, status = "api_scope_denied", 403


class AddressDenied(ApiError):
    code, status = "api_address_denied", 403


class NotEnoughCredits(ApiError):
    code, status = "insufficient_credits", 402


class NotFound(ApiError):
    code, status = "not_found", 404


class Invalid(ApiError):
    code, status = "validation_failed", 400


class TooLarge(ApiError):
    code, status = "request_too_large", 413


class Conflict(ApiError):
    code, status = "idempotency_conflict", 409


class RateLimited(ApiError):
    code, status = "rate_limited", 429


class ConcurrencyLimited(RateLimited):
    code = "concurrency_limited"


class CapReached(RateLimited):
    code = "cap_reached"


class Unavailable(ApiError):
    code, status = "unavailable", 503


WAIT_FOR_ROOM = 60.0  # seconds
# Codes of an order's problem that mean "there is no such thing".
MISSING = frozenset({"voice_not_found", "model_not_found", "file_not_found"})


def from_order(error: Exception) -> ApiError:
    """What a refused order means to a partner. Anything unknown is raised again."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, SiteFull):
        return Unavailable(error.message, code=error.code, retry_after=WAIT_FOR_ROOM)
    if isinstance(error, OrderError):
        return Invalid(error.message, code=error.code, field=error.field)
    if isinstance(error, InsufficientCredits):
        return _not_enough(error)
    if isinstance(error, NoPrice):
        return Unavailable(_("This model has no price yet."), code="model_not_priced")
    raise error


def _not_enough(error: InsufficientCredits) -> NotEnoughCredits:
    """What is missing, and what the operator says to whoever wants more."""
    message = _(
        "This costs %(needed)s credits and there are %(available)s: %(missing)s are missing."
    )
    figures = {name: getattr(error, name) for name in ("needed", "available", "missing")}
    said = message % {name: format_credits(figure) for name, figure in figures.items()}
    if isinstance(error, RestrictedCredits):
        said = welcome.explanation()
    # On one line, as every message is.
    told = " ".join([said, *settings.CREDITS_OFFER.split()])
    return NotEnoughCredits(told, limit="account_balance", **figures)
