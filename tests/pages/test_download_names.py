"""One piece of work has one name, by whatever way its files are fetched."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import unquote

import pytest
from django.test import Client

from jobs import files
from jobs.models import Job
from speechsite.accounts import keys, plans
from speechsite.accounts.models import User
from tests.jobs.test_files import body_of

# Closing an answer also looks after the connection that the test's transaction would be on.
pytestmark = pytest.mark.django_db(transaction=True)
TITLE = "<speak>你好，世界。</speak> [pause:1s] Good & well/so"
NAME = "你好，世界。-Good-&-well-so_{voice}_{day}"


def name_in(answer: Any) -> str:
    header = answer["Content-Disposition"]
    assert header.startswith('attachment; filename="')
    return unquote(header.partition("filename*=UTF-8''")[2])


@pytest.fixture
def job(finished: Callable[..., Job], ada: User) -> Job:
    plans.put_on_plan(ada, "enterprise")
    return finished(TITLE)


def test_every_way_gives_the_same_name(page: Client, job: Job, ada: User) -> None:
    voice = re.sub(r"[^\w().-]+", "-", job.voice.name)  # type: ignore[union-attr]
    stem = NAME.format(voice=voice, day=f"{job.created_at:%Y-%m-%d}")
    links = [files.link(job, "audio", download=True), files.link(job, "srt", download=True)]
    history = page.get("/history/").content.decode()
    links += map(unescape, re.findall(r'href="(/files/[^"]+)" download', history))
    got = {name_in(answer) for answer in map(page.get, links) if not answer.close()}
    got.add(name_in(page.get(f"/jobs/{job.pk}/text/")))
    _key, secret = keys.issue_key(ada)
    partner = Client(headers={"xi-api-key": secret})
    item = partner.get("/v1/history").json()["history"][0]["history_item_id"]
    heard = partner.get(f"/v1/history/{item}/audio")
    got.add(name_in(heard))
    heard.close()
    assert got == {f"{stem}.{kind}" for kind in ("mp3", "srt", "txt")}
    told = page.post("/history/selected/", {"ids": [job.pk], "do": "download"}, follow=True)
    assert re.fullmatch(
        r'attachment; filename="speech_\d{4}-\d\d-\d\d_\d{4}.zip"', told["Content-Disposition"]
    )
    packed = zipfile.ZipFile(io.BytesIO(body_of(told))).namelist()
    assert packed == [f"001_{stem}.mp3", f"001_{stem}.srt"]


def test_what_was_ordered_is_the_button_and_delete_is_none(
    page: Client, finished: Callable[..., Job]
) -> None:
    job = finished(output_format="wav_44100")
    html = page.get(f"/jobs/{job.pk}/").content.decode()
    buttons = re.findall(r'<a class="button ([a-z ]+)"[^>]*>(?:<svg.*?</svg>)?([^<]+)</a>', html)
    assert ("primary", "Download WAV") in buttons
    assert ("small quiet danger", "Delete") in buttons
    history = page.get("/history/").content.decode()
    assert 'class="button small primary" name="do" value="download"' in history
    assert 'class="button small quiet danger" name="do" value="delete"' in history
