"""Mail by way of the outbox: no page waits for a mail server, and no mail is lost with one.

A mail may hold a link that opens an account, so it lies sealed until it is sent.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend

from speechsite.core.ids import new_token
from speechsite.duties import outbox
from speechsite.upstreams import secrets

MAIL = "mail"  # the kind of duty that sends one
FIELDS = ("subject", "body", "from_email", "to", "cc", "bcc", "reply_to")


class OutboxBackend(BaseEmailBackend):
    """Django's way to send, which writes down what is to be sent, in the caller's transaction."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            outbox.add(MAIL, [new_token()], {"sealed": secrets.seal({"mail": _written(message)})})
        return len(email_messages)


def send(_key: str, data: dict[str, Any]) -> None:
    """Send a mail from the outbox. Raises whatever the mail server or the way to it says."""
    mail = json.loads(secrets.open_sealed(data["sealed"])["mail"])
    alternatives = mail.pop("alternatives")
    connection = get_connection(settings.MAIL_BACKEND)
    message = EmailMultiAlternatives(**mail, connection=connection)
    for content, media_type in alternatives:
        message.attach_alternative(content, media_type)
    message.send()


def _written(message: EmailMessage) -> str:
    if message.attachments:
        raise ValueError("mail with attachments cannot wait in the outbox")
    mail = {name: getattr(message, name) for name in FIELDS}
    mail["headers"] = message.extra_headers
    mail["alternatives"] = [list(one) for one in getattr(message, "alternatives", ())]
    return json.dumps(mail, default=str)  # subjects may be lazy translations
