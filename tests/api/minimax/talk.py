"""How a program written for a MiniMax relay gateway speaks to us."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.api.links import body_of

WIRE = Path(__file__).parents[2] / "wire" / "minimax"
BASE = "/minimax/v1"


def wire(name: str) -> Any:
    """A documented request."""
    return json.loads((WIRE / f"{name}.json").read_text())


class Partner:
    """A client with a key."""

    def __init__(self, secret: str) -> None:
        self.http = Client(headers={"Authorization": f"Bearer {secret}"})

    def post(self, path: str, body: Any) -> Any:
        return self.http.post(BASE + path, body, content_type="application/json")

    def get(self, path: str, **query: Any) -> Any:
        return self.http.get(BASE + path, query)

    def create(self, body: Any) -> Any:
        return self.post("/t2a_async_v2", body).json()

    def query(self, task_id: Any) -> Any:
        return self.get("/query/t2a_async_query_v2", task_id=task_id).json()

    def upload(self, name: str, content: bytes, path: str = "/files") -> Any:
        file = SimpleUploadedFile(name, content)
        return self.http.post(BASE + path, {"purpose": "t2a_async_input", "file": file})

    def result(self, file_id: Any) -> dict[str, bytes]:
        """The files of a task's archive."""
        answer = self.get("/files/retrieve_content", file_id=file_id)
        assert answer.status_code == 200, answer.content
        return unpacked(body_of(answer))


def unpacked(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = {one.name: tar.extractfile(one) for one in tar.getmembers()}
        return {name: file.read() for name, file in members.items() if file is not None}


def zipped(**members: str | bytes) -> bytes:
    """A ZIP of texts; `_1_json` stands for `1.json`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name.strip("_").replace("_", "."), text)
    return buffer.getvalue()


def events_of(stream: bytes) -> list[Any]:
    lines = stream.decode().split("\n\n")
    return [json.loads(line.removeprefix("data: ")) for line in lines if line]
