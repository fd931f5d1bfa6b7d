"""History: finding, paging, deleting and downloading many."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from jobs.models import Job
from speechsite.accounts.models import User
from speechsite.pages.history import PAGE_SIZE, Filters, find
from voices.models import SpeechModel, Voice


def _rows(user: User, model: SpeechModel, voice: Voice, count: int) -> list[Job]:
    """Jobs with nothing behind them, one minute apart; number 0 is the newest."""
    now = timezone.now()
    return Job.objects.bulk_create(
        Job(
            user=user,
            model=model,
            voice=voice,
            title=f"Piece {number}",
            text=f"Text of piece {number}.",
            state="canceled",
            created_at=now - timedelta(minutes=number),
        )
        for number in range(count)
    )


def test_a_stranger_is_asked_to_sign_in(client: Client, db: None) -> None:
    assert client.get("/history/")["Location"].startswith("/account/login/")


def test_an_empty_history_says_where_to_begin(page: Client) -> None:
    assert "Nothing here yet" in page.get("/history/").content.decode()


def test_eve_sees_nothing_of_adas(eves_page: Client, place: Any) -> None:
    place("A secret text.")
    assert "secret" not in eves_page.get("/history/").content.decode()


def test_a_finished_piece_can_be_played_and_downloaded(page: Client, finished: Any) -> None:
    finished()
    html = page.get("/history/").content.decode()
    assert html.count('href="/files/') == 2
    assert "data-listen" in html


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ({"q": "second sentence"}, True),
        ({"q": "MY TITLE"}, True),
        ({"q": "david"}, True),
        ({"q": "nothing like it"}, False),
        ({"state": "queued"}, True),
        ({"state": "failed"}, False),
        ({"state": "no state"}, True),
        ({"kind": "speech"}, True),
        ({"kind": "isolation"}, False),
        ({"since": "2100-01-01"}, False),
        ({"until": "2100-01-01"}, True),
        ({"until": "2000-01-01"}, False),
        ({"since": "2000-99-99"}, True),
    ],
)
def test_filters(page: Client, place: Any, query: dict[str, str], is_found: bool) -> None:
    job = place(title="My title")
    assert (f"/jobs/{job.pk}/" in page.get("/history/", query).content.decode()) is is_found


def test_a_search_without_result_offers_the_way_back(page: Client, place: Any) -> None:
    place()
    assert "Clear the filters" in page.get("/history/", {"q": "zebra"}).content.decode()


def test_typing_gets_the_list_alone(page: Client, place: Any) -> None:
    place()
    html = page.get("/history/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in html
    assert "history-list" in html


def test_every_piece_appears_on_exactly_one_page(
    page: Client, ada: User, model: SpeechModel, voice: Voice
) -> None:
    rows = _rows(ada, model, voice, PAGE_SIZE * 2 + 3)
    # Two at the same moment must not hide one another at a page's edge.
    Job.objects.filter(pk=rows[PAGE_SIZE].pk).update(created_at=rows[PAGE_SIZE - 1].created_at)
    seen: list[str] = []
    before = ""
    while True:
        context = page.get("/history/", {"before": before}).context
        seen += [row["job"].title for row in context["rows"]]
        before = context["next_before"]
        if not before:
            break
    assert sorted(seen) == sorted(row.title for row in rows)


def test_a_page_costs_the_same_however_much_there_is(
    page: Client,
    ada: User,
    model: SpeechModel,
    voice: Voice,
    django_assert_max_num_queries: Any,
) -> None:
    _rows(ada, model, voice, PAGE_SIZE * 3)
    with django_assert_max_num_queries(6):
        page.get("/history/", {"q": "piece"})


def test_the_text_of_a_row_is_only_its_beginning(ada: User, place: Any) -> None:
    place("A long text. " * 200)
    row = find(ada, Filters.read({})).jobs[0]
    assert len(row.beginning) == 160
    assert "text" in row.get_deferred_fields()


def test_deleting_many_asks_first_and_then_does_it(page: Client, finished: Any) -> None:
    jobs = [finished(), finished("Another text to speak.")]
    told = {"ids": [job.pk for job in jobs], "do": "delete"}
    asked = page.post("/history/selected/", told)
    assert "Delete these 2 pieces?" in asked.content.decode()
    assert Job.objects.of(jobs[0].user).count() == 2
    page.post("/history/selected/", {**told, "confirmed": "1"})
    assert not Job.objects.of(jobs[0].user).exists()


def test_eve_cannot_delete_what_is_adas(eves_page: Client, finished: Any) -> None:
    job = finished()
    told = {"ids": [job.pk], "do": "delete", "confirmed": "1"}
    eves_page.post("/history/selected/", told)
    assert Job.objects.of(job.user).exists()


def test_downloading_many_leads_to_a_zip(page: Client, finished: Any) -> None:
    told = {"ids": [finished().pk], "do": "download"}
    answer = page.post("/history/selected/", told)
    assert answer["Location"].startswith("/files/")
    assert answer["Location"].endswith(".zip")


@pytest.mark.parametrize("ids", [[], ["nonsense"], ["00000000-0000-7000-8000-000000000000"]])
def test_selecting_nothing_is_said(page: Client, ids: list[str]) -> None:
    answer = page.post("/history/selected/", {"ids": ids, "do": "download"}, follow=True)
    assert "Nothing was selected." in answer.content.decode()


def test_downloading_what_has_no_audio_is_said(page: Client, place: Any) -> None:
    told = {"ids": [place().pk], "do": "download"}
    answer = page.post("/history/selected/", told, follow=True)
    assert "None of the selected items has audio yet." in answer.content.decode()


def test_a_row_shows_words_and_no_markup(ada: User, page: Client, place: Any) -> None:
    place('<speak>Good &amp; <break time="1s"/> early.</speak> [pause:2s]' + "<b>More</b> " * 60)
    [row] = find(ada, Filters.read({})).jobs
    assert row.beginning.startswith("Good & early. More More")  # type: ignore[attr-defined]
    assert len(row.beginning) <= 160  # type: ignore[attr-defined]


def test_a_row_does_not_say_the_same_twice(page: Client, place: Any) -> None:
    place("Only these words.", title="")
    html = page.get("/history/").content.decode()
    assert html.count(">Only these words.<") == 1
