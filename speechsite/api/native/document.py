"""The OpenAPI document of the native API, and the page that people read it on."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings

from jobs.webhook_models import Delivery
from speechsite.api import reading
from speechsite.api.native.inputs import KINDS, STATUSES
from speechsite.api.native.webhook_shapes import STATUSES as WEBHOOK_STATUSES

DESCRIPTION = """Order speech, dialogues and cleaned recordings, and follow them.

Send a key as `Authorization: Bearer sps_…` (or in `xi-api-key`). Work of a test key runs
on the built-in engine and costs nothing; test and live keys see only their own generations.
Every refusal has the same shape; its `code` is stable. Credits are JSON numbers."""
SETTINGS: dict[str, Any] = {
    "TITLE": "Speechsite",
    "DESCRIPTION": DESCRIPTION,
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "COMPONENT_SPLIT_REQUEST": False,
    "ENUM_NAME_OVERRIDES": {
        "FileKind": ["audio"],
        "Kind": list(KINDS),
        "Status": list(STATUSES),
        "WebhookStatus": list(WEBHOOK_STATUSES),
        "DeliveryStatus": list(Delivery.State.values),
    },
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "xi-api-key"},
        }
    },
}
METHODS = ("get", "post", "put", "patch", "delete")


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """The document, made once: it depends on nothing but the code."""
    patterns = import_module("speechsite.api.native.urls").urlpatterns
    with patched_settings(SETTINGS), translation.override("en"):
        made = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)
    return dict(made)


def operations() -> list[dict[str, Any]]:
    """Every operation of the document, as the page shows it."""
    return [
        _operation(path, method, item[method])
        for path, item in document()["paths"].items()
        for method in METHODS
        if method in item
    ]


@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    """The document, with this site as its server."""
    whole = {**document(), "servers": [{"url": reading.origin_of(request)}]}
    response = JsonResponse(whole, json_dumps_params={"ensure_ascii": False, "indent": 1})
    response["Access-Control-Allow-Origin"] = "*"
    return response


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """All operations on one page, which needs no other host."""
    context = {
        "paragraphs": DESCRIPTION.split("\n\n"),
        "operations": operations(),
        "shapes": _shapes(),
        "origin": reading.origin_of(request),
    }
    return render(request, "api/docs.html", context)


def _operation(path: str, method: str, said: dict[str, Any]) -> dict[str, Any]:
    content = said.get("requestBody", {}).get("content", {})
    return {
        "id": said["operationId"],
        "tag": said["tags"][0],
        "method": method.upper(),
        "path": path,
        "summary": said["summary"],
        "description": said.get("description", ""),
        "is_public": not any(said.get("security", [])),
        "parameters": [_parameter(one) for one in said.get("parameters", ())],
        "bodies": [
            {"media_type": name, "shape": _type(part["schema"])} for name, part in content.items()
        ],
        "answers": [_answer(status, answer) for status, answer in said["responses"].items()],
    }


def _parameter(said: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": said["name"],
        "place": said["in"],
        "type": _type(said.get("schema", {})),
        "is_required": said.get("required", False),
        "description": said.get("description", ""),
    }


def _answer(status: str, said: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = next(iter(said.get("content", {}).values()), {})
    return {
        "status": status,
        "description": said.get("description", ""),
        "shape": _type(content["schema"]) if content else "",
    }


def _shapes() -> list[dict[str, Any]]:
    """The components that are objects, field by field."""
    shapes = []
    for name, shape in document()["components"]["schemas"].items():
        if "properties" not in shape:
            continue
        required = shape.get("required", ())
        fields = [
            {
                "name": field,
                "type": _type(said),
                "is_required": field in required,
                "description": said.get("description", ""),
            }
            for field, said in shape["properties"].items()
        ]
        shapes.append({"name": name, "description": shape.get("description", ""), "fields": fields})
    return shapes


def _type(said: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in said:
        return str(said["$ref"].rpartition("/")[2])
    for joint in ("allOf", "oneOf", "anyOf"):
        if joint in said:
            return " | ".join(dict.fromkeys(_type(part) for part in said[joint]))
    if "enum" in said:
        return " | ".join("null" if one is None else str(one) for one in said["enum"][:12])
    if said.get("type") == "array":
        return f"[{_type(said.get('items', {}))}]"
    kind = said.get("type", "any")
    text = " | ".join(kind) if isinstance(kind, list) else str(kind)
    low, high = said.get("minimum"), said.get("maximum")
    return f"{text} {low}-{high}" if low is not None and high is not None else text
