"""Is the process alive, is the site ready? For load balancers and people on call."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse


def alive(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is asked."""
    return JsonResponse({"status": "ok"})
