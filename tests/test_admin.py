"""The administrator's pages: everything can be seen, and no balance can be typed in."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs.models import DiskUse, Job
from speechsite.accounts import keys
from speechsite.accounts.models import ApiKey, Plan, User
from speechsite.core.ids import new_token
from speechsite.credits import ledger
from speechsite.credits.models import AuditRun, LedgerEntry, Price, Wallet
from speechsite.upstreams.models import Channel, Offer
from voices.models import SpeechModel, Voice

OURS = {"accounts", "credits", "upstreams", "voices", "jobs"}


@pytest.fixture
def boss(admin_user: User, client: Client) -> Client:
    client.force_login(admin_user)
    return client


@pytest.fixture
def job(ada: User) -> Job:
    model = SpeechModel.objects.create(slug="basic", family="builtin", name="Basic")
    made = Job.objects.create(user=ada, model=model, text="Hello there", title="Hello")
    made.segments.create(user=ada, index=0, text="Hello there", model_slug="basic")
    made.events.create(user_id=ada.pk, kind="queued")
    ledger.hold(Wallet.objects.get(user=ada), 0, key=f"hold:{made.pk}", job_id=made.pk)
    return made


@pytest.fixture
def everything(job: Job, ada: User) -> None:
    """One row of each kind, so that each page has something to show."""
    keys.issue_key(ada, name="laptop")
    channel = Channel.objects.create(slug="one", name="One", adapter="builtin")
    Offer.objects.create(channel=channel, model="basic", upstream_name="espeak")
    Price.objects.create(model="basic", unit="character", millicredits_per_unit=1)
    Voice.objects.create(family="builtin", external_id="en-us", name="Ann")
    now = timezone.now()
    DiskUse.objects.create(user=ada, kind="jobs", files=1, size=9, counted_at=now)
    AuditRun.objects.create(started_at=timezone.now(), wallets=1, entries=1, differences=0)


def move_url(wallet: Wallet) -> str:
    return reverse("admin:credits_wallet_move_credits", args=[wallet.pk])


def form(amount: str, **changes: str) -> dict[str, str]:
    return {"amount": amount, "reason": "a gift", "token": new_token()} | changes


def registered() -> list[Any]:
    return [model for model in admin.site._registry if model._meta.app_label in OURS]


def test_every_list_opens(boss: Client, everything: None) -> None:
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
        assert boss.get(reverse(name)).status_code == 200, name
        assert boss.get(reverse(name), {"q": "a"}).status_code == 200, name


def test_every_row_opens(boss: Client, everything: None) -> None:
    for model in registered():
        row = model._default_manager.first()
        assert row is not None, model
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        assert boss.get(reverse(name, args=[row.pk])).status_code == 200, name


def test_the_first_page_shows_how_today_goes(boss: Client, everything: None) -> None:
    Channel.objects.update(breaker="open", last_error="no answer")
    Job.objects.update(state="failed", failure_message="The voice went away.")
    text = boss.get("/admin/").content.decode()
    for shown in ("Jobs today", "Credits charged today", "no answer", "The voice went away."):
        assert shown in text


def test_a_stranger_sees_no_admin_page(client: Client, ada: User, wallet: Wallet) -> None:
    client.force_login(ada)
    for url in ("/admin/", move_url(wallet), reverse("admin:jobs_job_changelist")):
        assert client.get(url).status_code == 302


def test_a_grant_moves_credits_and_names_who_gave_them(
    boss: Client, admin_user: User, wallet: Wallet
) -> None:
    response = boss.post(move_url(wallet), form("12.5"))
    assert response.status_code == 302
    wallet.refresh_from_db()
    assert wallet.available == 112_500
    entry = LedgerEntry.objects.filter(wallet=wallet).first()
    assert entry is not None
    assert (entry.kind, entry.actor, entry.reason) == ("grant", admin_user, "a gift")


def test_the_form_sent_twice_moves_credits_once(boss: Client, wallet: Wallet) -> None:
    page = boss.get(move_url(wallet)).content.decode()
    token = re.search(r'name="token" value="([^"]+)"', page)
    assert token
    for _ in range(2):
        assert boss.post(move_url(wallet), form("5", token=token[1])).status_code == 302
    wallet.refresh_from_db()
    assert wallet.available == 105_000


def test_a_form_sent_again_with_another_amount_is_refused(boss: Client, wallet: Wallet) -> None:
    first = form("5")
    boss.post(move_url(wallet), first)
    response = boss.post(move_url(wallet), {**first, "amount": "50"})
    assert "sent before with another amount" in response.content.decode()
    wallet.refresh_from_db()
    assert wallet.available == 105_000


def test_an_adjustment_takes_credits_back(boss: Client, wallet: Wallet) -> None:
    boss.post(move_url(wallet), form("-40"))
    wallet.refresh_from_db()
    assert wallet.available == 60_000


def test_more_than_is_there_cannot_be_taken(boss: Client, wallet: Wallet) -> None:
    response = boss.post(move_url(wallet), form("-100.001"))
    assert "Only 100 credits are free to take" in response.content.decode()
    wallet.refresh_from_db()
    assert wallet.available == 100_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": "0"}, {"amount": ""}, {"amount": "1.0005"}, {"amount": "NaN"},
        {"amount": "1e99"}, {"reason": "  "}, {"reason": "x" * 201}, {"token": ""},
    ],
)  # fmt: skip
def test_a_wrong_form_moves_nothing_and_keeps_its_words(
    boss: Client, wallet: Wallet, wrong: dict[str, str]
) -> None:
    response = boss.post(move_url(wallet), form("7") | wrong)
    assert response.status_code == 200
    wallet.refresh_from_db()
    assert wallet.available == 100_000


def test_staff_without_the_right_cannot_move_credits(
    client: Client, ben: User, wallet: Wallet
) -> None:
    ben.is_staff = True
    ben.save()
    ben.user_permissions.add(*Permission.objects.filter(codename__startswith="view_"))
    client.force_login(ben)
    assert client.post(move_url(wallet), form("5")).status_code == 403
    wallet.refresh_from_db()
    assert wallet.available == 100_000


@pytest.mark.parametrize("model", ["credits.wallet", "credits.ledgerentry", "jobs.job"])
def test_no_form_writes_wallets_entries_or_jobs(
    boss: Client, job: Job, wallet: Wallet, model: str
) -> None:
    row = apps.get_model(model)._default_manager.first()
    assert row is not None
    base = f"admin:{model.replace('.', '_')}"
    assert boss.get(reverse(f"{base}_add")).status_code == 403
    assert boss.post(reverse(f"{base}_change", args=[row.pk]), {"available": 9}).status_code == 403
    assert boss.post(reverse(f"{base}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403


def test_the_wallet_of_a_user_is_opened_on_demand(boss: Client, eve: User) -> None:
    response = boss.get(reverse("admin:credits_wallet_of", args=[eve.pk]))
    assert response["Location"].endswith(f"/{Wallet.objects.get(user=eve).pk}/change/")


def test_a_price_is_added_and_never_edited(
    boss: Client, everything: None, admin_user: User
) -> None:
    old = Price.objects.get(model="basic")
    past = timezone.now() - timezone.timedelta(days=9)
    response = boss.post(
        reverse("admin:credits_price_add"),
        {
            "model": "basic", "unit": "character", "millicredits_per_unit": 7,
            "minimum_millicredits": 0, "counting": "code_points",
            "valid_from_0": f"{past:%Y-%m-%d}", "valid_from_1": "00:00:00",
        },
    )  # fmt: skip
    assert response.status_code == 302, response.content
    new = Price.objects.exclude(pk=old.pk).get(model="basic")
    assert new.created_by == admin_user
    assert new.valid_from >= old.valid_from, "a price cannot reach into the past"
    change = reverse("admin:credits_price_change", args=[old.pk])
    assert boss.post(change, {"millicredits_per_unit": 0}).status_code == 403


def test_a_key_is_revoked_and_its_hash_is_not_shown(boss: Client, ada: User) -> None:
    keys.issue_key(ada, name="laptop")
    key = ApiKey.objects.get()
    page = boss.get(reverse("admin:accounts_apikey_change", args=[key.pk])).content.decode()
    assert key.prefix in page
    assert key.secret_hash not in page
    act(boss, "accounts_apikey", "revoke", key.pk)
    key.refresh_from_db()
    assert not key.is_usable


def test_voices_are_retired_and_restored(boss: Client, db: None) -> None:
    voice = Voice.objects.create(family="builtin", external_id="en-us", name="Ann")
    act(boss, "voices_voice", "retire", voice.pk)
    voice.refresh_from_db()
    assert not voice.is_usable
    act(boss, "voices_voice", "restore", voice.pk)
    voice.refresh_from_db()
    assert voice.is_usable


@pytest.mark.parametrize(
    ("do", "undo", "name"),
    [("recommend", "stop_recommending", "is_recommended"), ("hide", "publish", "is_hidden")],
)
def test_voices_are_shown_first_or_nowhere(
    boss: Client, db: None, do: str, undo: str, name: str
) -> None:
    voice = Voice.objects.create(family="builtin", external_id="en-us", name="Ann")
    for action, is_so in ((do, True), (undo, False)):
        act(boss, "voices_voice", action, voice.pk)
        voice.refresh_from_db()
        assert getattr(voice, name) is is_so


def test_a_voice_is_renamed_described_and_set_for_plans(boss: Client, db: None) -> None:
    voice = Voice.objects.create(family="builtin", external_id="en-us", name="Ann")
    free, other = Plan.objects.order_by("pk")[:2]
    address = reverse("admin:voices_voice_change", args=[voice.pk])
    told = {
        "name": "Anna", "description": "Warm, for audiobooks.", "category": "premade",
        "languages": "[]", "voice_settings": "{}", "position": "0",
        "plans": [str(free.pk), str(other.pk)],
    }  # fmt: skip
    answer = boss.post(address, told)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    voice.refresh_from_db()
    assert (voice.name, voice.for_plans) == ("Anna", f",{free.pk},{other.pk},")
    assert "audiobooks" in voice.search
    assert f'value="{free.pk}"' in boss.get(address).content.decode()
    boss.post(address, {**told, "plans": []})
    voice.refresh_from_db()
    assert voice.for_plans == ""


def test_a_job_is_canceled_from_the_list(boss: Client, job: Job) -> None:
    act(boss, "jobs_job", "cancel_jobs", job.pk)
    job.refresh_from_db()
    assert job.state == "canceled"


def test_looking_at_the_question_cancels_nothing(boss: Client, job: Job) -> None:
    url = reverse("admin:jobs_job_cancel_job", args=[job.pk])
    assert boss.get(url).status_code == 200
    job.refresh_from_db()
    assert job.state == "queued"
    assert boss.post(url, {"_form_submitted": "True"}).status_code in {200, 302}
    job.refresh_from_db()
    assert job.state == "canceled"


def test_staff_cannot_make_themselves_administrators(client: Client, ben: User) -> None:
    ben.is_staff = True
    ben.save()
    ben.user_permissions.add(*Permission.objects.filter(content_type__app_label="accounts"))
    client.force_login(ben)
    url = reverse("admin:accounts_user_change", args=[ben.pk])
    client.post(url, {"email": ben.email, "is_active": "on", "is_superuser": "on"})
    ben.refresh_from_db()
    assert not ben.is_superuser


def test_staff_cannot_touch_an_administrator(client: Client, ben: User, admin_user: User) -> None:
    ben.is_staff = True
    ben.save()
    ben.user_permissions.add(*Permission.objects.filter(content_type__app_label="accounts"))
    client.force_login(ben)
    act(client, "accounts_user", "deactivate", admin_user.pk)
    before = admin_user.password
    url = reverse("admin:auth_user_password_change", args=[admin_user.pk])
    client.post(url, {"password1": "new pass phrase 1", "password2": "new pass phrase 1"})
    admin_user.refresh_from_db()
    assert admin_user.is_active
    assert admin_user.password == before


def test_an_account_made_here_can_sign_in_and_has_a_plan(boss: Client, db: None) -> None:
    response = boss.post(
        reverse("admin:accounts_user_add"),
        {
            "email": "new@example.com",
            "password1": "long pass phrase",
            "password2": "long pass phrase",
        },
    )
    assert response.status_code == 302, response.content
    user = User.objects.get(email="new@example.com")
    assert user.plan is not None
    assert user.check_password("long pass phrase")
    assert user.emailaddress_set.get().verified


def act(client: Client, page: str, action: str, *ids: object) -> None:
    """Run a list action, as the button above the list does."""
    chosen = {"action": action, "_selected_action": [str(pk) for pk in ids]}
    client.post(reverse(f"admin:{page}_changelist"), chosen)
