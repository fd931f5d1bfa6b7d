"""The same request sent twice is one job: by key and by what the body says.

The key stands on the job itself, so it is written in the transaction that holds the
credits, and it lives as long as the job's row does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _

from jobs.models import Job
from speechsite.api.auth import Caller
from speechsite.api.errors import Conflict, Invalid

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
LONGEST = 255
Response = TypeVar("Response", bound=HttpResponseBase)


@dataclass(frozen=True, slots=True)
class Once:
    """What names an order: the same key with the same body is the same one. Without a key, none."""

    key: str | None = None
    body: Any = None

    @property
    def order(self) -> dict[str, Any]:
        """As the verbs of `ordering` take it."""
        return {"idempotency_key": self.key, "request_body": self.body}

    @property
    def hash(self) -> str:
        """The same for all that say the same."""
        return digest(self.body) if self.key else ""

    def check(self, first: str) -> None:
        """Raises Conflict unless the first request of the key said this."""
        if first != self.hash:
            raise Conflict(_("This idempotency key was used for another request."))

    def known(self, caller: Caller) -> Job | None:
        """The job that was made of it before. Raises Conflict.

        For what is looked up before an order is placed, and may be gone since.
        """
        return replayed(caller, self.key, self.hash) if self.key else None


NEVER_AGAIN = Once()


def once_of(request: HttpRequest, body: Any = None) -> Once:
    """How a request is named: its key belongs to its endpoint, and all that it says counts.

    Raises Invalid for a key that is none. A form's files count by what is in them.
    """
    key = key_of(request)
    if key is None:
        return NEVER_AGAIN
    match = request.resolver_match
    said = {
        "path": request.path,
        "query": dict(request.GET.lists()),
        "body": _form(request) if body is None else body,
    }
    # A blank cannot stand in front of a key, so no key of one endpoint is another's.
    return Once(f"{match.route if match else request.path} {key}", said)


def marked(response: Response, row: Any) -> Response:
    """Say on an answer whether it is one that was given before."""
    if row.is_replay:
        response[REPLAYED] = "true"
    return response


def key_of(request: HttpRequest) -> str | None:
    """The key that a request carries. Raises Invalid for one that is no key."""
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not 0 < len(key) <= LONGEST or not key.isprintable():
        raise Invalid(_("An idempotency key has 1 to %s characters.") % LONGEST, field=HEADER)
    return key


def _form(request: HttpRequest) -> Mapping[str, Any]:
    files = [
        (name, file.name, _hash(file)) for name, given in request.FILES.lists() for file in given
    ]
    return {"fields": dict(request.POST.lists()), "files": files}


def _hash(file: UploadedFile) -> str:
    hashed = hashlib.sha256()
    for block in file.chunks():
        hashed.update(block)
    file.seek(0)
    return hashed.hexdigest()


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
