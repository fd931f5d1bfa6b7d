"""Give credits from the command line."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

from django.core.management.base import BaseCommand, CommandError, CommandParser

from speechsite.accounts.models import User
from speechsite.credits import ledger, prices
from speechsite.credits.models import MILLI

# Plain decimals to a thousandth. No sign, no exponent, no separators: nothing to misread.
_CREDITS = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,3}))?", re.ASCII)


class Command(BaseCommand):
    """Each run grants anew, unless `--key` names the grant."""

    help = "Grant credits to an account. With --key, the same grant is made only once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("credits", help="such as 100 or 0.5")
        parser.add_argument("--reason", required=True)
        parser.add_argument("--key", help="names this grant: again, it changes nothing")

    def handle(self, *args: Any, email: str, reason: str, key: str | None, **kw: Any) -> None:
        millicredits = _millicredits(kw["credits"])
        if not reason.strip():
            raise CommandError("Say why, with --reason.")
        user = User.objects.filter(email__iexact=email.strip()).first()
        if user is None:
            raise CommandError(f"{email} has no account.")
        wallet = ledger.open_wallet(user)
        try:
            name = f"grant:{uuid4()}" if key is None else key
            entry = ledger.grant(wallet, millicredits, key=name, reason=reason)
        except ledger.CreditError as error:
            raise CommandError(f"Nothing was granted: {error}") from error
        if entry.available_delta != millicredits:
            before = prices.format_credits(entry.available_delta)
            raise CommandError(
                f"Nothing was granted: the key {key!r} moved {before} credits before."
            )
        wallet.refresh_from_db()
        granted = prices.format_credits(entry.available_delta)
        balance = prices.format_credits(wallet.available)
        self.stdout.write(f"Granted {granted} credits to {user.email}, who now has {balance}.")


def _millicredits(text: str) -> int:
    """Exactly what was typed; a float would not be."""
    match = _CREDITS.fullmatch(text)
    millicredits = int(match[1]) * MILLI + int((match[2] or "").ljust(3, "0")) if match else 0
    if not millicredits:
        raise CommandError(f"{text!r} is not an amount of credits such as 100 or 0.5.")
    return millicredits
