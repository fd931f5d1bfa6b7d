"""Views that only take forms: whoever comes another way is shown the page that has the form.

That is nobody's mistake: signing in again brings people to the address that they had sent a
form to, and reloading does too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

View = Callable[..., HttpResponse]


def only_posted(page: str, *names: str) -> Callable[[View], View]:
    """Send a GET on to `page`, found with these parts of the view's own address."""

    def wrap(view: View) -> View:
        posted = require_POST(view)

        @functools.wraps(view)
        def answer(request: HttpRequest, **path: Any) -> HttpResponse:
            if request.method in ("GET", "HEAD"):
                return redirect(page, **{name: path[name] for name in names})
            return posted(request, **path)

        return answer

    return wrap
