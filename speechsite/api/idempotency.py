"""The same request sent twice is one job: by key and by what the body says.

The key stands on the job itself, so it is written in the transaction that holds the
credits, and it lives as long as the job's row does.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from jobs.models import Job
from speechsite.api.auth import Caller
from speechsite.api.errors import Conflict, Invalid

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
LONGEST = 255


def key_of(request: HttpRequest) -> str | None:
    """The key that a request carries. Raises Invalid for one that is no key."""
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not 0 < len(key) <= LONGEST or not key.isprintable():
        raise Invalid(_("An idempotency key has 1 to %s characters.") % LONGEST, field=HEADER)
    return key


def digest(body: Any) -> str:
    """The same for two bodies that say the same."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def scoped(caller: Caller, key: str | None) -> str | None:
    """Keys of test and live orders never meet, nor those of the portal's forms."""
    if key is None:
        return None
    # A key may be as long as its column, and may say things that are nobody's business.
    return f"api:{caller.key.mode}:{hashlib.sha256(key.encode()).hexdigest()}"


def replayed(caller: Caller, key: str | None, request_hash: str) -> Job | None:
    """The job that this key made before. Raises Conflict when the body was another."""
    if key is None:
        return None
    job = Job.objects.filter(user=caller.user, idempotency_key=scoped(caller, key)).first()
    if job is None:
        return None
    job.is_replay = True
    return checked(job, request_hash)


def checked(job: Job, request_hash: str) -> Job:
    """The job, unless it was made by another body than this one: that is a Conflict."""
    if job.request_hash and request_hash and job.request_hash != request_hash:
        raise Conflict(_("This idempotency key was used for another request."))
    return job
