"""A site whose channels are fake providers on real sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from jobs import lifecycle
from jobs.models import Job, Segment
from jobs.worker import Worker
from speechsite.accounts.models import User
from speechsite.core import threads
from speechsite.credits import ledger
from speechsite.credits.models import Wallet
from speechsite.upstreams.models import Channel
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.kie import FakeKie
from tests.fakes.minimax import FakeMiniMax
from tests.fakes.openai import FakeOpenAI
from tests.fakes.rivya import FakeRivya
from tests.fakes.server import serving
from tests.fakes.upstream import Upstream
from voices import sync
from voices.models import SpeechModel, Voice

FAKES: dict[str, type[Upstream]] = {
    "elevenlabs": FakeElevenLabs,
    "kie": FakeKie,
    "minimax": FakeMiniMax,
    "openai": FakeOpenAI,
    "rivya": FakeRivya,
}
MODELS = {
    "elevenlabs": "elevenlabs-multilingual-v2",
    "kie": "elevenlabs-multilingual-v2",
    "rivya": "elevenlabs-multilingual-v2",
    "minimax": "minimax-speech-2.8-hd",
    "openai": "openai-kokoro",
}
LIAM = "TX3LPaxmHKxFdv7VOQHJ"  # the one voice that all three sellers of ElevenLabs have
VOICES = {
    "elevenlabs": LIAM, "kie": LIAM, "rivya": LIAM, "minimax": "English_Graceful_Lady",
    "openai": "af_heart",
}  # fmt: skip
PREFIXES = {"openai": "OPENAI_SPEECH"}  # of the variables, where it is not the adapter's name


@dataclass
class Site:
    """Fakes by channel, and short ways to order and to work."""

    user: User
    fakes: dict[str, Upstream] = field(default_factory=dict)
    servers: dict[str, ExitStack] = field(default_factory=dict)

    def stop(self, name: str) -> None:
        """The provider's machine goes away: nothing listens any more."""
        self.servers[name].close()

    def place(self, text: str = "Hello from upstream.", channel: str = "", **more: Any) -> Job:
        seller = channel or next(iter(self.fakes))
        return lifecycle.place(
            self.user,
            model=SpeechModel.objects.get(slug=MODELS[seller]),
            voice=Voice.objects.get(external_id=VOICES[seller]),
            text=text,
            **more,
        )

    def work(self, seconds: float = 30, until: Callable[[], bool] | None = None) -> None:
        """Run a worker until nothing is under way, or until something is so."""
        stopping = threading.Event()

        async def run() -> None:
            watch = asyncio.create_task(self._watch(until, stopping)) if until else None
            await asyncio.wait_for(Worker(stopping.is_set).run(), seconds)
            if watch is not None:
                watch.cancel()

        asyncio.run(run())

    async def _watch(self, until: Callable[[], bool], stopping: threading.Event) -> None:
        while not await threads.slowly(until):
            await asyncio.sleep(0.02)
        stopping.set()

    def channel(self, slug: str) -> Channel:
        return Channel.objects.get(slug=slug)

    def hurry(self) -> None:
        """Make everything that waits for its time due now."""
        from django.utils import timezone

        Segment.objects.filter(due_at__gt=timezone.now()).update(due_at=timezone.now())


def settled(job: Job) -> Job:
    """The job as it ended; the ledger must agree with it, and nothing is held any more."""
    job.refresh_from_db()
    pieces = list(job.segments.values("state", "waiting_reason", "attempts"))
    assert job.is_finished, (job.state, pieces)
    assert ledger.audit() == []
    assert Wallet.objects.get(user=job.user).held == sum(
        Job.objects.unfinished().filter(user=job.user).values_list("quoted", flat=True)
    )
    return job


def hurry(settings: Any, monkeypatch: Any) -> None:
    """Deadlines and waits of seconds instead of minutes."""
    settings.UNCLEAR_DEADLINE_SECONDS = 1
    settings.WAITING_DEADLINE_SECONDS = 3
    monkeypatch.setattr("jobs.attempts.FIRST_LOOK", 0.05)
    monkeypatch.setattr("jobs.attempts.TASK_LIMIT", timedelta(seconds=1))
    monkeypatch.setattr("jobs.worker.SWEEP", 0.3)


@contextmanager
def site(user: User, monkeypatch: Any, *names: str) -> Iterator[Site]:
    """Serve these fakes, and have a channel for each from the environment."""
    monkeypatch.setenv("ALLOW_PRIVATE_NETWORKS", "1")
    with ExitStack() as stack:
        made = Site(user)
        for name in names:
            fake = made.fakes[name] = FAKES[name]()
            server = made.servers[name] = stack.enter_context(ExitStack())
            url = server.enter_context(serving(fake))
            prefix = PREFIXES.get(name, name.upper())
            monkeypatch.setenv(f"{prefix}_API_KEY", fake.key)
            monkeypatch.setenv(f"{prefix}_BASE_URL", url)
            if name == "kie":
                monkeypatch.setenv("KIE_UPLOAD_URL", url)
        reports = sync.sync_all()
        errors = [report for report in reports if report.error]
        assert not errors, errors
        yield made
