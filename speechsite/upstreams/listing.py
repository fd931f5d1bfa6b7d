"""How the list of a channel's voices stands, and what an administrator can do about it."""

from __future__ import annotations

from typing import Any

from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from speechsite.upstreams import trial
from speechsite.upstreams.models import Channel

# By the name of the provider's error; what it means is said by `trial`.
CURES = {
    "BadCredentials": gettext_lazy(
        "Enter another key on the channel's page, or set it in the environment and start again."
    ),
    "AccountEmpty": gettext_lazy("Top the account up at the provider."),
    "SealBroken": gettext_lazy(
        "Bring the former SECRET_KEY back, or enter the provider's key again."
    ),
    "Garbled": gettext_lazy("Correct the base URL on the channel's page."),
}
ANY_CURE = gettext_lazy(
    "It is tried again by itself. If that does not help, look at the base URL and at the network."
)


def state(channel: Channel) -> tuple[str, str]:
    """In a few words how it stands, and what to do about it or what is known besides."""
    if not channel.is_enabled:
        return _("not asked"), _("The channel is not enabled.")
    if channel.voices_problem:
        means = _meaning(channel.voices_problem)
        cure = CURES.get(channel.voices_problem, ANY_CURE)
        return _("not listed"), f"{means} {cure} ({channel.voices_error})".strip()
    if channel.voices_at is None:
        return _("to be listed"), _("The provider is asked within seconds.")
    return _("listed"), str(naturaltime(channel.voices_at))


def _meaning(problem: str) -> Any:
    if problem == "SealBroken":
        return _("The stored key cannot be read.")
    return next((words for kind, words in trial.WORDS.items() if kind.__name__ == problem), "")
