"""Generations: create, list, look at, stop, do again, delete."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import Q
from django.http import HttpRequest, HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from jobs import lifecycle
from jobs.models import Job, JobQuerySet, ModelName, Reference
from jobs.states import FINAL_JOB
from speechsite.api import idempotency, reading, waiting
from speechsite.api.errors import Invalid
from speechsite.api.native import (
    base,
    describing,
    ids,
    inputs,
    placing,
    schema,
    unheard,
    wire,
)
from speechsite.api.native.schema import operation
from voices.models import SpeechModel

LONGEST_WAIT = 60
PREFERENCE = re.compile(r"(?:^|[\s,;])wait\s*=\s*\"?(\d{1,6})(?![\d.])", re.IGNORECASE)


def patient(view: Callable[..., Any]) -> Callable[..., Any]:
    """The same view, which stays on the line when the client says `Prefer: wait=N`.

    No thread and no database connection waits with it.
    """

    @wraps(view)
    async def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = await sync_to_async(view)(request, *args, **kwargs)
        job = getattr(response, "job", None)
        seconds = wait_in(request)
        if job is None or not seconds:
            return response
        if not job.is_finished:
            job = await waiting.finished(job.pk, seconds)
            body = await sync_to_async(describing.generation)(
                job, origin=reading.origin_of(request), with_progress=True
            )
            told = {name: response.data[name] for name in ("warnings",) if name in response.data}
            response.data = body | told
        if job.is_finished:
            del response["Retry-After"]
        response["Preference-Applied"] = f"wait={seconds}"
        return response

    return answer


def wait_in(request: HttpRequest) -> int:
    """How many seconds the client would wait; nonsense is no preference."""
    asked = PREFERENCE.search(request.headers.get("Prefer", ""))
    return min(int(asked[1]), LONGEST_WAIT) if asked else 0


class GenerationView(base.NativeView):
    """What the endpoints of one generation share."""

    def job(self, task_id: str) -> Job:
        """The generation of an id, if this key may see it."""
        shown = describing.shown_to(self.caller)
        job: Job = base.found(ids.GENERATION, task_id, lambda pk: shown.filter(pk=pk).first())
        return job

    def answer(self, job: Job, status: int = 200) -> Response:
        origin = reading.origin_of(self.request)
        body = describing.generation(job, origin=origin, with_progress=True)
        response = Response(body, status=status)
        # `patient` looks here for what it might wait for.
        response.job = job  # type: ignore[attr-defined]
        if not job.is_finished:
            response["Retry-After"] = base.POLL_AFTER
        if job.is_replay:
            response[idempotency.REPLAYED] = "true"
        return response


class Generations(GenerationView):
    """The list of generations, and orders for new ones."""

    scopes = {"GET": "generations:read", "POST": "generations:create"}

    @operation(
        "listGenerations",
        "generations",
        schema.GenerationListSerializer,
        parameters=[inputs.ListQuerySerializer],
    )
    def get(self, request: Request) -> Response:
        """The newest generations first."""
        query = base.checked(inputs.ListQuerySerializer, request.query_params)
        shown = describing.shown_to(self.caller)
        jobs = _before(_filtered(shown, query, is_test=self.caller.is_test), query, self.caller)
        page = list(jobs.order_by("-created_at", "-pk")[: query["limit"] + 1])
        more = len(page) > query["limit"]
        page = page[: query["limit"]]
        origin = reading.origin_of(request)
        rows = [describing.generation(job, origin=origin) for job in page]
        return Response(wire.page(rows, next_cursor=rows[-1]["id"] if more else None))

    @operation(
        "createGeneration",
        "generations",
        schema.GenerationSerializer,
        good=201,
        refusals=(402, 404, 409, 413, 503),
        request=inputs.GenerationRequestSerializer,
        parameters=[schema.IDEMPOTENCY_KEY, schema.PREFER],
    )
    def post(self, request: Request) -> Response:
        """Order speech, a dialogue or a cleaned recording."""
        key = idempotency.key_of(request._request)
        body = base.body_of(request._request)
        order = base.checked(inputs.GenerationRequestSerializer, body)
        job = placing.place(self.caller, order, key=key, body=body)
        response = self.answer(job, 201)
        if warnings := [*unheard.of_body(body, order), *unheard.of_job(job)]:
            response.data["warnings"] = warnings
        return response


class Generation(GenerationView):
    """One generation."""

    scopes = {"GET": "generations:read", "DELETE": "generations:create"}

    @operation(
        "getGeneration",
        "generations",
        schema.GenerationSerializer,
        refusals=(404,),
        parameters=[schema.PREFER],
    )
    def get(self, request: Request, task_id: str) -> Response:
        """How a generation stands, and what came of it."""
        return self.answer(self.job(task_id))

    @operation("deleteGeneration", "generations", None, good=204, refusals=(404,))
    def delete(self, request: Request, task_id: str) -> Response:
        """Remove a generation and its files; one under way is canceled first."""
        lifecycle.delete(self.job(task_id))
        return Response(status=204)


class Cancel(GenerationView):
    """Stops a generation."""

    scopes = {"POST": "generations:create"}

    @operation("cancelGeneration", "generations", schema.GenerationSerializer, refusals=(404,))
    def post(self, request: Request, task_id: str) -> Response:
        """Stop a generation: what was delivered is charged, the rest is given back."""
        job = self.job(task_id)
        if not job.is_finished:
            # Before the cancel, which tells others about it.
            job.asked = {**job.asked, wire.CANCELED_BY: "api"}
            Job.objects.filter(pk=job.pk).exclude(state__in=FINAL_JOB).update(asked=job.asked)
            job = lifecycle.cancel(job)
        return self.answer(job)


class Retry(GenerationView):
    """Orders the same again."""

    scopes = {"POST": "generations:create"}

    @operation(
        "retryGeneration",
        "generations",
        schema.GenerationSerializer,
        good=201,
        refusals=(402, 404, 409, 503),
        parameters=[schema.IDEMPOTENCY_KEY, schema.PREFER],
    )
    def post(self, request: Request, task_id: str) -> Response:
        """Order the same once more, as a new generation."""
        key = idempotency.key_of(request._request)
        return self.answer(placing.again(self.caller, self.job(task_id), key=key), 201)


def _filtered(jobs: JobQuerySet, query: dict[str, Any], *, is_test: bool) -> JobQuerySet:
    status = query.get("status")
    if status == "canceled":
        jobs = jobs.canceled_by("api")
    elif status == "failed":
        by_others = ~Q(**{"asked__has_key": wire.CANCELED_BY})
        jobs = jobs.filter(Q(state="failed") | Q(state="canceled") & by_others)
    elif status:
        jobs = jobs.filter(state=status)
    if "model" in query:
        jobs = _of_model(jobs, query["model"], is_test=is_test)
    if "client_request_id" in query:
        jobs = jobs.alias(reference=Reference()).filter(reference=query["client_request_id"])
    plain = {"kind": "kind", "created_after": "created_at__gt", "created_before": "created_at__lt"}
    return jobs.filter(**{plain[name]: query[name] for name in plain if name in query})


def _of_model(jobs: JobQuerySet, name: str, *, is_test: bool) -> JobQuerySet:
    """By one index or the other, so that a rare model is found without reading all the others.

    A live key's order is spoken by the model that it names, or by the one behind another name
    for it. A test key's may name one and be spoken by the built-in one; those are few.
    """
    model = SpeechModel.objects.filter(slug=name).first()
    if is_test:
        return jobs.filter(Q(model=model) | Q(asked__model=name))
    if model is not None:
        return jobs.filter(model=model)
    return jobs.alias(model_name=ModelName()).filter(model_name=name)


def _before(jobs: JobQuerySet, query: dict[str, Any], caller: Any) -> JobQuerySet:
    """What comes after the last row of the page before; that row may be gone from view."""
    if "cursor" not in query:
        return jobs
    pk = ids.private(ids.GENERATION, query["cursor"])
    own = Job.objects.filter(user=caller.user, is_test=caller.is_test)
    last = own.filter(pk=pk).only("created_at").first() if pk else None
    if last is None:
        raise Invalid("cursor: there is no such place in the list", field="cursor")
    at = last.created_at
    return jobs.filter(Q(created_at__lt=at) | Q(created_at=at, pk__lt=last.pk))
