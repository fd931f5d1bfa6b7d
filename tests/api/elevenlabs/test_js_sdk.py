"""ElevenLabs' own JavaScript client, which refuses every answer that lacks a key."""

from __future__ import annotations

import io
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import npm
from tests.running import Site

pytestmark = [
    pytest.mark.processes,
    pytest.mark.node,
    pytest.mark.xdist_group("elevenlabs"),
    pytest.mark.skipif(not npm.HAS_NPM, reason="node and npm are not on this machine"),
]

CLIENT = Path(__file__).resolve().parents[1] / "js"
SPOKEN = "Hello from the other client."
GEORGE, RACHEL = "JBFqnCBsd6RMkjVDRZzb", "21m00Tcm4TlvDq8ikWAM"


@pytest.fixture(scope="module")
def client_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The locked client, installed into a folder of its own."""
    folder = tmp_path_factory.mktemp("js")
    npm.install(CLIENT, folder)
    return folder


@pytest.fixture(scope="module")
def answers(
    site: Site, trial_key: str, client_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What the client made of each answer."""
    from tests.fakes.tones import tone

    recording = tmp_path_factory.mktemp("recording") / "noise"
    recording.write_bytes(io.BytesIO(tone("mp3_44100_128", 1500)).getvalue())
    environment = os.environ | {
        "CLIENT_FOLDER": str(client_folder),
        "API_KEY": trial_key,
        "SITE_URL": site.url,
        "RECORDING": str(recording),
    }
    done = subprocess.run(
        ["node", str(CLIENT / "elevenlabs.mjs")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


EXPECTED: dict[str, dict[str, Any]] = {
    "convertWithTimestamps": {"text": SPOKEN},
    "streamWithTimestamps": {"text": SPOKEN},
    "dialogueWithTimestamps": {"voices": [GEORGE, RACHEL]},
    "dialogueStreamWithTimestamps": {"voices": [GEORGE, RACHEL]},
    "search": {"first": RACHEL, "total": 2},
    "searchWithoutCount": {"hasMore": True},
    "voice": {"name": "George"},
    "shared": {"voices": 0},
    "settings": {"stability": 0.3},
    "deleteVoice": {"status": "ok"},
    "user": {"tier": "enterprise"},
    "history": {"found": True},
    "historyItem": {"text": SPOKEN},
    "deleteItem": {"status": "ok"},
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_answer_reads_as_meant(answers: dict[str, Any], name: str) -> None:
    assert answers[name] == EXPECTED[name]


@pytest.mark.parametrize(
    "name",
    [
        "convert", "stream", "dialogue", "dialogueStream", "isolation", "isolationStream",
        "historyAudio", "download",
    ],
)  # fmt: skip
def test_sound_comes_through(answers: dict[str, Any], name: str) -> None:
    assert answers[name].get("bytes", 0) > 5000, answers[name]


def test_own_voices(answers: dict[str, Any]) -> None:
    assert answers["addVoice"]["verify"] is False
    voice = answers["ownVoice"]
    assert (voice["name"], voice["samples"]) == ("Still mine", 0)
    assert voice["bytes"] > 5000


def test_lists(answers: dict[str, Any]) -> None:
    assert answers["voices"]["voices"] > 100
    assert "eleven_multilingual_v2" in answers["models"]["ids"]
    assert answers["isolationHistory"]["items"] >= 2
    assert answers["subscription"]["left"] > 0
    assert answers["usage"]["times"] == 2


def test_dictionaries(answers: dict[str, Any]) -> None:
    found = answers["dictionaries"]
    assert (found["name"], found["words"], found["isListed"]) == ("Other", ["A"], True)


def test_refusals_are_read_too(answers: dict[str, Any]) -> None:
    assert "Status code: 400" in answers["empty"]["error"]
    assert "Status code: 404" in answers["unknownVoice"]["error"]
    refused = {"empty", "unknownVoice"}
    assert {name for name, one in answers.items() if "error" in one} == refused
