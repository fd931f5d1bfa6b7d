"""Runs what is asynchronous, on the faster loop where there is one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from importlib.util import find_spec
from typing import Any, TypeVar

Result = TypeVar("Result")


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """`asyncio.run`."""
    if find_spec("uvloop") is None:  # it is not there for Windows
        return asyncio.run(work)
    import uvloop

    return uvloop.run(work)
