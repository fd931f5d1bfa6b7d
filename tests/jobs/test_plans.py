"""What costs a new order the same whatever the site has done before: SQLite's plans for it.

PostgreSQL chooses its plans by what the tables hold, which in tests is next to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import callbacks, claims, lifecycle, outbound, room, spending, tasks
from jobs.models import Job
from jobs.states import FINAL_JOB, FINAL_SEGMENT
from speechsite.accounts import keys
from speechsite.accounts.models import User
from speechsite.api import limits
from speechsite.api.auth import Caller
from speechsite.upstreams import routing
from speechsite.upstreams.models import Channel
from tests.jobs.conftest import delivered

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not settings.IS_SQLITE, reason="plans of PostgreSQL depend on its tables"),
]

Place = Callable[..., Job]
GROW = "jobs_job|jobs_segment|jobs_jobevent|jobs_delivery|jobs_callback|credits_ledgerentry"
# Indexes that hold only what is still to be done.
OF_WORK = "jobs_to_join|callbacks_to_send"
WHOLE_TABLE = re.compile(rf"SCAN ({GROW})\b(?! USING (COVERING )?INDEX ({OF_WORK})\b)")
# All that an account, a key, a wallet or a channel ever did.
WHOLE_STORY = re.compile(
    rf"SEARCH ({GROW}) USING (COVERING )?INDEX \w+ \((user|api_key|wallet|channel)_id=\?\)"
)
# The lists of what one account did: read from its newest end, as far as the page goes.
IN_ORDER = re.compile(r" ORDER BY .* LIMIT ")
# All that ever ended.
BY_STATE = re.compile(rf"SEARCH ({GROW}) USING (COVERING )?INDEX \w+ \(state=\?\)")
FINAL = FINAL_JOB | FINAL_SEGMENT


class Plans:
    """The plans of all statements that are run inside."""

    def __init__(self) -> None:
        self.count = 0
        self.lines: list[str] = []
        # Those that read more the longer the site has been used, and their statements.
        self.long: list[tuple[str, str]] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        with connection.execute_wrapper(self._note):
            yield

    def _note(self, execute: Any, statement: str, values: Any, many: bool, context: Any) -> Any:
        if statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT", "\n")):
            plan = context["cursor"].connection.cursor()
            plan.execute("EXPLAIN QUERY PLAN " + statement.replace("%s", "?"), values or ())
            lines = [row[3] for row in plan.fetchall()]
            self.count += len(lines)
            # A table that does not grow may be sorted: voices, prices, plans.
            self.lines += lines if re.search(GROW, statement) else []
            is_bounded = " LIMIT " in statement and " WHERE " not in statement
            long = [] if is_bounded else [line for line in lines if _is_long(line, values)]
            self.long += [(line, statement) for line in long]
        return execute(statement, values, many, context)


def _is_long(line: str, values: Any) -> bool:
    if BY_STATE.match(line):
        return not FINAL.isdisjoint(value for value in values if isinstance(value, str))
    return bool(WHOLE_TABLE.match(line) or WHOLE_STORY.match(line))


@pytest.fixture
def plans() -> Plans:
    return Plans()


def test_a_scan_is_seen(plans: Plans, place: Place) -> None:
    place()
    with plans.noted():
        list(Job.objects.filter(title="x"))
        list(Job.objects.filter(user_id=1, title="x"))
        list(Job.objects.filter(state="failed"))
    assert len(plans.long) == 3


def test_an_order_costs_the_same_after_a_thousand_others(
    plans: Plans, place: Place, ada: User
) -> None:
    key, _secret = keys.issue_key(ada)
    caller = Caller(ada, key)
    with plans.noted():
        job = place()
        limits.check_concurrency(caller)
        spending.of_key(key)
        claim = claims.claim_waiting("test", limit=5)[0]
        lifecycle.record(claim.segment, delivered(claim.segment))
        taken = claims.claim_join("test", job.pk)
        assert taken is not None
        lifecycle.finish(taken, audio="jobs/a.mp3", size=9, duration_ms=9, peaks=[1])
    assert plans.count > 30
    assert plans.long == []


def test_looking_for_work_costs_the_same_after_a_thousand_jobs(plans: Plans, place: Place) -> None:
    place()
    Channel.objects.update(rate_count=20, rate_seconds=10)
    with plans.noted():
        room.board(routing.sold(), timezone.now())
        claims.claim_due("test", limit=5)
        claims.claim_joins("test", limit=5)
        claims.expired()
        claims.release_dead()
        claims.anything_under_way()
        tasks.watch()
        outbound._claim()
        callbacks._claim()
    assert plans.long == []


def test_canceling_and_deleting_cost_the_same(plans: Plans, place: Place) -> None:
    job = place()
    with plans.noted():
        lifecycle.cancel(job)
        lifecycle.delete(job)
    assert plans.long == []


@pytest.fixture
def listed(plans: Plans, place: Place, ada: User) -> Callable[..., list[str]]:
    """Asks for a path as Ada, in the portal or with her key: what read more than a page."""
    place()
    _key, secret = keys.issue_key(ada)

    def ask(path: str) -> list[str]:
        client = Client()
        if path.startswith(("/api/", "/v1/")):
            headers = {"Authorization": f"Bearer {secret}"}
        else:
            client.force_login(ada)
            headers = {}
        client.get(path, headers=headers)  # what is asked only once is known now
        plans.count, plans.long = 0, []
        with plans.noted(), CaptureQueriesContext(connection) as asked:
            assert client.get(path, headers=headers).status_code == 200
        assert len(asked) <= 12, [one["sql"] for one in asked]
        return [line for line, statement in plans.long if not IN_ORDER.search(statement)] + [
            line for line in plans.lines if "TEMP B-TREE FOR ORDER BY" in line
        ]

    return ask


@pytest.mark.parametrize(
    "path",
    [
        "/wallet/",
        "/wallet/?kind=hold",
        "/history/",
        "/history/?state=failed",
        "/history/?state=succeeded",
        "/api/v1/generations?client_request_id=ours",
        "/api/v1/generations?status=succeeded",
        "/api/v1/credits/ledger?kind=refund",
        "/v1/user/subscription",
    ],
)
def test_a_list_costs_the_same_whatever_it_leaves_out(
    listed: Callable[..., list[str]], path: str
) -> None:
    assert listed(path) == []


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("/history/?kind=isolation", "(user_id=? AND kind=?"),
        ("/api/v1/generations?kind=dialogue", "(user_id=? AND kind=?"),
        ("/api/v1/generations?model=builtin-speech", "(user_id=? AND model_id=?"),
        ("/api/v1/generations?model=tts-1", "jobs_by_model_name (user_id=? AND <expr>=?"),
        ("/api/v1/generations?status=canceled", "jobs_canceled_by (user_id=? AND <expr>=?"),
    ],
)
def test_the_rare_is_found_without_the_others(
    listed: Callable[..., list[str]], plans: Plans, path: str, read: str
) -> None:
    listed(path)
    assert any(read in line for line in plans.lines), plans.lines
