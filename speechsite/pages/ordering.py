"""The Studio's form: what a person ordered, as typed, and the errors beside it.

Rules about texts, voices and money live in `jobs.lifecycle`; this form only reads
fields and keeps whatever was typed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from jobs import orders
from speechsite.accounts.models import User
from speechsite.core import encodings
from speechsite.core.ids import new_token
from speechsite.pages import textfiles
from speechsite.providers.controls import CONTROLS, Control
from voices import library
from voices.models import SpeechModel, Voice

FORMATS = (
    ("mp3_44100_128", _("MP3, standard (128 kbit/s)")),
    ("mp3_44100_192", _("MP3, high (192 kbit/s)")),
    ("mp3_22050_32", _("MP3, small (32 kbit/s)")),
    ("m4a_44100_128", _("M4A (AAC), for phones and films")),
    ("opus_48000_64", _("Opus, for messengers")),
    ("wav_44100", _("WAV, uncompressed")),
    ("flac_44100", _("FLAC, lossless")),
    ("ulaw_8000", _("µ-law 8 kHz, for telephones")),
    ("alaw_8000", _("A-law 8 kHz, for telephones")),
)
CONTROL_LABELS = {
    "speed": _("Speed"),
    "pitch": _("Pitch"),
    "volume": _("Volume"),
    "stability": _("Stability"),
    "similarity": _("Similarity"),
    "style": _("Style"),
    "speaker_boost": _("Speaker boost"),
    "emotion": _("Emotion"),
}
NO_TEXT = _("This file is not plain text. Save it as .txt (UTF-8).")
ASKS = _("This file does not say which letters it uses. Choose the line that reads right.")


class OrderForm(forms.Form):
    """Text, voice, model, settings. The settings' fields come from the model."""

    text = forms.CharField(required=False, strip=False, label=_("Text"))
    upload = forms.FileField(required=False, label=_("Text file"), allow_empty_file=True)
    title = forms.CharField(required=False, max_length=120, label=_("Title"))
    voice = forms.IntegerField(required=False, label=_("Voice"))
    model = forms.CharField(required=False, label=_("Model"))
    output_format = forms.ChoiceField(
        required=False, choices=FORMATS, label=_("File format"), initial="mp3_44100_128"
    )
    # How to read the file, once its reader was asked; and the file, where no script held it.
    encoding = forms.CharField(required=False, max_length=20)
    held = forms.CharField(required=False, strip=False)
    key = forms.CharField(required=False, widget=forms.HiddenInput, initial=new_token)
    shown = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.question: textfiles.Uncertain | None = None
        self.chosen_voice = self._find_voice()
        self.models = library.models_for(self.chosen_voice) if self.chosen_voice else []
        self.chosen_model = self._find_model()
        # Control characters are dropped when the text is read, not refused.
        self.fields["text"].validators = []
        for control in controls_of(self.chosen_model):
            self.fields[f"set_{control.name}"] = _control_field(control)
            self._fit(control)

    @property
    def settings_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith("set_")]

    @property
    def changed_settings(self) -> bool:
        """Whether any setting differs from its default (then the panel stays open)."""
        return any(
            str(field.value()) not in ("", "None", str(field.field.initial))
            for field in self.settings_fields
        )

    def clean_text(self) -> str:
        return orders.normal(self.cleaned_data["text"])

    def clean(self) -> dict[str, Any]:
        """Take the text from the file where the box is empty."""
        cleaned = super().clean() or {}
        has_file = cleaned.get("upload") or cleaned.get("held")
        if not has_file:
            return cleaned
        if cleaned.get("text", "").strip():
            self.add_error(
                "upload",
                _("The text box is not empty. Clear it to use the file, or remove the file."),
            )
            return cleaned
        self._read_file(cleaned)
        return cleaned

    def _read_file(self, cleaned: dict[str, Any]) -> None:
        try:
            raw = textfiles.contents(cleaned.get("upload"), cleaned.get("held", ""))
            text, _encoding = textfiles.read(raw or b"", cleaned.get("encoding", ""))
            cleaned["text"] = orders.normal(text)
        except textfiles.Uncertain as question:
            self.question = question
            self.add_error("upload", ASKS)
        except encodings.NotText:
            self.add_error("upload", NO_TEXT)

    def voice_settings(self) -> dict[str, Any]:
        """The cleaned settings, without those left empty."""
        values = {}
        for name, value in self.cleaned_data.items():
            if name.startswith("set_") and value not in (None, ""):
                values[name.removeprefix("set_")] = value
        return values

    def idempotency_key(self) -> str:
        """The same form with the same content names the same job.

        The content counts too: after "back", an edited text is a new order.
        """
        told = {name: self.cleaned_data.get(name) for name in ("text", "title", "output_format")}
        told |= {"settings": self.voice_settings(), "voice": self.cleaned_data.get("voice")}
        told["model"] = self.chosen_model.slug if self.chosen_model else ""
        digest = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode())
        return f"studio:{self.cleaned_data.get('key', '')[:64]}:{digest.hexdigest()[:32]}"

    def _fit(self, control: Control) -> None:
        """What was set for another voice, as near to it as this one's bounds allow."""
        name = f"set_{control.name}"
        if name not in self.initial:
            return
        fitting = _fitting(self.initial[name], control)
        if fitting is None:
            del self.initial[name]
        else:
            self.initial[name] = fitting

    def _find_voice(self) -> Voice | None:
        wanted = self["voice"].value()
        if not str(wanted or "").isdecimal():
            return None
        return Voice.objects.visible_to(self.user).filter(pk=int(wanted)).first()

    def _find_model(self) -> SpeechModel | None:
        wanted = self["model"].value()
        for model in self.models:
            if model.slug == wanted:
                return model
        return self.models[0] if self.models else None


def controls_of(model: SpeechModel | None) -> list[Control]:
    """The controls a model takes, narrowed to its own bounds."""
    if model is None:
        return []
    return [
        replace(CONTROLS[name], **(bounds if isinstance(bounds, dict) else {}))
        for name, bounds in model.controls.items()
        if name in CONTROLS
    ]


def _fitting(value: Any, control: Control) -> Any:
    """The value within the control's bounds; None where it has nothing like it."""
    if control.kind in ("switch", "choice"):
        known = ("on", "off") if control.kind == "switch" else control.choices
        return value if value in known else None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not control.minimum <= number <= control.maximum:
        return min(max(number, control.minimum), control.maximum)
    return value


def _control_field(control: Control) -> forms.Field:
    """A form field for a control; its bounds are the ones the API checks."""
    label = CONTROL_LABELS.get(control.name, control.name)
    if control.kind == "switch":
        return forms.TypedChoiceField(
            required=False,
            label=label,
            choices=(("on", _("On")), ("off", _("Off"))),
            initial="on" if control.default else "off",
            coerce=lambda word: word == "on",
            empty_value=None,
        )
    if control.kind == "choice":
        choices = [(word, word.capitalize() or _("As the text says")) for word in control.choices]
        return forms.ChoiceField(
            required=False, label=label, choices=choices, initial=control.default
        )
    bounds = gettext("Choose a number from {least} to {most}.").format(
        least=f"{control.minimum:g}", most=f"{control.maximum:g}"
    )
    kind: Any = forms.IntegerField if control.kind == "integer" else forms.FloatField
    return kind(
        required=False,
        label=label,
        initial=control.default,
        min_value=control.minimum,
        max_value=control.maximum,
        error_messages=dict.fromkeys(("min_value", "max_value", "invalid"), bounds),
        widget=forms.NumberInput(attrs={"step": f"{control.step:g}", "inputmode": "decimal"}),
    )
