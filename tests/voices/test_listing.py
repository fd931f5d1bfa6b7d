"""What a list of voices does to the library, and what it must leave alone."""

from __future__ import annotations

import threading

import pytest
from django.db import connection
from django.utils import timezone

from speechsite.accounts.models import User
from speechsite.providers.types import MADE_HERE, VoiceInfo
from speechsite.upstreams.models import Channel
from voices import listing
from voices.models import Voice

A, B = VoiceInfo(id="a", name="A"), VoiceInfo(id="b", name="B")


@pytest.fixture(autouse=True)
def _channels(db: None) -> None:
    for slug in ("x", "y"):
        Channel.objects.create(slug=slug, name=slug, adapter="elevenlabs")


def voice(name: str) -> Voice:
    return Voice.objects.get(external_id=name)


def test_what_is_expected_can_be_ordered_until_the_list_says_otherwise() -> None:
    listing.expect("x", "elevenlabs", [A, B])
    assert (voice("a").is_usable, voice("a").listed_by) == (True, ["x"])
    found = listing.store("x", "elevenlabs", [A])
    assert (found.added, found.retired) == ((), ("B",))
    assert (voice("a").is_usable, voice("b").is_usable) == (True, False)


def test_expecting_changes_nothing_about_other_voices() -> None:
    listing.store("y", "elevenlabs", [A, B])
    listing.expect("x", "elevenlabs", [A])
    listing.expect("x", "elevenlabs", [A])
    assert (voice("a").listed_by, voice("b").listed_by) == (["x", "y"], ["y"])


def test_a_list_tells_what_was_not_known_and_overwrites_nothing() -> None:
    listing.expect("x", "elevenlabs", [A])
    Voice.objects.filter(external_id="a").update(name="Anna", accent="scottish")
    told = VoiceInfo(id="a", name="A", accent="irish", languages=("en",), preview_url="https://a")
    listing.store("x", "elevenlabs", [told])
    seen = voice("a")
    assert (seen.name, seen.accent) == ("Anna", "scottish")
    assert (seen.language, seen.preview_url) == ("en", "https://a")


def test_what_an_administrator_retired_stays_retired() -> None:
    listing.store("x", "elevenlabs", [A])
    Voice.objects.update(retired_at=timezone.now())
    listing.store("x", "elevenlabs", [A])
    listing.store("y", "elevenlabs", [A])
    assert not voice("a").is_usable


def test_what_an_administrator_restored_stays_although_nobody_lists_it() -> None:
    listing.store("x", "elevenlabs", [A, B])
    listing.store("x", "elevenlabs", [B])
    Voice.objects.filter(external_id="a").update(retired_at=None)
    listing.store("x", "elevenlabs", [B])
    assert voice("a").is_usable


def test_somebodys_clone_is_published_to_nobody(ada: User) -> None:
    """Its row may not be written yet, or never, where the site died right after making it."""
    clone = VoiceInfo(id="c", name="Ada", labels={"mood": "calm", **MADE_HERE})
    listing.store("x", "elevenlabs", [A, clone])
    assert not Voice.objects.filter(external_id="c").exists()
    mine = Voice.objects.create(family="elevenlabs", external_id="c", name="Ada", owner=ada)
    listing.store("x", "elevenlabs", [A])
    mine.refresh_from_db()
    assert mine.is_usable


@pytest.mark.django_db(transaction=True)
def test_two_lists_at_once_do_not_overwrite_each_other() -> None:
    infos = [VoiceInfo(id=f"v{n}", name=f"V{n}") for n in range(150)]
    start = threading.Barrier(2)

    def list_for(slug: str) -> None:
        try:
            start.wait(10)
            listing.store(slug, "elevenlabs", infos)
        finally:
            connection.close()

    threads = [threading.Thread(target=list_for, args=(slug,)) for slug in ("x", "y")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    seen = {tuple(one.listed_by) for one in Voice.objects.filter(family="elevenlabs")}
    assert seen == {("x", "y")}
