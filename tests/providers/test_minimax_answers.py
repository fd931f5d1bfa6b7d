"""What MiniMax's answers mean: refusals, states, and archives."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from speechsite.providers import errors
from speechsite.providers.minimax import MiniMax, adapter, archive, refusals
from speechsite.providers.types import (
    Chunk,
    SpeechOrder,
    UpstreamEvent,
    UpstreamState,
    WordTime,
)
from tests.fakes import tones
from tests.fakes.minimax import FakeMiniMax
from tests.fakes.minimax_rules import tar_of
from tests.providers.minimax_talk import (
    DONE,
    ORDER,
    WIRE,
    Wired,
    done,
    heard,
    message,
    query,
    sound_of,
    texts,
    told,
    using,
)

# Answers to an order


def test_a_documented_creation_is_understood_and_its_token_forgotten():
    event = using(Wired(told("created.json")), lambda api: api.submit(ORDER))
    assert event.state is UpstreamState.QUEUED
    assert event.upstream_id == "95157322514444"
    assert event.cost == Decimal(101)
    assert "task_token" not in event.raw
    assert "eyJ" not in repr(event)


REFUSED = {
    "refused_parameter_gateway.json": errors.Rejected,
    "refused_key_gateway.json": errors.BadCredentials,
    "refused_rate_gateway.json": errors.RateLimited,
    "refused_parameter.json": errors.Rejected,
    "refused_key.json": errors.BadCredentials,
    "refused_rate.json": errors.RateLimited,
    "refused_tokens.json": errors.RateLimited,
    "refused_growth.json": errors.RateLimited,
    "refused_balance.json": errors.AccountEmpty,
    "refused_plan_used_up.json": errors.AccountEmpty,
    "refused_text_moderated.json": errors.Moderated,
    "refused_sound_moderated.json": errors.Moderated,
    "refused_voice_unknown.json": errors.Rejected,
    "refused_internal.json": errors.Unavailable,
    "refused_with_zero_task.json": errors.Rejected,
    "refused_timed_out.json": errors.Unavailable,
}


@pytest.mark.parametrize("way", ["submit", "speak"])
@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_documented_refusal_has_one_meaning(name: str, way: str):
    async def story(api: MiniMax) -> None:
        await (api.submit(ORDER) if way == "submit" else heard(api.speak(ORDER)))

    with pytest.raises(errors.ProviderError) as caught:
        using(Wired(told(name)), story)
    assert type(caught.value) is REFUSED[name]
    assert caught.value.vendor_code == str(message(name)["body"]["base_resp"]["status_code"])


def test_every_documented_refusal_is_tested():
    assert set(REFUSED) == {path.name for path in WIRE.glob("refused_*")}


@pytest.mark.parametrize("code", sorted(refusals.CODES))
def test_every_listed_code_is_one_of_our_errors(code: int):
    body = {"base_resp": {"status_code": code, "status_msg": "so"}}
    error = refusals.error_in(body)
    assert type(error) is refusals.CODES[code][0]
    assert str(code) in str(error)


@pytest.mark.parametrize("code", [77, "many", -3, 1e400])
def test_a_code_that_is_not_listed_is_garbled(code: Any):
    error = refusals.error_in({"base_resp": {"status_code": code}})
    assert type(error) is errors.Garbled


def test_a_code_is_believed_whatever_the_http_status():
    answer = httpx.Response(500, json={"base_resp": {"status_code": 1008, "status_msg": "empty"}})
    with pytest.raises(errors.AccountEmpty):
        using(Wired(answer), lambda api: api.submit(ORDER))


def test_a_gateways_error_without_a_code_goes_by_its_status():
    with pytest.raises(errors.RateLimited):
        using(Wired(httpx.Response(429, text="slow down")), lambda api: api.submit(ORDER))


@pytest.mark.parametrize("task_id", [None, 0, "", "0"])
def test_an_order_taken_without_a_task_id_is_unclear(task_id: Any):
    answer = {"task_id": task_id, "base_resp": {"status_code": 0}}
    with pytest.raises(errors.Unclear):
        using(Wired(httpx.Response(200, json=answer)), lambda api: api.submit(ORDER))


@pytest.mark.parametrize("usage", [-1, 10**18, "many", None, True, 1e400])
def test_an_absurd_usage_is_no_cost(usage: Any):
    answer = json.dumps({"task_id": "1", "usage_characters": usage})
    event = using(Wired(httpx.Response(200, text=answer)), lambda api: api.submit(ORDER))
    assert event.cost is None


# How a task stands


@pytest.mark.parametrize(
    ("name", "state", "result"),
    [
        ("query_success.json", UpstreamState.SUCCEEDED, ("95157322514496",)),
        ("query_success_gateway.json", UpstreamState.SUCCEEDED, ("95157322514496",)),
        ("query_processing.json", UpstreamState.RUNNING, ()),
        ("query_processing_lower.json", UpstreamState.RUNNING, ()),
        ("query_failed.json", UpstreamState.FAILED, ()),
        ("query_failed_moderated.json", UpstreamState.FAILED, ()),
        ("query_expired.json", UpstreamState.FAILED, ()),
        ("query_unlisted.json", UpstreamState.UNKNOWN, ()),
    ],
)
def test_a_documented_state_is_understood(name: str, state: UpstreamState, result: tuple[str, ...]):
    event = using(Wired(query(name)), lambda api: api.check("95157322514444"))
    assert (event.state, event.result) == (state, result)
    assert event.upstream_id == "95157322514444"
    assert (event.error is not None) == (state is UpstreamState.FAILED)


def test_the_file_of_the_query_wins_over_the_file_of_the_creation():
    fake = FakeMiniMax()

    async def story(api: MiniMax) -> tuple[UpstreamEvent, UpstreamEvent]:
        created = await api.submit(ORDER)
        return created, await api.check(created.upstream_id)

    created, checked = using(fake, story)
    assert checked.result != (str(created.raw["file_id"]),)
    assert sound_of(using(fake, lambda api: heard(api.fetch(checked, ORDER))))


def test_a_task_that_expired_was_carried_out_and_is_not_repeated():
    event = using(Wired(query("query_expired.json")), lambda api: api.check("1"))
    assert event.error is not None
    assert not event.error.retryable


def test_a_task_that_was_moderated_says_so():
    event = using(Wired(query("query_failed_moderated.json")), lambda api: api.check("1"))
    assert type(event.error) is errors.Moderated


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("refused_rate.json", errors.RateLimited),
        ("refused_key.json", errors.BadCredentials),
        ("refused_timed_out.json", errors.Unavailable),
    ],
)
def test_a_refused_question_says_nothing_about_the_task(name: str, kind: type[Exception]):
    with pytest.raises(kind):
        using(Wired(told(name)), lambda api: api.check("1"))


@pytest.mark.parametrize("body", ["[]", "null", "<html>", '{"status": "Success"}'])
def test_a_query_that_cannot_be_read_is_garbled(body: str):
    with pytest.raises(errors.Garbled):
        using(Wired(httpx.Response(200, text=body)), lambda api: api.check("1"))


# Results


def fetched(content: bytes, order: SpeechOrder = ORDER) -> list[Chunk]:
    """The chunks that a finished task with this result gives."""
    link = {"file": {"download_url": "https://files.test/x"}, "base_resp": {"status_code": 0}}
    host = Wired(httpx.Response(200, json=link), httpx.Response(200, content=content))
    return using(host, lambda api: heard(api.fetch(DONE, order)))


def documented_archive(order: SpeechOrder, **replaced: bytes) -> bytes:
    members = {
        "mp3": tones.tone("mp3_32000_128", 500),
        "titles": (WIRE / "titles.json").read_bytes(),
        "extra": (WIRE / "extra.json").read_bytes(),
        **replaced,
    }
    return tar_of({f"95157/content-95157.{end}": body for end, body in members.items()})


TITLED = replace(ORDER, text="Good morning.[pause:1s] Wait for it. \n[pause:2s]好了！")


def test_a_documented_archive_gives_sound_truth_and_sentences():
    chunks = fetched(documented_archive(TITLED), TITLED)
    assert sound_of(chunks) == tones.tone("mp3_32000_128", 500)
    assert {chunk.format for chunk in chunks} == {"mp3_32000_128"}
    assert texts(TITLED, chunks) == ["Good morning.", "Wait for it.", "好了！"]
    assert chunks[0].words[1] == WordTime(24, 36, 812, 1930)


@pytest.mark.parametrize(
    "titles",
    [
        b"no json",
        b"{}",
        b"[" * 100_000,
        b"[1, null]",
        b'[{"text": "Good morning.", "time_begin": -1, "time_end": 2}]',
        b'[{"text": "Good morning.", "time_begin": 5, "time_end": 2}]',
        b'[{"text": "Good morning.", "time_begin": "0", "time_end": 2}]',
        b'[{"text": "Good morning.", "time_begin": NaN, "time_end": 2}]',
        b'[{"text": "Never said.", "time_begin": 0, "time_end": 2}]',
        b'[{"text": "", "time_begin": 0, "time_end": 2}]',
    ],
)
def test_times_that_cannot_be_cost_nothing_but_themselves(titles: bytes):
    chunks = fetched(documented_archive(TITLED, titles=titles), TITLED)
    assert sound_of(chunks)
    assert texts(TITLED, chunks) == []


def test_a_repeated_sentence_is_found_where_it_stands():
    order = replace(ORDER, text="No. No. No.")
    sentences = [{"text": "No.", "time_begin": at, "time_end": at + 1} for at in range(3)]
    titles = json.dumps(sentences).encode()
    chunks = fetched(documented_archive(order, titles=titles), order)
    assert [word.start for word in chunks[0].words] == [0, 4, 8]


@pytest.mark.parametrize("name", ["mp3_44100_128", "wav_44100", "flac_44100", "pcm_44100"])
def test_bare_sound_is_told_from_an_archive(name: str):
    audio = tones.tone(name, 300)
    chunks = fetched(audio, replace(ORDER, output_format=name))
    assert sound_of(chunks) == audio
    assert {chunk.format for chunk in chunks} == {name}


def test_bare_sound_of_another_kind_is_called_what_it_is():
    audio = tones.tone("mp3_44100_128", 300)
    chunks = fetched(audio, replace(ORDER, output_format="flac_44100"))
    assert {chunk.format for chunk in chunks} == {"mp3_44100_128"}


def tar_with(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        for member, content in members:
            packed.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def entry(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE) -> Any:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = len(content), kind, "/etc/passwd"
    return member, content


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_only_regular_files_count(kind: bytes):
    with pytest.raises(errors.Garbled):
        fetched(tar_with(entry("content-1.mp3", kind=kind)))


def test_nothing_is_written_under_a_members_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    chunks = fetched(tar_with(entry("../../escaped.mp3", b"ID3sound")))
    assert sound_of(chunks) == b"ID3sound"
    assert list(tmp_path.iterdir()) == []


def test_too_many_members_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archive, "MOST_MEMBERS", 3)
    with pytest.raises(errors.Garbled, match="too much"):
        fetched(tar_with(*[entry(f"{number}.mp3", b"ID3") for number in range(4)]))


def test_a_member_larger_than_the_archive_is_refused():
    huge = tarfile.TarInfo("content-1.mp3")
    huge.size = 10**12
    with pytest.raises(errors.Garbled):
        fetched(huge.tobuf() + bytes(1024))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!DOCTYPE html><p>expired",
        b'{"error": 1}',
        b"some text, neither sound nor archive",
        tar_with(),
        tar_with(entry("content-1.titles", b"[]")),
        tar_with(entry("content-1.mp3", b"")),
        tar_with(entry("content-1.mp3", b"ID3" * 1000))[:1500],
    ],
)
def test_a_result_without_sound_is_garbled(content: bytes):
    with pytest.raises(errors.Garbled):
        fetched(content)


def test_recordings_of_several_chapters_are_joined_in_their_order():
    content = tar_with(
        entry("1/content-1.mp3", b"ID3one"), entry("1/c.titles", b"[]"), entry("2/c.mp3", b"two")
    )
    assert sound_of(fetched(content)) == b"ID3onetwo"


@pytest.mark.parametrize("names", [("1.flac", "2.flac"), ("1.mp3", "2.wav")])
def test_recordings_that_cannot_be_joined_are_refused_aloud(names: tuple[str, str]):
    with pytest.raises(errors.Unsupported):
        fetched(tar_with(*[entry(name, b"sound") for name in names]))


def test_a_long_result_is_handed_on_in_pieces():
    audio = b"ID3" + bytes(1_000_000)
    chunks = fetched(tar_with(entry("content-1.mp3", audio)))
    assert len(chunks) == 4
    assert sound_of(chunks) == audio


@pytest.mark.parametrize("archives", [True, False])
def test_a_host_without_links_gives_the_bytes_itself(archives: bool):
    fake = FakeMiniMax(links=False, archives=archives)
    chunks = using(fake, done)
    assert sound_of(chunks) == next(iter(fake.tasks.values())).audio
    assert fake.seen[-1].url.path == "/v1/files/retrieve_content"


def test_a_refusal_in_place_of_the_bytes_is_an_error():
    host = Wired(
        httpx.Response(200, json={"file": {}}),
        httpx.Response(200, json={"base_resp": {"status_code": 1002}}),
    )
    with pytest.raises(errors.RateLimited):
        using(host, lambda api: heard(api.fetch(DONE, ORDER)))


def without_link(content: bytes) -> Wired:
    return Wired(httpx.Response(200, json={"file": {}}), httpx.Response(200, content=content))


def test_bytes_without_end_are_garbled(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(adapter, "DOWNLOAD_LIMIT", 100)
    with pytest.raises(errors.Garbled, match="too long"):
        using(without_link(b"ID3" + bytes(200)), lambda api: heard(api.fetch(DONE, ORDER)))


def test_no_bytes_are_garbled():
    with pytest.raises(errors.Garbled, match="empty"):
        using(without_link(b""), lambda api: heard(api.fetch(DONE, ORDER)))


def test_a_file_that_shrank_is_garbled():
    with pytest.raises(errors.Garbled, match="too early"):
        list(archive.read(io.BytesIO(b"ID3"), archive.Sound("mp3", ((0, 10),))))


def test_a_file_that_nobody_knows_any_more_is_garbled():
    with pytest.raises(errors.Garbled, match="gone"):
        using(FakeMiniMax(), lambda api: heard(api.fetch(DONE, ORDER)))


def test_an_event_without_a_file_has_nothing_to_fetch():
    with pytest.raises(errors.Garbled):
        using(FakeMiniMax(), lambda api: heard(api.fetch(replace(DONE, result=()), ORDER)))
