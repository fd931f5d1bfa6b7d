"""What can go wrong with credits. Each of these means: nothing moved."""

from __future__ import annotations


class CreditError(Exception):
    """The ledger refuses; both pockets are as they were."""


class InsufficientCredits(CreditError):
    """The wallet has less to spend than was asked of it. Both figures are millicredits."""

    def __init__(self, *, needed: int, available: int) -> None:
        super().__init__(f"{needed} millicredits are needed and {available} are there")
        self.needed = needed
        self.available = available

    @property
    def missing(self) -> int:
        """How many millicredits would have to come in."""
        return max(0, self.needed - self.available)


class RestrictedCredits(InsufficientCredits):
    """What the wallet has are welcome credits, which do not buy this."""


class BadAmount(CreditError, ValueError):
    """Not an amount that can be moved here: wrong type, wrong sign or out of bounds."""


class BadEntry(CreditError, ValueError):
    """The key, the reason or the actor cannot be written."""


class KeyReused(CreditError):
    """The key already names a different kind of movement, another wallet or another job."""


class NoHold(CreditError):
    """The wallet holds nothing for this job."""


class AlreadyRefunded(CreditError):
    """The job's charge was given back before; a job is refunded once."""


class NoPrice(CreditError, LookupError):
    """No price is valid for this model at that moment."""
