"""The worker with the real built-in engine: text in, sound and exact credits out."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import OperationalError

from jobs import batches, lifecycle, renditions, worker
from jobs.models import Job
from jobs.states import JobState
from speechsite.audio import probe
from speechsite.credits.models import Wallet
from tests.jobs.conftest import work

pytestmark = pytest.mark.django_db(transaction=True)


def sound_of(job: Job) -> probe.Probe:
    with default_storage.open(job.audio) as file:
        return probe.probe(file.read())


def test_a_job_is_spoken_joined_and_charged(place: Callable[..., Job], wallet: Wallet) -> None:
    job = place("Good morning. This is the first sound of the new house.")
    work()
    job.refresh_from_db()
    wallet.refresh_from_db()
    assert (job.state, job.charged) == (JobState.SUCCEEDED, job.quoted)
    assert (wallet.available, wallet.held) == (100_000 - job.quoted, 0)
    assert abs(sound_of(job).duration_ms - job.duration_ms) <= 20
    assert job.duration_ms > 1500
    assert max(job.peaks) > 5


def test_many_pieces_last_as_long_as_their_sum(place: Callable[..., Job]) -> None:
    job = place("Each of these sentences is spoken in its own good time. " * 30)
    work()
    job.refresh_from_db()
    parts = sum(job.segments.values_list("duration_ms", flat=True))
    assert job.segment_count > 1
    assert abs(sound_of(job).duration_ms - parts) <= 20


def test_words_are_timed_inside_the_sound(place: Callable[..., Job]) -> None:
    text = "Exact words are shown. 你好，世界。"
    job = place(text)
    work()
    job.refresh_from_db()
    words, duration_ms, exact = renditions.timeline(job)
    assert exact
    assert text[words[0].start : words[0].end] == "Exact"
    assert all(
        a.end_ms <= b.end_ms and a.start_ms <= a.end_ms for a, b in itertools.pairwise(words)
    )
    assert words[-1].end_ms <= duration_ms


@pytest.mark.parametrize("form", ["wav_22050", "flac_44100", "opus_48000_64", "ulaw_8000"])
def test_the_result_has_the_format_that_was_ordered(place: Callable[..., Job], form: str) -> None:
    job = place("Short.", output_format=form)
    work()
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED
    with default_storage.open(job.audio) as file:
        assert abs(probe.probe(file.read(), form).duration_ms - job.duration_ms) <= 20


def test_a_job_canceled_in_mid_run_stops_and_settles(place: Callable[..., Job]) -> None:
    job = place("A long speech goes on and on. " * 40)
    lifecycle.cancel(job)
    work()
    job.refresh_from_db()
    assert (job.state, job.charged) == (JobState.CANCELED, 0)
    assert not job.segments.filter(state="done").exists()


def test_a_piece_of_nothing_but_dashes_is_a_short_rest(place: Callable[..., Job]) -> None:
    job = place("Before the line. " + "-" * 9000 + " After the line.")
    work()
    job.refresh_from_db()
    assert (job.state, job.charged) == (JobState.SUCCEEDED, job.quoted)
    assert not job.segments.filter(state="failed").exists()


def test_a_batch_that_is_written_twice_keeps_its_sound(
    place: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [OperationalError("the database went away"), None]
    real = batches._note_health

    def goes_away(batch: Any) -> None:
        error = failures.pop(0) if failures else None
        if error is not None:
            raise error
        real(batch)

    monkeypatch.setattr(batches, "_note_health", goes_away)
    monkeypatch.setattr(worker, "BEAT", 0.05)
    job = place("Written once, then the database is away, then written again.")
    work()
    job.refresh_from_db()
    assert failures == []
    assert job.state == JobState.SUCCEEDED
    assert default_storage.exists(job.segments.get().audio)
