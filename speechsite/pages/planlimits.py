"""A person's orders keep within the plan, as a program's do."""

from __future__ import annotations

from django.utils.translation import gettext as _

from jobs import concurrency
from jobs.errors import OrderError, SiteFull
from jobs.models import Job
from jobs.placing import Origin
from speechsite.accounts import plans, rates
from speechsite.accounts.models import User


class TooFast(OrderError):
    """The plan's second is used up; the next order passes in a moment."""


def admit(user: User) -> None:
    """Count one order. Raises TooFast; programs and pages share one allowance."""
    limit = plans.plan_of(user).requests_per_second
    if limit is not None and not rates.take(user.pk, limit).is_admitted:
        message = _("Your plan allows %s requests per second. Please try again in a moment.")
        raise TooFast("", message % limit, code="rate_limited")


def origin(idempotency_key: str, *, most: int | None) -> Origin:
    """An order from a page; placing counts the account's jobs behind the wallet's lock.

    `most` are the millicredits that the page showed as its price.
    """
    return Origin(idempotency_key=idempotency_key, check=_check, most=most)


def status_of(error: OrderError) -> int:
    """The answer's status: whether the order is wrong, or only comes too early."""
    if isinstance(error, SiteFull):
        return 503
    return 429 if isinstance(error, concurrency.TooManyAtOnce | TooFast) else 422


def _check(job: Job) -> None:
    concurrency.check(job.user)
