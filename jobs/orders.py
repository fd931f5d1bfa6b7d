"""Checks an order and cuts it into pieces. Reads the library and prices; writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from unicodedata import east_asian_width

from django.conf import settings
from django.utils.translation import gettext as _

from jobs.errors import OrderError
from jobs.models import Upload
from jobs.options import checked as checked_options
from speechsite.accounts import plans
from speechsite.accounts.models import User
from speechsite.audio import formats, markup, pauses
from speechsite.audio.split import split
from speechsite.audio.wording import Wording, joined
from speechsite.credits import prices
from speechsite.credits.models import Price
from speechsite.providers.controls import CONTROLS
from speechsite.upstreams import routing
from speechsite.upstreams.models import Offer
from voices import library
from voices.models import SpeechModel, Voice

FIRST_PIECE = 140  # Latin characters: short, so that the first sound comes soon
WIDE = 4  # how many of those a Chinese character is worth: both are about a quarter of a second
TEST_MODEL = "builtin-speech"
TEST_CLEANING = "builtin-cleaning"
DEFAULT_LIMIT = 4000
# Six characters ask for a minute of silence, which costs time and disk like any other sound.
LONGEST_PAUSES_MS = 30 * 60_000
MOST_PER_COUNTED = 8  # characters that are kept for each that counts
MOST_LINES = 1000  # of a dialogue: each is looked up, and is a piece of its own


@dataclass(frozen=True, slots=True)
class Piece:
    """What becomes a segment."""

    text: str
    start: int
    units: int
    voice: Voice | None
    lines: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An order that may be placed as it stands."""

    text: Wording
    quote: prices.Quote
    pieces: list[Piece]
    voice_settings: dict[str, Any]
    model_slug: str  # what the segments are routed by; a test order runs on the built-in engine
    options: dict[str, Any] = field(default_factory=dict)
    offers: Sequence[Offer] = ()  # what is sold of that model


def normal(text: str) -> str:
    """The text as it is kept and shown: LF line ends, no control characters."""
    return markup.strip_controls(text)


def cleaned(text: str) -> Wording:
    """A text as it came, and what of it is spoken: LF line ends, nothing that draws nothing."""
    sent = Wording(markup.storable(text))
    made = sent.then(markup.unspoken(sent.sent))
    # Where nothing is left to be spoken, what came is a rest like dashes.
    return made if made.spoken else sent


def prepare(
    user: User,
    *,
    model: SpeechModel,
    voice: Voice | None,
    text: str | Wording,
    voice_settings: Mapping[str, Any],
    output_format: str,
    is_test: bool = False,
    may_be_silent: bool = False,
    options: Mapping[str, Any] | None = None,
    is_heard: bool = True,
) -> Prepared:
    """Check one order for speech. Raises OrderError naming the field to blame.

    Programs that speak sentence by sentence also send one that is a dash or an emoji: where it
    may be silent, it becomes a short rest that costs nothing, and they go on. `is_heard` is
    whether somebody hears its beginning while the rest is made.
    """
    wording = _wording(text)
    _check_kept(user, wording)
    text = wording.spoken
    check_text(user, text, may_be_silent=may_be_silent)
    voice = check_voice(voice, model, user, is_test=is_test)
    check_format(output_format)
    controls = check_settings(model, voice_settings)
    price = prices.price_of(model.slug)
    offers = _offers(model, is_test=is_test)
    limit = routing.text_limit(offers) or DEFAULT_LIMIT
    pieces = cut(text, voice, price, limit, is_heard=is_heard)
    quote, pieces = _priced(text, price, pieces)
    return Prepared(
        text=wording,
        quote=quote,
        pieces=pieces,
        voice_settings=controls,
        model_slug=TEST_MODEL if is_test else model.slug,
        offers=offers,
        options=checked_options(options or {}),
    )


def prepare_dialogue(
    user: User,
    *,
    model: SpeechModel,
    lines: Sequence[tuple[Voice | None, str | Wording]],
    voice_settings: Mapping[str, Any],
    output_format: str,
    is_test: bool = False,
    may_be_silent: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Prepared:
    """Check an order for a dialogue; its text is the lines, one below the other."""
    check_lines(len(lines))
    worded = [(voice, _wording(text).stripped()) for voice, text in lines]
    worded = [(voice, wording) for voice, wording in worded if wording.spoken]
    wording = joined([one for _, one in worded], "\n")
    _check_kept(user, wording)
    spoken = [(voice, one.spoken) for voice, one in worded]
    text = wording.spoken
    check_text(user, text, may_be_silent=may_be_silent)
    for voice, _words in spoken:
        check_voice(voice, model, user, is_test=is_test)
    check_format(output_format)
    price = prices.price_of(model.slug)
    offers = _offers(model, is_test=is_test)
    limit = routing.text_limit(offers) or DEFAULT_LIMIT
    is_native = model.kind == SpeechModel.Kind.DIALOGUE and not is_test
    pieces = _scenes(spoken, price, limit) if is_native else _turns(spoken, price, limit)
    quote, pieces = _priced(text, price, pieces)
    return Prepared(
        text=wording,
        quote=quote,
        pieces=pieces,
        voice_settings=check_settings(model, voice_settings),
        model_slug=TEST_MODEL if is_test else model.slug,
        offers=offers,
        options=checked_options(options or {}),
    )


def prepare_cleaning(
    user: User, *, model: SpeechModel, upload: Upload, output_format: str, is_test: bool = False
) -> Prepared:
    """Check an order to clean a recording: one piece, priced by the second."""
    if upload.user_id != user.pk or upload.deleted_at is not None:
        raise OrderError("file", _("Choose a recording first."), code="file_not_found")
    if model.kind != SpeechModel.Kind.ISOLATION or not model.is_enabled:
        raise OrderError("model", _("This model is switched off."), code="model_not_found")
    check_format(output_format)
    quote = prices.quote(prices.price_of(model.slug), seconds=upload.duration_ms / 1000)
    slug = TEST_CLEANING if is_test else model.slug
    return Prepared(Wording(""), quote, [Piece("", 0, quote.units, None)], {}, slug)


def check_text(user: User, text: str, *, may_be_silent: bool = False) -> None:
    """Something to speak, and not too much of it."""
    if not text.strip():
        raise OrderError("text", _("Write or paste some text first."), code="empty_text")
    limit = longest_text(user)
    count = len(markup.countable(text))
    if count > limit:
        message = _("The text has %(count)s characters; at most %(limit)s fit in one job.")
        raise OrderError(
            "text",
            message % {"count": f"{count:,}", "limit": f"{limit:,}"},
            code="text_too_long",
        )
    if pauses.total_ms(text) > LONGEST_PAUSES_MS:
        raise OrderError(
            "text",
            _("The pauses last longer than %s minutes.") % (LONGEST_PAUSES_MS // 60_000),
            code="pauses_too_long",
        )
    if not may_be_silent and not markup.is_speakable(text):
        raise OrderError(
            "text",
            _("There is nothing to speak: the text has no letters or digits."),
            code="invalid_text",
        )


def check_lines(count: int) -> None:
    """No more lines than one dialogue may have; asked before anything is looked up for them."""
    if count > MOST_LINES:
        message = _("A dialogue has at most %s lines.") % f"{MOST_LINES:,}"
        raise OrderError("inputs", message, code="too_many_lines")


def longest_text(user: User) -> int:
    """How many characters one order of this account may have."""
    own = plans.plan_of(user).characters_per_job
    return settings.MAX_TEXT if own is None else min(settings.MAX_TEXT, own)


def check_voice(
    voice: Voice | None, model: SpeechModel, user: User, *, is_test: bool = False
) -> Voice:
    """A voice that is still there and that the model can speak with."""
    if voice is None:
        raise OrderError("voice", _("Choose a voice."), code="voice_not_found")
    if not voice.is_usable:
        message = _("The voice %(voice)s is no longer available. Choose another.")
        raise OrderError("voice", message % {"voice": voice.name}, code="voice_not_found")
    if voice.owner_id is not None and voice.owner_id != user.pk:
        raise OrderError("voice", _("Choose a voice."), code="voice_not_found")
    if not model.is_enabled:
        raise OrderError("model", _("This model is switched off."), code="model_not_found")
    if not is_test and not library.can_speak(model, voice):
        message = _("%(model)s cannot speak with the voice %(voice)s.")
        raise OrderError(
            "model", message % {"model": model.name, "voice": voice.name}, code="unsupported_model"
        )
    return voice


def check_format(name: str) -> None:
    """An output format that we can make."""
    try:
        formats.parse(name)
    except formats.UnknownFormat as error:
        raise OrderError(
            "format", _("Choose one of the listed formats."), code="invalid_output_format"
        ) from error


def check_settings(model: SpeechModel, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that differ from nothing: in bounds, known to the model."""
    checked: dict[str, Any] = {}
    for name, value in given.items():
        if value is None:
            continue
        if name not in CONTROLS or name not in model.controls:
            message = _("%(model)s has no setting called %(name)s.")
            raise OrderError(
                "settings",
                message % {"model": model.name, "name": name},
                code="invalid_voice_settings",
            )
        checked[name] = _checked(name, value, model.controls[name])
    return checked


def cut(
    text: str, voice: Voice | None, price: Price, limit: int, *, is_heard: bool = True
) -> list[Piece]:
    """Pieces that any channel of the model takes; put together they are the text.

    A short first one costs a call more, which pays only where somebody waits to hear it.
    """
    pieces: list[Piece] = []
    start = 0
    first = min(first_length(text), limit) if is_heard else limit
    for piece in split(text, limit, first=first):
        pieces.append(Piece(piece, start, prices.count_units(price, piece), voice))
        start += len(piece)
    return pieces


def first_length(text: str) -> int:
    """How many characters a first piece may have, so that it lasts as long in any script."""
    if text[:FIRST_PIECE].isascii():
        return FIRST_PIECE
    left = FIRST_PIECE
    for place, character in enumerate(text[:FIRST_PIECE]):
        left -= WIDE if east_asian_width(character) in "WF" else 1
        if left < 0:
            return place
    return FIRST_PIECE


def quoted(price: Price, text: str) -> prices.Quote:
    """What speaking a text costs at most: nothing where it says nothing, whatever the minimum."""
    if not markup.is_speakable(text):
        return prices.Quote(0, 0, price)
    return prices.quote(price, text=text)


def _wording(text: str | Wording) -> Wording:
    """What somebody typed is kept as `normal` has it; a dialect may keep more of what came."""
    return text if isinstance(text, Wording) else cleaned(normal(text))


def _check_kept(user: User, wording: Wording) -> None:
    """What does not count is kept all the same, so there is an end to it as well."""
    limit = longest_text(user) * MOST_PER_COUNTED
    if len(wording.sent) > limit:
        message = _("The text has more than %s characters with those that draw nothing.")
        raise OrderError("text", message % f"{limit:,}", code="text_too_long")


def _priced(text: str, price: Price, pieces: list[Piece]) -> tuple[prices.Quote, list[Piece]]:
    quote = quoted(price, text)
    return quote, pieces if quote.units else [replace(piece, units=0) for piece in pieces]


def _offers(model: SpeechModel, *, is_test: bool) -> list[Offer]:
    if is_test and model.slug != TEST_MODEL:
        return routing.sold(TEST_MODEL)
    return model.offers


def _turns(spoken: Sequence[tuple[Voice | None, str]], price: Price, limit: int) -> list[Piece]:
    """Each line by its own voice: any model can hold a conversation that way."""
    pieces: list[Piece] = []
    start = 0
    for number, (voice, text) in enumerate(spoken):
        # The line break belongs to the line before it, so that the pieces are the text.
        words = text if number == len(spoken) - 1 else text + "\n"
        for piece in split(words, limit):
            pieces.append(Piece(piece, start, prices.count_units(price, piece), voice))
            start += len(piece)
    return pieces


def _scenes(spoken: Sequence[tuple[Voice | None, str]], price: Price, limit: int) -> list[Piece]:
    """As many whole lines as one call takes, for models that speak dialogue themselves."""
    pieces: list[Piece] = []
    scene: list[Piece] = []
    size = 0
    for turn in _turns(spoken, price, limit):
        if scene and size + len(turn.text) > limit:
            pieces.append(_scene(scene))
            scene, size = [], 0
        scene.append(turn)
        size += len(turn.text)
    return [*pieces, _scene(scene)]


def _scene(turns: Sequence[Piece]) -> Piece:
    lines = [
        {"text": turn.text.rstrip("\n"), "voice": turn.voice.external_id}
        for turn in turns
        if turn.voice is not None
    ]
    return Piece(
        text="".join(turn.text for turn in turns).rstrip("\n"),
        start=turns[0].start,
        units=sum(turn.units for turn in turns),
        voice=turns[0].voice,
        lines=lines,
    )


def _checked(name: str, value: Any, bounds: Mapping[str, Any]) -> float | int | bool | str:
    control = CONTROLS[name]
    if control.kind == "switch":
        if isinstance(value, bool):
            return value
    elif control.kind == "choice":
        if value in control.choices:
            return value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        low = bounds.get("minimum", control.minimum)
        high = bounds.get("maximum", control.maximum)
        if low <= value <= high and (control.kind == "number" or float(value).is_integer()):
            return int(value) if control.kind == "integer" else float(value)
    message = _("%(name)s must lie between %(low)s and %(high)s.")
    raise OrderError(
        "settings",
        message
        % {
            "name": name,
            "low": bounds.get("minimum", control.minimum),
            "high": bounds.get("maximum", control.maximum),
        },
        code="invalid_voice_settings",
    )
