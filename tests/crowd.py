"""A crowd at a real site that is being killed: orders of every kind, each sent until it is taken.

An order carries a key of its own, so whoever gets no answer may send it again: however often
that was, it has to be one job, one charge and one sound. What was promised is kept here, to be
compared with what the site has done.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from tests.fakes.tones import tone
from tests.running import Site, Visitor

LIAM = "TX3LPaxmHKxFdv7VOQHJ"  # the fake provider has this voice
PAUSE = 0.25  # seconds before the same request is sent again
PATIENCE = 120.0  # seconds in which every request is answered in the end
TEXT = "The harbour was quiet that morning, and only a few gulls were about. "
UPLOAD = tone("wav_16000", 1200)
GENERATIONS = "/api/v1/generations"
MOST_OPEN = 10  # orders under way beyond which nobody sends another
UNDER_WAY = "SELECT count(*) FROM jobs_job WHERE state IN ('queued', 'processing')"
_numbers = itertools.count(1)


class Refused(Exception):
    """The site said no, or nothing that could be used, to an order that it should have taken."""


@dataclass
class Told:
    """What partners' servers heard: jobs by the numbers in webhooks and callbacks."""

    webhooks: set[str] = field(default_factory=set)
    callbacks: set[str] = field(default_factory=set)


@contextmanager
def partner() -> Iterator[tuple[str, Told]]:
    """A partner's server, its address, and what it heard."""
    told = Told()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if self.path.startswith("/webhook"):
                told.webhooks.add(self.headers["webhook-id"])
            else:
                told.callbacks.add(self.path.rpartition("/")[2])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Not said."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Partner:
    """Somebody with a key, who asks again until there is a whole answer."""

    def __init__(self, site: Site, secret: str, hooks: str) -> None:
        headers = {"Authorization": f"Bearer {secret}", "xi-api-key": secret}
        self.http = httpx.Client(base_url=site.url, headers=headers, timeout=60, trust_env=False)
        self.hooks = hooks
        self.taken: list[str] = []  # jobs of the native API that are still there

    def close(self) -> None:
        self.http.close()

    def ask(self, method: str, path: str, *fine: int, **more: Any) -> httpx.Response:
        """The whole answer, when it comes; `fine` are the statuses that are good."""
        more["headers"] = {"Idempotency-Key": f"order-{next(_numbers)}"}
        return asked(lambda: self.http.request(method, path, **more), *(fine or (200, 201)))

    def order(self, text: str, *, model: str = "builtin-speech", voice: str = "en-us") -> str:
        """A job of the native API, by its number there."""
        body = {"model": model, "prompt": text, "params": {"voice": voice}}
        return str(self.ask("POST", GENERATIONS, json=body).json()["id"])

    def is_over(self, job: str) -> bool:
        """Whether an order has ended well. Raises Refused when it failed."""
        found = self.ask("GET", f"{GENERATIONS}/{job}").json()
        if found["status"] == "failed":
            raise Refused(f"{job}: {found}")
        return bool(found["status"] == "succeeded")

    # --- a turn each ----------------------------------------------------------------------------

    def native(self) -> None:
        """Every other one is deleted, sooner or later: also while it is being made."""
        self.taken.append(self.order(f"Number {next(_numbers)}. {TEXT * 3}"))
        if len(self.taken) % 2:
            self.ask("DELETE", f"{GENERATIONS}/{self.taken.pop()}", 204, 404)

    def provider(self) -> None:
        self.order(f"Number {next(_numbers)}. {TEXT}", model="eleven_multilingual_v2", voice=LIAM)

    def elevenlabs(self) -> None:
        body = {"model_id": "eleven_multilingual_v2", "text": f"Number {next(_numbers)}. {TEXT}"}
        self.ask("POST", f"/v1/text-to-speech/{LIAM}/stream", json=body)

    def openai(self) -> None:
        text = f"Number {next(_numbers)}. {TEXT * 3}"
        body = {"model": "builtin-speech", "voice": "en-us", "input": text}
        self.ask("POST", "/v1/audio/speech", json=body)

    def minimax(self) -> None:
        text = f"Number {next(_numbers)}. {TEXT}"
        setting = {"voice_id": "en-us"}
        body = {"model": "builtin-speech", "text": text, "voice_setting": setting}
        answer = self.ask("POST", "/minimax/v1/t2a_v2", json=body).json()
        if answer["base_resp"]["status_code"]:
            raise Refused(f"minimax: {answer}")

    def kie(self) -> None:
        """The address that is called is the order's own."""
        number = next(_numbers)
        spoken = {"text": f"Number {number}. {TEXT}", "voice": "en-us"}
        url = f"{self.hooks}/callback/{number}"
        body = {"model": "builtin-speech", "input": spoken, "callBackUrl": url}
        answer = self.ask("POST", "/api/v1/jobs/createTask", json=body).json()
        if answer["code"] != 200:
            raise Refused(f"kie: {answer}")

    def upload(self) -> None:
        """A recording is cleaned."""
        sound = {"file": ("memo.wav", UPLOAD, "audio/wav")}
        file = self.ask("POST", "/api/v1/files", data={"kind": "audio"}, files=sound).json()
        body = {"model": "builtin-cleaning", "params": {"file_id": file["id"]}}
        self.ask("POST", GENERATIONS, json=body)


class Person:
    """Somebody in front of the portal, who presses again what brought no page."""

    def __init__(self, site: Site) -> None:
        self.visitor = Visitor(site)
        self.visitor.sign_in()
        self.voice = site.rows("SELECT id FROM voices_voice WHERE external_id = 'en-us'")[0][0]

    def close(self) -> None:
        self.visitor.http.close()

    def portal(self) -> None:
        """A text of many pieces; every third job is deleted at once."""
        text, number = TEXT * 8, next(_numbers)
        form = again(self.visitor.open_studio)
        page = again(
            lambda: self.visitor.generate(form, voice=self.voice, text=f"Number {number}. {text}")
        )
        if number % 3 == 0:
            again(lambda: self._delete(page, form["csrfmiddlewaretoken"]))

    def _delete(self, page: str, token: str) -> None:
        http = self.visitor.http
        answer = http.post(
            f"{page}delete/",
            data={"csrfmiddlewaretoken": token},
            headers={"Referer": str(http.base_url)},
        )
        assert answer.status_code in (302, 404), answer.text


def again(press: Callable[[], Any]) -> Any:
    """Press until a page comes."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return press()
        except (httpx.HTTPError, AssertionError) as error:
            if time.monotonic() > until:
                raise Refused(f"the portal: {error}") from error
            time.sleep(PAUSE)


def asked(ask: Callable[[], httpx.Response], *fine: int) -> httpx.Response:
    """Ask until there is a whole answer that is no failure of the site. Raises Refused."""
    until = time.monotonic() + PATIENCE
    said = ""
    while time.monotonic() < until:
        try:
            answer = ask()
        except httpx.HTTPError as error:
            said = repr(error)
        else:
            if answer.status_code in fine:
                return answer
            said = f"{answer.request.url}: {answer.status_code} {answer.text[:500]}"
            if answer.status_code < 500 and answer.status_code != 429:
                break
        time.sleep(PAUSE)
    raise Refused(said)


@dataclass
class Crowd:
    """Threads that order, one for each kind of order, until the crowd goes home.

    While many orders are open nobody sends another, so the load is what the machine can bear.
    """

    is_full: Callable[[], bool]
    orders: list[str] = field(default_factory=list)  # kinds of what was taken, one for each job
    failures: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def send(self, turn: Callable[[], None], pace: float) -> None:
        """Have one kind of order sent again and again, so many seconds apart."""
        name = turn.__name__
        thread = threading.Thread(target=self._run, args=(name, turn, pace), name=name)
        self.threads.append(thread)
        thread.start()

    def _run(self, name: str, turn: Callable[[], None], pace: float) -> None:
        while not self.stop.is_set():
            try:
                turn()
            except Exception as error:
                self.failures.append(f"{name}: {error!r}")
                return
            self.orders.append(name)
            self.stop.wait(pace)
            while self.is_full() and not self.stop.is_set():
                self.stop.wait(PAUSE)

    def go_home(self) -> None:
        """Everybody waits for the answer to what they sent last, and leaves."""
        self.stop.set()
        for thread in self.threads:
            thread.join()


@contextmanager
def crowd(site: Site, secret: str, hooks: str, pace: float) -> Iterator[Crowd]:
    """All kinds of orders at once, `pace` seconds after each answer."""
    made = Crowd(lambda: site.rows(UNDER_WAY)[0][0] >= MOST_OPEN)
    here: list[Partner | Person] = [Person(site)]
    turns: list[Callable[[], None]] = [here[0].portal]  # type: ignore[union-attr]
    for kind in ("native", "provider", "elevenlabs", "openai", "minimax", "kie", "upload"):
        one = Partner(site, secret, hooks)
        here.append(one)
        turns.append(getattr(one, kind))
    try:
        for turn in turns:
            made.send(turn, pace)
        yield made
    finally:
        made.go_home()
        for guest in here:
            guest.close()
