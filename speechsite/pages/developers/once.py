"""Forms that make a secret are sent once: a reload must not make a second one.

The page that shows a secret is the answer to a POST, so that the secret is stored
nowhere. A browser that reloads it sends the form again; the form's ticket tells.
"""

from __future__ import annotations

from django.http import HttpRequest

from speechsite.core.ids import new_token

SESSION_NAME = "developer_forms_sent"
REMEMBERED = 20


def ticket() -> str:
    """For a hidden field of the form."""
    return new_token()


def take(request: HttpRequest) -> bool:
    """Whether this form comes for the first time. One without a ticket is always new."""
    given = request.POST.get("ticket", "")[:64]
    sent = request.session.get(SESSION_NAME, [])
    if given in sent:
        return False
    if given:
        request.session[SESSION_NAME] = [*sent, given][-REMEMBERED:]
    return True
