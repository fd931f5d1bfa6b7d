"""The adapters that keep the contract: one small function each, then one list.

A new adapter adds its function and its row; nothing else changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from speechsite.providers.base import Adapter
from speechsite.providers.elevenlabs import ElevenLabs
from speechsite.providers.kie import Kie
from speechsite.providers.minimax import MiniMax
from speechsite.providers.openai import OpenAI
from speechsite.providers.rivya import Rivya
from speechsite.providers.types import Feature
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.kie import FakeKie
from tests.fakes.minimax import FakeMiniMax
from tests.fakes.openai import FakeOpenAI
from tests.fakes.rivya import FakeRivya
from tests.fakes.upstream import Fault, Upstream

CALLBACK_FAULTS = frozenset(fault for fault in Fault if fault.startswith("callback"))
# Whether a sound is whole is asked where it is stored, for all adapters alike.
ALL_FAULTS = frozenset(Fault) - CALLBACK_FAULTS - {Fault.NONE, Fault.AUDIO_DAMAGED}


@dataclass(frozen=True)
class Case:
    """One adapter, its fake, and what to order from it.

    `make` gets any object with `handle`, `base_url` and `key`, and gives an
    adapter whose calls and downloads end there. `models` names an upstream model
    for each of SPEECH, DIALOGUE and ISOLATION that the adapter declares.
    `faults` are those that its fake can show.
    """

    name: str
    adapter: type[Adapter]
    fake: Callable[[], Any]
    make: Callable[[Any], Adapter]
    models: Mapping[Feature, str]
    voice: str
    faults: frozenset[Fault] = ALL_FAULTS


def elevenlabs() -> Case:
    def make(fake: Upstream) -> ElevenLabs:
        transport = fake.transport()
        key = {"api_key": fake.key}
        return ElevenLabs(fake.base_url, key, transport=transport, downloads=transport)

    models = {
        Feature.SPEECH: "eleven_flash_v2_5",
        Feature.DIALOGUE: "eleven_v3",
        Feature.ISOLATION: "audio-isolation",
    }
    # The sound comes in the answer itself: there is no link that could be gone.
    faults = ALL_FAULTS - {Fault.LINK_GONE}
    return Case(
        "elevenlabs", ElevenLabs, FakeElevenLabs, make, models, "21m00Tcm4TlvDq8ikWAM", faults
    )


def kie() -> Case:
    def make(fake: Upstream) -> Kie:
        return Kie(
            fake.base_url,
            {"api_key": fake.key, "webhook_key": "webhook-key-0123"},
            {"upload_url": fake.base_url},
            transport=fake.transport(),
            downloads=fake.transport(),
        )

    models = {
        Feature.SPEECH: "elevenlabs/text-to-speech-turbo-2-5",
        Feature.DIALOGUE: "elevenlabs/text-to-dialogue-v3",
        Feature.ISOLATION: "elevenlabs/audio-isolation",
    }
    return Case("kie", Kie, FakeKie, make, models, "EkK5I93UQWFDigLMpZcX")


def minimax() -> Case:
    def make(fake: Upstream) -> MiniMax:
        transport = fake.transport()
        key = {"api_key": fake.key}
        return MiniMax(fake.base_url, key, transport=transport, downloads=transport)

    models = {Feature.SPEECH: "speech-2.8-hd"}
    return Case("minimax", MiniMax, FakeMiniMax, make, models, "English_Graceful_Lady")


def openai() -> Case:
    def make(fake: Upstream) -> OpenAI:
        return OpenAI(fake.base_url, {"api_key": fake.key}, transport=fake.transport())

    # Sound comes in the answer itself, and nothing is told of a bill.
    faults = ALL_FAULTS - {
        Fault.LINK_GONE, Fault.TASK_FAILS, Fault.NEVER_ENDS, Fault.UNKNOWN_STATE,
        Fault.NEGATIVE_USAGE, Fault.ABSURD_USAGE,
    }  # fmt: skip
    models = {Feature.SPEECH: "kokoro"}
    return Case("openai", OpenAI, FakeOpenAI, make, models, "af_heart", faults)


def rivya() -> Case:
    def make(fake: Upstream) -> Rivya:
        transport = fake.transport()
        key = {"api_key": fake.key}
        return Rivya(fake.base_url, key, transport=transport, downloads=transport)

    models = {
        Feature.SPEECH: "elevenlabs-turbo-2-5",
        Feature.DIALOGUE: "elevenlabs-dialogue-v3",
        Feature.ISOLATION: "elevenlabs-audio-isolation",
    }
    return Case("rivya", Rivya, FakeRivya, make, models, "TX3LPaxmHKxFdv7VOQHJ")


CASES: list[Callable[[], Case]] = [
    elevenlabs,
    kie,
    minimax,
    openai,
    rivya,
]
