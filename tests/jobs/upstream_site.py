"""A site whose channels are fake providers on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from jobs import lifecycle
from jobs.models import Job, Segment
from jobs.worker import Worker
from speechsite.accounts.models import User
from speechsite.upstreams.models import Channel
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.kie import FakeKie
from tests.fakes.minimax import FakeMiniMax
from tests.fakes.rivya import FakeRivya
from tests.fakes.server import serving
from tests.fakes.upstream import Upstream
from voices import sync
from voices.models import SpeechModel, Voice

FAKES: dict[str, type[Upstream]] = {
    "elevenlabs": FakeElevenLabs,
    "kie": FakeKie,
    "minimax": FakeMiniMax,
    "rivya": FakeRivya,
}
MODELS = {
    "elevenlabs": "elevenlabs-multilingual-v2",
    "kie": "elevenlabs-multilingual-v2",
    "rivya": "elevenlabs-multilingual-v2",
    "minimax": "minimax-speech-2.8-hd",
}
LIAM = "TX3LPaxmHKxFdv7VOQHJ"  # the one voice that all three sellers of ElevenLabs have
VOICES = {"elevenlabs": LIAM, "kie": LIAM, "rivya": LIAM, "minimax": "English_Graceful_Lady"}


@dataclass
class Site:
    """Fakes by channel, and short ways to order and to work."""

    user: User
    fakes: dict[str, Upstream] = field(default_factory=dict)

    def place(self, text: str = "Hello from upstream.", channel: str = "", **more: Any) -> Job:
        seller = channel or next(iter(self.fakes))
        return lifecycle.place(
            self.user,
            model=SpeechModel.objects.get(slug=MODELS[seller]),
            voice=Voice.objects.get(external_id=VOICES[seller]),
            text=text,
            **more,
        )

    def work(self, seconds: float = 30) -> None:
        """Run a worker until nothing is under way, or for some seconds."""

        async def run() -> None:
            await asyncio.wait_for(Worker(lambda: False).run(), seconds)

        asyncio.run(run())

    def channel(self, slug: str) -> Channel:
        return Channel.objects.get(slug=slug)

    def hurry(self) -> None:
        """Make everything that waits for its time due now."""
        from django.utils import timezone

        Segment.objects.filter(due_at__gt=timezone.now()).update(due_at=timezone.now())


@contextmanager
def site(user: User, monkeypatch: Any, *names: str) -> Iterator[Site]:
    """Serve these fakes, and have a channel for each from the environment."""
    monkeypatch.setenv("ALLOW_PRIVATE_NETWORKS", "1")
    with ExitStack() as stack:
        made = Site(user)
        for name in names:
            fake = made.fakes[name] = FAKES[name]()
            url = stack.enter_context(serving(fake))
            monkeypatch.setenv(f"{name.upper()}_API_KEY", fake.key)
            monkeypatch.setenv(f"{name.upper()}_BASE_URL", url)
            if name == "kie":
                monkeypatch.setenv("KIE_UPLOAD_URL", url)
        reports = sync.sync_all()
        errors = [report for report in reports if report.error]
        assert not errors, errors
        yield made
