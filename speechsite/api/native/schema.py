"""The shapes of what we answer: they make the OpenAPI document, `wire` makes the answers.

To mypy a field is an attribute, and some are named like one of DRF's: those are ignored.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.drainage import set_override
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from jobs.models import Job
from speechsite.api.native.inputs import STATUSES
from speechsite.credits.models import LedgerEntry, Price

Shape = serializers.Serializer[Any]


class Always(serializers.CharField):
    """A word that never differs: it says what an object is."""

    def __init__(self, word: str) -> None:
        super().__init__(initial=word)
        kind = {"type": "string", "const": word}
        set_override(self, "field", kind)


class ErrorDetailSerializer(Shape):
    """`code` is stable, and new codes may come; `reason` says more exactly what did not fit."""

    code = serializers.CharField()
    message = serializers.CharField()
    requestId = serializers.CharField()
    reason = serializers.CharField(required=False)
    field = serializers.CharField(required=False, help_text="The input that is to blame.")
    limit = serializers.CharField(required=False, help_text="The limit that was reached.")
    needed = serializers.FloatField(required=False, help_text="Credits.")
    available = serializers.FloatField(required=False, help_text="Credits.")
    missing = serializers.FloatField(required=False, help_text="Credits that would have to come.")
    resets_at = serializers.DateTimeField(required=False)


class ErrorSerializer(Shape):
    error = ErrorDetailSerializer()


class FailureSerializer(Shape):
    """Why a generation has no result."""

    code = serializers.CharField()
    message = serializers.CharField()
    reason = serializers.CharField(required=False)


class CaptionsSerializer(Shape):
    srt = serializers.URLField()
    vtt = serializers.URLField()
    json = serializers.URLField(help_text="Times of every word or sentence.")


class ResultSerializer(Shape):
    """Links open without a key and run out after a day; ask again for fresh ones."""

    primary_url = serializers.URLField()
    urls = serializers.ListField(child=serializers.URLField())
    output_format = serializers.CharField()
    duration_seconds = serializers.FloatField()
    is_partial = serializers.BooleanField(help_text="Some part could not be made.")
    is_late = serializers.BooleanField(
        required=False,
        help_text="The audio came after the generation had failed; it costs nothing.",
    )
    captions = CaptionsSerializer(required=False)


class ProgressSerializer(Shape):
    percent = serializers.IntegerField()
    segments_done = serializers.IntegerField()
    segments_total = serializers.IntegerField()


class WarningSerializer(Shape):
    """Something of the order that was not heard."""

    field = serializers.CharField()  # type: ignore[assignment]
    message = serializers.CharField()


class GenerationSerializer(Shape):
    """Ask again until the status is `succeeded`, `failed` or `canceled`.

    `canceled` is told only of generations that were canceled through this API; one that
    was stopped in the portal is `failed` with the error code `canceled`.
    """

    id = serializers.CharField()
    status = serializers.ChoiceField(choices=STATUSES)
    model = serializers.CharField(help_text="As it was asked for.")
    reserved_credits = serializers.FloatField()
    final_credits = serializers.FloatField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    result = ResultSerializer(allow_null=True)
    error = FailureSerializer(allow_null=True)
    client_request_id = serializers.CharField(required=False)
    is_test = serializers.BooleanField(
        required=False, help_text="Made with a test key: it cost nothing."
    )
    progress = ProgressSerializer(required=False, help_text="While the status is `processing`.")
    warnings = WarningSerializer(
        many=True, required=False, help_text="When it is ordered: what of the order was ignored."
    )


class PageSerializer(Shape):
    object = Always("list")
    has_more = serializers.BooleanField()
    next_cursor = serializers.CharField(allow_null=True, help_text="The next page's `cursor`.")


class GenerationListSerializer(PageSerializer):
    data = GenerationSerializer(many=True)  # type: ignore[assignment]


class FileObjectSerializer(Shape):
    """A recording. `url` and `duration_token` fit into `params.referenceMediaItems`."""

    id = serializers.CharField()
    object = Always("file")
    url = serializers.URLField()
    kind = Always("audio")
    name = serializers.CharField()
    mime_type = serializers.CharField()
    size = serializers.IntegerField(help_text="Bytes.")
    duration_seconds = serializers.FloatField()
    duration_token = serializers.CharField()
    created_at = serializers.DateTimeField()
    client_request_id = serializers.CharField(required=False)


class CreditsSerializer(Shape):
    current_credits = serializers.FloatField(help_text="Free to spend.")
    held_credits = serializers.FloatField(help_text="Set aside for generations under way.")


class LedgerEntrySerializer(Shape):
    """One movement; all of them add up to the balance."""

    id = serializers.IntegerField()
    object = Always("ledger_entry")
    kind = serializers.ChoiceField(choices=LedgerEntry.Kind.values)
    available_delta = serializers.FloatField()
    held_delta = serializers.FloatField()
    generation_id = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()


class LedgerSerializer(PageSerializer):
    data = LedgerEntrySerializer(many=True)  # type: ignore[assignment]


class VoiceSerializer(Shape):
    id = serializers.CharField()
    object = Always("voice")
    name = serializers.CharField()
    family = serializers.CharField()
    models = serializers.ListField(child=serializers.CharField())
    language = serializers.CharField(allow_blank=True)
    languages = serializers.ListField(child=serializers.CharField())
    gender = serializers.CharField(allow_blank=True)
    accent = serializers.CharField(allow_blank=True)
    age = serializers.CharField(allow_blank=True)
    use_case = serializers.CharField(allow_blank=True)
    category = serializers.CharField(allow_blank=True)
    description = serializers.CharField(allow_blank=True)
    preview_url = serializers.CharField(allow_null=True)
    is_own = serializers.BooleanField()


class VoiceListSerializer(Shape):
    object = Always("list")
    data = VoiceSerializer(many=True)  # type: ignore[assignment]
    total = serializers.IntegerField()
    page = serializers.IntegerField()
    has_more = serializers.BooleanField()


class ParamSerializer(Shape):
    key = serializers.CharField()
    type = serializers.ChoiceField(choices=("select", "number", "text", "boolean", "list"))
    required = serializers.BooleanField()  # type: ignore[assignment]
    default = serializers.JSONField(required=False)
    min = serializers.FloatField(required=False)
    max = serializers.FloatField(required=False)
    step = serializers.FloatField(required=False)
    options = serializers.ListField(child=serializers.CharField(), required=False)


class PriceSerializer(Shape):
    unit = serializers.ChoiceField(choices=Price.Unit.values)
    credits_per_unit = serializers.FloatField()
    base_credits = serializers.FloatField(help_text="For `base_units` units.")
    base_units = serializers.IntegerField()
    minimum_credits = serializers.FloatField()
    counting = serializers.ChoiceField(choices=Price.Counting.values)


class ReferenceMediaSerializer(Shape):
    kinds = serializers.ListField(child=serializers.CharField())
    max_items = serializers.IntegerField()


class ModelSerializer(Shape):
    id = serializers.CharField()
    object = Always("model")
    display_name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    category = serializers.CharField()
    kind = serializers.ChoiceField(choices=Job.Kind.values)
    family = serializers.CharField()
    aliases = serializers.ListField(child=serializers.CharField())
    languages = serializers.ListField(child=serializers.CharField())
    runtime = serializers.CharField()
    base_credits = serializers.FloatField(
        allow_null=True, help_text="For 1,000 characters or for one second."
    )
    billing_type = serializers.CharField()
    price = PriceSerializer(allow_null=True)
    supported_modes = serializers.ListField(child=serializers.CharField())
    max_prompt_length = serializers.IntegerField(
        allow_null=True, help_text="Characters of one call; longer texts are cut and joined."
    )
    reference_media = ReferenceMediaSerializer(allow_null=True)
    params = ParamSerializer(many=True)
    api_status = serializers.ChoiceField(choices=("available", "coming_soon", "studio_only"))
    api_input_status = serializers.CharField()
    supported_api_inputs = serializers.ListField(child=serializers.CharField())
    requires_files_api = serializers.BooleanField()
    requires_upload_for_modes = serializers.ListField(child=serializers.CharField())
    url_input_supported = serializers.BooleanField()
    file_kinds = serializers.ListField(child=serializers.CharField())
    chat_capabilities = serializers.JSONField()
    notices = serializers.ListField(child=serializers.CharField())


class ModelListSerializer(Shape):
    object = Always("list")
    data = ModelSerializer(many=True)  # type: ignore[assignment]


class SumsSerializer(Shape):
    generations = serializers.IntegerField()
    characters = serializers.IntegerField()
    seconds = serializers.FloatField(help_text="Of sound.")
    credits = serializers.FloatField()


class UsageRowSerializer(SumsSerializer):
    day = serializers.DateField(required=False)
    model = serializers.CharField(required=False)
    kind = serializers.CharField(required=False)


class UsageSerializer(Shape):
    object = Always("usage")
    start = serializers.DateField()
    end = serializers.DateField()
    group_by = serializers.ChoiceField(choices=("day", "model", "kind"))
    data = UsageRowSerializer(many=True)  # type: ignore[assignment]
    total = SumsSerializer()


IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    OpenApiParameter.HEADER,
    description=(
        "Recommended. The same key with the same body gives the first answer again, marked "
        "by `Idempotent-Replayed: true`; with another body it is a conflict."
    ),
)
PREFER = OpenApiParameter(
    "Prefer",
    str,
    OpenApiParameter.HEADER,
    description=(
        "`wait=N` answers when the generation is over, or as it stands after N seconds "
        "(60 at most). `Preference-Applied` tells what was done."
    ),
)
RATE = [
    OpenApiParameter(
        f"X-RateLimit-{name}", int, OpenApiParameter.HEADER, response=True, description=text
    )
    for name, text in (
        ("Limit", "Requests per second that the plan allows."),
        ("Remaining", "Requests that are left in this second."),
        ("Reset", "When the next second begins, in Unix time."),
    )
]
REFUSALS = {
    400: "The request does not fit: `validation_failed`.",
    401: "The key is missing, unknown, revoked or expired.",
    402: "`insufficient_credits`, with what is needed, what there is and what is missing.",
    403: "The key may not do this, or not from this address.",
    404: "There is nothing of yours under this id.",
    409: "The request does not fit what was done before.",
    413: "The request is too large.",
    429: "`rate_limited`: `limit` names the limit of the plan or the key.",
    503: "The service cannot do this now; try again.",
}
ALWAYS = (400, 401, 403, 429)
# What each operation is for, in a line of a list.
SUMMARIES = {
    "getCredits": "Look at the wallet",
    "listLedger": "List what credits came and went for",
    "uploadFile": "Upload a recording",
    "deleteFile": "Delete a recording",
    "getFile": "Look at a recording",
    "listGenerations": "List generations",
    "createGeneration": "Order speech, a dialogue or a cleaning",
    "deleteGeneration": "Delete a generation",
    "getGeneration": "Look at a generation and its result",
    "cancelGeneration": "Cancel a generation",
    "retryGeneration": "Order a generation again",
    "listModels": "List models and prices",
    "getUsage": "Add up what was used",
    "listVoices": "List voices",
    "listWebhookEvents": "List the kinds of events",
    "listWebhooks": "List webhooks",
    "createWebhook": "Add a webhook",
    "deleteWebhook": "Delete a webhook",
    "getWebhook": "Look at a webhook",
    "changeWebhook": "Change a webhook",
    "listWebhookDeliveries": "List messages of a webhook",
    "replayWebhookDelivery": "Send a message again",
    "rotateWebhookSecret": "Replace a signing secret",
    "testWebhook": "Send a test message",
}
NOBODY: Any = []
KEYS: Any = [{"bearer": []}, {"header": []}]


def operation(
    name: str,
    tag: str,
    shape: Any,
    *,
    good: int = 200,
    refusals: tuple[int, ...] = (),
    request: Any = None,
    parameters: Any = (),
    is_public: bool = False,
) -> Any:
    """What the OpenAPI document says about one method of a view."""
    statuses = sorted({*(() if is_public else ALWAYS), *refusals})
    answers = {status: OpenApiResponse(ErrorSerializer, REFUSALS[status]) for status in statuses}
    return extend_schema(
        operation_id=name,
        summary=SUMMARIES[name],
        tags=[tag],
        request=request,
        parameters=[*parameters, *([] if is_public else RATE)],
        responses={good: shape, **answers},
        auth=NOBODY if is_public else KEYS,
    )
