"""What must be true before the site starts: tables, files, catalogue, an administrator.

Every step can run twice, and two machines that start at once take turns.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import connection, transaction

from speechsite.core import env

PREPARE_LOCK = 0x5EEC
DEFAULT_ADMINISTRATOR = "admin@localhost"


class Administrator(NamedTuple):
    """The first administrator; the password is empty where it was not generated."""

    email: str
    password: str


def prepare() -> Administrator | None:
    """Bring everything up to date; the administrator if one was made just now."""
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time():
        call_command("migrate", interactive=False, verbosity=0)
        collect_static()
        load_catalogue()
        return make_administrator()


def collect_static() -> bool:
    """Copy the static files to DATA_DIR/static if any of them changed."""
    stamp = Path(settings.STATIC_ROOT) / ".stamp"
    state = _static_state()
    if stamp.exists() and stamp.read_text(encoding="ascii") == state:
        return False
    call_command("collectstatic", interactive=False, verbosity=0)
    stamp.write_text(state, encoding="ascii")
    return True


def load_catalogue() -> None:
    """Models, voices, prices and the queue's safety net. Asks no provider: duties do."""
    from jobs import tasks
    from speechsite.credits import prices
    from voices import library, sync

    library.load()
    sync.begin_all()
    prices.load_default_prices()
    tasks.ensure_schedules()


def make_administrator() -> Administrator | None:
    """An administrator from ADMIN_EMAIL and ADMIN_PASSWORD, unless there is one already.

    An account that already has this address is raised to administrator: the
    environment is the operator's word.
    """
    from allauth.account.models import EmailAddress

    from speechsite.accounts import plans
    from speechsite.accounts.models import User
    from speechsite.credits import ledger

    email = env.text("ADMIN_EMAIL") or DEFAULT_ADMINISTRATOR
    given = env.text("ADMIN_PASSWORD")
    password = given or secrets.token_urlsafe(12)
    with transaction.atomic():
        if User.objects.filter(is_superuser=True).exists():
            return None
        user = User.objects.filter(email__iexact=email).first() or User(email=email)
        user.is_staff = user.is_superuser = user.is_active = True
        user.plan = user.plan or plans.default_plan()
        user.set_password(password)
        user.save()
        EmailAddress.objects.update_or_create(
            user=user, email=user.email, defaults={"verified": True, "primary": True}
        )
        ledger.open_wallet(user)
    return Administrator(user.email, "" if given else password)


def _static_state() -> str:
    """A digest that changes with any static file, or with how they are stored."""
    digest = hashlib.sha256(repr(settings.STORAGES["staticfiles"]).encode())
    for finder in get_finders():
        for path, storage in finder.list([]):
            facts = (path, storage.size(path), storage.get_modified_time(path).timestamp())
            digest.update(repr(facts).encode())
    return digest.hexdigest()


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Hold off others who prepare the same database."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [PREPARE_LOCK])
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [PREPARE_LOCK])
        return
    import fcntl

    with (settings.DATA_DIR / "prepare.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
