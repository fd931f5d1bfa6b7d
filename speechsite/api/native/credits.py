"""Credits: what is left, and every movement."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.models import Job
from speechsite.api.auth import Caller
from speechsite.api.native import base, ids, inputs, schema, wire
from speechsite.api.native.schema import operation
from speechsite.credits import ledger
from speechsite.credits.models import LedgerEntry, Wallet


class Credits(base.NativeView):
    """The wallet's two pockets."""

    scopes = {"GET": "credits:read"}

    @operation("getCredits", "credits", schema.CreditsSerializer)
    def get(self, request: Request) -> Response:
        """The credits that are free to spend, and those held for work under way."""
        wallet = Wallet.objects.get(pk=ledger.open_wallet(self.caller.user).pk)
        body = {
            "current_credits": wire.number(wallet.available),
            "held_credits": wire.number(wallet.held),
        }
        return Response(body)


class Ledger(base.NativeView):
    """The wallet's entries; they are final and add up to its pockets."""

    scopes = {"GET": "credits:read"}

    @operation(
        "listLedger",
        "credits",
        schema.LedgerSerializer,
        parameters=[inputs.LedgerQuerySerializer],
    )
    def get(self, request: Request) -> Response:
        """The newest entries first; a test key sees those of its own work, which move nothing."""
        query = base.checked(inputs.LedgerQuerySerializer, request.query_params)
        entries = _of_world(self.caller)
        if "cursor" in query:
            entries = entries.filter(pk__lt=query["cursor"])
        if "kind" in query:
            entries = entries.filter(kind=query["kind"])
        page = list(entries.order_by("-pk")[: query["limit"] + 1])
        more = len(page) > query["limit"]
        page = page[: query["limit"]]
        rows = [_entry(entry) for entry in page]
        return Response(wire.page(rows, next_cursor=str(page[-1].pk) if more else None))


def _of_world(caller: Caller) -> QuerySet[LedgerEntry]:
    """The wallet's entries without those of the other world's work, which cost nothing there."""
    entries = LedgerEntry.objects.filter(wallet=ledger.open_wallet(caller.user))
    of_tests = Exists(Job.objects.filter(pk=OuterRef("job_id"), is_test=True))
    return entries.filter(of_tests if caller.is_test else ~of_tests)


def _entry(entry: LedgerEntry) -> dict[str, Any]:
    job_id = entry.job_id
    return {
        "id": entry.pk,
        "object": "ledger_entry",
        "kind": entry.kind,
        "available_delta": wire.number(entry.available_delta),
        "held_delta": wire.number(entry.held_delta),
        "generation_id": ids.public(ids.GENERATION, job_id) if job_id is not None else None,
        "reason": entry.reason,
        "created_at": wire.moment(entry.created_at),
    }
