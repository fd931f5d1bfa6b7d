"""Cleaning recordings: sending one, knowing its price, and hearing before and after."""

from __future__ import annotations

import asyncio
import io
import re
import struct
import wave
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from jobs import lifecycle, uploads
from jobs.models import Job, Upload
from jobs.states import JobState
from speechsite.accounts.models import User
from speechsite.audio import encode
from speechsite.credits import ledger
from speechsite.credits.models import Price, Wallet
from speechsite.pages import cleanup
from speechsite.pages import job as job_page
from speechsite.upstreams.models import Channel, Offer
from tests.audio.sounds import sine
from tests.pages.conftest import speak
from voices.models import SpeechModel

RATE = 8000
SHOWN = re.compile(r'name="shown" id="shown" value="([^"]+)"')
UPLOAD = re.compile(r'name="upload" value="([^"]+)"')


def recording(seconds: float = 2.5, name: str = "noisy.wav") -> SimpleUploadedFile:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, RATE, 0, "NONE", ""))
        sound.writeframes(sine(seconds, RATE).tobytes())
    return SimpleUploadedFile(name, file.getvalue())


@pytest.fixture
def tell(page: Client) -> Callable[..., HttpResponse]:
    """One form as it is sent."""

    def tell(file: Any = None, do: str = "clean", **told: Any) -> HttpResponse:
        named = {"file": file} if file is not None else {}
        return page.post("/cleanup/", {"key": "form-1", "do": do, **named, **told})

    return tell


@pytest.fixture
def send(tell: Any, page: Client) -> Callable[..., HttpResponse]:
    """A recording as people send it: uploaded, its price seen, then ordered."""

    def send(file: Any = None, do: str = "clean", **told: Any) -> HttpResponse:
        if do != "clean":
            return tell(file, do, **told)
        if "upload" not in told:
            seen = tell(file, "price", **told)
            if seen.status_code != 302:
                return seen
            address = seen["Location"]
        else:
            address = f"/cleanup/?upload={told['upload']}"
        html = page.get(address).content.decode()
        upload, shown = UPLOAD.search(html), SHOWN.search(html)
        if upload is None or shown is None:
            return tell(None, **told)
        return tell(None, **{"upload": upload[1], "shown": shown[1], **told})

    return send


@pytest.fixture
def second_model(catalogue: None) -> SpeechModel:
    """A cleaner that costs ten times as much, through a channel of its own."""
    channel = Channel.objects.create(slug="labs", name="Labs", adapter="elevenlabs")
    Offer.objects.create(channel=channel, model="elevenlabs-audio-isolation", upstream_name="x")
    return SpeechModel.objects.get(slug="elevenlabs-audio-isolation")


def body(response: Any) -> bytes:
    async def read() -> bytes:
        return b"".join([block async for block in response.streaming_content])

    return asyncio.run(read())


def cleaned(job: Job) -> Job:
    lifecycle.start([job.pk])
    speak(job.segments.get())
    audio = default_storage.save(f"jobs/{job.pk}.mp3", ContentFile(b"sound"))
    lifecycle.finish(job, audio=audio, size=5, duration_ms=2500, peaks=[3, 200, 90])
    job.refresh_from_db()
    return job


def test_a_stranger_is_asked_to_sign_in(client: Client, db: None) -> None:
    answer = client.get("/cleanup/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/account/login/")


def test_limits_and_price_are_shown_before_anything_is_sent(page: Client) -> None:
    html = page.get("/cleanup/").content.decode()
    assert "Up to 500" in html
    assert "one hour" in html
    assert "0.01 credits per second" in html


def test_a_job_is_placed_at_the_price_of_each_second_begun(send: Any, ada: User) -> None:
    answer = send(recording(2.5))
    job = Job.objects.get(user=ada)
    assert answer["Location"] == f"/jobs/{job.pk}/"
    assert (job.kind, job.title, job.quoted) == (Job.Kind.ISOLATION, "noisy", 30)
    assert Wallet.objects.get(user=ada).held == 30


def test_two_steps_show_the_exact_price_first(send: Any, page: Client, ada: User) -> None:
    shown = send(recording(61), do="price")
    assert shown.status_code == 302
    html = page.get(shown["Location"]).content.decode()
    assert '<output id="cost">0.61</output>' in html
    assert not Job.objects.exists()
    upload = UPLOAD.search(html)
    assert upload is not None
    placed = send(upload=upload[1])
    assert placed["Location"] == f"/jobs/{Job.objects.get().pk}/"
    assert Job.objects.get().quoted == 610


def test_a_recording_whose_price_nobody_saw_is_not_ordered(tell: Any, page: Client) -> None:
    answer = tell(recording(61))
    assert answer.status_code == 302
    assert '<output id="cost">0.61</output>' in page.get(answer["Location"]).content.decode()
    assert not Job.objects.exists()


@pytest.mark.parametrize("shown", [0, 240, 609])
def test_never_more_is_held_than_was_shown(
    tell: Any, ada: User, wallet: Wallet, shown: int
) -> None:
    upload = uploads.take(ada, recording(61))
    answer = tell(upload=upload.pk, shown=shown)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "The price is higher than what was shown." in html
    assert '<output id="cost">0.61</output>' in html
    assert SHOWN.search(html)[1] == "610"  # type: ignore[index]
    assert not Job.objects.exists()
    wallet.refresh_from_db()
    assert wallet.held == 0


def test_a_price_that_fell_meanwhile_is_the_one_that_is_held(tell: Any, ada: User) -> None:
    upload = uploads.take(ada, recording(61))
    tell(upload=upload.pk, shown=1410)
    assert Job.objects.get().quoted == 610


def test_a_sound_without_a_length_in_its_head_costs_what_it_lasts(send: Any) -> None:
    """A browser's guess of such a file may be three times what it is, or half."""
    whole = encode.encode_bytes([sine(41, 44_100)], "mp3_44100_128", 44_100)
    bare = whole[whole.index(b"\xff\xfb") + 417 :]
    low = encode.encode_bytes([sine(2, 44_100)], "mp3_44100_192", 44_100)
    mixed = low[low.index(b"\xff\xfb") :] + bare
    shown = send(SimpleUploadedFile("bare.mp3", mixed), do="price")
    send(SimpleUploadedFile("bare.mp3", mixed))
    assert shown.status_code == 302
    assert Job.objects.get().quoted in (430, 440)


def test_the_same_form_sent_twice_is_one_job_and_one_recording(send: Any) -> None:
    first, second = send(recording()), send(recording())
    assert first["Location"] == second["Location"]
    assert Job.objects.count() == 1
    kept = Upload.objects.get(deleted_at__isnull=True)
    assert kept.job_set.count() == 1


def test_another_recording_in_the_same_form_is_a_new_job(send: Any) -> None:
    send(recording(2))
    send(recording(3))
    assert Job.objects.count() == 2


def test_the_confirmation_sent_twice_is_one_job(send: Any, ada: User) -> None:
    upload = uploads.take(ada, recording())
    assert send(upload=upload.pk)["Location"] == send(upload=upload.pk)["Location"]
    assert Upload.objects.get().deleted_at is None


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (None, "Choose a recording first."),
        (SimpleUploadedFile("empty.wav", b""), "Choose a recording first."),
        (SimpleUploadedFile("song.mp3", b"these are only words" * 99), "no sound in this file"),
    ],
    ids=["none", "empty", "no-sound"],
)
def test_what_cannot_be_cleaned_gets_an_error_beside_the_field(
    send: Any, file: Any, words: str
) -> None:
    answer = send(file)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert 'id="id_file_error"' in html
    assert 'aria-invalid="true"' in html
    assert words in html
    assert not Upload.objects.exists()


def test_a_recording_over_an_hour_is_refused(send: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(uploads, "LONGEST_MS", 2000)
    answer = send(recording(3))
    assert answer.status_code == 422
    assert "longer than one hour" in answer.content.decode()


def test_a_file_over_the_limit_is_refused(send: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(uploads, "LARGEST", 1024)
    answer = send(recording(3))
    assert answer.status_code == 422
    assert "larger than" in answer.content.decode()


def test_too_few_credits_says_what_is_needed_and_keeps_the_recording(
    send: Any, ada: User, wallet: Wallet
) -> None:
    ledger.adjust(wallet, -99_990, key="poor", reason="spent elsewhere", actor=ada)
    answer = send(recording(5))
    html = answer.content.decode()
    assert answer.status_code == 402
    assert "needs 0.05 credits and your wallet has 0.01" in html
    upload = UPLOAD.search(html)
    assert upload is not None
    assert upload[1] == str(Upload.objects.get().pk)
    wallet.refresh_from_db()
    assert (wallet.available, wallet.held) == (10, 0)


def test_a_model_is_chosen_where_there_are_several(send: Any, second_model: SpeechModel) -> None:
    send(recording(2), model=second_model.slug, shown=200)
    job = Job.objects.get()
    assert (job.model, job.quoted) == (second_model, 200)


def test_each_model_shows_its_exact_price(
    page: Client, ada: User, second_model: SpeechModel
) -> None:
    upload = uploads.take(ada, recording(2))
    html = page.get(f"/cleanup/?upload={upload.pk}").content.decode()
    assert "0.02 credits for this recording" in html
    assert "0.2 credits for this recording" in html


def test_a_model_without_a_price_is_not_on_offer(page: Client, second_model: SpeechModel) -> None:
    Price.objects.filter(model=second_model.slug).delete()
    assert second_model.name not in page.get("/cleanup/").content.decode()


def test_nothing_on_offer_says_so(page: Client, send: Any) -> None:
    Offer.objects.update(is_enabled=False)
    assert "No cleaning is on offer" in page.get("/cleanup/").content.decode()
    assert send(recording()).status_code == 422
    assert not Job.objects.exists()


def test_a_strangers_recording_is_not_there(eves_page: Client, ada: User) -> None:
    upload = uploads.take(ada, recording())
    html = eves_page.get(f"/cleanup/?upload={upload.pk}").content.decode()
    assert "noisy.wav" not in html
    answer = eves_page.post("/cleanup/", {"upload": upload.pk, "do": "clean", "key": "k"})
    assert answer.status_code == 422
    assert not Job.objects.exists()


def test_an_upload_that_is_no_id_is_ignored(page: Client) -> None:
    assert page.get("/cleanup/?upload=../../etc/passwd&model=nonsense").status_code == 200


def test_the_job_page_waits_with_the_original_playable(send: Any, page: Client) -> None:
    html = page.get(send(recording())["Location"]).content.decode()
    original = re.search(r'data-track="before" src="([^"]+)"', html)
    assert original is not None
    sound = page.get(original[1])
    assert sound["Content-Type"] == "audio/wav"
    assert body(sound)[:4] == b"RIFF"
    assert 'data-track="after"' not in html
    assert 'id="transcript"' not in html


def test_the_job_page_offers_before_after_and_downloads(send: Any, page: Client) -> None:
    url = send(recording())["Location"]
    cleaned(Job.objects.get())
    html = page.get(url).content.decode()
    for shown in ('data-track="before"', 'data-track="after"', "Download", "0.03 credits"):
        assert shown in html
    assert "/cleanup/?upload=" in html
    assert "Captions" not in html


def test_the_original_answers_a_range(send: Any, page: Client) -> None:
    html = page.get(send(recording())["Location"]).content.decode()
    original = re.search(r'data-track="before" src="([^"]+)"', html)
    assert original is not None
    part = page.get(original[1], headers={"Range": "bytes=0-3"})
    assert part.status_code == 206
    assert body(part) == b"RIFF"


def test_a_failed_cleaning_leads_back_to_the_recording(send: Any, page: Client) -> None:
    url = send(recording())["Location"]
    job = Job.objects.get()
    lifecycle.start([job.pk])
    lifecycle.fail(job, code="no_provider", message="Nobody could take it.")
    html = page.get(url).content.decode()
    assert "Nobody could take it." in html
    assert f"/cleanup/?upload={job.upload_id}" in html
    assert "/studio/?again=" not in html


def test_history_shows_a_cleaning_by_its_name(send: Any, page: Client) -> None:
    send(recording(name="interview.wav"))
    cleaned(Job.objects.get())
    html = page.get("/history/?kind=isolation").content.decode()
    assert "interview</a>" in html
    assert "<span>Cleaning</span>" in html
    assert "data-listen" in html


def test_deleting_the_job_deletes_the_recording(send: Any, page: Client) -> None:
    html = page.get(send(recording())["Location"]).content.decode()
    job = Job.objects.get()
    page.post(f"/jobs/{job.pk}/delete/")
    job.refresh_from_db()
    assert job.state == JobState.CANCELED
    assert Upload.objects.get().deleted_at is not None
    original = re.search(r'data-track="before" src="([^"]+)"', html)
    assert original is not None
    assert page.get(original[1]).status_code == 410


def test_a_recording_in_another_job_stays(ada: User, send: Any, page: Client) -> None:
    upload = uploads.take(ada, recording())
    send(upload=upload.pk, key="one")
    send(upload=upload.pk, key="two")
    page.post(f"/jobs/{Job.objects.first().pk}/delete/")
    upload.refresh_from_db()
    assert upload.deleted_at is None


def test_a_container_that_no_browser_knows_is_played_as_mp3(send: Any, page: Client) -> None:
    samples = sine(2, RATE).byteswap().tobytes()
    header = struct.pack(">4sIIIII", b".snd", 24, len(samples), 3, RATE, 1)
    html = page.get(
        send(SimpleUploadedFile("old.au", header + samples))["Location"]
    ).content.decode()
    original = re.search(r'data-track="before" src="([^"]+)"', html)
    assert original is not None
    sound = page.get(original[1])
    assert sound["Content-Type"] == "audio/mpeg"
    assert original[1].endswith(".mp3")
    assert len(body(sound)) > 1000


def test_every_format_is_offered_before_and_after() -> None:
    before = {name for name, _label in cleanup.FORMATS}
    job = Job(kind=Job.Kind.ISOLATION, output_format="mp3_44100_128")
    assert before == {name for name, _label, _note in job_page._offered(job)}
