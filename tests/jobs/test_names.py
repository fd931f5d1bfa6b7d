"""What work and its files are called, wherever they are seen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from django.http import HttpResponse
from django.utils.http import parse_header_parameters

from jobs import names
from jobs.models import Job
from voices.models import Voice

LONG = "A word " * 30


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Good morning.\nMore.", "Good morning."),
        ("\n \n  Two   blanks\there. ", "Two blanks here."),
        ("<speak>Good <emphasis level='strong'>morn</emphasis>ing.</speak>", "Good morning."),
        ("<p>One</p><p>Two</p>", "One Two"),
        ("[pause:2s] <break time='1s'/> <#1.5#> Then this.", "Then this."),
        ("Tom &amp; Jerry &lt;3", "Tom & Jerry <3"),
        ("<!-- a note --><?xml version='1.0'?>Text", "Text"),
        ("Go\u200bod\u00ad\u202e morning\ufeff", "Good morning"),
        ("a < b and b > c", "a < b and b > c"),
        ("你好，世界。", "你好，世界。"),
        ("[pause:2s]", ""),
        ("<p></p>&#8238;", ""),
        ("", ""),
        (LONG, "A word A word A word A word A word A word A word A word A…"),
        ("长" * 100, "长" * 59 + "…"),
    ],
)
def test_a_title_is_the_first_words_without_markup(text: str, title: str) -> None:
    assert names.title_of(text) == title


def test_a_hostile_beginning_costs_no_more_than_another() -> None:
    assert len(names.title_of("<a " * 300_000)) <= 60
    assert len(names.title_of("&#" * 300_000)) <= 60


def _job(title: str, voice: str = "") -> Job:
    speaker = Voice(name=voice) if voice else None
    return Job(title=title, voice=speaker, created_at=datetime(2026, 11, 27, tzinfo=UTC))


@pytest.mark.parametrize(
    ("title", "voice", "more", "name"),
    [
        ("My talk", "Heart", {}, "My-talk_Heart_2026-11-27.mp3"),
        ("", "", {}, "speech_2026-11-27.mp3"),
        ("noisy", "", {"part": "original"}, "noisy_2026-11-27_original.mp3"),
        ("你好，世界", "晓晓", {}, "你好，世界_晓晓_2026-11-27.mp3"),
        ("../a/b\\c", "x:y", {}, "a-b-c_x-y_2026-11-27.mp3"),
    ],
)
def test_files_are_called_by_title_voice_and_day(
    title: str, voice: str, more: dict[str, str], name: str
) -> None:
    assert names.file_name(_job(title, voice), "mp3", **more) == name


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("plain_2026-11-27.mp3", "plain_2026-11-27.mp3"),
        ("你好_晓晓_2026-11-27.mp3", "2026-11-27.mp3"),
        ("Müller_2026-11-27.mp3", "Muller_2026-11-27.mp3"),
        ("50%41_x.mp3", "5041_x.mp3"),
        ("晓.mp3", "speech.mp3"),
        ("你好，世界-ok_晓_2026-11-27.mp3", "ok_2026-11-27.mp3"),
    ],
)
def test_a_header_names_the_file_for_old_and_new_readers(name: str, plain: str) -> None:
    answer = HttpResponse()
    names.attach(answer, name)
    header = answer["Content-Disposition"]
    assert header.isascii()
    assert f'filename="{plain}"' in header
    if plain != name:
        assert unquote(header.partition("filename*=UTF-8''")[2]) == name


@pytest.mark.parametrize("name", ['a"b.mp3', "a\r\nX: y.mp3", "../../a;b.mp3", "\u202egpj.exe"])
def test_no_name_breaks_out_of_its_header(name: str) -> None:
    answer = HttpResponse()
    names.attach(answer, name, is_download=False)
    kind, told = parse_header_parameters(answer["Content-Disposition"])
    assert kind == "inline"
    assert set(told) == {"filename"}
    assert not set(told["filename"]) & set('/\\"\r\n\u202e')


@pytest.mark.django_db
def test_what_nobody_named_is_called_by_its_words(place: Any) -> None:
    job = place(text="<speak>[pause:1s]Good &amp; well.</speak>")
    assert job.title == "Good & well."
