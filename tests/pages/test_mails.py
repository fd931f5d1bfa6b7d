"""Mail goes by way of the outbox: pages do not wait for it, and it survives a dead server."""

from __future__ import annotations

import time
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.test import Client
from django.utils import timezone

from speechsite.accounts.models import User
from speechsite.duties import outbox
from speechsite.duties.models import Duty
from speechsite.pages import mails

pytestmark = pytest.mark.django_db(transaction=True)
LOCMEM = "django.core.mail.backends.locmem.EmailBackend"


class DeadBackend:
    """A mail server that hangs and then hangs up."""

    def __init__(self, *_: object, **__: object) -> None:
        """Nothing is needed."""

    def send_messages(self, _messages: object) -> int:
        time.sleep(2)
        raise SMTPServerDisconnected("Connection unexpectedly closed")


@pytest.fixture(autouse=True)
def _by_outbox(settings: Any) -> None:
    settings.EMAIL_BACKEND = "speechsite.pages.mails.OutboxBackend"
    settings.MAIL_BACKEND = LOCMEM


def see_to() -> None:
    outbox.work(mails.MAIL, lambda: False)


def test_a_mail_arrives_as_it_was_written() -> None:
    message = EmailMultiAlternatives(
        "Grüße", "Plain.", "a@example.com", ["b@example.com"], ["c@example.com"],
        cc=["d@example.com"], reply_to=["e@example.com"], headers={"X-Kind": "test"},
    )  # fmt: skip
    message.attach_alternative("<p>Rich.</p>", "text/html")
    assert message.send() == 1
    assert mail.outbox == []
    see_to()
    [sent] = mail.outbox
    assert (sent.subject, sent.body, sent.to, sent.bcc) == (
        "Grüße", "Plain.", ["b@example.com"], ["c@example.com"],
    )  # fmt: skip
    assert (sent.cc, sent.reply_to, sent.extra_headers) == (
        ["d@example.com"], ["e@example.com"], {"X-Kind": "test"},
    )  # fmt: skip
    assert isinstance(sent, EmailMultiAlternatives)
    assert [tuple(one) for one in sent.alternatives] == [("<p>Rich.</p>", "text/html")]
    assert not Duty.objects.exists()


def test_a_forgotten_password_does_not_wait_for_the_mail_server(
    client: Client, ada: User, settings: Any
) -> None:
    settings.MAIL_BACKEND = f"{__name__}.DeadBackend"
    began = time.monotonic()
    answer = client.post("/account/password/reset/", {"email": ada.email})
    assert answer.status_code == 302
    assert time.monotonic() - began < 2
    duty = Duty.objects.get(kind=mails.MAIL)
    see_to()
    duty.refresh_from_db()
    assert duty.attempts == 1
    assert "Connection unexpectedly closed" in duty.error
    settings.MAIL_BACKEND = LOCMEM
    Duty.objects.update(due_at=timezone.now())
    see_to()
    assert [one.to for one in mail.outbox] == [[ada.email]]


def test_what_waits_to_be_sent_can_be_read_by_nobody(client: Client, ada: User) -> None:
    client.post("/account/password/reset/", {"email": ada.email})
    row = Duty.objects.get(kind=mails.MAIL)
    assert ada.email not in str(row.data)
    assert "http" not in str(row.data)


def test_a_mail_of_a_transaction_that_failed_is_not_sent() -> None:
    with transaction.atomic():
        mail.send_mail("a", "b", "a@example.com", ["b@example.com"])
        transaction.set_rollback(True)
    see_to()
    assert mail.outbox == []
