"""The real site in processes of its own, once for all tests of official clients."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from tests.fakes.tones import tone
from tests.running import EMAIL, Site

SMALL = "small@example.com"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site"), WORKERS="1") as running:
        for email, plan in ((EMAIL, "enterprise"), (SMALL, "free")):
            made = ("createaccount", email, "--password", "correct horse 7", "--plan", plan)
            done = running.manage(*made)
            assert done.returncode == 0, done.stderr
        yield running


@pytest.fixture(scope="session")
def trial_key(site: Site) -> str:
    """A key whose work runs on the built-in engine and costs nothing."""
    return _key(site, EMAIL, "--test")


@pytest.fixture(scope="session")
def small_key(site: Site) -> str:
    """A test key of somebody on the smallest plan."""
    return _key(site, SMALL, "--test")


@pytest.fixture(scope="session")
def live_key(site: Site) -> str:
    """A key whose work is paid."""
    return _key(site, EMAIL)


@pytest.fixture
def recording() -> io.BytesIO:
    """Two seconds of sound, as a file that has no name."""
    return io.BytesIO(tone("wav_16000", 2000))


def _key(site: Site, email: str, *arguments: str) -> str:
    done = site.manage("createkey", email, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
