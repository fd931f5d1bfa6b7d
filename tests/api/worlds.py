"""One of everything that a key can make, and how each dialect is asked about it."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import Any

from django.test import Client

from tests.api.links import body_of
from tests.api.native.talk import work
from tests.fakes.tones import tone
from voices.cloning import Recording, keep
from voices.models import TEST_FAMILY, Voice

TEXT = "A sentence of {world} work."
MULTILINGUAL = "elevenlabs/text-to-speech-multilingual-v2"


class Partner:
    """A key that speaks every dialect."""

    def __init__(self, secret: str) -> None:
        self.http = Client(headers={"Authorization": f"Bearer {secret}", "xi-api-key": secret})

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = "" if body is None else json.dumps(body)
        answer: Any = self.http.generic(method, path, data, content_type="application/json")
        if answer.streaming:
            answer.sound = body_of(answer)
            answer.close()
        return answer

    def form(self, path: str, **fields: Any) -> Any:
        return self.http.post(path, fields)


@dataclass
class World:
    """What a key made, by names that the cases use in their paths."""

    partner: Partner
    made: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A request about something; `{names}` in it stand for what a world made."""

    method: str
    path: str
    body: Any = None
    is_form: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.path} {json.dumps(self.body) if self.body else ''}".strip()

    def ask(self, partner: Partner, made: dict[str, str]) -> Any:
        path = self.path.format(**made)
        body = json.loads(_filled(json.dumps(self.body), made))
        if self.is_form:
            return partner.form(path, **body)
        return partner.ask(self.method, path, body)


def sound() -> io.BytesIO:
    file = io.BytesIO(tone("wav_16000", 1500))
    file.name = "memo.wav"
    return file


def populate(world: World, name: str, voice: Voice) -> None:
    """Make one of everything, through the dialects themselves."""
    text, partner, made = TEXT.format(world=name), world.partner, world.made
    made |= {"voice": voice.external_id, "text": text}
    made["sample"] = _public(voice.samples.get().pk)
    order = {"model": "builtin-speech", "prompt": text, "params": {"voice": "en-us"}}
    made["generation"] = _json(partner.ask("POST", "/api/v1/generations", order))["id"]
    file = _json(partner.form("/api/v1/files", kind="audio", file=sound()))
    made |= {"file": file["id"], "file_url": file["url"]}
    cleaning = {"model": "builtin-cleaning", "params": {"file_id": file["id"]}}
    made["cleaning"] = _json(partner.ask("POST", "/api/v1/generations", cleaning))["id"]
    kie = partner.form("/api/file-stream-upload", file=sound(), fileName=f"{name}.wav")
    made["kie_url"] = _json(kie)["data"]["downloadUrl"]
    task = {"model": "builtin-speech", "input": {"text": text, "voice": "en-us"}}
    made["task"] = _json(partner.ask("POST", "/api/v1/jobs/createTask", task))["data"]["taskId"]
    _populate_minimax(world, name)
    rule = {"string_to_replace": "A", "type": "alias", "alias": "The"}
    rules = {"name": f"Rules of {name}", "rules": [rule]}
    path = "/v1/pronunciation-dictionaries/add-from-rules"
    dictionary = _json(partner.ask("POST", path, rules))
    made |= {"dictionary": dictionary["id"], "version": dictionary["version_id"]}
    webhook = {"url": f"https://example.com/{name}", "name": f"Hook of {name}"}
    made["webhook"] = _json(partner.ask("POST", "/api/v1/webhooks", webhook))["id"]
    work()
    listed = _json(partner.ask("GET", "/v1/history?page_size=100"))["history"]
    made["item"] = next(one["history_item_id"] for one in listed if one["text"] == text)
    cleaned = _json(partner.ask("GET", "/v1/audio-isolation/history"))["items"]
    made["cleaned"] = cleaned[0][next(key for key in cleaned[0] if key.endswith("id"))]
    record = _json(partner.ask("GET", f"/api/v1/jobs/recordInfo?taskId={made['task']}"))
    made["result_url"] = json.loads(record["data"]["resultJson"])["resultUrls"][0]


def own_voice(user: Any, *, is_test: bool) -> Voice:
    """A voice of somebody's own with a recording, as cloning would leave it."""
    name = "test" if is_test else "live"
    voice = Voice.objects.create(
        family=TEST_FAMILY if is_test else "builtin",
        external_id=f"{name}VoiceOfAda0000000"[:20],
        name=f"Voice of {name}",
        category="cloned",
        owner=user,
    )
    keep(voice, [Recording("sample.wav", "audio/wav", tone("wav_16000", 500), 500)])
    return voice


def _populate_minimax(world: World, name: str) -> None:
    partner, made = world.partner, world.made
    file = io.BytesIO(made["text"].encode())
    file.name = f"{name}.txt"
    kept = _json(partner.form("/minimax/v1/files", purpose="t2a_async_input", file=file))
    made["text_file"] = str(kept["file"]["file_id"])
    order = {
        "model": "builtin-speech",
        "text": made["text"],
        "voice_setting": {"voice_id": "en-us"},
    }
    task = _json(partner.ask("POST", "/minimax/v1/t2a_async_v2", order))
    made["number"] = str(task["task_id"])


def _json(response: Any) -> Any:
    body = response.json()
    code = body.get("code", 200) if isinstance(body, dict) else 200
    assert response.status_code < 300, (response.status_code, body)
    assert code == 200, body
    return body


def _filled(text: str, made: dict[str, str]) -> str:
    for name, value in made.items():
        if name == "text_file":  # a number in JSON
            text = text.replace(f'"{{{name}}}"', value)
        text = text.replace(f"{{{name}}}", value)
    return text


def _public(pk: Any) -> str:
    from speechsite.api.elevenlabs import ids

    return ids.public(pk)


def says_no(response: Any) -> bool:
    """Whether an answer refuses, in whichever dialect's words."""
    if response.status_code >= 400:
        return response.status_code < 500
    if not response.get("Content-Type", "").startswith("application/json"):
        return False
    body = response.json()
    if not isinstance(body, dict):
        return False
    is_kie = isinstance(body.get("code"), int) and body["code"] != 200
    return is_kie or body.get("base_resp", {}).get("status_code", 0) != 0
