"""What an order may ask for beside its text, voice and settings. Checks and sorts; writes nothing.

Every option only makes the speech better: a channel whose adapter cannot say one
(`Adapter.takes`) leaves it out, so that the order is served all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from jobs.errors import OrderError
from jobs.models import Job
from speechsite.audio import markup
from speechsite.audio.wording import Wording
from speechsite.upstreams import channels
from speechsite.upstreams.models import Offer

LONGEST_CONTEXT = 5000
LARGEST_SEED = 2**32 - 1
MOST_PRONUNCIATIONS = 500
LONGEST_PRONUNCIATION = 200
LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}")
SHADES = ("pitch", "intensity", "timbre")
EFFECTS = frozenset({"spacious_echo", "auditorium_echo", "lofi_telephone", "robotic"})
NOTHING: tuple[Any, ...] = ("", [], {})


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that differ from nothing, in bounds. Raises OrderError naming one."""
    found = {name: CHECKS[name](value) for name, value in given.items() if value is not None}
    return {
        name: value
        for name, value in found.items()
        if value is not False and value not in NOTHING  # a seed of 0 is one
    }


def for_adapter(job: Job, takes: frozenset[str]) -> dict[str, Any]:
    """The fields of a SpeechOrder that come from a job's options, as far as an adapter takes them."""
    asked = {name: value for name, value in job.options.items() if name in takes}
    words = asked.get("pronunciations", ())
    return {
        "language": asked.get("language") or job.language or None,
        "seed": asked.get("seed"),
        "pronunciations": tuple((written, spoken) for written, spoken in words),
        "extra": {name: asked[name] for name in ("voice_modify", "watermark") if name in asked},
    }


def around(job: Job, index: int, before: str, after: str) -> tuple[str, str]:
    """What is said before and after a piece: at the job's ends, what the order tells of."""
    if index == 0:
        before = job.options.get("previous_text", "")
    if index == job.segment_count - 1:
        after = job.options.get("next_text", "")
    return before, after


def unheard(job: Job) -> list[str]:
    """Options that no channel on offer to this job can say."""
    if not job.options:
        return []
    slugs = job.segments.values("model_slug")
    sold = Offer.objects.filter(model__in=slugs, is_enabled=True, channel__is_enabled=True)
    adapters = set(sold.values_list("channel__adapter", flat=True))
    taken = {name for adapter in adapters for name in channels.adapter_class(adapter).takes}
    return [name for name in job.options if name not in taken]


def _context_before(value: Any) -> str:
    # Only what is near tells how to go on; nobody is refused for sending all of a book.
    return _text("previous_text", value)[-LONGEST_CONTEXT:]


def _context_after(value: Any) -> str:
    return _text("next_text", value)[:LONGEST_CONTEXT]


def is_language(tag: str) -> bool:
    """Whether this has the form of a language tag, such as en or pt-BR."""
    return LANGUAGE.fullmatch(tag.strip()) is not None


def _language(value: Any) -> str:
    tag = _text("language", value).strip()
    if tag and not is_language(tag):
        raise _refusal("language", _("The language must be a tag such as en or pt-BR."))
    return tag.replace("_", "-")


def _seed(value: Any) -> int:
    if _is_whole(value) and 0 <= value <= LARGEST_SEED:
        return int(value)
    message = _("The seed must be a whole number from 0 to %s.") % LARGEST_SEED
    raise _refusal("seed", message)


def _pronunciations(value: Any) -> list[list[str]]:
    """Pairs of what is written and how it is spoken."""
    if len(value) > MOST_PRONUNCIATIONS:
        message = _("At most %s pronunciations can be given.") % MOST_PRONUNCIATIONS
        raise _refusal("pronunciations", message)
    pairs = [[_text("pronunciations", part).strip() for part in pair] for pair in value]
    for pair in pairs:
        if len(pair) != 2 or not all(0 < len(part) <= LONGEST_PRONUNCIATION for part in pair):
            message = _("A pronunciation needs what is written and how it is spoken, both short.")
            raise _refusal("pronunciations", message)
    return pairs


def _voice_modify(value: Mapping[str, Any]) -> dict[str, Any]:
    effect = value.get("sound_effects") or ""
    shades = {name: value.get(name) or 0 for name in SHADES}
    for name, shade in shades.items():
        if not (_is_whole(shade) and -100 <= shade <= 100):
            message = _("%(name)s must be a whole number from %(low)s to %(high)s.")
            bounds = {"name": name, "low": -100, "high": 100}
            raise _refusal("voice_modify", message % bounds)
    if value.get("sound_effects") not in (None, "") and effect not in sorted(EFFECTS):
        raise _refusal("voice_modify", _("There is no such sound effect."))
    found = {name: int(shade) for name, shade in shades.items() if shade}
    return found | ({"sound_effects": effect} if effect else {})


def _watermark(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _refusal("watermark", _("The watermark is either wanted or not."))
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _refusal(name, _("%s must be a text.") % name)
    text = markup.strip_controls(value)
    return Wording(text, tuple(markup.unspoken(text))).spoken


def _is_whole(value: Any) -> bool:
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def _refusal(name: str, message: str) -> OrderError:
    return OrderError(name, message, code="validation_failed")


CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "previous_text": _context_before,
    "next_text": _context_after,
    "language": _language,
    "seed": _seed,
    "pronunciations": _pronunciations,
    "voice_modify": _voice_modify,
    "watermark": _watermark,
}
