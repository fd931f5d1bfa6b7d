"""How much of what people upload is kept for them: by their plan, and over all kinds of it.

Whoever keeps something names how it is counted, so that this module need not know them.
"""

from __future__ import annotations

from collections.abc import Callable

from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from speechsite.accounts import plans
from speechsite.accounts.models import User

MB = 1024 * 1024
Count = Callable[[User], tuple[int, int]]  # files and bytes that are kept for somebody
_counts: list[str] = []


class Full(Exception):
    """The plan keeps no more. `code` is stable, the message is for people."""

    code = "upload_quota_reached"

    @property
    def message(self) -> str:
        return str(self)


def counted_by(path: str) -> None:
    """Let one kind of upload count, by the dotted path of a Count."""
    if path not in _counts:
        _counts.append(path)


def room(user: User, files: int = 1) -> int | None:
    """Bytes that so many files more may have together; None without a limit. Raises Full."""
    plan = plans.plan_of(user)
    if plan.upload_megabytes is None and plan.upload_files is None:
        return None
    counts: list[Count] = [import_string(path) for path in _counts]
    kept = [count(user) for count in counts]
    most = plan.upload_files
    if most is not None and sum(number for number, _size in kept) + files > most:
        raise Full(_("Your plan keeps %s uploads. Delete some first.") % most)
    if plan.upload_megabytes is None:
        return None
    return max(plan.upload_megabytes * MB - sum(size for _number, size in kept), 0)


def check(user: User, size: int, *, files: int = 1) -> None:
    """Whether so many files of so many bytes together may be kept. Raises Full."""
    left = room(user, files)
    if left is not None and size > left:
        limit = plans.plan_of(user).upload_megabytes
        raise Full(_("Your plan keeps %s MB of uploads. Delete some first.") % limit)


def claim(user: User, size: int, *, files: int = 1) -> None:
    """`check` inside a transaction that goes on to keep the files. Raises Full.

    Two that come at once must not both find the last place: the account is locked until the
    transaction ends.
    """
    User.objects.select_for_update().get(pk=user.pk)
    check(user, size, files=files)
