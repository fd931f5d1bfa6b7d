"""Calls the address that a single order named, once, when its job is over.

The row is written with the job and waits for its end, so no ending can be missed.
Public addresses only; a receiver that fails is tried again a few times. What the
message says is the style's business: a function of the API, named when the site loads.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import QuerySet, UUIDField
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.module_loading import import_string

from jobs import sending, states
from jobs.errors import OrderError
from jobs.models import Callback, Job
from speechsite.accounts.models import User
from speechsite.core import loops, safehttp, sql
from speechsite.duties import leases

logger = logging.getLogger(__name__)

SCHEDULE = (0, 10, 60, 600, 3600)  # seconds before each try
LEASE = timedelta(seconds=60)
TIMEOUT = 15.0
SALT = "jobs.callbacks"
STYLES: dict[str, str] = {}
_WAITING = sql.Query(
    lambda job: Callback.objects.filter(pk=job, finished_at__isnull=True), UUIDField()
)


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted."""

    body: bytes
    headers: Mapping[str, str]


Letter = tuple[Callback, Message]


def write_with(style: str, function: str) -> None:
    """Name the function, by its dotted path, that makes a style's message of a callback."""
    STYLES[style] = function


def check_address(url: str) -> None:
    """Only addresses that everybody can see. Raises OrderError on `callback`."""
    try:
        safehttp.check_url(url)
    except safehttp.FetchError as error:
        raise OrderError("callback", str(error), code="callback_url_rejected") from error


def ask(job: Job, *, url: str, style: str, origin: str) -> Callback:
    """Have an address called when the job is over; asking again changes nothing."""
    callback, _ = Callback.objects.get_or_create(
        job=job, defaults={"url": url, "style": style, "origin": origin}
    )
    return callback


def announce(job: Job) -> None:
    """The job is over: have its callback sent soon, in the caller's transaction."""
    if not _WAITING(job.pk):
        return
    waiting = Callback.objects.filter(pk=job.pk, finished_at__isnull=True)
    waiting.update(due_at=timezone.now())


def signing_key(user: User) -> str:
    """The account's key for signatures on callbacks; a receiver pastes it into its settings."""
    return f"whk_{salted_hmac(SALT, str(user.public_id), algorithm='sha256').hexdigest()}"


def anything_due() -> bool:
    """Whether there is a call that can be made now."""
    return _due().filter(leases.free()).exists()


def deliver(is_stopping: Callable[[], bool]) -> None:
    """Make every call that is due; the duties' process calls this."""
    loops.run(send_due(is_stopping))


async def send_due(is_stopping: Callable[[], bool] = lambda: False) -> int:
    """Send everything that is due now, many at once; how many calls went out."""
    return await sending.drain(sending.Post(_claim, _send, _note), is_stopping)


def oldest_wait() -> float:
    """Seconds for which the first call has been due: also one that is being made."""
    return sending.oldest_wait(_due())


def _due() -> QuerySet[Callback]:
    return Callback.objects.filter(
        finished_at__isnull=True, due_at__lte=timezone.now(), job__state__in=states.FINAL_JOB
    )


def _claim(
    limit: int = sending.AT_ONCE, busy: Counter[int] | None = None
) -> list[tuple[int, Letter]]:
    busy = busy or Counter()
    now = timezone.now()
    due = _due().filter(leases.free()).exclude(job__user__in=sending.full(busy))
    rows = due.order_by("due_at").values_list("pk", "job__user")[: sending.SEEN]
    ids = sending.fairly(rows, limit, busy)
    open_ = Callback.objects.filter(leases.free(), finished_at__isnull=True)
    taken = [pk for pk in ids if open_.filter(pk=pk).update(lease_until=now + LEASE)]
    callbacks = Callback.objects.filter(pk__in=taken).select_related(
        "job__voice", "job__model", "job__user"
    )
    return [
        (callback.job.user_id, (callback, message))
        for callback in callbacks
        if (message := _message(callback))
    ]


def _message(callback: Callback) -> Message | None:
    """What to send; a message that cannot be made is given up and stops nobody else."""
    try:
        message: Message = import_string(STYLES[callback.style])(callback)
    except Exception:
        logger.exception("callback of job %s: no message could be made", callback.pk)
        Callback.objects.filter(pk=callback.pk).update(finished_at=timezone.now())
        return None
    return message


async def _send(letter: Letter) -> bool:
    callback, message = letter
    try:
        async with safehttp.client(user_agent="speechsite-callbacks/1") as client:
            answer = await safehttp.post(
                client, callback.url, message.body, message.headers, timeout=TIMEOUT
            )
    except safehttp.FetchError as error:
        logger.info("callback of job %s: %s", callback.pk, error)
        return False
    return 200 <= answer.status < 300


def _note(letter: Letter, is_taken: bool) -> None:
    """Write down how a try went, and when the next one is."""
    callback = letter[0]
    now = timezone.now()
    attempts = callback.attempts + 1
    is_over = is_taken or attempts >= len(SCHEDULE)
    wait = 0 if is_over else SCHEDULE[attempts]
    Callback.objects.filter(pk=callback.pk).update(
        attempts=attempts,
        lease_until=None,
        is_taken=is_taken,
        due_at=now + timedelta(seconds=wait),
        finished_at=now if is_over else None,
    )
