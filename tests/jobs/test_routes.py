"""Long texts, dialogues and recordings through several providers; voices that come and go."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client

from jobs import lifecycle, uploads
from jobs.errors import OrderError
from jobs.models import Job
from jobs.placing import Origin
from jobs.states import JobState
from speechsite.credits import ledger
from speechsite.credits.models import Wallet
from speechsite.providers.types import VoiceInfo
from speechsite.upstreams.models import Channel, Offer
from tests.fakes.tones import tone
from tests.jobs.upstream_site import LIAM, Site, settled
from voices import listing, sync
from voices.models import SpeechModel, Voice

pytestmark = pytest.mark.django_db(transaction=True)
Open = Callable[..., Site]
SENTENCE = "The harbour was quiet that morning, and a few gulls were about. "


def bodies(here: Site, name: str) -> list[dict[str, Any]]:
    return [task.body for task in here.fakes[name].tasks.values()]


# --- long texts ------------------------------------------------------------------------------


def test_pieces_know_what_was_said_before_and_comes_after(open_site: Open) -> None:
    here = open_site("kie")
    Offer.objects.update(max_characters=200)
    job = here.place(" ".join(f"Number {number}. {SENTENCE}" for number in range(9)))
    here.work()
    assert settled(job).state == JobState.SUCCEEDED
    pieces = list(job.segments.order_by("index"))
    assert "".join(piece.text for piece in pieces) == job.text
    inputs = {body["input"]["text"]: body["input"] for body in bodies(here, "kie")}
    middle = inputs[pieces[1].text]
    assert middle["previous_text"] == pieces[0].text[-300:]
    assert middle["next_text"] == pieces[2].text[:300]
    assert inputs[pieces[0].text]["previous_text"] == ""


@pytest.mark.parametrize("name", ["kie", "rivya"])
def test_a_seed_keeps_nobody_from_a_provider_without_seeds(open_site: Open, name: str) -> None:
    here = open_site(name)
    job = here.place(options={"seed": 4, "previous_text": "It was late."})
    here.work()
    assert settled(job).state == JobState.SUCCEEDED
    (body,) = bodies(here, name)
    assert (body.get("input") or body["params"])["previous_text"] == "It was late."


@pytest.mark.parametrize("name", ["elevenlabs", "kie", "minimax", "rivya"])
def test_a_long_text_fits_each_providers_limit(open_site: Open, name: str) -> None:
    here = open_site(name)
    Channel.objects.filter(slug=name).update(rate_count=None)
    ledger.grant(Wallet.objects.get(user=here.user), 10**6, key="long")
    job = here.place((SENTENCE * 200)[:11_000], name)
    here.work()
    assert settled(job).state == JobState.SUCCEEDED
    assert here.fakes[name].accepted == job.segment_count


# --- dialogues -------------------------------------------------------------------------------


def lines_of(here: Site, family: str) -> list[tuple[Voice | None, str]]:
    voices = list(Voice.objects.usable().filter(family=family).order_by("pk"))
    shared = [voice for voice in voices if len(voice.listed_by) == len(here.fakes)] or voices
    return [(shared[0], "Who is there?"), (shared[-1], "It is only me."), (shared[0], "Come in.")]


@pytest.mark.parametrize("name", ["elevenlabs", "kie", "rivya"])
def test_a_dialogue_is_one_job_and_one_call(open_site: Open, name: str) -> None:
    here = open_site(name)
    model = SpeechModel.objects.get(slug="elevenlabs-dialogue-v3")
    job = lifecycle.place_dialogue(here.user, model=model, lines=lines_of(here, "elevenlabs"))
    here.work()
    assert settled(job).state == JobState.SUCCEEDED
    assert (job.segment_count, here.fakes[name].accepted) == (1, 1)


def test_any_model_can_speak_a_dialogue_by_turns(open_site: Open) -> None:
    here = open_site("minimax")
    model = SpeechModel.objects.get(slug="minimax-speech-2.8-hd")
    job = lifecycle.place_dialogue(here.user, model=model, lines=lines_of(here, "minimax"))
    here.work()
    assert settled(job).state == JobState.SUCCEEDED
    voices = {body["voice_setting"]["voice_id"] for body in bodies(here, "minimax")}
    assert (here.fakes["minimax"].accepted, len(voices)) == (3, 2)


def test_a_dialogue_goes_where_all_its_voices_are(open_site: Open) -> None:
    """The piece is filed under its first voice; the second one is not known everywhere."""
    here = open_site("kie", "elevenlabs")
    Channel.objects.filter(slug="elevenlabs").update(priority=90)
    shared = Voice.objects.get(external_id=LIAM)
    only_there = Voice.objects.filter(listed_by=["elevenlabs"])[0]
    lines: list[tuple[Voice | None, str]] = [(shared, "Who is there?"), (only_there, "Me.")]
    model = SpeechModel.objects.get(slug="elevenlabs-dialogue-v3")
    job = lifecycle.place_dialogue(here.user, model=model, lines=lines)
    here.work()
    assert settled(job).state == JobState.SUCCEEDED
    assert job.segments.get().channel == here.channel("elevenlabs")
    assert here.fakes["kie"].accepted == 0


# --- recordings ------------------------------------------------------------------------------


def cleaning(here: Site, sound: bytes, name: str = "talk.mp3", model: str = "") -> Job:
    upload = uploads.take(here.user, SimpleUploadedFile(name, sound))
    slug = model or "elevenlabs-audio-isolation"
    return lifecycle.place_cleaning(
        here.user, model=SpeechModel.objects.get(slug=slug), upload=upload, origin=Origin()
    )


@pytest.mark.parametrize("name", ["elevenlabs", "kie", "rivya"])
def test_a_recording_is_cleaned_by_each_provider(open_site: Open, name: str) -> None:
    here = open_site(name)
    job = cleaning(here, tone("mp3_44100_128", 3000))
    here.work()
    job = settled(job)
    assert (job.state, job.charged) == (JobState.SUCCEEDED, 300)
    assert here.fakes[name].accepted == 1


def test_a_recording_is_cleaned_without_any_provider(open_site: Open) -> None:
    here = open_site()
    job = cleaning(here, tone("wav_22050", 3000), "talk.wav", "builtin-cleaning")
    here.work()
    assert settled(job).state == JobState.SUCCEEDED


def test_a_recording_too_large_for_one_goes_to_another(open_site: Open) -> None:
    here = open_site("kie", "rivya", "elevenlabs")
    Channel.objects.filter(slug="elevenlabs").update(priority=90)
    large = tone("wav_44100", 125_000)
    assert len(large) > 10 * 1024 * 1024
    job = cleaning(here, large, "talk.wav")
    here.work()
    assert settled(job).state == JobState.SUCCEEDED
    assert job.segments.get().channel == here.channel("elevenlabs")
    assert here.fakes["kie"].accepted == here.fakes["rivya"].accepted == 0


# --- voices that come and go -----------------------------------------------------------------


def test_a_voice_that_vanished_stays_readable_and_may_return(open_site: Open) -> None:
    here = open_site("elevenlabs")
    fake: Any = here.fakes["elevenlabs"]
    spoken = here.place()
    here.work()
    entry = fake.voices.pop(LIAM)
    [report] = [one for one in sync.sync_all() if one.channel == "elevenlabs"]
    assert (report.difference.added, len(report.difference.retired)) == ((), 1)
    voice = Voice.objects.get(external_id=LIAM)
    assert not voice.is_usable
    assert settled(spoken).voice == voice
    with pytest.raises(OrderError, match="no longer available"):
        here.place()
    fake.voices[LIAM] = entry
    [report] = [one for one in sync.sync_all() if one.channel == "elevenlabs"]
    assert len(report.difference.returned) == 1
    assert Voice.objects.get(external_id=LIAM).is_usable


def test_a_voice_that_one_of_two_channels_dropped_stays_with_the_other(open_site: Open) -> None:
    here = open_site("elevenlabs", "kie")
    fake: Any = here.fakes["elevenlabs"]
    fake.voices.pop(LIAM)
    sync.sync_all()
    voice = Voice.objects.get(external_id=LIAM)
    assert (voice.is_usable, voice.listed_by) == (True, ["kie"])


def test_an_empty_list_or_a_silent_provider_retires_nobody(open_site: Open) -> None:
    here = open_site("elevenlabs")
    fake: Any = here.fakes["elevenlabs"]
    before = Voice.objects.usable().count()
    fake.voices.clear()
    assert any(report.error for report in sync.sync_all())
    here.stop("elevenlabs")
    assert any(report.error for report in sync.sync_all())
    assert Voice.objects.usable().count() == before


def test_storing_the_same_voices_twice_changes_nothing(catalogue: None) -> None:
    infos = [VoiceInfo(id="a", name="A"), VoiceInfo(id="b", name="B")]
    assert listing.store("x", "elevenlabs", infos).added == ("A", "B")
    assert listing.store("x", "elevenlabs", infos) == listing.Difference()


# --- credentials -----------------------------------------------------------------------------


def test_a_key_is_nowhere_to_be_read(
    open_site: Open, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not in a dump of the database, not in the logs of work, not in the admin."""
    here = open_site("kie", "elevenlabs")
    key = here.fakes["kie"].key
    here.fakes["elevenlabs"].fault = here.fakes["kie"].fault = "bad_key"  # type: ignore[assignment]
    job = here.place()
    here.work(until=lambda: bool(job.segments.get().waiting_reason))
    dump = io.StringIO()
    call_command("dumpdata", stdout=dump)
    assert "credentials" in dump.getvalue()
    assert key not in dump.getvalue()
    assert key not in caplog.text
    admin = get_user_model().objects.create_superuser("root@example.com", "correct horse battery")
    client = Client()
    client.force_login(admin)
    page = client.get(f"/admin/upstreams/channel/{here.channel('kie').pk}/change/")
    assert page.status_code == 200
    assert key not in page.content.decode()
    assert here.channel("kie").credentials not in page.content.decode()
    assert key not in json.dumps(list(job.events.values_list("data", flat=True)))
