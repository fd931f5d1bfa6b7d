"""Pages and lists are sent compressed, where nobody can learn a secret from their length.

docs/decisions/0030-compressed-pages.md says which, and why. What is streamed (sound, events,
zips) passes as it is, and static files have been compressed before.
"""

from __future__ import annotations

import re

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.gzip import GZipMiddleware

from speechsite.core.threads import slowly

TYPES = ("text/", "application/json", "application/vnd.oai.openapi", "application/x-subrip")
# Here a page may show the secret of a second factor, or hold the token of a mailed link.
SECRET_PATHS = ("/account/",)
# What our own pages and programs say, or leave out; other sites' pages cannot.
OURS = ("", "same-origin", "none")
# Longer than this is compressed in a thread: a millisecond is much on the loop.
AT_ONCE = 16 * 1024

_REFUSED = re.compile(r"\bgzip\s*;\s*q=0(?:\.0*)?\s*(?:,|$)", re.IGNORECASE)


class CompressionMiddleware(GZipMiddleware):
    """Django's own, which also adds a few random bytes, for what `is_open` lets through."""

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        response = await self.get_response(request)  # type: ignore[misc]
        if not is_open(request, response):
            return response
        if len(response.content) <= AT_ONCE:
            return super().process_response(request, response)
        return await slowly(super().process_response, request, response)

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if not is_open(request, response):
            return response
        return super().process_response(request, response)


def is_open(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Whether the answer may be compressed: it is whole, is text, and has no secret to guess.

    What is shown once answers a POST. A request that another site's page caused is how
    somebody else could put guesses beside what is private, again and again.
    """
    return (
        request.method == "GET"
        and isinstance(response, HttpResponse)
        and response.status_code == 200
        and response.get("Content-Type", "").startswith(TYPES)
        and not request.path.startswith(SECRET_PATHS)
        and request.headers.get("Sec-Fetch-Site", "") in OURS
        and not _REFUSED.search(request.headers.get("Accept-Encoding", ""))
    )
