"""The price line, the hold and the refusal say the same in every state of the Studio's form."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.utils.html import strip_tags

from jobs.models import Job
from speechsite.accounts import plans
from speechsite.accounts.models import User
from speechsite.credits import ledger
from speechsite.credits.models import LedgerEntry, Price, Wallet
from voices.models import SpeechModel, Voice

OFFER = 'Write to <sales@example.com>\nor see https://example.com/credits?a=1&b=2 "today"'
SHORT = re.compile(r"Not enough: ([\d.,]+) credits missing")


def poor(user: User) -> None:
    wallet = Wallet.objects.get(user=user)
    ledger.adjust(wallet, 20 - wallet.available, key="poor", reason="spent", actor=user)


def small_plan(user: User) -> None:
    plan = plans.plan_of(user)
    plan.characters_per_job = 30
    plan.save()


def cjk_price(user: User) -> None:
    Price.objects.update(counting=Price.Counting.CJK_DOUBLE, millicredits_per_unit=7)


def minimum(user: User) -> None:
    Price.objects.update(minimum_millicredits=500)


def by_request(user: User) -> None:
    Price.objects.update(unit=Price.Unit.REQUEST, millicredits_per_unit=2_000)


def unpriced(user: User) -> None:
    Price.objects.all().delete()


def stranger(user: User) -> None:
    """Nobody vouches for the account, and the voice is a provider's."""
    EmailAddress.objects.filter(user=user).update(verified=False)
    SpeechModel.objects.filter(slug="builtin-speech").update(family="elevenlabs")
    Voice.objects.update(family="elevenlabs")


def other_model(user: User) -> None:
    Price.objects.filter(model="builtin-speech").update(millicredits_per_unit=3)


def nothing(user: User) -> None:
    pass


TEXTS = {
    "empty": "",
    "three spaces": "   ",
    "blank lines": " \r\n\t\n ",
    "emoji": "\U0001f600\U0001f600 1\ufe0f\u20e3",
    "dots": "... — !",
    "short": "Good morning.",
    "Windows lines": "One.\r\nTwo.\r\n",
    "control characters": "Good\x00 mor\x07ning.\x85",
    "invisible characters": "Go\u200bod\u00ad mor\u2060ning\ufeff.",
    "markup": "<speak>Good <emphasis>morning</emphasis> &amp; hello.</speak>",
    "pauses": "[pause:300ms] Good <#1.5#> morning. <break time='1s'/>",
    "pauses without end": "Go. " + "[pause:60s]" * 31,
    "Chinese": "你好，世界。𠀀 Hello.",
    "over most wallets": "A text that is longer than thirty characters, so it costs more.",
}
STATES = [
    nothing,
    poor,
    small_plan,
    cjk_price,
    minimum,
    by_request,
    unpriced,
    stranger,
    other_model,
]


def line_of(html: str) -> dict[str, Any]:
    """What a page says: the price in millicredits or None, what is missing, and the problem."""
    cost = re.search(r'<output id="cost">([^<]*)</output>', html)
    left = re.search(r'<dd id="left"([^>]*)>([^<]*)</dd>', html)
    shown = re.search(r'id="shown" value="(\d*)"', html)
    assert cost
    assert left
    assert shown
    short = SHORT.search(left[2])
    return {
        "cost": None if cost[1] == "–" else round(float(cost[1].replace(",", "")) * 1000),
        "missing": round(float(short[1].replace(",", "")) * 1000) if short else 0,
        "problem": left[2] if 'class="short"' in left[1] else "",
        "shown": int(shown[1]),
    }


@pytest.fixture
def form(page: Client, voice: Voice, model: SpeechModel) -> Callable[..., Any]:
    def form(text: str, do: str, **more: Any) -> Any:
        told = {"text": text, "voice": voice.pk, "model": model.slug, "key": "one form", **more}
        return page.post("/studio/", {**told, "do": do})

    return form


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_what_is_shown_is_what_is_held_or_refused(
    form: Callable[..., Any], ada: User, text: str, state: Callable[[User], None]
) -> None:
    state(ada)
    line = line_of(form(text, "refresh").content.decode())
    before = Wallet.objects.get(user=ada).available
    answer = form(text, "place", shown=line["shown"])
    held = LedgerEntry.objects.filter(kind="hold").last()
    if line["cost"] and not line["problem"]:
        assert answer.status_code == 302
        assert held is not None
        assert -held.available_delta == line["cost"] == Job.objects.get().quoted
    elif line["missing"]:
        assert answer.status_code == 402
        assert line["missing"] == line["cost"] - before
        assert line_of(answer.content.decode()) == line
    else:
        assert answer.status_code == (402 if line["problem"] == "Not for welcome credits" else 422)
    if answer.status_code != 302:
        assert held is None
        assert not Job.objects.exists()
        assert Wallet.objects.get(user=ada).available == before


@pytest.mark.parametrize("text", ["", "   ", "...", "\U0001f600"])
def test_what_says_nothing_is_not_priced(form: Callable[..., Any], ada: User, text: str) -> None:
    minimum(ada)
    assert line_of(form(text, "refresh").content.decode())["cost"] == 0


def test_another_voice_brings_its_own_price(page: Client, ada: User, voice: Voice) -> None:
    options = page.get("/studio/options/", {"voice": voice.pk}).content.decode()
    assert 'data-rate="1"' in options
    assert "data-restricted" not in options
    stranger(ada)
    assert "data-restricted" in page.get("/studio/options/", {"voice": voice.pk}).content.decode()


def test_the_shortage_says_how_many_are_missing_and_what_the_site_offers(
    form: Callable[..., Any], page: Client, ada: User, settings: Any
) -> None:
    settings.CREDITS_OFFER = OFFER
    assert "data-offer hidden>" in form("Short.", "refresh").content.decode()
    poor(ada)
    html = form("This costs more than twenty.", "place", shown=28).content.decode()
    assert "This needs 0.028 credits and your wallet has 0.02. Missing: 0.008 credits." in html
    assert html.count("sales@example.com</a>") == 2  # in the message and below the price
    assert 'href="https://example.com/credits?a=1&amp;b=2"' in html
    assert "<sales@" not in html
    assert "sales@example.com" in strip_tags(page.get("/wallet/").content.decode())


def test_an_offer_is_text_and_never_markup(page: Client, settings: Any) -> None:
    settings.CREDITS_OFFER = "<script>alert(1)</script> javascript:alert(1) <a href='x'>y</a>"
    html = page.get("/wallet/").content.decode()
    assert "<script>alert" not in html
    assert "&lt;script&gt;" in html
    assert 'href="javascript' not in html
    assert "href='x'" not in html


def test_without_an_offer_nothing_is_promised(form: Callable[..., Any], ada: User) -> None:
    poor(ada)
    html = form("This costs more than twenty.", "place").content.decode()
    assert "data-offer" not in html
