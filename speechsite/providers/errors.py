"""Everything that can go wrong at a provider, in our words.

    ProviderError
    ├── Rejected          the order itself is wrong; nobody else will take it either
    │   ├── Unsupported   this provider cannot do that; another may
    │   └── Moderated     refused for its content
    ├── RateLimited       not now; nothing was accepted
    ├── Unavailable       down, or in maintenance
    ├── Unclear           the answer was lost: it may or may not have been accepted
    ├── Garbled           answered, but not with what was promised
    ├── TaskFailed        accepted, then failed at the provider
    ├── AccountEmpty      the operator's account there has no funds
    ├── BadCredentials    the operator's key is refused
    └── Forged            a message that did not come from the provider

`retryable` says whether the same order may safely be sent again, here or on
another channel: nothing was accepted, or the provider said that it failed.
`operator` marks the errors that only the operator can cure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ProviderError(Exception):
    """Base of all provider errors; `code` is stable and safe to show to anyone."""

    code = "provider_error"
    retryable = False
    operator = False

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        vendor_code: str = "",
        raw: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message or self.code)
        self.message = message or self.code
        self.status = status
        self.vendor_code = vendor_code
        self.raw = dict(raw or {})

    def __str__(self) -> str:
        marks = [str(mark) for mark in (self.status, self.vendor_code) if mark]
        return f"{self.message} ({', '.join(marks)})" if marks else self.message


class Rejected(ProviderError):
    """The provider refuses this order as it stands."""

    code = "rejected"


class Unsupported(Rejected):
    """This provider or adapter cannot do what was asked; another channel may."""

    code = "unsupported"
    retryable = True


class Moderated(Rejected):
    """Refused because of what the text or the voice says."""

    code = "moderated"


class RateLimited(ProviderError):
    """Too many requests; nothing was accepted. `retry_after` is in seconds."""

    code = "rate_limited"
    retryable = True

    def __init__(self, message: str = "", *, retry_after: float | None = None, **more: Any) -> None:
        super().__init__(message, **more)
        self.retry_after = retry_after


class Unavailable(ProviderError):
    """The provider did not take the order: connection refused, 503, maintenance."""

    code = "unavailable"
    retryable = True


class Unclear(ProviderError):
    """The order went out and its answer was lost; never repeat it blindly."""

    code = "unclear"


class Garbled(ProviderError):
    """The answer is not what the provider's API promises."""

    code = "garbled"


class TaskFailed(ProviderError):
    """The provider took the order and then failed to carry it out."""

    code = "generation_failed"
    retryable = True


class AccountEmpty(ProviderError):
    """The operator's account at the provider has no funds."""

    code = "account_empty"
    retryable = True
    operator = True


class BadCredentials(ProviderError):
    """The provider refuses the operator's key."""

    code = "bad_credentials"
    retryable = True
    operator = True


class Forged(ProviderError):
    """A webhook that fails its signature or names somebody else's task."""

    code = "forged"
