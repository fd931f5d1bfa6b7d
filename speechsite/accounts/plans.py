"""Which plan an account has. The figures of a plan are rows, edited in the admin."""

from __future__ import annotations

from speechsite.accounts.models import Plan, User

DEFAULT_SLUG = "free"


def default_plan() -> Plan:
    """The plan of a new account; made again if an administrator removed it."""
    figures = {"name": "Free", "requests_per_second": 3, "concurrent_jobs": 2}
    plan, _ = Plan.objects.get_or_create(slug=DEFAULT_SLUG, defaults=figures)
    return plan


def plan_of(user: User) -> Plan:
    """The plan whose limits bind somebody, also when none was ever given to them."""
    return user.plan or default_plan()


def put_on_plan(user: User, slug: str = DEFAULT_SLUG) -> Plan:
    """Give an account a plan by its slug. Raises Plan.DoesNotExist."""
    plan = default_plan() if slug == DEFAULT_SLUG else Plan.objects.get(slug=slug)
    user.plan = plan
    user.save(update_fields=["plan"])
    return plan
