"""Puts the aliases of a caller's dictionaries into a text, and keeps what was sent beside it.

A text is priced as it is spoken: by the text before, one letter could be made to stand
for a whole book. What it may grow to is what one order may have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from jobs import orders
from speechsite.api import worlds
from speechsite.api.auth import Caller
from speechsite.api.elevenlabs import ids
from speechsite.api.errors import Invalid, NotFound
from speechsite.audio import markup
from speechsite.audio.wording import Wording
from speechsite.core.threads import in_thread, slowly
from voices import pronunciation
from voices.models import Dictionary
from voices.pronunciation import Rule

MOST_LOCATORS = 3
FIELD = "pronunciation_dictionary_locators"


async def pronounced(
    caller: Caller, texts: Sequence[str], locators: Sequence[Mapping[str, Any]]
) -> list[Wording]:
    """The texts of one order as they were sent and will be spoken. Raises ApiError."""
    dictionaries = await in_thread(_rules, caller, locators)
    longest = orders.longest_text(caller.user)
    # Long texts take a while: neither the loop nor who asks the database waits for it.
    return await slowly(_replaced, texts, dictionaries, longest)


def _rules(caller: Caller, locators: Sequence[Mapping[str, Any]]) -> list[Sequence[Rule]]:
    if len(locators) > MOST_LOCATORS:
        raise Invalid(
            _("At most three dictionaries can be used at once."),
            code="invalid_parameters",
            field=FIELD,
        )
    return [_found(caller, locator["pronunciation_dictionary_id"]).rules for locator in locators]


def _found(caller: Caller, name: str) -> Dictionary:
    key = ids.private(name)
    found = worlds.dictionaries(caller).filter(pk=key).first() if key else None
    if found is None:
        raise NotFound(
            _("There is no such pronunciation dictionary."),
            code="pronunciation_dictionary_not_found",
            field=FIELD,
        )
    return found


def _replaced(
    texts: Sequence[str], dictionaries: Sequence[Sequence[Rule]], longest: int
) -> list[Wording]:
    """Every text by every dictionary in turn; together they stay within what fits in an order."""
    made = [orders.cleaned(text) for text in texts]
    if sum(len(text.spoken) for text in made) > longest:
        # Too long as it came, which is told where the order is checked.
        return made
    try:
        for rules in dictionaries:
            made = pronunciation.replaced_in_all(made, rules, longest=longest)
    except pronunciation.TooLong as error:
        message = _("With its dictionaries the text has more than %s characters.")
        raise Invalid(message % f"{longest:,}", code="text_too_long", field="text") from error
    except pronunciation.TooMuchWork as error:
        raise Invalid(
            _("These dictionaries have too many rules that begin alike for this text."),
            code="invalid_parameters",
            field=FIELD,
        ) from error
    # An alias is as little above this as a text.
    return [text.then(markup.unspoken(text.spoken)) for text in made]
