"""How many jobs of one account may be under way, whichever way they were ordered."""

from __future__ import annotations

from django.utils.translation import gettext as _

from jobs.errors import OrderError
from jobs.models import LIVE_JOBS
from speechsite.accounts import plans
from speechsite.accounts.models import User
from speechsite.core import sql

_UNDER_WAY = "SELECT COUNT(*) FROM jobs_job WHERE user_id = %s AND state IN ({})"


class TooManyAtOnce(OrderError):
    """The plan allows no more jobs at once than are under way already."""


def check(user: User) -> int:
    """The account's jobs under way, the new one included. Raises TooManyAtOnce.

    Belongs behind the lock on the account's wallet, where the count is exact.
    """
    allowed = plans.plan_of(user).concurrent_jobs
    found = under_way(user)
    if allowed is not None and found > allowed:
        message = _("Your plan allows %s jobs at once.") % allowed
        raise TooManyAtOnce("", message, code="concurrency_limited")
    return found


def under_way(user: User) -> int:
    """The account's jobs that have not ended."""
    statement = _UNDER_WAY.format(sql.written(LIVE_JOBS))
    return int(sql.rows(statement, (user.pk,))[0][0])
