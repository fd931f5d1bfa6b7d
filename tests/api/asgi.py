"""Calls the site as a server would, on one event loop: speech goes on while it is sent."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from django.db import connections

from jobs import adapters

HOST = "http://testserver"


def transport() -> httpx.ASGITransport:
    # Imported late: the site reads its settings, and tests change some of them first.
    from speechsite.asgi import application

    return httpx.ASGITransport(app=application)


def ask(method: str, path: str, secret: str = "", **more: Any) -> httpx.Response:
    """One request, its answer read to the end."""

    async def run() -> httpx.Response:
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        async with httpx.AsyncClient(
            transport=transport(), base_url=HOST, headers=headers, timeout=60, trust_env=False
        ) as client:
            try:
                return await client.request(method, path, **more)
            finally:
                await adapters.leave()

    try:
        return asyncio.run(run())
    finally:
        connections.close_all()
