"""ElevenLabs' own Python client, unchanged, against the real site."""

from __future__ import annotations

import asyncio
import base64
import io
import time
import zipfile
from collections.abc import Iterator

import httpx
import pytest
from elevenlabs import (
    DialogueInput,
    PronunciationDictionaryAliasRuleRequestModel,
    PronunciationDictionaryVersionLocator,
    VoiceSettings,
)
from elevenlabs.client import AsyncElevenLabs, ElevenLabs
from elevenlabs.core import ApiError
from elevenlabs.errors import UnprocessableEntityError

from speechsite.audio import probe
from tests.running import Site

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("elevenlabs")]

GEORGE = "JBFqnCBsd6RMkjVDRZzb"
RACHEL = "21m00Tcm4TlvDq8ikWAM"


@pytest.fixture
def client(site: Site, trial_key: str) -> Iterator[ElevenLabs]:
    # The client closes no connections of its own making.
    with httpx.Client(timeout=60, follow_redirects=True, trust_env=False) as connections:
        yield ElevenLabs(api_key=trial_key, base_url=site.url, httpx_client=connections)


@pytest.fixture
def item(client: ElevenLabs) -> str:
    """The id of something that was just spoken."""
    return spoken(client, "Kept for later.")


def spoken(client: ElevenLabs, text: str) -> str:
    """Say it; its id in the history."""
    with client.text_to_speech.with_raw_response.convert(GEORGE, text=text) as answer:
        b"".join(answer.data)
        return answer.headers["history-item-id"]


def length(sound: bytes, form: str | None = None) -> int:
    return probe.probe(sound, form).duration_ms


def test_convert(client: ElevenLabs) -> None:
    sound = b"".join(
        client.text_to_speech.convert(
            GEORGE,
            text="The first move is what sets everything in motion.",
            model_id="eleven_multilingual_v2",
            output_format="mp3_44100_128",
            voice_settings=VoiceSettings(stability=0.4, similarity_boost=0.8, style=0.1, speed=1.1),
        )
    )
    assert length(sound) > 1500


@pytest.mark.parametrize(
    "form", ["pcm_16000", "wav_22050", "ulaw_8000", "alaw_8000", "opus_48000_64", "mp3_22050_32"]
)
def test_convert_in_other_formats(client: ElevenLabs, form: str) -> None:
    sound = b"".join(client.text_to_speech.convert(GEORGE, text="Hello there.", output_format=form))
    is_raw = form.startswith(("pcm", "ulaw", "alaw"))
    assert 300 < length(sound, form if is_raw else None) < 3000


@pytest.mark.parametrize("form", ["wav_22050", "opus_48000_64"])
def test_a_long_text_is_one_file(client: ElevenLabs, form: str) -> None:
    text = "Many pieces become one file, with one header. " * 8
    answer = client.text_to_speech.convert_with_timestamps(GEORGE, text=text, output_format=form)
    sound = base64.b64decode(answer.audio_base_64)
    assert answer.alignment is not None
    assert "".join(answer.alignment.characters) == text
    last = answer.alignment.character_end_times_seconds[-1] * 1000
    assert abs(length(sound) - last) < 1500
    assert sound.count(b"WAVEfmt" if form.startswith("wav") else b"OpusHead") == 1


def test_convert_says_what_it_did(client: ElevenLabs) -> None:
    with client.text_to_speech.with_raw_response.convert(GEORGE, text="Hello.") as answer:
        b"".join(answer.data)
        headers = answer.headers
    assert headers["content-type"] == "audio/mpeg"
    assert len(headers["request-id"]) == len(headers["history-item-id"]) == 20
    assert (headers["character-cost"], headers["x-character-count"]) == ("0", "6")
    assert int(headers["current-concurrent-requests"]) >= 0
    assert int(headers["maximum-concurrent-requests"]) > 0
    assert "request-id" in headers["access-control-expose-headers"]
    assert {"x-trace-id", "x-ratelimit-limit", "x-ratelimit-reset"} <= set(headers)


def test_stream(client: ElevenLabs) -> None:
    text = "A stream begins before it ends. " * 12
    chunks = list(client.text_to_speech.stream(RACHEL, text=text, model_id="eleven_flash_v2_5"))
    assert len(chunks) > 1
    assert length(b"".join(chunks)) > 10_000


def test_convert_with_timestamps(client: ElevenLabs) -> None:
    text = "Every letter has its time."
    answer = client.text_to_speech.convert_with_timestamps(GEORGE, text=text)
    assert answer.alignment is not None
    assert "".join(answer.alignment.characters) == text
    starts = answer.alignment.character_start_times_seconds
    ends = answer.alignment.character_end_times_seconds
    assert starts == sorted(starts)
    assert all(start <= end for start, end in zip(starts, ends, strict=True))
    assert len(answer.audio_base_64) > 1000
    assert ends[-1] < 5


def test_stream_with_timestamps(client: ElevenLabs) -> None:
    text = "Letters arrive with their sound. " * 10
    lines = list(client.text_to_speech.stream_with_timestamps(GEORGE, text=text))
    spelled = "".join("".join(line.alignment.characters) for line in lines if line.alignment)
    assert spelled.split() == text.split()
    ends = [line.alignment.character_end_times_seconds[-1] for line in lines if line.alignment]
    assert ends == sorted(ends)


def test_dialogue_in_four_forms(client: ElevenLabs) -> None:
    lines = [
        DialogueInput(text="Knock knock.", voice_id=GEORGE),
        DialogueInput(text="Who is there?", voice_id=RACHEL),
    ]
    whole = b"".join(client.text_to_dialogue.convert(inputs=lines))
    streamed = b"".join(client.text_to_dialogue.stream(inputs=lines))
    assert min(length(whole), length(streamed)) > 1000
    timed = client.text_to_dialogue.convert_with_timestamps(inputs=lines)
    assert [one.voice_id for one in timed.voice_segments] == [GEORGE, RACHEL]
    assert timed.voice_segments[0].end_time_seconds <= timed.voice_segments[1].start_time_seconds
    parts = list(client.text_to_dialogue.stream_with_timestamps(inputs=lines))
    assert {one.dialogue_input_index for part in parts for one in part.voice_segments} == {0, 1}


def test_audio_isolation_and_its_history(client: ElevenLabs, recording: io.BytesIO) -> None:
    cleaned = b"".join(client.audio_isolation.convert(audio=recording))
    assert abs(length(cleaned) - 2000) < 150
    recording.seek(0)
    assert abs(length(b"".join(client.audio_isolation.stream(audio=recording))) - 2000) < 150
    page = client.audio_isolation.list(page_size=10)
    assert len(page.items) >= 2
    client.audio_isolation.delete(page.items[0].id)
    left = [one.id for one in client.audio_isolation.list().items]
    assert page.items[0].id not in left


def test_voices_are_listed_and_searched(client: ElevenLabs) -> None:
    everything = client.voices.get_all().voices
    assert len(everything) > 100
    found = client.voices.search(search="george", page_size=5)
    assert found.voices[0].voice_id == GEORGE
    first = client.voices.search(page_size=10)
    assert (len(first.voices), first.has_more) == (10, True)
    second = client.voices.search(page_size=10, next_page_token=first.next_page_token)
    assert not {one.voice_id for one in first.voices} & {one.voice_id for one in second.voices}
    assert first.total_count == len(everything)
    chosen = client.voices.search(voice_ids=[RACHEL, GEORGE]).voices
    assert {one.voice_id for one in chosen} == {RACHEL, GEORGE}


def test_one_voice_and_its_settings(client: ElevenLabs) -> None:
    voice = client.voices.get(GEORGE)
    assert (voice.name, voice.labels["accent"]) == ("George", "british")
    assert client.voices.settings.get_default().use_speaker_boost is True
    client.voices.settings.update(GEORGE, request=VoiceSettings(stability=0.25))
    kept = client.voices.settings.get(GEORGE)
    assert (kept.stability, kept.similarity_boost) == (0.25, 0.75)
    assert client.voices.get_shared(page_size=3).voices == []


def test_a_voice_of_ones_own(client: ElevenLabs, recording: io.BytesIO) -> None:
    made = client.voices.ivc.create(name="Mine", files=[recording], labels={"gender": "female"})
    assert made.requires_verification is False
    assert b"".join(client.text_to_speech.convert(made.voice_id, text="It is me."))
    voice = client.voices.get(made.voice_id)
    assert (voice.name, voice.category, voice.is_owner) == ("Mine", "cloned", True)
    sample = voice.samples[0]
    assert (
        length(b"".join(client.voices.samples.audio.get(made.voice_id, sample.sample_id))) == 2000
    )
    client.voices.update(made.voice_id, name="Still mine")
    assert client.voices.get(made.voice_id).name == "Still mine"
    client.voices.delete(made.voice_id)
    with pytest.raises(ApiError) as gone:
        client.voices.get(made.voice_id)
    assert gone.value.status_code == 404


def test_models(client: ElevenLabs) -> None:
    models = {model.model_id: model for model in client.models.list()}
    assert {"eleven_multilingual_v2", "eleven_flash_v2_5", "builtin-speech"} <= set(models)
    assert all(model.languages and model.can_do_text_to_speech for model in models.values())
    assert models["eleven_flash_v2_5"].token_cost_factor == 0.5


def test_user_and_subscription(client: ElevenLabs) -> None:
    user = client.user.get()
    plan = client.user.subscription.get()
    assert user.subscription.tier == plan.tier == "enterprise"
    assert plan.character_limit > plan.character_count
    assert plan.has_open_invoices is False


def test_history(client: ElevenLabs, item: str) -> None:
    until_listed(client, item)
    page = client.history.list(page_size=1)
    assert page.history[0].history_item_id == page.last_history_item_id == item
    assert page.history[0].text == "Kept for later."
    one = client.history.get(item)
    assert (one.voice_id, one.content_type) == (GEORGE, "audio/mpeg")
    sound = b"".join(client.history.get_audio(item))
    assert length(sound) > 500
    assert length(b"".join(client.history.download(history_item_ids=[item]))) == length(sound)
    client.history.delete(item)
    with pytest.raises(ApiError) as gone:
        client.history.get(item)
    assert gone.value.status_code == 404


def test_several_items_come_as_a_zip(client: ElevenLabs, item: str) -> None:
    ids = [item, spoken(client, "Kept as well.")]
    for one in ids:
        until_listed(client, one)
    archive = b"".join(client.history.download(history_item_ids=ids))
    names = zipfile.ZipFile(io.BytesIO(archive)).namelist()
    assert [name for name in names if not name.endswith(".mp3")] == []
    assert len(names) == len(ids)


def test_audio_can_be_fetched_right_after_speaking(client: ElevenLabs, item: str) -> None:
    assert length(b"".join(client.history.get_audio(item))) > 500


def test_pronunciation_dictionaries(client: ElevenLabs) -> None:
    rule = PronunciationDictionaryAliasRuleRequestModel(
        string_to_replace="UN", alias="United Nations"
    )
    made = client.pronunciation_dictionaries.create_from_rules(name="Names", rules=[rule])
    more = PronunciationDictionaryAliasRuleRequestModel(
        string_to_replace="EU", alias="European Union"
    )
    changed = client.pronunciation_dictionaries.rules.add(made.id, rules=[more])
    assert changed.version_rules_num == 2
    client.pronunciation_dictionaries.rules.remove(made.id, rule_strings=["EU"])
    read = client.pronunciation_dictionaries.get(made.id)
    assert [one.string_to_replace for one in read.rules] == ["UN"]
    assert made.id in [
        one.id for one in client.pronunciation_dictionaries.list().pronunciation_dictionaries
    ]
    lexicon = b"".join(client.pronunciation_dictionaries.download(made.id, read.latest_version_id))
    again = client.pronunciation_dictionaries.create_from_file(name="Again", file=lexicon)
    assert again.version_rules_num == 1
    assert client.pronunciation_dictionaries.update(made.id, name="Other").name == "Other"
    locator = PronunciationDictionaryVersionLocator(pronunciation_dictionary_id=made.id)
    plain = client.text_to_speech.convert_with_timestamps(GEORGE, text="The UN.")
    spoken = client.text_to_speech.convert_with_timestamps(
        GEORGE, text="The UN.", pronunciation_dictionary_locators=[locator]
    )
    assert len(spoken.audio_base_64) > len(plain.audio_base_64)


def test_usage(client: ElevenLabs, item: str) -> None:
    until_listed(client, item)
    now = int(time.time() * 1000)
    usage = client.usage.get(
        start_unix=now - 3_600_000, end_unix=now + 60_000, metric="tts_characters"
    )
    assert len(usage.time) == len(usage.usage["All"])
    assert sum(usage.usage["All"]) > 0


def test_errors_are_the_ones_that_the_client_knows(site: Site, client: ElevenLabs) -> None:
    with httpx.Client(trust_env=False) as connections:
        stranger = ElevenLabs(api_key="sk_no", base_url=site.url, httpx_client=connections)
        with pytest.raises(ApiError) as unknown:
            b"".join(stranger.text_to_speech.convert(GEORGE, text="Hello."))
    assert unknown.value.status_code == 401
    assert unknown.value.body["detail"]["status"] == "invalid_api_key"
    settings = VoiceSettings.construct(stability=7)
    with pytest.raises(UnprocessableEntityError) as malformed:
        b"".join(client.text_to_speech.convert(GEORGE, text="Hello.", voice_settings=settings))
    assert malformed.value.body["detail"][0]["loc"] == ["body", "voice_settings", "stability"]
    with pytest.raises(ApiError) as empty:
        b"".join(client.text_to_speech.convert(GEORGE, text="  "))
    assert (empty.value.status_code, empty.value.body["detail"]["code"]) == (400, "empty_text")


async def _heard(site: Site, key: str) -> bytes:
    async with httpx.AsyncClient(trust_env=False) as connections:
        client = AsyncElevenLabs(api_key=key, base_url=site.url, httpx_client=connections)
        spoken = client.text_to_speech.stream(GEORGE, text="Hi!")
        return b"".join([chunk async for chunk in spoken])


def test_the_async_client(site: Site, trial_key: str) -> None:
    assert length(asyncio.run(_heard(site, trial_key))) > 200


def until_listed(client: ElevenLabs, item: str) -> None:
    """A worker puts a stream together; its clock is the real one."""
    end = time.monotonic() + 20
    while item not in [one.history_item_id for one in client.history.list(page_size=5).history]:
        assert time.monotonic() < end, "it did not reach the history"
        time.sleep(0.1)
