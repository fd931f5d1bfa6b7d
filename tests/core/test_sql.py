"""Statements put together once or written out: the same rows as Django's own statements."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import DEFAULT_DB_ALIAS, IntegrityError, connection, connections, models, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from speechsite.accounts import keys, plans
from speechsite.accounts.models import ApiKey, Plan, User
from speechsite.core import sql
from speechsite.credits.models import LedgerEntry, Price, Wallet
from speechsite.upstreams.models import Channel

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def same(made: models.Model, expected: models.Model) -> None:
    """Every column is equal, and of the same type."""
    for field in made._meta.concrete_fields:
        one, other = getattr(made, field.attname), getattr(expected, field.attname)
        assert one == other, field.name
        assert type(one) is type(other), field.name


def channel(slug: str, **more: object) -> Channel:
    return Channel.objects.create(slug=slug, name=slug, adapter="rivya", concurrency=2, **more)


class TestQuery:
    def test_gives_what_the_queryset_gives(self, ada: User):
        key, _ = keys.issue_key(ada, scopes=["files:read"], ip_allow=["10.0.0.0/8"])
        found = sql.Query(lambda name: ApiKey.objects.filter(prefix=name), models.CharField())
        [row] = found(key.prefix)
        same(row, ApiKey.objects.get())
        assert row._state.adding is False
        row.name = "renamed"
        row.save()
        assert ApiKey.objects.get().name == "renamed"

    def test_is_put_together_once_and_filled_in_each_time(self, ada: User, ben: User):
        made: list[object] = []

        def by_address(email: object) -> models.QuerySet[User]:
            made.append(email)
            return User.objects.filter(email=email)

        query = sql.Query(by_address, models.CharField())
        assert query(ada.email) == [ada]
        assert query(ben.email) == [ben]
        assert query("nobody@example.com") == []
        assert len(made) == 1

    def test_brings_related_rows_along(self, ada: User, ben: User):
        plans.put_on_plan(ada)
        User.objects.filter(pk=ben.pk).update(plan=None)
        query = sql.Query(
            lambda pk: User.objects.select_related("plan").filter(pk=pk), models.BigIntegerField()
        )
        with CaptureQueriesContext(connection) as asked:
            [first], [second] = query(ada.pk), query(ben.pk)
            assert first.plan == plans.default_plan() or first.plan is not None
            assert second.plan is None
        assert [one["sql"] for one in asked if "accounts_plan" in one["sql"]][1:] != []
        same(first.plan, Plan.objects.get(pk=first.plan_id))

    def test_knows_several_places_kinds_and_limits(self, db: None):
        for days, amount in ((0, 1), (10, 2), (20, 3)):
            Price.objects.create(
                model="m",
                unit=Price.Unit.CHARACTER,
                millicredits_per_unit=amount,
                valid_from=NOON + timedelta(days=days),
            )
        query = sql.Query(
            lambda model, at: Price.objects.filter(model=model, valid_from__lte=at).order_by(
                "-valid_from"
            )[:1],
            models.CharField(),
            models.DateTimeField(),
        )
        assert [one.millicredits_per_unit for one in query("m", NOON + timedelta(days=15))] == [2]
        assert query("m", NOON - timedelta(days=1)) == []
        assert query("other", NOON + timedelta(days=15)) == []

    def test_finds_by_a_key_of_chance(self, ada: User):
        query = sql.Query(lambda one: User.objects.filter(public_id=one), models.UUIDField())
        assert query.first(ada.public_id) == ada
        assert query.first(UUID(int=0)) is None

    def test_leaves_columns_out_that_were_not_asked_for(self, ada: User):
        query = sql.Query(
            lambda pk: User.objects.filter(pk=pk).only("pk", "email"), models.BigIntegerField()
        )
        [row] = query(ada.pk)
        assert row.get_deferred_fields() >= {"name", "preferences"}
        assert row.name == ada.name

    def test_text_from_outside_is_a_value_and_nothing_else(self, ada: User):
        query = sql.Query(lambda one: User.objects.filter(email=one), models.CharField())
        assert query("' OR 1=1 --") == []
        assert query("%s %% %(x)s") == []

    def test_each_thread_asks_on_its_own_connection(self, transactional_db: None):
        user = User.objects.create_user("thread@example.com", "x")
        query = sql.Query(lambda one: User.objects.filter(email=one), models.CharField())
        found: list[list[User]] = [query(user.email)]

        def ask() -> None:
            found.append(query(user.email))
            connection.close()

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join(10)
        assert found == [[user], [user]]

    def test_keeps_no_connection_from_being_closed(self, transactional_db: None):
        user = User.objects.create_user("thread@example.com", "x")
        query = sql.Query(lambda one: User.objects.filter(email=one), models.CharField())
        used: list[weakref.ref[object]] = []

        def ask() -> None:
            assert query(user.email) == [user]
            used.append(weakref.ref(connections[DEFAULT_DB_ALIAS]))
            connection.close()

        for _ in range(2):
            thread = threading.Thread(target=ask)
            thread.start()
            thread.join(10)
        gc.collect()
        assert [one() for one in used] == [None, None]


class TestInsert:
    def test_writes_every_column_as_django_does(self, wallet: Wallet):
        entries = [
            LedgerEntry(
                wallet=wallet,
                kind=LedgerEntry.Kind.HOLD,
                available_delta=-5,
                held_delta=5,
                available_after=95,
                reason="words 你好 %s",
                key=key,
                created_at=NOON,
            )
            for key in ("one", "two")
        ]
        with transaction.atomic():
            sql.insert(entries[0])
            entries[1].save()
            first, second = LedgerEntry.objects.filter(key__in=("one", "two")).order_by("key")
            assert (first.pk, second.pk) == (entries[0].pk, entries[1].pk)
            second.pk, second.key = first.pk, first.key
            same(first, second)
            transaction.set_rollback(True)

    def test_gives_the_row_its_key_and_has_it_saved(self, db: None):
        plan = Plan(slug="big", name="Big")
        sql.insert(plan)
        assert Plan.objects.get(slug="big").pk == plan.pk
        plan.name = "Bigger"
        plan.save()
        assert Plan.objects.filter(slug="big").count() == 1

    def test_writes_many_in_their_order(self, db: None):
        plans_ = [
            Plan(slug=f"plan-{number:03}", name="Plan") for number in range(2 * sql.MOST_ROWS + 1)
        ]
        before = Plan.objects.count()
        sql.insert_all(Plan, [])
        with CaptureQueriesContext(connection) as asked:
            sql.insert_all(Plan, plans_)
        assert len(asked) == 3
        slugs = Plan.objects.order_by("pk").values_list("slug", flat=True)
        assert list(slugs)[before:] == [plan.slug for plan in plans_]

    def test_of_two_with_one_name_the_second_is_refused(self, db: None):
        sql.insert(Plan(slug="big", name="Big"))
        with pytest.raises(IntegrityError), transaction.atomic():
            sql.insert(Plan(slug="big", name="Other"))
        assert Plan.objects.filter(slug="big").count() == 1

    def test_keeps_objects_lists_and_nothing(self, db: None):
        one = Channel(slug="one", name="One", adapter="kie", options={"a": [1, None, "é"]})
        sql.insert(one)
        kept = Channel.objects.get(slug="one")
        assert (kept.pk, kept.options) == (one.pk, one.options)
        assert (kept.rate_count, kept.origin) == (None, Channel.Origin.ADMIN)


class TestUpdate:
    def test_changes_what_is_named_and_counts_it(self, db: None):
        for slug in ("a", "b", "c"):
            channel(slug)
        assert sql.update(Channel, {"slug": ("a", "b")}, name="both", options={"x": 1}) == 2
        kept = {one.slug: (one.name, one.options) for one in Channel.objects.all()}
        assert kept["a"] == kept["b"] == ("both", {"x": 1})
        assert kept["c"] == ("c", {})

    def test_all_conditions_hold_or_nothing_changes(self, db: None):
        one = channel("a")
        where = {"pk": one.pk, "adapter": frozenset({"kie"})}
        assert sql.update(Channel, where, name="other") == 0
        one.refresh_from_db()
        assert one.name == "a"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("resting_until", NOON),
            ("resting_until", None),
            ("weight", 7),
            ("is_enabled", False),
            ("name", "50 % 'off' -- 你好"),
        ],
    )
    def test_values_come_back_as_they_were_given(self, db: None, name: str, value: object):
        one = channel("a", resting_until=timezone.now())
        assert sql.update(Channel, {"slug": "a"}, **{name: value}) == 1
        one.refresh_from_db()
        assert getattr(one, name) == value

    def test_what_a_constraint_forbids_is_refused(self, wallet: Wallet):
        with pytest.raises(IntegrityError), transaction.atomic():
            sql.update(Wallet, {"pk": wallet.pk}, available=-1)


def test_all_three_use_the_transaction_that_is_open(db: None):
    def undone(work: Callable[[], object]) -> None:
        with transaction.atomic():
            work()
            transaction.set_rollback(True)

    undone(lambda: sql.insert(Plan(slug="gone", name="Gone")))
    assert not Plan.objects.filter(slug="gone").exists()
    one = channel("a")
    undone(lambda: sql.update(Channel, {"pk": one.pk}, name="other"))
    one.refresh_from_db()
    assert one.name == "a"


def test_a_constant_finds_what_a_parameter_finds(ada: User) -> None:
    here = User.objects.filter(email=sql.Constant("nobody")) | User.objects.filter(pk=ada.pk)
    assert list(here) == [ada]
    assert "'nobody'" in str(User.objects.filter(email__in=sql.constants(["nobody"])).query)


@pytest.mark.parametrize("word", ["", "a b", "it's", "50%", "a;b"])
def test_a_constant_is_a_plain_word(word: str) -> None:
    with pytest.raises(ValueError, match="plain word"):
        sql.Constant(word)
