"""What welcome credits may buy.

Accounts that nobody vouches for cost nothing to open, so their welcome credits buy only work
that costs nobody anything: the built-in engine's. An account is vouched for once an address
of it was confirmed, or once anybody gave it credits. Neither is ever taken back, so whoever
was let through once is let through for good, and two orders at once cannot slip past.

docs/decisions/0003-welcome-credits.md says why this is a question to the wallet as a whole.
"""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext as _

from speechsite.accounts.confirmed import has_confirmed_address
from speechsite.credits.errors import RestrictedCredits
from speechsite.credits.models import LedgerEntry, Wallet

FREE_FAMILY = "builtin"
_GIVEN = (LedgerEntry.Kind.GRANT, LedgerEntry.Kind.VOUCHER, LedgerEntry.Kind.ADJUST)


def key_of(user_id: int) -> str:
    """The ledger's key of somebody's welcome grant: a second one cannot be written."""
    return f"welcome:{user_id}"


def pays_for(wallet: Wallet, family: str) -> bool:
    """Whether this wallet may pay for work of that family, if it has enough."""
    if family == FREE_FAMILY or wallet.buys_everything:
        return True
    if settings.WELCOME_CREDITS_BUY == "everything":
        return True
    return has_confirmed_address(wallet.user_id) or _was_given_more(wallet)


def check_buys(wallet: Wallet, *, family: str, millicredits: int) -> None:
    """Let the wallet pay for work of that family, or raise RestrictedCredits.

    Asks the ledger only until the answer is yes.
    """
    if not millicredits or family == FREE_FAMILY or wallet.buys_everything:
        return
    if settings.WELCOME_CREDITS_BUY == "everything":
        return
    if not pays_for(wallet, family):
        raise RestrictedCredits(needed=millicredits, available=0)
    Wallet.objects.filter(pk=wallet.pk).update(buys_everything=True)


def explanation() -> str:
    """What a person is told who meets the limit."""
    return _(
        "Welcome credits pay for the built-in voices and the built-in cleaning. "
        "Ask whoever runs this site for credits that pay for this one as well."
    )


def _was_given_more(wallet: Wallet) -> bool:
    given = LedgerEntry.objects.filter(wallet=wallet, kind__in=_GIVEN, available_delta__gt=0)
    return given.exclude(key=key_of(wallet.user_id)).exists()
