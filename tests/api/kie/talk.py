"""How a program written for kie.ai speaks to us."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

MULTILINGUAL = "elevenlabs/text-to-speech-multilingual-v2"
TURBO = "elevenlabs/text-to-speech-turbo-2-5"
DIALOGUE = "elevenlabs/text-to-dialogue-v3"
ISOLATION = "elevenlabs/audio-isolation"


class Partner:
    """A client with a key."""

    def __init__(self, secret: str) -> None:
        self.http = Client(headers={"Authorization": f"Bearer {secret}"})

    def create(self, model: str = MULTILINGUAL, input: Any = None, **more: Any) -> Any:
        return self.post("/api/v1/jobs/createTask", {"model": model, "input": input, **more})

    def record(self, task_id: str) -> Any:
        return self.http.get("/api/v1/jobs/recordInfo", {"taskId": task_id}).json()

    def post(self, path: str, body: Any) -> Any:
        return self.http.post(path, body, content_type="application/json").json()


def links_of(record: Any) -> list[str]:
    return json.loads(record["data"]["resultJson"])["resultUrls"]
