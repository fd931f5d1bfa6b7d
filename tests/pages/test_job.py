"""The job page and its fragments."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client

from jobs import lifecycle, renditions
from jobs.models import Job
from speechsite.pages import readalong, waveform
from tests.fakes.tones import tone
from tests.pages.conftest import TEXT, speak

PARTS = ("", "status/", "text/", "segments/0/", "segments/0/audio/", "delete/")


@pytest.mark.parametrize("part", PARTS)
def test_eve_finds_nothing_of_adas(eves_page: Client, finished: Any, part: str) -> None:
    assert eves_page.get(f"/jobs/{finished().pk}/{part}").status_code == 404


@pytest.mark.parametrize("verb", ["cancel", "delete"])
def test_eve_can_stop_nothing_of_adas(eves_page: Client, place: Any, verb: str) -> None:
    job = place()
    assert eves_page.post(f"/jobs/{job.pk}/{verb}/").status_code == 404
    job.refresh_from_db()
    assert (job.state, job.deleted_at) == ("queued", None)


@pytest.mark.parametrize("part", PARTS)
def test_a_stranger_is_asked_to_sign_in(client: Client, place: Any, part: str) -> None:
    answer = client.get(f"/jobs/{place().pk}/{part}")
    assert answer["Location"].startswith("/account/login/")


def test_a_queued_job_shows_its_place_and_refreshes_without_javascript(
    page: Client, place: Any
) -> None:
    html = page.get(f"/jobs/{place().pk}/").content.decode()
    assert "Queued" in html
    assert '<noscript><meta http-equiv="refresh"' in html
    assert 'role="status" id="announcer"' in html
    assert "/cancel/" in html


def test_a_finished_part_can_be_heard_before_the_rest(page: Client, place: Any) -> None:
    job = place("This is a sentence of the text. " * 20)
    assert job.segment_count > 1
    lifecycle.start([job.pk])
    speak(job.segments.first())
    html = page.get(f"/jobs/{job.pk}/status/").content.decode()
    assert 'data-lengths="1000"' in html
    assert f"/jobs/{job.pk}/segments/0/audio/" in html
    assert page.get(f"/jobs/{job.pk}/segments/0/audio/")["Location"].startswith("/files/")
    assert page.get(f"/jobs/{job.pk}/segments/1/audio/").status_code == 404


def test_an_unchanged_status_is_304(page: Client, place: Any) -> None:
    job = place()
    first = page.get(f"/jobs/{job.pk}/status/")
    again = page.get(f"/jobs/{job.pk}/status/", headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304
    lifecycle.cancel(job)
    moved = page.get(f"/jobs/{job.pk}/status/", headers={"If-None-Match": first["ETag"]})
    assert moved.status_code == 200
    assert "Canceled" in moved.content.decode()


def test_a_finished_job_has_player_downloads_and_captions(page: Client, finished: Any) -> None:
    job = finished()
    html = page.get(f"/jobs/{job.pk}/").content.decode()
    assert "<audio controls" in html
    assert 'class="wave-all"' in html
    for name in (".mp3", ".wav", ".flac", ".opus", ".srt", ".vtt", ".json"):
        assert name in html
    assert "0.055 credits" in html


def test_the_text_has_its_words_in_time(page: Client, finished: Any) -> None:
    html = page.get(f"/jobs/{finished().pk}/").content.decode()
    assert '<span class="word" data-s="0" data-e="300">Good</span>' in html


def test_a_failed_job_says_why_and_what_came_back(page: Client, place: Any) -> None:
    job = place()
    lifecycle.fail(job, code="unavailable", message="The engine is resting.")
    html = page.get(f"/jobs/{job.pk}/").content.decode()
    assert "The engine is resting." in html
    assert "Given back to your wallet: 0.055 credits" in html
    assert f"/studio/?again={job.pk}" in html


def test_cancel_gives_the_credits_back(page: Client, place: Any) -> None:
    job = place()
    assert page.post(f"/jobs/{job.pk}/cancel/").status_code == 302
    job.refresh_from_db()
    assert (job.state, job.charged) == ("canceled", 0)
    assert page.get(f"/jobs/{job.pk}/cancel/")["Location"] == f"/jobs/{job.pk}/"


def test_cancel_after_the_end_changes_nothing(page: Client, finished: Any) -> None:
    job = finished()
    page.post(f"/jobs/{job.pk}/cancel/")
    job.refresh_from_db()
    assert job.state == "succeeded"


def test_delete_asks_first(page: Client, finished: Any) -> None:
    job = finished()
    assert "Delete this piece?" in page.get(f"/jobs/{job.pk}/delete/").content.decode()
    assert Job.objects.of(job.user).exists()
    page.post(f"/jobs/{job.pk}/delete/")
    assert page.get(f"/jobs/{job.pk}/").status_code == 404


def test_the_source_text_can_be_downloaded(page: Client, place: Any) -> None:
    answer = page.get(f"/jobs/{place().pk}/text/")
    assert answer.content.decode() == TEXT
    assert "attachment" in answer["Content-Disposition"]


def test_hostile_text_is_escaped(page: Client, finished: Any) -> None:
    text = 'Good <script>alert("x")</script> & more words to speak.'
    html = page.get(f"/jobs/{finished(text).pk}/").content.decode()
    assert "<script>alert" not in html
    assert "&lt;script</span>&gt;alert(&quot;x&quot;)" in html


def test_long_texts_come_in_parts(page: Client, place: Any) -> None:
    job = place("The fox ran over the hill and far away. " * 900)
    html = page.get(f"/jobs/{job.pk}/").content.decode()
    assert "part-waiting" in html
    assert len(html) < 60_000
    last = job.segment_count - 1
    fragment = page.get(f"/jobs/{job.pk}/segments/{last}/", headers={"HX-Request": "true"})
    assert "<html" not in fragment.content.decode()
    whole = page.get(f"/jobs/{job.pk}/segments/{last}/").content.decode()
    assert "<html" in whole
    assert "Previous" in whole
    assert page.get(f"/jobs/{job.pk}/segments/{last + 1}/").status_code == 404


def test_the_status_costs_few_queries(
    page: Client, place: Any, django_assert_max_num_queries: Any
) -> None:
    job = place("This is a sentence of the text. " * 200)
    with django_assert_max_num_queries(8):
        page.get(f"/jobs/{job.pk}/status/")


def test_overlapping_times_do_not_repeat_the_text() -> None:
    html = readalong.spoken("one two", [[0, 3, 0, 10], [2, 5, 5, 9], [4, 7, 10, 20]])
    assert html.count("one") == 1
    assert html.replace("</span>", "").endswith("two")


def test_a_waveform_that_nobody_made_yet_is_made_for_the_page(page: Client, finished: Any) -> None:
    job = finished()
    stored = default_storage.save("jobs/real.mp3", ContentFile(tone(job.output_format, 900)))
    Job.objects.filter(pk=job.pk).update(audio=stored, peaks=[])
    assert 'class="wave-all" d="M' in page.get(f"/jobs/{job.pk}/").text
    job.refresh_from_db()
    assert max(job.peaks) > 5


def test_a_waveform_of_the_older_kind_is_made_anew(page: Client, finished: Any) -> None:
    job = finished()
    stored = default_storage.save("jobs/real.mp3", ContentFile(tone(job.output_format, 900)))
    Job.objects.filter(pk=job.pk).update(audio=stored, peaks=[100] * 600)
    page.get(f"/jobs/{job.pk}/")
    job.refresh_from_db()
    assert len(job.peaks) == renditions.POINTS


def test_one_loud_moment_makes_no_high_bar() -> None:
    drawn = waveform.path([400, *[100] * 9, *[400] * 10], bars=2)
    heights = [float(stroke.rpartition("v")[2]) for stroke in drawn.split("M")[1:]]
    assert heights[0] < heights[1] / 2


def test_a_waveform_has_as_many_strokes_as_bars() -> None:
    assert waveform.path([]) == ""
    assert waveform.path([1, 5, 2], bars=10).count("M") == 10
    assert waveform.path([0, 0], bars=4).count("M") == 4


def test_the_parts_meet_without_a_space_between_them(page: Client, finished: Any) -> None:
    job = finished("你好。这是一句话。" * 60)
    assert job.segment_count > 1
    html = page.get(f"/jobs/{job.pk}/").content.decode()
    assert html.count("</section><section") == job.segment_count - 1


def _downloads(page: Client, job: Job) -> list[str]:
    answer = page.get(f"/jobs/{job.pk}/")
    return [str(label) for label, _note, _url in answer.context["downloads"]]


@pytest.mark.parametrize(
    ("form", "label"),
    [("ulaw_8000", "µ-law 8 kHz"), ("pcm_16000", "PCM 16 kHz"), ("wav_44100", "WAV")],
)
def test_the_format_that_was_ordered_is_offered(
    page: Client, finished: Any, form: str, label: str
) -> None:
    offered = _downloads(page, finished(output_format=form))
    assert offered.count(label) == 1
    assert "MP3" in offered


def test_a_canceled_job_offers_what_was_charged(page: Client, place: Any) -> None:
    job = place("This is a sentence of the text. " * 20)
    lifecycle.start([job.pk])
    speak(job.segments.first())
    page.post(f"/jobs/{job.pk}/cancel/")
    html = page.get(f"/jobs/{job.pk}/").content.decode()
    assert 'data-joining="yes"' in html
    assert "being put together" in html
    assert '<noscript><meta http-equiv="refresh"' in html
    job.refresh_from_db()
    audio = default_storage.save("jobs/canceled.mp3", ContentFile(b"sound"))
    lifecycle.finish(job, audio=audio, size=5, duration_ms=1000, peaks=[3])
    html = page.get(f"/jobs/{job.pk}/").content.decode()
    assert "data-joining" not in html
    assert "MP3" in _downloads(page, job)


def test_results_come_before_a_text_that_may_be_long(page: Client, finished: Any) -> None:
    html = page.get(f"/jobs/{finished().pk}/").content.decode()
    assert html.index('id="results-title"') < html.index('id="transcript"')
