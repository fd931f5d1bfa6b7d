"""Open an account from the command line, as sign-up would make it."""

from __future__ import annotations

import secrets
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import transaction

from speechsite.accounts import plans
from speechsite.accounts.models import Plan, User
from speechsite.credits import ledger


class Command(BaseCommand):
    """Makes the user, the verified address, the plan and the wallet, or nothing."""

    help = "Open an account with a verified address, a plan and the welcome credits."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--password", help="left out, one is made and printed")
        parser.add_argument("--plan", default=plans.DEFAULT_SLUG, help="the plan's short name")

    def handle(self, *args: Any, email: str, password: str | None, plan: str, **kw: Any) -> None:
        chosen = password or secrets.token_urlsafe(12)
        _refuse_bad_input(email.strip(), password)
        with transaction.atomic():
            _open_account(email.strip(), chosen, plan)
        self.stdout.write(f"Account {email.strip()} is open.")
        if password is None:
            self.stdout.write(f"Password: {chosen}")


def _refuse_bad_input(email: str, password: str | None) -> None:
    try:
        validate_email(email)
        if password is not None:
            validate_password(password, User(email=email))
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    if User.objects.filter(email__iexact=email).exists():
        raise CommandError(f"{email} has an account already.")


def _open_account(email: str, password: str, plan: str) -> User:
    user = User.objects.create_user(email, password)
    try:
        plans.put_on_plan(user, plan)
    except Plan.DoesNotExist as error:
        known = ", ".join(Plan.objects.values_list("slug", flat=True))
        raise CommandError(f"There is no plan {plan!r}; there are: {known}.") from error
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    ledger.open_wallet(user)
    return user
