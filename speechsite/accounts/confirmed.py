"""Whether somebody vouches for an account: its owner by a mail, or an administrator."""

from __future__ import annotations

from allauth.account.models import EmailAddress


def has_confirmed_address(user_id: int) -> bool:
    """One of the account's addresses bears the mark, from a link in a mail or from an operator."""
    return EmailAddress.objects.filter(user_id=user_id, verified=True).exists()
