"""A socket outlives what its key may do: each order asks the key and the account anew."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from jobs.models import Job
from speechsite.accounts import keys, plans
from speechsite.accounts.models import ApiKey, Plan, User
from speechsite.api.auth import Caller
from speechsite.api.elevenlabs import sockets
from speechsite.core.threads import in_thread

pytestmark = pytest.mark.django_db(transaction=True)
Partner = tuple[Caller, str]
SINGLE = "/v1/text-to-speech/en-us/stream-input"
MULTI = "/v1/text-to-speech/en-us/multi-stream-input"
PATIENCE = 20.0


def change_key(caller: Caller, **changed: Any) -> None:
    key = ApiKey.objects.get(pk=caller.key.pk)
    rights = {
        name: getattr(key, name)
        for name in ("name", "expires_at", "daily_cap", "monthly_cap", "total_cap")
    }
    rights |= {"scopes": key.scopes, "ip_allow": key.ip_allow}
    keys.change(key, **(rights | changed))


def block(caller: Caller) -> None:
    User.objects.filter(pk=caller.user.pk).update(is_active=False)


def shrink_plan(caller: Caller) -> None:
    plan = Plan.objects.create(slug="tiny", name="Tiny", characters_per_job=5)
    User.objects.filter(pk=caller.user.pk).update(plan=plan)


CHANGES: dict[str, tuple[Callable[[Caller], Any], str]] = {
    "revoked": (lambda caller: keys.revoke(caller.key), "invalid_api_key"),
    "blocked": (block, "invalid_api_key"),
    "without the scope": (
        lambda caller: change_key(caller, scopes=["models:read"]),
        "missing_permissions",
    ),
    "for other addresses": (
        lambda caller: change_key(caller, ip_allow=["192.0.2.0/24"]),
        "forbidden",
    ),
    "without credits": (lambda caller: change_key(caller, total_cap=0), "quota_exceeded"),
    "on a smaller plan": (shrink_plan, "text_too_long"),
}


def talk(
    path: str, secret: str, messages: list[dict[str, Any]], change: Callable[[], Any]
) -> tuple[list[dict[str, Any]], int]:
    """Say the first message; when it was spoken something changes, and then comes the rest."""
    received: list[dict[str, Any]] = []
    closed: list[int] = []
    waiting = [{"type": "websocket.connect"}]
    waiting += [{"type": "websocket.receive", "text": json.dumps(one)} for one in messages]
    spoken = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if len(waiting) == len(messages) - 1:
            await spoken.wait()
            while not await in_thread(Job.objects.filter(state="succeeded").exists):
                await asyncio.sleep(0.01)
            await in_thread(change)
        if waiting:
            return waiting.pop(0)
        await asyncio.sleep(PATIENCE)
        return {"type": "websocket.disconnect"}

    async def send(event: dict[str, Any]) -> None:
        if event["type"] == "websocket.send":
            received.append(json.loads(event["text"]))
            spoken.set()
        if event["type"] == "websocket.close":
            closed.append(event.get("code", 403))

    headers = [(b"xi-api-key", secret.encode())]
    query = b"model_id=builtin-speech&auto_mode=true"
    scope = {"path": path, "query_string": query, "headers": headers, "client": ("::1", 1)}
    asyncio.run(asyncio.wait_for(sockets.serve(scope, receive, send), PATIENCE))
    return received, closed[0]


@pytest.mark.parametrize("path", [SINGLE, MULTI])
@pytest.mark.parametrize("name", CHANGES)
def test_what_a_key_may_no_longer_do_an_open_socket_no_longer_does(
    live: Partner, name: str, path: str
) -> None:
    caller, secret = live
    plans.put_on_plan(caller.user, "enterprise")
    change, word = CHANGES[name]
    context = {"context_id": "one"} if path == MULTI else {}
    texts = ["This is spoken. ", "And this may not be. ", "Nor may this. "]
    messages = [{"text": text, "flush": True, **context} for text in texts]
    messages.append({"close_socket": True} if path == MULTI else {"text": ""})
    received, code = talk(path, secret, messages, lambda: change(caller))
    assert {one["error"] for one in received if one.get("error")} == {word}
    assert [job.text.strip() for job in Job.objects.all()] == [texts[0].strip()]
    # What only this order costs ends its context, what the key may not do ends everything.
    is_for_now = word in ("quota_exceeded", "text_too_long")
    assert code == (1000 if path == MULTI and is_for_now else 1008)
