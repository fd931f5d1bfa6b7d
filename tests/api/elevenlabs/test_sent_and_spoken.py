"""What was sent and what is spoken of it are told apart, with true times for both."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import renditions
from jobs.models import Job
from speechsite.api.auth import Caller
from speechsite.api.elevenlabs.wire.speech import Columns, Spelling
from speechsite.audio.captions import estimate
from speechsite.audio.wording import Wording
from speechsite.pages import readalong
from speechsite.providers.types import WordTime
from tests.api.elevenlabs.talk import ask, work
from tests.api.elevenlabs.test_dictionaries import kept, rule
from tests.api.elevenlabs.test_sockets import talk
from tests.audio.test_wording import wordings
from voices import pronunciation

Partner = tuple[Caller, str]
VOICE = "/v1/text-to-speech/en-us"
SENT, SPOKEN = "One potato here.", "One big tomato here."
POTATO = rule("potato", "big tomato")


def timed(partner: Partner, form: str, text: str, *rules: dict[str, Any]) -> list[dict[str, Any]]:
    body = {"text": text, "model_id": "builtin-speech", **kept(partner[0], *rules)}
    answer = ask("POST", f"{VOICE}{form}", partner[1], body)
    assert answer.status_code == 200, answer.sound
    return [json.loads(line) for line in answer.sound.splitlines()]


def spelled(answers: list[dict[str, Any]], name: str) -> str:
    """What all alignments of this name spell; their times must follow each other."""
    letters, starts, ends = [], [], []
    for one in answers:
        if (found := one[name]) is not None:
            letters += found["characters"]
            starts += found["character_start_times_seconds"]
            ends += found["character_end_times_seconds"]
    assert len(letters) == len(starts) == len(ends)
    assert all(start <= end for start, end in zip(starts, ends, strict=True))
    assert all(end <= start + 0.001 for end, start in zip(ends, starts[1:], strict=False))
    return "".join(letters)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("form", ["/with-timestamps", "/stream/with-timestamps"])
def test_alignment_spells_what_was_sent(live: Partner, form: str) -> None:
    answers = timed(live, form, SENT, POTATO)
    assert spelled(answers, "alignment") == SENT
    assert spelled(answers, "normalized_alignment") == SPOKEN
    assert Job.objects.get().characters == len(SPOKEN)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("socket", ["stream-input", "multi-stream-input"])
def test_so_do_the_sockets(live: Partner, socket: str) -> None:
    named = {"context_id": "a"} if socket.startswith("multi") else {}
    first = {"text": " ", **kept(live[0], POTATO), **named}
    said = {"text": f"{SENT} ", "flush": True, **named}
    last = {"close_socket": True} if named else {"text": ""}
    messages, _code = talk(f"{VOICE}/{socket}?model_id=builtin-speech", live[1], first, said, last)
    for name, text in (("alignment", SENT), ("normalizedAlignment", SPOKEN)):
        found = [one[name] for one in messages if one.get(name)]
        assert "".join("".join(one["chars"]) for one in found).strip() == text
        for one in found:
            assert min(one["charDurationsMs"] + one["charStartTimesMs"]) >= 0
            assert one["charStartTimesMs"] == sorted(one["charStartTimesMs"])


@pytest.mark.django_db(transaction=True)
def test_a_dialogue_too(live: Partner) -> None:
    lines = [{"text": SENT, "voice_id": "en-us"}, {"text": "No potato!", "voice_id": "en-gb"}]
    body = {"inputs": lines, "model_id": "builtin-speech", **kept(live[0], POTATO)}
    answer = ask("POST", "/v1/text-to-dialogue/with-timestamps", live[1], body).json()
    assert spelled([answer], "alignment") == f"{SENT}\nNo potato!"
    assert spelled([answer], "normalized_alignment") == f"{SPOKEN}\nNo big tomato!"
    ends = [
        (one["character_start_index"], one["character_end_index"])
        for one in answer["voice_segments"]
    ]
    assert ends == [(0, len(SENT)), (len(SENT) + 1, len(SENT) + 11)]


@pytest.mark.django_db(transaction=True)
def test_it_is_spelled_to_the_letter(live: Partner) -> None:
    sent = "\ufeffOne\r\npo\u00adtato \x07here\u200b."
    (answer,) = timed(live, "/with-timestamps", sent, rule("potato", "big\u200b to\u00admato"))
    assert spelled([answer], "alignment") == sent
    assert spelled([answer], "normalized_alignment") == "One\nbig tomato here."
    assert Job.objects.get().characters == len("One\nbig tomato here.")


@pytest.mark.django_db(transaction=True)
def test_people_see_and_read_along_what_was_sent(live: Partner) -> None:
    timed(live, "/with-timestamps", SENT, POTATO)
    work()
    job = Job.objects.get()
    assert (job.text, job.wording.spoken, job.title) == (SENT, SPOKEN, SENT)
    history = ask("GET", "/v1/history", live[1]).json()["history"]
    assert history[0]["text"] == SENT
    assert SENT in renditions.captions_of(job, "srt")
    words = json.loads(renditions.captions_of(job, "json"))["words"]
    assert [word["text"] for word in words] == ["One", "potato", "here"]
    assert all(one["end_ms"] <= two["start_ms"] for one, two in pairwise(words))
    (part,) = readalong.parts_of(job)
    assert "potato</span>" in str(part.html)
    assert "tomato" not in str(part.html)


@pytest.mark.django_db(transaction=True)
def test_what_is_replaced_may_lie_across_pieces(live: Partner) -> None:
    sent = "Here comes the story. It ends."
    long = rule("story", "tale of a very long walk. " * 12 + "And home")
    answers = timed(live, "/stream/with-timestamps", sent, long)
    work()
    job = Job.objects.get()
    assert job.segment_count > 1
    assert spelled(answers, "alignment") == sent
    assert spelled(answers, "normalized_alignment") == job.wording.spoken
    shown = [str(part.html) for part in readalong.parts_of(job)]
    assert "".join(shown).count("story") == 1
    captions = renditions.captions_of(job, "srt")
    assert [line for line in captions.splitlines() if line[:1].isalpha()] == [
        "Here comes the",
        "story.",
        "It ends.",
    ]


@pytest.mark.django_db(transaction=True)
def test_a_letter_that_is_spoken_as_a_story_lasts_as_long(live: Partner) -> None:
    (answer,) = timed(live, "/with-timestamps", "x.", rule("x", "a rather endless story"))
    sent, spoken = answer["alignment"], answer["normalized_alignment"]
    assert sent["characters"] == ["x", "."]
    assert sent["character_start_times_seconds"][0] == spoken["character_start_times_seconds"][0]
    assert sent["character_end_times_seconds"][-1] == spoken["character_end_times_seconds"][-1]
    assert sent["character_end_times_seconds"][0] > 1


RULES = st.lists(
    st.tuples(st.text("ab 你👨\U0001d11e", min_size=1, max_size=3), st.text("ab 你👨", max_size=6)),
    max_size=3,
)


@given(st.text("ab 你👨\U0001d11e.", max_size=30), st.lists(RULES, max_size=3))
def test_dictionaries_in_turn_keep_what_was_sent(
    text: str, books: list[list[tuple[str, str]]]
) -> None:
    wording = Wording(text)
    for book in books:
        rules = [rule(word, said, word_boundaries=False) for word, said in book]
        [wording] = pronunciation.replaced_in_all([wording], rules, longest=10_000)
    assert wording.sent == text
    check_spelling(wording)


@given(wordings())
def test_both_are_spelled_whole_and_in_order(wording: Wording) -> None:
    check_spelling(wording)


def check_spelling(wording: Wording) -> None:
    """Word by word, as a stream brings them, both texts come out whole with rising times."""
    words = [
        WordTime(word.start, word.end, word.start_ms, word.end_ms)
        for word in estimate(wording.spoken, 10_000)
    ]
    spelling = Spelling(wording)
    taken = [spelling.take([word]) for word in words]
    taken.append(spelling.take([], is_last=True))
    for which, text in ((0, wording.sent), (1, wording.spoken)):
        found = [columns for pair in taken if (columns := pair[which]) is not None]
        if not wording.spoken:
            continue
        assert "".join("".join(one.characters) for one in found) == text
        at = 0
        for begin, end in (pair for one in found for pair in one.pairs()):
            assert at <= begin <= end
            at = end


def test_times_of_a_message_never_begin_before_its_sound() -> None:
    columns = Columns(["a", "b"], [100, 300], [300, 500])
    told = columns.in_milliseconds(200)
    assert (told["charStartTimesMs"], told["charDurationsMs"]) == ([0, 100], [100, 200])
