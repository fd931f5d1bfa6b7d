"""Stored files as paths on this machine, wherever the storage keeps them."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from django.core.files.storage import default_storage

from speechsite.core import scratch


def on_disk(name: str, stack: ExitStack) -> Path:
    """The file's own path; where the storage is elsewhere, a copy that lives with `stack`."""
    try:
        return Path(default_storage.path(name))
    except NotImplementedError:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=scratch.prefix()))
        target = Path(folder, Path(name).name)
        with default_storage.open(name) as source, target.open("wb") as copy:
            for block in source.chunks():
                copy.write(block)
        return target
