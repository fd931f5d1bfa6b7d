"""Make an API key from the command line."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from speechsite.accounts import keys
from speechsite.accounts.models import ApiKey, User


class Command(BaseCommand):
    """Prints the key and only the key, so that a script can take it."""

    help = "Make an API key for an account and print it, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", default="", help="what the key is for")
        parser.add_argument("--test", action="store_true", help="costs nothing, built-in voices")
        parser.add_argument(
            "--scope", action="append", default=[], help="may be repeated; without it, all"
        )

    def handle(self, *args: Any, email: str, name: str, **options: Any) -> None:
        user = User.objects.filter(email__iexact=email.strip()).first()
        if user is None:
            raise CommandError(f"{email} has no account.")
        mode = ApiKey.Mode.TEST if options["test"] else ApiKey.Mode.LIVE
        try:
            _, secret = keys.issue_key(user, name=name, mode=mode, scopes=options["scope"])
        except ValueError as error:
            raise CommandError(f"No key was made: {error}.") from error
        self.stdout.write(secret)
