"""What of an order was not heard: told beside the answer, since it cost nobody anything.

A misspelt setting is refused, as it would be charged for as if it had been heard. Fields
around the order, and options that no provider here takes, are left out and named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from jobs import options
from jobs.models import Job
from speechsite.api.native import inputs
from speechsite.api.native.placing import OPTIONS

MOST = 20
SHOWN = 80  # characters of a name


def of_body(body: Any, order: Mapping[str, Any]) -> list[dict[str, str]]:
    """Fields that this API does not have, and a language tag that means nothing."""
    known = inputs.GenerationRequestSerializer().fields
    strange = [str(name)[:SHOWN] for name in body if name not in known]
    found = [_warning(name, _("There is no such field; it was ignored.")) for name in strange]
    tag = (order.get("params") or {}).get("language_code") or ""
    if tag and not options.is_language(tag):
        message = _("This is no language tag such as en or pt-BR; it was ignored.")
        found.append(_warning("params.language_code", message))
    return found[:MOST]


def of_job(job: Job) -> list[dict[str, str]]:
    """Options that nobody who could speak this takes; of a test nothing is said, it has no provider."""
    if job.is_test:
        return []
    # Neighbouring text is a help for whoever can use it, not a wish that is refused.
    theirs = {ours: name for name, ours in OPTIONS.items() if not ours.endswith("_text")}
    message = _("No provider of this model takes it; it was ignored.")
    unheard = [theirs[name] for name in options.unheard(job) if name in theirs]
    return [_warning(f"params.{name}", message) for name in unheard]


def _warning(field: str, message: str) -> dict[str, str]:
    return {"field": field, "message": str(message)}
