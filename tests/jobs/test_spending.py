"""What a key spent: by day and month, over rotations, nobody else's, and exact at all times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.apps import apps
from django.core.management import call_command
from django.db import transaction
from django.db.models import Sum
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from jobs import audits, lifecycle, spending
from jobs.models import Job, KeyDay
from jobs.outcomes import Delivered, Refused
from jobs.placing import Origin
from jobs.spending import Spent
from speechsite.accounts import keys
from speechsite.accounts.models import ApiKey, User
from speechsite.api import limits
from speechsite.api.auth import Caller
from speechsite.api.errors import CapReached
from speechsite.credits import ledger, prices
from speechsite.credits.models import Wallet
from speechsite.upstreams.models import Offer
from tests.jobs.conftest import claimed
from voices import library
from voices.models import SpeechModel, Voice

Place = Callable[..., Job]


@pytest.fixture
def key(ada: User) -> ApiKey:
    return keys.issue_key(ada)[0]


def in_all(key: ApiKey) -> int:
    return spending.of_key(key).in_all


def test_work_under_way_counts_with_its_quote(place: Place, key: ApiKey) -> None:
    job = place(api_key=key)
    assert job.quoted > 0
    assert spending.of_key(key) == Spent(job.quoted, job.quoted, job.quoted)


def test_canceled_work_counts_with_what_was_charged(place: Place, key: ApiKey) -> None:
    lifecycle.cancel(place(api_key=key))
    assert in_all(key) == 0


def spoken(job: Job) -> Job:
    """The job with all its sound."""
    for segment in job.segments.all():
        lifecycle.record(claimed(segment), Delivered("jobs/a.mp3", "mp3_44100_128", 700, size=9))
    if Job.objects.filter(pk=job.pk, is_joinable=True).exists():
        lifecycle.finish(job, audio="jobs/b.mp3", size=9, duration_ms=9, peaks=[1])
    job.refresh_from_db()
    return job


def test_delivered_work_counts_with_what_was_charged(place: Place, key: ApiKey) -> None:
    job = spoken(place(api_key=key))
    assert (job.state, job.charged) == ("succeeded", job.quoted)
    assert in_all(key) == job.charged


def test_what_was_given_back_is_taken_off_what_one_job_cost(place: Place, ada: User) -> None:
    returned, kept = spoken(place()), spoken(place())
    canceled = place()
    lifecycle.cancel(canceled)
    ledger.refund(ada.wallet, 3, key="r", job_id=returned.pk, reason="bad", actor=ada)
    assert dict(Job.objects.values_list("pk", spending.NET)) == {
        returned.pk: returned.charged - 3,
        kept.pk: kept.charged,
        canceled.pk: 0,
    }


def test_work_that_failed_gives_the_cap_back(place: Place, key: ApiKey) -> None:
    kept, failed = place(api_key=key), place(api_key=key)
    for _ in range(2):
        lifecycle.fail(failed, code="x", message="y")
    assert in_all(key) == kept.quoted


def test_work_of_the_portal_and_of_test_keys_is_in_no_sum(place: Place, key: ApiKey) -> None:
    lifecycle.cancel(place())
    lifecycle.cancel(place(api_key=key, is_test=True))
    assert not KeyDay.objects.exists()


def test_a_rotated_key_goes_on_where_the_old_one_was(place: Place, key: ApiKey) -> None:
    old = place(api_key=key)
    fresh, _ = keys.rotate(key)
    newest, _ = keys.rotate(fresh)
    young = place(api_key=newest)
    for one in (key, fresh, newest):
        assert in_all(one) == old.quoted + young.quoted
    found = spending.by_key([newest, fresh, key])
    assert {spent.in_all for spent in found.values()} == {old.quoted + young.quoted}


def test_other_keys_do_not_count(place: Place, ada: User, key: ApiKey) -> None:
    other = keys.issue_key(ada)[0]
    place(api_key=other)
    assert in_all(key) == 0
    assert spending.by_key([key, other])[key.pk] == Spent()


def test_what_somebody_elses_key_spends_is_not_asked_for(
    place: Place, key: ApiKey, ben: User
) -> None:
    own = place(api_key=key)
    place("Ben's words.", user=ben, api_key=keys.issue_key(ben)[0])
    assert in_all(key) == own.quoted
    assert spending.by_key([key])[key.pk].in_all == own.quoted


def test_days_and_months_have_their_own_sums(place: Place, key: ApiKey) -> None:
    month = spending.calendar().month
    with time_machine.travel(month - timedelta(seconds=1), tick=False):
        long_ago = place(api_key=key)
    with time_machine.travel(month, tick=False):
        first = place(api_key=key)
    with time_machine.travel(month + timedelta(days=9), tick=False):
        today = place("Today.", api_key=key)
        spent = spending.of_key(key)
        assert spent == spending.by_key([key])[key.pk]
    assert spent.today == today.quoted
    assert spent.this_month == first.quoted + today.quoted
    assert spent.in_all == long_ago.quoted + first.quoted + today.quoted


def test_a_new_month_begins_with_nothing(place: Place, key: ApiKey) -> None:
    with time_machine.travel(datetime(2026, 5, 31, 23, tzinfo=UTC), tick=False):
        may = place(api_key=key)
    with time_machine.travel(datetime(2026, 6, 1, 0, tzinfo=UTC), tick=False):
        assert spending.of_key(key) == Spent(0, 0, may.quoted)
        assert spending.by_key([key]) == {key.pk: Spent(0, 0, may.quoted)}


def test_work_that_ends_on_another_day_counts_where_it_began(place: Place, key: ApiKey) -> None:
    with time_machine.travel(datetime(2026, 5, 31, 23, tzinfo=UTC), tick=False):
        may = place(api_key=key)
    with time_machine.travel(datetime(2026, 6, 1, 1, tzinfo=UTC), tick=False):
        june = place(api_key=key)
        lifecycle.cancel(may)
        assert spending.of_key(key) == Spent(june.quoted, june.quoted, june.quoted)


def test_orders_of_midnight_may_come_in_any_order(place: Place, key: ApiKey) -> None:
    """Each is written behind the wallet's lock, and was made a moment before."""
    midnight = datetime(2026, 5, 31, tzinfo=UTC)
    jobs = []
    for microseconds in (30, -20, 10, -10, 20, 0):
        with time_machine.travel(midnight + timedelta(microseconds=microseconds), tick=False):
            jobs.append(place(api_key=key))
    with time_machine.travel(midnight + timedelta(hours=1), tick=False):
        assert spending.of_key(key).today == 4 * jobs[0].quoted
        assert list(spending.differences()) == []
        for job in jobs:
            lifecycle.cancel(job)
            assert list(spending.differences()) == []
        assert spending.of_key(key) == Spent()


def test_a_site_that_moves_to_another_time_zone_counts_on(place: Place, key: ApiKey) -> None:
    with time_machine.travel(datetime(2026, 5, 30, 16, tzinfo=UTC), tick=False):
        before = place(api_key=key)
    with (
        time_machine.travel(datetime(2026, 5, 30, 17, tzinfo=UTC), tick=False),
        override_settings(TIME_ZONE="Asia/Tokyo"),
    ):
        place(api_key=key)
        lifecycle.cancel(before)
        assert list(spending.differences()) == []
        assert in_all(key) == before.quoted


def test_what_was_taken_back_with_its_order_is_in_no_sum(place: Place, key: ApiKey) -> None:
    def refuse(job: Job) -> None:
        raise CapReached("no", limit="x")

    with pytest.raises(CapReached):
        place(origin=Origin(source=Job.Source.API, api_key=key, check=refuse))
    assert in_all(key) == 0


def test_the_calendar_holds_this_moment() -> None:
    now = spending.calendar()
    assert now.month <= now.day <= timezone.now() < now.next_day <= now.next_month
    assert now.next_month.day == 1


@pytest.mark.parametrize(
    ("zone", "now", "day", "next_day", "month", "next_month"),
    [
        ("UTC", "2026-05-01 00:00", "05-01", "05-02", "05-01", "06-01"),
        ("UTC", "2026-01-31 23:59:58.765", "01-31", "02-01", "01-01", "02-01"),
        ("UTC", "2026-02-28 12:34", "02-28", "03-01", "02-01", "03-01"),
        ("Asia/Kolkata", "2026-05-31 18:30", "06-01", "06-02", "06-01", "07-01"),
        ("America/Los_Angeles", "2026-06-01 06:59", "05-31", "06-01", "05-01", "06-01"),
        # The clock is set forward: that day has 23 hours.
        ("Europe/Berlin", "2026-03-29 12:00", "03-29", "03-30", "03-01", "04-01"),
    ],
)
def test_days_and_months_begin_at_the_sites_own_midnight(
    zone: str, now: str, day: str, next_day: str, month: str, next_month: str
) -> None:
    def midnight(date: str) -> datetime:
        return datetime.fromisoformat(f"2026-{date}").replace(tzinfo=ZoneInfo(zone))

    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    with override_settings(TIME_ZONE=zone), time_machine.travel(moment, tick=False):
        assert spending.calendar() == spending.Calendar(
            midnight(day), midnight(next_day), midnight(month), midnight(next_month)
        )


@pytest.mark.parametrize("rotations", [0, 12])
def test_caps_are_read_in_two_questions(
    place: Place, ada: User, rotations: int, django_assert_num_queries: Any
) -> None:
    key, _ = keys.issue_key(ada, daily_cap=10**6, monthly_cap=10**6, total_cap=10**6)
    for _ in range(rotations):
        key, _secret = keys.rotate(key)
    job = place(api_key=key)
    with django_assert_num_queries(2):
        limits.check_caps(Caller(ada, key), job)


# --- audit and migration ---------------------------------------------------------------------


def test_the_audit_sees_a_sum_that_is_not_that_of_its_jobs(place: Place, key: ApiKey) -> None:
    job = place(api_key=key)
    KeyDay.objects.update(millicredits=job.quoted + 1)
    found = audits.run()
    assert found.problems == [
        f"key {key.pk} since {job.created_at:%Y-%m-%d %H:%M}: what it spent is not the sum of its"
        f" jobs (expected {job.quoted}, found {job.quoted + 1})"
    ]
    with pytest.raises(SystemExit):
        call_command("auditcredits")
    KeyDay.objects.update(millicredits=job.quoted)
    assert audits.run().differences == 0


def test_the_audit_sees_jobs_that_are_in_no_sum(
    place: Place, key: ApiKey, ledger_may_be_wrong: None
) -> None:
    job = place(api_key=key)
    lifecycle.cancel(place(api_key=keys.issue_key(key.user)[0]))  # it cost nothing
    KeyDay.objects.all().delete()
    [found] = spending.differences()
    assert str(found) == (
        f"key {key.pk}: jobs of it are in no sum (expected 0, found {job.quoted})"
    )


def test_the_audit_sees_a_job_from_before_the_first_sum(
    place: Place, key: ApiKey, ledger_may_be_wrong: None
) -> None:
    place(api_key=keys.issue_key(key.user)[0])
    job = place(api_key=key)
    later = job.created_at + timedelta(seconds=1)
    KeyDay.objects.filter(api_key=key).update(since=later, millicredits=0)
    [found] = spending.differences()
    assert str(found) == (
        f"key {key.pk}: jobs of it are in no sum (expected 0, found {job.quoted})"
    )


def filled() -> list[tuple[Any, ...]]:
    """The sums as the migration makes them from the jobs."""
    KeyDay.objects.update(millicredits=-1)
    migration = import_module("jobs.migrations.0016_fill_key_days")
    for _ in range(2):
        migration.fill(apps, None)
    return rows()


def rows() -> list[tuple[Any, ...]]:
    kept = KeyDay.objects.exclude(millicredits=0).order_by("api_key", "since")
    return list(kept.values_list("api_key", "since", "millicredits"))


def test_jobs_from_before_are_added_up_by_the_days_of_the_site(
    place: Place, ada: User, key: ApiKey
) -> None:
    other = keys.issue_key(ada)[0]
    with override_settings(TIME_ZONE="Asia/Kolkata"):
        for hours in range(0, 60, 5):
            moment = datetime(2026, 5, 30, 16, tzinfo=UTC) + timedelta(hours=hours)
            with time_machine.travel(moment, tick=False):
                job = place(api_key=other if hours % 2 else key)
                place("In the portal.")
            if hours % 3 == 0:
                lifecycle.cancel(job)
        before = rows()
        assert len(before) > 4
        assert filled() == before
        assert list(spending.differences()) == []


# --- random walks ----------------------------------------------------------------------------


class SpendingWalk(RuleBasedStateMachine):
    """Does what moves the sums, in any order and at any time, beside sums of the jobs."""

    ZONES = ("UTC", "Asia/Kolkata", "America/Los_Angeles")

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        library.load()
        prices.load_default_prices()
        Offer.objects.update(max_characters=20)
        self.user = User.objects.create_user("walk@example.com")
        self.wallet = Wallet.objects.create(user=self.user)
        ledger.grant(self.wallet, 10**9, key="funds")
        self.model = SpeechModel.objects.get(slug="builtin-speech")
        self.voice = Voice.objects.get(family="builtin", external_id="en-us")
        self.now = datetime(2026, 5, 29, 20, tzinfo=UTC)
        self.keys = [keys.issue_key(self.user)[0], keys.issue_key(self.user)[0]]
        self.families = [0, 1]
        self.jobs: list[Job] = []

    @rule(which=st.integers(0, 9), pieces=st.integers(1, 3), is_test=st.booleans())
    def place(self, which: int, pieces: int, is_test: bool) -> None:
        key = self.keys[which % len(self.keys)]
        with self.at_its_time():
            self.jobs.append(
                lifecycle.place(
                    self.user,
                    model=self.model,
                    voice=self.voice,
                    text="A word and a full stop. " * pieces,
                    api_key=None if which == 9 else key,
                    is_test=is_test and which > 6,
                )
            )

    @rule(which=st.integers(0, 99), how=st.sampled_from(("cancel", "fail", "deliver", "refuse")))
    def move(self, which: int, how: str) -> None:
        if not self.jobs:
            return
        job = self.jobs[which % len(self.jobs)]
        with self.at_its_time():
            if how == "cancel":
                lifecycle.cancel(job)
            elif how == "fail":
                lifecycle.fail(job, code="x", message="y")
            else:
                self.end_a_piece(job, how)

    def end_a_piece(self, job: Job, how: str) -> None:
        segment = job.segments.exclude(state__in=("done", "failed")).first()
        if segment is not None:
            sound = Delivered("jobs/a.mp3", "mp3_44100_128", 700, size=9)
            lifecycle.record(claimed(segment), sound if how == "deliver" else Refused("x", "y"))
        if Job.objects.filter(pk=job.pk, is_joinable=True).exists():
            lifecycle.finish(job, audio="jobs/b.mp3", size=9, duration_ms=9, peaks=[1])

    @rule(hours=st.integers(1, 40))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(which=st.integers(0, 9))
    def rotate(self, which: int) -> None:
        number = which % len(self.keys)
        with self.at_its_time():
            self.keys.append(keys.rotate(self.keys[number])[0])
        self.families.append(self.families[number])

    def at_its_time(self) -> Any:
        return time_machine.travel(self.now, tick=False)

    @invariant()
    def sums_are_those_of_the_jobs(self) -> None:
        with time_machine.travel(self.now, tick=False):
            for key, family in zip(self.keys, self.families, strict=True):
                own = [
                    one.pk for one, of in zip(self.keys, self.families, strict=True) if of == family
                ]
                assert spending.of_key(key) == plainly(own)
        assert list(spending.differences()) == []

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)


def plainly(family: list[int]) -> Spent:
    """Every job of the family added up, as the cap was checked before there were sums."""
    now = spending.calendar()
    jobs = Job.objects.filter(api_key__in=family)

    def since(moment: datetime | None) -> int:
        some = jobs if moment is None else jobs.filter(created_at__gte=moment)
        return some.aggregate(total=Sum(spending.COST))["total"] or 0

    return Spent(since(now.day), since(now.month), since(None))


@pytest.mark.parametrize("zone", SpendingWalk.ZONES)
def test_random_walks_keep_sums_and_jobs_together(db: None, zone: str) -> None:
    with override_settings(TIME_ZONE=zone):
        run_state_machine_as_test(
            SpendingWalk,
            settings=settings(
                max_examples=15,
                stateful_step_count=25,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                database=None,
            ),
        )
