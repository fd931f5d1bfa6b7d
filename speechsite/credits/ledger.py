"""Grant, hold, capture, release, refund: the only code that moves millicredits.

Entries are final. A mistake is corrected by a new entry, never by an edit. What
things cost is decided in `prices`; whether the sums are right is proved in `audit`.

Every verb is one guarded UPDATE and one INSERT in one atomic block, so a movement
and its entry exist together or not at all. A key names a movement: the same key
again returns the first entry and moves nothing, also when two processes race.
The wallet passed in is not refreshed.
"""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, models, transaction

from speechsite.accounts.confirmed import has_confirmed_address
from speechsite.accounts.models import User
from speechsite.core import sql
from speechsite.credits import welcome
from speechsite.credits.audit import Difference, audit
from speechsite.credits.errors import (
    AlreadyRefunded,
    BadAmount,
    BadEntry,
    CreditError,
    InsufficientCredits,
    KeyReused,
    NoHold,
    RestrictedCredits,
)
from speechsite.credits.models import MILLI, LedgerEntry, Wallet

__all__ = [
    "AlreadyRefunded",
    "BadAmount",
    "BadEntry",
    "CreditError",
    "Difference",
    "InsufficientCredits",
    "KeyReused",
    "NoHold",
    "RestrictedCredits",
    "adjust",
    "audit",
    "grant",
    "hold",
    "open_wallet",
    "refund",
    "settle",
]

WELCOME = "Welcome credits"
MAX_AMOUNT = 10**15
# Far below 2**63, where SQLite would turn the sum into a float.
MAX_POCKET = 10**18

Kind = LedgerEntry.Kind

_MOVE = """
    UPDATE credits_wallet SET available = available + %s, held = held + %s
    WHERE id = %s AND available >= %s AND available <= %s AND held >= %s
    RETURNING available
"""

_OF_JOB = sql.Query(
    lambda job: LedgerEntry.objects.filter(job_id=job).order_by(), models.UUIDField()
)

# The ledger writes these itself: whoever took one could keep a job from ending.
_ENDING = "end:"
_REST = "rest:"


def open_wallet(user: User) -> Wallet:
    """The person's wallet, opened on first use with the welcome grant.

    Where mail is configured the grant waits until an address is confirmed. Safe to call on
    every request and in parallel: the grant is given once. What a crash left undone the next
    call does.
    """
    wallet = Wallet.objects.filter(user=user).first()
    if wallet is None:
        wallet, _ = Wallet.objects.get_or_create(user=user)
    if not wallet.is_welcomed and (not settings.HAS_EMAIL or has_confirmed_address(user.pk)):
        _welcome(wallet)
    return wallet


def _welcome(wallet: Wallet) -> None:
    """The mark and the grant exist together or not at all; one of many callers gives it."""
    with transaction.atomic():
        unwelcomed = Wallet.objects.filter(pk=wallet.pk, is_welcomed=False)
        is_first = unwelcomed.update(is_welcomed=True)
        if is_first and settings.WELCOME_CREDITS:
            millicredits = settings.WELCOME_CREDITS * MILLI
            grant(wallet, millicredits, key=welcome.key_of(wallet.user_id), reason=WELCOME)
    wallet.refresh_from_db()


def grant(
    wallet: Wallet,
    millicredits: int,
    *,
    key: str,
    reason: str = "",
    actor: User | None = None,
    kind: str = Kind.GRANT,
) -> LedgerEntry:
    """Give credits, as a grant or for a voucher."""
    if kind not in {Kind.GRANT, Kind.VOUCHER}:
        raise BadEntry(f"{kind!r} does not give credits")
    amount = _amount(millicredits)
    entry = LedgerEntry(kind=kind, available_delta=amount, held_delta=0, reason=reason, actor=actor)
    return _record(wallet, entry, key=_own_key(key))


def adjust(wallet: Wallet, millicredits: int, *, key: str, reason: str, actor: User) -> LedgerEntry:
    """Correct a balance by a signed amount, with a reason and somebody who answers for it.

    Raises InsufficientCredits when it would take more than is free to spend.
    """
    if actor is None or not reason.strip():
        raise BadEntry("an adjustment needs a reason and an actor")
    delta = _signed_amount(millicredits)
    entry = LedgerEntry(
        kind=Kind.ADJUST, available_delta=delta, held_delta=0, reason=reason, actor=actor
    )
    return _record(wallet, entry, key=_own_key(key))


def hold(wallet: Wallet, millicredits: int, *, key: str, job_id: UUID | None = None) -> LedgerEntry:
    """Set credits aside for work that is about to start. Zero is legal: tests cost nothing.

    Raises InsufficientCredits and moves nothing if the wallet cannot pay.
    """
    amount = _amount(millicredits, least=0)
    entry = LedgerEntry(kind=Kind.HOLD, available_delta=-amount, held_delta=amount, job_id=job_id)
    return _record(wallet, entry, key=_own_key(key))


def settle(
    wallet: Wallet, *, job_id: UUID, captured: int
) -> tuple[LedgerEntry | None, LedgerEntry | None]:
    """End a job's hold: charge what was delivered and release the rest.

    Belongs in the transaction that writes the job's final state. Returns the
    capture and the release, either of which may be missing. A hold ends once:
    again, with whatever amount, returns the first ending.
    """
    captured = _amount(captured, least=0)
    with transaction.atomic():
        found = _entries_of_job(wallet, job_id)
        held = found.get(Kind.HOLD)
        if held is None:
            raise NoHold(f"nothing is held for job {job_id}")
        if Kind.CAPTURE in found or Kind.RELEASE in found:
            return found.get(Kind.CAPTURE), found.get(Kind.RELEASE)
        if captured > held.held_delta:
            raise BadAmount(f"{captured} is more than the {held.held_delta} held")
        return _end(wallet, job_id, captured=captured, released=held.held_delta - captured)


def refund(
    wallet: Wallet, millicredits: int, *, key: str, job_id: UUID, reason: str, actor: User
) -> LedgerEntry:
    """Give back a job's charge or a part of it, once, with a reason and an actor."""
    amount = _amount(millicredits)
    if actor is None or not reason.strip():
        raise BadEntry("a refund needs a reason and an actor")
    with transaction.atomic():
        found = _entries_of_job(wallet, job_id)
        before = found.get(Kind.REFUND)
        if before is not None:
            return _same_refund(before, key)
        charge = found.get(Kind.CAPTURE)
        charged = -charge.held_delta if charge is not None else 0
        if amount > charged:
            raise BadAmount(f"{amount} is more than the {charged} charged")
        entry = LedgerEntry(
            kind=Kind.REFUND,
            available_delta=amount,
            held_delta=0,
            job_id=job_id,
            reason=reason,
            actor=actor,
        )
        return _record(wallet, entry, key=_own_key(key))


def _same_refund(before: LedgerEntry, key: str) -> LedgerEntry:
    if before.key != key:
        raise AlreadyRefunded(f"job {before.job_id} was refunded before")
    return before


def _end(
    wallet: Wallet, job_id: UUID, *, captured: int, released: int
) -> tuple[LedgerEntry | None, LedgerEntry | None]:
    """Both parts of an ending; its first entry takes the one key that every ending needs."""
    capture = release = None
    key = f"{_ENDING}{job_id}"
    if captured:
        entry = LedgerEntry(
            kind=Kind.CAPTURE, available_delta=0, held_delta=-captured, job_id=job_id
        )
        capture = _record(wallet, entry, key=key)
        key = f"{_REST}{job_id}"
    if released or capture is None:
        entry = LedgerEntry(
            kind=Kind.RELEASE, available_delta=released, held_delta=-released, job_id=job_id
        )
        release = _record(wallet, entry, key=key)
    return capture, release


def _entries_of_job(wallet: Wallet, job_id: UUID) -> dict[str, LedgerEntry]:
    """A job's entries by kind, read under the wallet's lock so that no ending slips in."""
    # SQLite has no row locks; there the transaction itself is IMMEDIATE and alone.
    if connection.features.has_select_for_update:
        locked = Wallet.objects.select_for_update(no_key=True).filter(pk=wallet.pk)
        list(locked.values_list("pk", flat=True))
    # Asked for by both, SQLite would read all that the wallet ever did.
    return {entry.kind: entry for entry in _OF_JOB(job_id) if entry.wallet_id == wallet.pk}


def received(wallet: Wallet) -> int:
    """All that ever came in from outside; what of it is not in the pockets was spent.

    These entries are few, where those of jobs are many.
    """
    kinds = (LedgerEntry.Kind.GRANT, LedgerEntry.Kind.VOUCHER, LedgerEntry.Kind.ADJUST)
    given = wallet.entries.filter(kind__in=kinds)
    return given.aggregate(total=models.Sum("available_delta"))["total"] or 0


def _record(wallet: Wallet, entry: LedgerEntry, *, key: str) -> LedgerEntry:
    """Move the pockets and write the entry, or find the first entry of this key."""
    if len(entry.reason) > 200 or "\0" in entry.reason:
        raise BadEntry("a reason is at most 200 printable characters")
    entry.wallet = wallet
    entry.key = key
    try:
        with transaction.atomic():
            if _move(wallet, entry):
                sql.insert(entry)
                return entry
    except IntegrityError as error:
        return _first(entry) or _refuse_twice(entry, error)
    # Ask for the key first: the wallet may be empty because this very movement happened.
    return _first(entry) or _refuse_poor(entry)


def _move(wallet: Wallet, entry: LedgerEntry) -> bool:
    """One guarded UPDATE: a pocket can neither go below zero nor over its brim.

    The wallet is locked from here to the end of the transaction, so the balance that the
    entry takes along is that after it, and no other entry comes between.
    """
    available, held = entry.available_delta, entry.held_delta
    least, most = max(0, -available), MAX_POCKET - max(0, available)
    moved = sql.rows(_MOVE, (available, held, wallet.pk, least, most, max(0, -held)))
    for (entry.available_after,) in moved:
        return True
    return False


def _first(entry: LedgerEntry) -> LedgerEntry | None:
    first = LedgerEntry.objects.filter(key=entry.key).first()
    if first is None:
        return None
    if _subject(first) != _subject(entry):
        raise KeyReused(f"the key {entry.key!r} names another movement")
    return first


def _subject(entry: LedgerEntry) -> tuple[int, str, str]:
    return entry.wallet_id, entry.kind, str(entry.job_id)


def _refuse_twice(entry: LedgerEntry, error: IntegrityError) -> LedgerEntry:
    raise KeyReused(f"job {entry.job_id} already has a {entry.kind} under another key") from error


def _refuse_poor(entry: LedgerEntry) -> LedgerEntry:
    available = Wallet.objects.values_list("available", flat=True).get(pk=entry.wallet_id)
    if entry.available_delta < 0:
        raise InsufficientCredits(needed=-entry.available_delta, available=available)
    raise BadAmount("the wallet cannot take this movement")


def _amount(millicredits: int, *, least: int = 1) -> int:
    # A bool is an int to Python, and True credits are nobody's intention.
    if type(millicredits) is not int or not least <= millicredits <= MAX_AMOUNT:
        raise BadAmount(f"{millicredits!r} is not an amount from {least} to {MAX_AMOUNT}")
    return millicredits


def _signed_amount(millicredits: int) -> int:
    if type(millicredits) is not int or not 0 < abs(millicredits) <= MAX_AMOUNT:
        raise BadAmount(f"{millicredits!r} is not an amount up to {MAX_AMOUNT} either way")
    return millicredits


def _own_key(key: str) -> str:
    if not isinstance(key, str) or not 0 < len(key) <= 120 or "\0" in key:
        raise BadEntry("a key has 1 to 120 printable characters")
    if key.startswith((_ENDING, _REST)):
        raise BadEntry(f"keys that begin with {_ENDING} or {_REST} are the ledger's own")
    return key
