"""What a generation may ask for: Rivya's fields, and ours beside them."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from jobs.options import LARGEST_SEED, LONGEST_CONTEXT
from speechsite.api.native.fields import Number, Switch, Text, Whole, Word
from speechsite.audio import formats
from speechsite.credits.models import LedgerEntry
from speechsite.providers.controls import CONTROLS

LONGEST_TEXT = 5_000_000  # the plan and the site say less, in words of their own
MOST_LINES = 1000
KINDS = ("speech", "dialogue", "isolation")
STATUSES = ("queued", "processing", "succeeded", "failed", "canceled")


@extend_schema_field(
    {"oneOf": [{"type": "boolean"}, {"type": "string", "enum": ["true", "false"]}]}
)
class Timestamps(serializers.Field[bool, Any, bool, Any]):
    """Rivya's truth values are words."""

    default_error_messages = {"not_timestamps": 'This must be "true" or "false".'}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool) and data not in ("true", "false"):
            self.fail("not_timestamps")
        return data in ("true", True)


@extend_schema_field(
    {
        "oneOf": [
            {"type": "number", "minimum": 0, "maximum": 1},
            {"type": "string", "enum": ["0", "0.5", "1"]},
        ]
    }
)
class Stability(Number):
    """A number; Rivya's dialogue has three words for three of them."""

    def to_internal_value(self, data: Any) -> float:
        return super().to_internal_value(float(data) if data in ("0", "0.5", "1") else data)


class LineSerializer(serializers.Serializer[Any]):
    """One turn of a dialogue."""

    voice = Text(required=False, max_length=200, help_text="A voice's id or name.")
    text = Text(max_length=LONGEST_TEXT, allow_blank=True)


class MediaSerializer(serializers.Serializer[Any]):
    """A recording that was uploaded before."""

    url = Text(max_length=2000, help_text="The `url` that the upload was answered with.")
    kind = Word(choices=("audio",), required=False)
    name = Text(required=False, allow_null=True, allow_blank=True, max_length=200)
    mimeType = Text(required=False, allow_null=True, allow_blank=True, max_length=100)
    durationSeconds = Number(required=False, allow_null=True, min_value=0)
    durationToken = Text(required=False, allow_null=True, allow_blank=True, max_length=500)


class ParamsSerializer(serializers.Serializer[Any]):
    """Settings of a generation; each model knows some of them."""

    voice = Text(required=False, max_length=200, help_text="A voice's id or name.")
    stability = Stability(required=False, allow_null=True, min_value=0, max_value=1)
    similarity_boost = Number(required=False, allow_null=True, min_value=0, max_value=1)
    # Fields are attributes to mypy, and this one is named like another of DRF's.
    style = Number(required=False, allow_null=True, min_value=0, max_value=1)  # type: ignore[assignment]
    speed = Number(required=False, allow_null=True, min_value=0.5, max_value=2)
    speaker_boost = Switch(required=False, allow_null=True)
    pitch = Whole(required=False, allow_null=True, min_value=-12, max_value=12)
    volume = Number(required=False, allow_null=True, min_value=0.1, max_value=10)
    emotion = Word(required=False, allow_null=True, choices=CONTROLS["emotion"].choices)
    timestamps = Timestamps(
        required=False, allow_null=True, help_text="Accepted; captions always come along."
    )
    previous_text = Text(
        required=False, allow_null=True, allow_blank=True, max_length=LONGEST_CONTEXT
    )
    next_text = Text(required=False, allow_null=True, allow_blank=True, max_length=LONGEST_CONTEXT)
    language_code = Text(required=False, allow_null=True, allow_blank=True, max_length=35)
    seed = Whole(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=LARGEST_SEED,
        help_text="Kept where the provider takes one.",
    )
    output_format = Word(required=False, choices=tuple(formats.FORMATS))
    dialogue = serializers.ListField(
        child=LineSerializer(),
        required=False,
        allow_empty=False,
        min_length=1,
        max_length=MOST_LINES,
    )
    default_voice = Text(required=False, allow_null=True, allow_blank=True, max_length=200)
    referenceMediaItems = serializers.ListField(
        child=MediaSerializer(), required=False, allow_empty=False, min_length=1, max_length=1
    )
    file_id = Text(required=False, max_length=100, help_text="The id of an uploaded recording.")

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        # A misspelt setting must not be charged for as if it had been heard.
        strange = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        if strange:
            raise serializers.ValidationError({strange[0][:80]: [_("There is no such setting.")]})
        return dict(super().to_internal_value(data))


class GenerationRequestSerializer(serializers.Serializer[Any]):
    """An order: speech from `prompt`, a dialogue or a cleaned recording from `params`."""

    model = Text(max_length=200)
    prompt = Text(required=False, allow_null=True, allow_blank=True, max_length=LONGEST_TEXT)
    params = ParamsSerializer(required=False, allow_null=True)
    client_request_id = Text(required=False, allow_null=True, allow_blank=True, max_length=128)


class FileRequestSerializer(serializers.Serializer[Any]):
    """A recording, as a multipart form."""

    file = serializers.FileField(max_length=200)
    kind = serializers.ChoiceField(choices=("audio",))
    model = serializers.CharField(required=False, allow_blank=True, max_length=200)
    client_request_id = serializers.CharField(required=False, allow_blank=True, max_length=128)


class ListQuerySerializer(serializers.Serializer[Any]):
    """Which generations to list."""

    limit = serializers.IntegerField(required=False, default=20, min_value=1, max_value=100)
    cursor = serializers.CharField(required=False, max_length=64)
    status = serializers.ChoiceField(required=False, choices=STATUSES)
    kind = serializers.ChoiceField(required=False, choices=KINDS)
    model = serializers.CharField(required=False, max_length=200)
    client_request_id = serializers.CharField(required=False, max_length=128)
    created_after = serializers.DateTimeField(required=False)
    created_before = serializers.DateTimeField(required=False)


class LedgerQuerySerializer(serializers.Serializer[Any]):
    """Which entries of the ledger to list."""

    limit = serializers.IntegerField(required=False, default=50, min_value=1, max_value=200)
    cursor = serializers.IntegerField(required=False, min_value=1, max_value=2**62)
    kind = serializers.ChoiceField(required=False, choices=LedgerEntry.Kind.values)


class VoicesQuerySerializer(serializers.Serializer[Any]):
    """Which voices to list."""

    query = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    language = serializers.CharField(required=False, default="", allow_blank=True, max_length=20)
    gender = serializers.CharField(required=False, default="", allow_blank=True, max_length=10)
    family = serializers.CharField(required=False, default="", allow_blank=True, max_length=40)
    page = serializers.IntegerField(required=False, default=1, min_value=1, max_value=100_000)


class UsageQuerySerializer(serializers.Serializer[Any]):
    """Which days to add up, and how."""

    start = serializers.DateField(required=False)
    end = serializers.DateField(required=False)
    group_by = serializers.ChoiceField(
        required=False, default="day", choices=("day", "model", "kind")
    )
