"""Every page of the site, each in every state it has, as its view answers it.

A page is filed under the name of its address, so that a test can tell which have no row.
Texts, names and errors are as long and as strange as a person may send them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest import mock

from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.template.loader import render_to_string
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from jobs import lifecycle, outbound, placing, uploads
from jobs.models import DiskUse, Job, Segment, Upload
from jobs.outcomes import Refused
from jobs.states import SegmentState
from jobs.webhook_models import Delivery, WebhookEndpoint
from speechsite.accounts import keys
from speechsite.accounts.models import ApiKey, User
from speechsite.credits import ledger
from speechsite.credits.models import AuditRun, Price, Wallet
from speechsite.upstreams.models import Channel
from tests.conftest import PASSWORD
from tests.fakes.tones import tone
from tests.pages.conftest import speak
from voices.models import SpeechModel, Voice

WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk" * 4
CHINESE = "你好，世界。今天天气很好，我们一起去公园散步吧。" * 4
SENTENCES = "This is a sentence of the text. " * 20
LONG = "The fox ran over the hill and far away, and nobody saw it. " * 1000
URL = "https://hooks.example.com/" + "a-path-without-end/" * 20
SECRET = "JBSWY3DPEHPK3PXP"
TICKET = re.compile(r'name="ticket" value="([^"]+)"')
AWAY = "no connection to the database"


@dataclass(frozen=True, slots=True)
class Shown:
    """One page as it was answered."""

    address: str  # its name, as in "pages:job"
    state: str
    path: str
    html: str
    act: str = ""  # JavaScript that brings the state about

    def __str__(self) -> str:
        return f"{self.address} ({self.state})" if self.state else self.address


Painter = Callable[["World"], Iterator[tuple[Any, ...]]]
PAINTERS: dict[str, Painter] = {}


def of(*addresses: str) -> Callable[[Painter], Painter]:
    """Register who shows the pages at an address: (state, answer[, act]) of each."""

    def register(painter: Painter) -> Painter:
        PAINTERS.update(dict.fromkeys(addresses, painter))
        return painter

    return register


def gallery(world: World, *addresses: str) -> Iterator[Shown]:
    """The pages at these addresses, or at all of them, in the order in which they stand below."""
    wanted = [PAINTERS[address] for address in addresses or PAINTERS]
    for painter in dict.fromkeys(wanted):
        address = next(name for name, one in PAINTERS.items() if one is painter)
        for state, answer, *act in painter(world):
            yield shown(address, state, answer, *act)


def shown(address: str, state: str, answer: Any, act: str = "") -> Shown:
    """A view's answer, or a page as text, as what a browser can show."""
    html = answer if isinstance(answer, str) else answer.content.decode()
    assert "<html" in html, (address, state, getattr(answer, "headers", html))
    if isinstance(answer, str):
        return Shown(address, state, "/", html, act)
    return Shown(address, state, answer.request["PATH_INFO"], html, act)


class World:
    """Ada has everything, Ben a second factor, Eve nothing at all, and the boss looks on."""

    def __init__(self, ada: User, ben: User, eve: User, boss: User) -> None:
        self.model = SpeechModel.objects.get(slug="builtin-speech")
        self.voice = Voice.objects.get(family="builtin", external_id="en-us")
        self.ada, self.ben, self.eve = ada, ben, eve
        self.page, self.bens, self.eves, self.bosses = map(_browser, (ada, ben, eve, boss))
        TOTP.activate(ben, SECRET)
        RecoveryCodes.activate(ben)
        self.pieces = self._work()
        self.hook = self._hook()
        self._deliver()
        self.key = self._keys()
        self._office()

    def visitor(self) -> Client:
        return Client()

    def order(self, text: str, **changes: Any) -> Job:
        told = {"model": self.model, "voice": self.voice, "text": text, **changes}
        return lifecycle.place(self.ada, **told)

    def _work(self) -> dict[str, Job]:
        made = {"queued": self.order(f"Wait for it. {WORD}", title=WORD[:150])}
        running = made["under way, its first part ready"] = self.order(SENTENCES)
        lifecycle.start([running.pk])
        speak(_first(running))
        failed = made["failed"] = self.order(SENTENCES)
        lifecycle.fail(failed, code="unavailable", message=f"The engine is resting: {WORD}")
        made["canceled"] = self._cancelled()
        made["done"] = self._done(f"Good morning, {WORD}. {SENTENCES}", title=WORD[:150])
        made["done, in Chinese"] = self._done(CHINESE, title=CHINESE[:60])
        made["done, in µ-law"] = self._done(SENTENCES, output_format="ulaw_8000")
        made["done, a part missing"] = self._done(SENTENCES, miss=1)
        made["done, 60,000 letters"] = self._done(LONG)
        return made

    def _cancelled(self) -> Job:
        job = self.order(SENTENCES)
        lifecycle.start([job.pk])
        speak(_first(job))
        lifecycle.cancel(job)
        return _joined(job)

    def _done(self, text: str, miss: int = 0, **changes: Any) -> Job:
        job = self.order(text, **changes)
        lifecycle.start([job.pk])
        for segment in job.segments.all():
            if segment.index < miss:
                _refuse(segment)
            else:
                speak(segment)
        return _joined(job)

    def clean(self, *, is_done: bool) -> Job:
        model = SpeechModel.objects.get(kind="isolation", family="builtin")
        job = placing.place_cleaning(
            self.ada, model=model, upload=self.upload(), title=WORD[:150], output_format="wav_44100"
        )
        if not is_done:
            return job
        lifecycle.start([job.pk])
        speak(_first(job))
        return _joined(job)

    def upload(self) -> Upload:
        sound = tone("mp3_44100_128", 2500)
        return uploads.take(self.ada, SimpleUploadedFile(f"{WORD[:100]}.mp3", sound))

    def _hook(self) -> WebhookEndpoint:
        hook = outbound.add_endpoint(self.ada, url=URL, name="", is_test=True)[0]
        self.off = outbound.add_endpoint(self.ada, url=URL + "off", name=f"Off {CHINESE[:60]}")[0]
        reason = "every message of the last five days was refused"
        changes = {"is_enabled": False, "disabled_reason": reason}
        WebhookEndpoint.objects.filter(pk=self.off.pk).update(**changes)
        failing = outbound.add_endpoint(self.ada, url=URL + "bad", name=WORD[:80])[0]
        WebhookEndpoint.objects.filter(pk=failing.pk).update(failing_since=timezone.now())
        self.failing = failing
        return hook

    def _deliver(self) -> None:
        now = timezone.now()
        answers = [
            ("pending", []),
            ("pending", [0]),
            ("delivered", [200]),
            ("failed", [500, 404, 0]),
        ]
        for hook in (self.hook, self.off, self.failing):
            for number, (state, tries) in enumerate(answers):
                Delivery.objects.create(
                    endpoint=hook,
                    job=self.pieces["done"],
                    event_id=f"evt_{number}",
                    event_type=("generation.succeeded", "webhook.ping")[number % 2],
                    state=state,
                    attempts=len(tries),
                    log=[
                        {
                            "at": now.isoformat(),
                            "status": status or None,
                            "error": "" if status == 200 else f"refused by {WORD}",
                            "milliseconds": 120,
                        }
                        for status in tries
                    ],
                )

    def _keys(self) -> ApiKey:
        caps = {"daily_cap": 1000, "monthly_cap": 20_000, "total_cap": 900_000}
        rights = {"ip_allow": ["203.0.113.0/24", "2001:db8::/32"], "scopes": ["credits:read"]}
        soon = timezone.now() + timedelta(hours=5)
        key = keys.issue_key(self.ada, name=WORD[:80], expires_at=soon, **rights, **caps)[0]
        keys.issue_key(self.ada, name=CHINESE[:40], mode="test")
        keys.revoke(keys.issue_key(self.ada, name="An old one")[0])
        return key

    def _office(self) -> None:
        """What only the administration shows."""
        now = timezone.now()
        DiskUse.objects.create(user=self.ada, kind="jobs", files=1, size=9, counted_at=now)
        AuditRun.objects.create(started_at=now, wallets=1, entries=1, differences=1)
        Channel.objects.filter(adapter="builtin").update(breaker="open", last_error=WORD)


def _browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def _first(job: Job) -> Segment:
    segment = job.segments.first()
    assert segment is not None
    return segment


def _refuse(segment: Segment) -> None:
    Segment.objects.filter(pk=segment.pk).update(state=SegmentState.SUBMITTING, worker="test")
    segment.refresh_from_db()
    assert lifecycle.record(segment, Refused("rejected", "not today"))


def _joined(job: Job) -> Job:
    job.refresh_from_db()
    audio = default_storage.save(f"jobs/{job.pk}.mp3", ContentFile(b"sound"))
    length = 1000 * job.segment_count
    lifecycle.finish(job, audio=audio, size=5, duration_ms=length, peaks=[3, 200, 90] * 100)
    job.refresh_from_db()
    return job


# --- the front door ---------------------------------------------------------------------------
@of("pages:landing")
def landing(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.visitor().get("/")


@of("pages:shortcuts")
def shortcuts(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.visitor().get("/shortcuts/")


@of("account_signup")
def sign_up(world: World) -> Iterator[tuple[Any, ...]]:
    path = "/account/signup/"
    yield "", world.visitor().get(path)
    yield "with errors", world.visitor().post(path, {"email": WORD, "password1": "123"})
    with override_settings(SIGNUP_OPEN=False):
        yield "closed", world.visitor().get(path)


@of("account_login")
def log_in(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.visitor().get("/account/login/?next=/wallet/")
    told = {"login": world.ada.email, "password": "wrong"}
    yield "with an error", world.visitor().post("/account/login/", told)


@of("account_logout")
def log_out(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.page.get("/account/logout/")


@of("account_reset_password")
def reset(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.visitor().get("/account/password/reset/")
    yield "with an error", world.visitor().post("/account/password/reset/", {"email": "nobody"})


@of("account_reset_password_done")
def reset_asked(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.visitor().get("/account/password/reset/done/")


@of("account_reset_password_from_key")
def reset_now(world: World) -> Iterator[tuple[Any, ...]]:
    yield "used up", world.visitor().get("/account/password/reset/key/1-used/")
    token = default_token_generator.make_token(world.eve)
    path = f"/account/password/reset/key/{user_pk_to_url_str(world.eve)}-{token}/"
    visitor = world.visitor()
    answer = visitor.get(path, follow=True)
    yield "", answer
    told = {"password1": "one", "password2": "two"}
    yield "with errors", visitor.post(answer.request["PATH_INFO"], told)


@of("account_reset_password_from_key_done")
def reset_over(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.visitor().get("/account/password/reset/key/done/")


@of("account_email_verification_sent")
def mail_sent(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.visitor().get("/account/confirm-email/")


@of("account_confirm_email")
def confirm(world: World) -> Iterator[tuple[Any, ...]]:
    yield "used up", world.visitor().get("/account/confirm-email/used-up/")
    fresh = EmailAddress.objects.create(user=world.ada, email=f"{'a' * 60}@example.com")
    key = EmailConfirmationHMAC(fresh).key
    yield "", world.visitor().get(f"/account/confirm-email/{key}/")


@of("account_inactive")
def inactive(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.visitor().get("/account/inactive/")


# --- making speech ----------------------------------------------------------------------------
@of("pages:studio")
def studio(world: World) -> Iterator[tuple[Any, ...]]:
    order = {"voice": str(world.voice.pk), "model": world.model.slug, "title": WORD[:120]}
    yield "", world.page.get("/studio/")
    unfold = "document.querySelector('[data-menu]').open = true"
    yield "the menu open", world.page.get("/studio/"), unfold
    keys_shown = "document.getElementById('shortcuts').showModal()"
    yield "its keys shown", world.page.get("/studio/"), keys_shown
    yield "nobody's first time", world.eves.get("/studio/")
    told = {**order, "text": "🎉🎉🎉", "set_speed": "9"}
    yield "with errors", world.page.post("/studio/", told)
    wallet = Wallet.objects.get(user=world.ben)
    if wallet.available:
        told = {"key": "all", "reason": "all of it", "actor": world.ben}
        ledger.adjust(wallet, -wallet.available, **told)
    yield "without credits", world.bens.post("/studio/", {**order, "text": f"{WORD} {LONG}"})
    piece = world.pieces["done, 60,000 letters"]
    yield "with a long text", world.page.get(f"/studio/?again={piece.pk}")
    piece = world.pieces["done, in Chinese"]
    yield "with Chinese", world.page.get(f"/studio/?again={piece.pk}")
    doubtful = "Le garçon a mangé une pomme près de la forêt.".encode("cp1252")
    file = SimpleUploadedFile("histoire.txt", doubtful)
    yield "asking for the letters", world.page.post("/studio/", {**order, "upload": file})


@of("pages:job")
def jobs(world: World) -> Iterator[tuple[Any, ...]]:
    for state, job in world.pieces.items():
        yield state, world.page.get(f"/jobs/{job.pk}/")
    yield "a cleaning, queued", world.page.get(f"/jobs/{world.clean(is_done=False).pk}/")
    yield "a cleaning, done", world.page.get(f"/jobs/{world.clean(is_done=True).pk}/")


@of("pages:job-segment")
def part(world: World) -> Iterator[tuple[Any, ...]]:
    job = world.pieces["done"]
    yield "", world.page.get(f"/jobs/{job.pk}/segments/0/")


@of("pages:job-delete")
def delete_job(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.page.get(f"/jobs/{world.pieces['done'].pk}/delete/")


@of("pages:history")
def history(world: World) -> Iterator[tuple[Any, ...]]:
    yield "empty", world.eves.get("/history/")
    yield "filled", world.page.get("/history/")
    yield "nothing found", world.page.get("/history/", {"q": WORD[:150], "state": "failed"})


@of("pages:history-selected")
def delete_many(world: World) -> Iterator[tuple[Any, ...]]:
    ids = [str(job.pk) for job in world.pieces.values()]
    yield "", world.page.post("/history/selected/", {"ids": ids, "do": "delete"})


@of("pages:cleanup")
def cleanup(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.page.get("/cleanup/")
    yield "with an error", world.page.post("/cleanup/", {"key": "form", "do": "price"})
    yield "with a recording", world.page.get(f"/cleanup/?upload={world.upload().pk}")


@of("pages:voices")
def voices(world: World) -> Iterator[tuple[Any, ...]]:
    world.page.post(f"/voices/{world.voice.pk}/favourite/", {"keep": "on"})
    yield "", world.page.get("/voices/")
    yield "in one language", world.eves.get("/voices/", {"voice_language": "zh"})
    yield "nothing found", world.page.get("/voices/", {"voice_q": WORD[:80]})


@of("pages:voice")
def voice(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.page.get(f"/voices/{world.voice.pk}/")
    theirs = Voice.objects.create(
        family="elevenlabs", external_id=WORD, name=f"{WORD[:60]} 阿尔弗雷德", language="de",
        languages=["de", "zh-CN"], gender="male", age="old", use_case="social_media",
        accent="standard", description=f"{WORD} 温暖的声音", owner=world.ada,
    )  # fmt: skip
    yield "of one's own, with long words", world.page.get(f"/voices/{theirs.pk}/")


@of("pages:wallet")
def wallet(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.page.get("/wallet/")
    yield "nothing of that kind", world.eves.get("/wallet/", {"kind": "refund"})


# --- developers -------------------------------------------------------------------------------
@of("pages:developers")
def api_keys(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.page.get("/developers/")
    yield "none yet", world.eves.get("/developers/")
    wrong = {"name": WORD, "daily_cap": "-1", "ip_allow": WORD, "mode": "live", "ticket": "x"}
    yield "with errors", world.page.post("/developers/", wrong)
    told = {"name": WORD[:80], "mode": "test", "scopes": keys.SCOPES, "ticket": "y"}
    yield "a new secret", world.page.post("/developers/", told)


@of("pages:developers-key")
def api_key(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.page.get(f"/developers/keys/{world.key.pk}/")
    told = {"name": WORD, "daily_cap": "-1", "ip_allow": WORD}
    yield "with errors", world.page.post(f"/developers/keys/{world.key.pk}/", told)


@of("pages:developers-key-rotate")
def rotate_key(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.page.get(f"/developers/keys/{world.key.pk}/rotate/")


@of("pages:developers-key-revoke")
def revoke_key(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.page.post(f"/developers/keys/{world.key.pk}/revoke/")


@of("pages:developers-webhooks")
def webhooks(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.page.get("/developers/webhooks/")
    yield "none yet", world.eves.get("/developers/webhooks/")
    wrong = {"url": "http://127.0.0.1/", "name": WORD}
    yield "with errors", world.page.post("/developers/webhooks/", wrong)
    told = {"url": URL + "new", "event_types": ["generation.failed"], "ticket": "z"}
    yield "a new secret", world.eves.post("/developers/webhooks/", told)


@of("pages:developers-webhook")
def webhook(world: World) -> Iterator[tuple[Any, ...]]:
    for state, hook in (("", world.hook), ("off", world.off), ("failing", world.failing)):
        yield state, world.page.get(f"/developers/webhooks/{hook.pk}/")
    path = f"/developers/webhooks/{world.hook.pk}/"
    yield "with errors", world.page.post(path, {"url": "nonsense"})
    new = outbound.add_endpoint(world.eve, url=URL)[0]
    yield "without deliveries", world.eves.get(f"/developers/webhooks/{new.pk}/")


@of("pages:developers-webhook-rotate")
def rotate_webhook(world: World) -> Iterator[tuple[Any, ...]]:
    path = f"/developers/webhooks/{world.failing.pk}/rotate/"
    answer = world.page.post(path)
    yield "", answer
    ticket = TICKET.search(answer.content.decode())
    assert ticket is not None
    yield "done", world.page.post(path, {"confirmed": "1", "ticket": ticket[1]})


@of("pages:developers-webhook-delete")
def delete_webhook(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.page.post(f"/developers/webhooks/{world.hook.pk}/delete/")


@of("pages:developers-examples")
def examples(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.page.get("/developers/examples/")


@of("pages:developers-try")
def attempt(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.page.get("/developers/try/")


@of("native:docs")
def reference(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.visitor().get("/api/docs/")


# --- one's account ----------------------------------------------------------------------------
@of("pages:profile")
def profile(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.page.get("/account/profile/")
    yield "with an error", world.page.post("/account/profile/", {"timezone": WORD, "name": WORD})


@of("account_email")
def emails(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.page.get("/account/email/")
    told = {"action_add": "", "email": "nobody"}
    yield "with an error", world.page.post("/account/email/", told)


@of("account_change_password")
def password(world: World) -> Iterator[tuple[Any, ...]]:
    path = "/account/password/change/"
    yield "", world.page.get(path)
    told = {"oldpassword": "wrong", "password1": "one", "password2": "two"}
    yield "with errors", world.page.post(path, told)


@of("account_reauthenticate")
def who_is_it(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.page.get("/account/reauthenticate/")
    yield "with an error", world.page.post("/account/reauthenticate/", {"password": "wrong"})


@of("mfa_index")
def factors(world: World) -> Iterator[tuple[Any, ...]]:
    yield "without", world.page.get("/account/2fa/")
    yield "with one", world.bens.get("/account/2fa/")


@of("mfa_activate_totp")
def new_factor(world: World) -> Iterator[tuple[Any, ...]]:
    fresh = _lately(world.eves)
    yield "", fresh.get("/account/2fa/totp/activate/")
    yield "with an error", fresh.post("/account/2fa/totp/activate/", {"code": "1"})


@of("mfa_authenticate")
def second_factor(world: World) -> Iterator[tuple[Any, ...]]:
    visitor = world.visitor()
    told = {"login": world.ben.email, "password": PASSWORD}
    yield "", visitor.post("/account/login/", told, follow=True)
    yield "with an error", visitor.post("/account/2fa/authenticate/", {"code": "1"})


@of("mfa_reauthenticate")
def who_is_it_by_factor(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", world.bens.get("/account/2fa/reauthenticate/")


@of("mfa_view_recovery_codes")
def recovery(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", _lately(world.bens).get("/account/2fa/recovery-codes/")


@of("mfa_generate_recovery_codes")
def new_recovery(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", _lately(world.bens).get("/account/2fa/recovery-codes/generate/")


@of("mfa_deactivate_totp")
def no_factor(world: World) -> Iterator[tuple[Any, ...]]:
    yield "", _lately(world.bens).get("/account/2fa/totp/deactivate/")


def _lately(client: Client) -> Client:
    """The same browser, whose password was asked for a moment ago."""
    answer = client.post("/account/reauthenticate/", {"password": PASSWORD})
    assert answer.status_code == 302, answer.content.decode()
    return client


# --- when something is wrong ------------------------------------------------------------------
@of("errors")
def errors(world: World) -> Iterator[tuple[Any, ...]]:
    yield "404", world.visitor().get("/no/such/page/")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(world.ada)
    yield "403 of a form", strict.post("/studio/", {"text": "Hello."})
    for code in (400, 403, 429, 500):
        yield str(code), render_to_string(f"{code}.html")
    calm = Client(raise_request_exception=False)
    with mock.patch("speechsite.pages.landing.price_list", side_effect=OperationalError(AWAY)):
        yield "503", calm.get("/")
    yield "a name that is not ours", world.visitor().get("/", headers={"Host": "evil.example"})


# --- the administration -----------------------------------------------------------------------
@of("admin")
def office(world: World) -> Iterator[tuple[Any, ...]]:
    yield "its first page", world.bosses.get("/admin/")
    for model in (Channel, Job, Price, Segment, User, Voice, Wallet):
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield f"{model.__name__}, list", world.bosses.get(reverse(f"{name}_changelist"))
        row = model._default_manager.first()
        assert row is not None
        yield f"{model.__name__}, row", world.bosses.get(reverse(f"{name}_change", args=[row.pk]))
    yield "a new channel", world.bosses.get(reverse("admin:upstreams_channel_add"))
    move = reverse(
        "admin:credits_wallet_move_credits", args=[Wallet.objects.get(user=world.ada).pk]
    )
    yield "moving credits", world.bosses.get(move)
