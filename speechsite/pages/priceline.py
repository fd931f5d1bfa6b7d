"""The line above the button: what the form would cost as it stands, and whether it would be taken.

`static/js/studio.js` works out the same while somebody types; what decides is `jobs.orders` and
the ledger. tests/pages/test_price_line.py holds them together.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from jobs import orders
from speechsite.accounts.models import User
from speechsite.audio import markup, pauses
from speechsite.credits import ledger, prices, welcome
from speechsite.credits.models import Price
from speechsite.credits.prices import format_credits
from speechsite.pages.ordering import OrderForm
from voices.models import SpeechModel

# In braces: the page's script fills them in as well.
WORDS: dict[str, str | Promise] = {
    "over": _("{over} characters too many"),
    "pauses": _("The pauses are too long together"),
    "restricted": _("Not for welcome credits"),
    "short": _("Not enough: {missing} credits missing"),
}


@dataclass(frozen=True, slots=True)
class PriceLine:
    """What is shown. Amounts are millicredits; `cost` is None where there is no price to show.

    `problem` is why the order would be refused, in words; `most` is how many characters one
    order of this account may have.
    """

    available: int
    price: Price | None = None
    cost: int | None = None
    problem: str = ""
    is_restricted: bool = False
    characters: int = 0
    most: int = 0

    @classmethod
    def of(
        cls,
        available: int,
        price: Price,
        cost: int,
        *,
        is_restricted: bool,
        characters: int = 0,
        most: int = 0,
    ) -> PriceLine:
        """The line of an order that only the wallet may refuse."""
        problem = ""
        if cost and is_restricted:
            problem = str(WORDS["restricted"])
        elif cost > available:
            problem = str(WORDS["short"]).format(missing=format_credits(cost - available))
        return cls(available, price, cost, problem, is_restricted, characters, most)

    @property
    def left(self) -> int:
        return self.available - self.shown

    @property
    def shown(self) -> int:
        """The most that may be held for what is shown: nothing, where no price is."""
        return self.cost or 0

    @property
    def wants_credits(self) -> bool:
        """Whether credits are what is missing, so that the operator's offer helps."""
        return self.cost is not None and bool(self.problem)

    @property
    def words(self) -> dict[str, str | Promise]:
        return WORDS


def price_line(user: User, form: OrderForm) -> PriceLine:
    """The line for the Studio's form as it was sent or drawn."""
    wallet = ledger.open_wallet(user)
    text = orders.cleaned(orders.normal(form["text"].value() or "")).spoken
    size, most = len(markup.countable(text)), orders.longest_text(user)
    price = _price(form.chosen_model)
    if price is None or form.chosen_model is None:
        return PriceLine(wallet.available, characters=size, most=most)
    is_restricted = not welcome.pays_for(wallet, form.chosen_model.family)
    if problem := _beyond(text, size, most):
        return PriceLine(wallet.available, price, None, problem, is_restricted, size, most)
    cost = orders.quoted(price, text).millicredits
    return PriceLine.of(
        wallet.available, price, cost, is_restricted=is_restricted, characters=size, most=most
    )


def _beyond(text: str, size: int, most: int) -> str:
    """Why a text of this many characters is not taken, whatever the wallet holds."""
    if size > most:
        return str(WORDS["over"]).format(over=f"{size - most:,}")
    if pauses.total_ms(text) > orders.LONGEST_PAUSES_MS:
        return str(WORDS["pauses"])
    return ""


def _price(model: SpeechModel | None) -> Price | None:
    if model is None:
        return None
    try:
        return prices.price_of(model.slug)
    except prices.NoPrice:
        return None
