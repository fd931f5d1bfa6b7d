"""ElevenLabs' clients of former times, unchanged, against the real site: as today's.

Each is a program of its own that prints what came of each call. With a test key the built-in
engine speaks, with a live key a fake ElevenLabs.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.elevenlabs import tls
from tests.api.elevenlabs.former import environments
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.server import serving
from tests.fakes.tones import tone
from tests.running import EMAIL, Site

pytestmark = [
    pytest.mark.processes,
    pytest.mark.clients,
    pytest.mark.xdist_group("former clients"),
]

HERE = Path(__file__).resolve().parent
SPOKEN = "An old client speaks."
RACHEL = "21m00Tcm4TlvDq8ikWAM"
CLIENTS = ("python 0.2.27", "python 1.59.0", "javascript 1.59.0")


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeElevenLabs]:
    fake = FakeElevenLabs()
    with serving(fake):
        yield fake


@pytest.fixture(scope="module")
def shop(
    upstream: FakeElevenLabs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, dict[str, str]]]:
    """A site with a provider, and a key of each kind."""
    provider = {
        "ELEVENLABS_API_KEY": upstream.key,
        "ELEVENLABS_BASE_URL": upstream.base_url,
        "ALLOW_PRIVATE_NETWORKS": "1",
    }
    with Site(tmp_path_factory.mktemp("shop"), WORKERS="1", **provider) as site:
        made = ("createaccount", EMAIL, "--password", "correct horse 7", "--plan", "enterprise")
        _printed(site, *made)
        _printed(site, "grant", EMAIL, "10000", "--reason", "a trial")
        keys = {"live": _printed(site, "createkey", EMAIL)}
        yield site, keys | {"test": _printed(site, "createkey", EMAIL, "--test")}


@pytest.fixture(scope="module", params=["test", "live"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module", params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def program(client: str, pytestconfig: pytest.Config) -> tuple[list[str], dict[str, str]]:
    """The command that runs the client, and what it finds in its environment."""
    assert pytestconfig.cache is not None
    cache = pytestconfig.cache.mkdir("former-clients")
    language, version = client.split()
    name = f"{language}_{version.replace('.', '_')}"
    if language == "python":
        return [str(environments.python(cache, version)), str(HERE / f"{name}.py")], {}
    folder = environments.javascript(cache)
    return ["node", str(HERE / f"{name}.mjs")], {"CLIENT_FOLDER": str(folder)}


@pytest.fixture(scope="module")
def answers(
    program: tuple[list[str], dict[str, str]],
    mode: str,
    shop: tuple[Site, dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """What the client made of each answer."""
    command, more = program
    site, keys = shop
    folder = tmp_path_factory.mktemp("client")
    recording = folder / "noise.mp3"
    recording.write_bytes(tone("mp3_44100_128", 1500))
    trusted, served = tls.issue(folder)
    with tls.proxy(served, httpx.URL(site.url).port or 0) as port:
        environment = {
            "SITE_URL": site.url,
            "ELEVEN_BASE_URL": f"{site.url}/v1",
            "ELEVEN_API_KEY": keys[mode],
            "API_KEY": keys[mode],
            "TLS_URL": f"https://127.0.0.1:{port}",
            "SSL_CERT_FILE": str(trusted),
            "NO_PROXY": "127.0.0.1",
            "VOICE": RACHEL,
            "RECORDING": str(recording),
        }
        done = subprocess.run(
            command,
            env=os.environ | environment | more,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("name", "since"),
    [
        ("speech", 0), ("by_name", 0), ("streamed", 0), ("written_to", 0), ("own_voice", 0),
        ("isolation", 1), ("isolation_stream", 1),
    ],
)  # fmt: skip
def test_sound_comes_through(answers: dict[str, Any], client: str, name: str, since: int) -> None:
    if _has(client, name, since):
        assert answers[name].get("bytes", 0) > 5000, answers[name]


EXPECTED: dict[str, tuple[int, dict[str, Any]]] = {
    "timed": (1, {"text": SPOKEN}),
    "timed_stream": (1, {"text": SPOKEN}),
    "voices": (0, {"isListed": True}),
    "settings": (0, {"stability": 0.3, "usual": 0.5}),
    "dictionaries": (1, {"name": "Names", "isListed": True, "hasRule": True}),
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_answer_reads_as_meant(answers: dict[str, Any], client: str, name: str) -> None:
    since, expected = EXPECTED[name]
    if _has(client, name, since):
        assert answers[name] == expected


def test_what_was_just_spoken_is_the_newest_of_the_history(answers: dict[str, Any]) -> None:
    item = answers["history"]
    assert (item["text"], item["characters"]) == (SPOKEN, len(SPOKEN)), item
    assert item["bytes"] == answers["speech"]["bytes"]
    assert item["isDeleted"] is True


def test_voices_models_and_the_account(answers: dict[str, Any]) -> None:
    assert answers["voice"]["name"] == "Rachel"
    assert answers["own_voice"]["name"] == "Still mine"
    assert answers["own_voice"]["isDeleted"] is True
    assert {"eleven_multilingual_v2", "eleven_flash_v2_5"} <= set(answers["models"]["ids"])
    assert answers["account"]["tier"] == "enterprise"
    assert answers["account"]["left"] > 0


def test_refusals_are_read_too(answers: dict[str, Any]) -> None:
    assert "There is no sound in this file" in answers["no_voice"]["error"]
    assert "There is no voice with the id nobody" in answers["unknown_voice"]["error"]
    refused = {name for name, one in answers.items() if "error" in one}
    assert refused == {"no_voice", "unknown_voice"}


def test_a_model_of_former_times_is_its_successor_upstream(
    answers: dict[str, Any], mode: str, upstream: FakeElevenLabs
) -> None:
    asked = {task.model for task in upstream.tasks.values() if task.model.startswith("eleven_")}
    assert asked <= {"eleven_multilingual_v2", "eleven_turbo_v2_5", "eleven_flash_v2_5"}
    assert mode == "test" or asked, "nothing reached the provider"


def _has(client: str, name: str, since: int) -> bool:
    """Whether the client has this call; JavaScript's of that time has no sockets."""
    if name == "written_to":
        return client.startswith("python")
    return int(client.split()[1].partition(".")[0]) >= since


def _printed(site: Site, *command: str) -> str:
    done = site.manage(*command)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
