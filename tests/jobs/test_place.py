"""Placing an order: everything is written, or nothing."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from jobs import lifecycle, orders
from jobs.errors import OrderError
from jobs.models import Job, JobEvent, Segment
from jobs.placing import Origin
from speechsite.accounts.models import User
from speechsite.credits.errors import InsufficientCredits
from speechsite.credits.models import LedgerEntry, Price, Wallet
from voices.models import SpeechModel, Voice


def test_an_order_holds_exactly_its_quote(place: Callable[..., Job], wallet: Wallet) -> None:
    job = place("Twelve chars")
    wallet.refresh_from_db()
    assert (job.units, job.quoted) == (12, 12)
    assert (wallet.available, wallet.held) == (100_000 - 12, 12)


def test_an_order_leaves_segments_an_event_and_a_wake_up(place: Callable[..., Job]) -> None:
    job = place("First sentence here. " * 100)
    assert job.segment_count == job.segments.count() > 1
    assert "".join(job.segments.values_list("text", flat=True)) == job.text
    assert sum(job.segments.values_list("units", flat=True)) == job.units
    assert list(job.events.values_list("kind", flat=True)) == ["queued"]
    assert OrmQ.objects.count() == 1


def test_the_first_piece_is_short_so_that_sound_comes_soon(place: Callable[..., Job]) -> None:
    job = place("This is a sentence of some length, as people write them. " * 200)
    assert len(job.segments.get(index=0).text) <= 140


def test_the_first_piece_lasts_as_long_in_chinese(place: Callable[..., Job]) -> None:
    job = place("那天早上港口很安静，只有几只海鸥在飞。没有人想到船会在中午以前到达！" * 20)
    assert job.segments.get(index=0).text == job.text[:34]  # two sentences, some nine seconds


@pytest.mark.parametrize(
    ("text", "length"),
    [("a" * 500, 140), ("早" * 500, 35), ("ab早" * 500, 71), ("短", 140), ("かな" * 200, 35)],
)
def test_wide_characters_count_for_more_in_a_first_piece(text: str, length: int) -> None:
    assert orders.first_length(text) == length


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty_text"),
        (" \n\t ", "empty_text"),
        ("🎉🎉 👩‍👩‍👧", "invalid_text"),
        ("\x00\x01\x02", "empty_text"),
        ("... !!! ---", "invalid_text"),
    ],
)
def test_a_text_without_speech_is_refused(place: Callable[..., Job], text: str, code: str) -> None:
    with pytest.raises(OrderError) as refused:
        place(text)
    assert (refused.value.field, refused.value.code) == ("text", code)
    assert not Job.objects.exists()


def test_a_text_over_the_limit_says_both_figures(place: Callable[..., Job], settings: Any) -> None:
    settings.MAX_TEXT = 10
    with pytest.raises(OrderError, match="11 characters; at most 10"):
        place("abcdefghijk")


def test_control_characters_are_left_out_and_not_charged(place: Callable[..., Job]) -> None:
    job = place("a\x00b\x07c\r\nd")
    assert (job.text, job.quoted) == ("abc\nd", 5)


def test_without_funds_nothing_is_written(place: Callable[..., Job], wallet: Wallet) -> None:
    with pytest.raises(InsufficientCredits) as refused:
        place("x" * 100_001 + " end")
    assert (refused.value.needed, refused.value.available) == (100_005, 100_000)
    wallet.refresh_from_db()
    assert wallet.held == 0
    for model in (Job, Segment, JobEvent, OrmQ):
        assert not model.objects.exists()


def test_the_same_key_returns_the_first_job(place: Callable[..., Job]) -> None:
    first, second = place(idempotency_key="form-1"), place(idempotency_key="form-1")
    assert first.pk == second.pk
    assert LedgerEntry.objects.filter(kind="hold").count() == 1


def test_a_retired_voice_is_refused_before_any_hold(
    place: Callable[..., Job], voice: Voice
) -> None:
    voice.retired_at = timezone.now()
    voice.save()
    with pytest.raises(OrderError) as refused:
        place()
    assert refused.value.field == "voice"
    assert not LedgerEntry.objects.filter(kind="hold").exists()


def test_somebody_elses_voice_is_refused(place: Callable[..., Job], voice: Voice, ben: Any) -> None:
    voice.owner = ben
    voice.save()
    with pytest.raises(OrderError):
        place()


@pytest.mark.parametrize(
    "voice_settings",
    [
        {"speed": 9}, {"speed": "1"}, {"speed": True}, {"speed": float("nan")},
        {"pitch": 1.5}, {"stability": 0.5}, {"loudness": 1},
    ],
)  # fmt: skip
def test_a_setting_out_of_bounds_or_unknown_is_refused(
    place: Callable[..., Job], voice_settings: dict[str, Any]
) -> None:
    with pytest.raises(OrderError) as refused:
        place(voice_settings=voice_settings)
    assert refused.value.field == "settings"


def test_an_unknown_format_is_refused(place: Callable[..., Job]) -> None:
    with pytest.raises(OrderError) as refused:
        place(output_format="mp3_1_1")
    assert refused.value.field == "format"


def test_a_price_change_after_placing_changes_nothing(place: Callable[..., Job]) -> None:
    job = place("Hello")
    Price.objects.create(model="builtin-speech", unit="character", millicredits_per_unit=999)
    job.refresh_from_db()
    assert job.price is not None
    assert (job.price.millicredits_per_unit, job.quoted) == (1, 5)


def test_a_test_order_costs_nothing_and_runs_on_the_built_in_engine(
    place: Callable[..., Job], wallet: Wallet, catalogue: None
) -> None:
    model = SpeechModel.objects.get(slug="elevenlabs-multilingual-v2")
    voice = Voice.objects.create(
        family="elevenlabs", external_id="TX3L", name="Liam", language="en"
    )
    job = place(model=model, voice=voice, is_test=True)
    wallet.refresh_from_db()
    assert (job.quoted, wallet.held) == (0, 0)
    assert set(job.segments.values_list("model_slug", flat=True)) == {"builtin-speech"}


def test_an_order_is_gone_as_soon_as_nobody_needs_it(place: Callable[..., Job], ada: User) -> None:
    user = User.objects.get(pk=ada.pk)
    job = place(user=user)
    gone = weakref.ref(user), weakref.ref(job)
    gc.disable()
    try:
        del user, job
        assert [one() for one in gone] == [None, None]
    finally:
        gc.enable()


@pytest.mark.parametrize("length", [139, 141, 150, 169, 200, 900])
def test_what_nobody_hears_before_it_is_whole_is_not_cut_for_a_first_sound(
    ada: User, model: SpeechModel, voice: Voice, length: int
) -> None:
    text = ("The harbour was quiet that morning and grey. " * 30)[:length]
    quiet = Origin(source=Job.Source.API, is_heard=False)
    job = lifecycle.place(ada, model=model, voice=voice, text=text, origin=quiet)
    assert job.segment_count == 1
    heard = lifecycle.place(ada, model=model, voice=voice, text=text, origin=Origin())
    assert (heard.segment_count > 1) == (length > 140)
