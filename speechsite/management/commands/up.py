"""`manage.py up`: prepares the site, then becomes the supervisor of its processes."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connections

from speechsite.management import processes
from speechsite.management.commands import prepare

BACKLOG = 1024
# Duties go where the work is done.
CHILDREN = {
    "web": ["web"],
    "worker": ["worker", "duties"],
    None: ["web", "worker", "duties"],
}
# What keeps idle processes small: no pool of arithmetic threads, few arenas of memory.
FRUGAL = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


class Command(prepare.Command):
    help = "Runs the whole site: prepares the database, then starts web, worker and duties."
    requires_system_checks = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, default=settings.PORT)
        parser.add_argument("--only", choices=("web", "worker"), help="run one of the two")
        # What the command calls itself with, once everything is prepared.
        parser.add_argument("--prepared", action="store_true", help=argparse.SUPPRESS)
        parser.add_argument("--socket", type=int, help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        names = CHILDREN[options["only"]]
        if options["prepared"]:
            sys.exit(self._supervise(names, options["socket"], options["host"]))
        listener = self._listen(options["host"], options["port"]) if "web" in names else None
        self.check()
        self.prepare()
        self._start_again(options["only"], listener, options["host"])

    def _listen(self, host: str, port: int) -> socket.socket:
        """Take the port before anything else, so that a second start changes nothing."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {host}, port {port}: {error.strerror}. "
                "Choose another port with --port or PORT."
            ) from error
        listener.set_inheritable(True)
        return listener

    def _start_again(self, only: str | None, listener: socket.socket | None, host: str) -> None:
        """Replace this process, and the memory that preparing took, by the supervisor."""
        connections.close_all()
        for name, value in FRUGAL.items():
            os.environ.setdefault(name, value)
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "up", "--prepared"]
        command += ["--host", host]
        if only:
            command += ["--only", only]
        if listener is not None:
            command += ["--socket", str(listener.fileno())]
        sys.stdout.flush()
        os.execv(sys.executable, command)  # noqa: S606

    def _supervise(self, names: list[str], number: int | None, host: str) -> int:
        listener = None if number is None else socket.socket(fileno=number)
        address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
        text = "The worker is running."
        if listener is not None:
            shown = f"[{address}]" if ":" in address else address
            text = f"Speechsite is ready at http://{shown}:{listener.getsockname()[1]}"
        return processes.supervise(names, listener, address=address, ready_text=text)
