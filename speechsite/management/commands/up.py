"""`manage.py up`: prepares the site, then becomes the supervisor of its processes."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connections

from speechsite.core import lifeline
from speechsite.management import prepare, processes, supervisor

BACKLOG = 1024
# What keeps idle processes small: no pool of arithmetic threads, few arenas of memory.
FRUGAL = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


class Command(BaseCommand):
    help = "Runs the whole site: prepares the database, then starts web and worker."
    requires_system_checks = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, default=settings.PORT)
        parser.add_argument("--only", choices=("web", "worker"), help="run one of the two")
        # What the supervisor calls its children with.
        parser.add_argument("--child", choices=("web", "worker"), help=argparse.SUPPRESS)
        parser.add_argument("--socket", type=int, help=argparse.SUPPRESS)
        parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["child"]:
            lifeline.end_with_parent(options["parent"])
            is_web = options["child"] == "web"
            sys.exit(processes.serve(options["socket"]) if is_web else processes.work())
        names = [options["only"]] if options["only"] else ["web", "worker"]
        listener = self._listen(options["host"], options["port"]) if "web" in names else None
        self.check()
        self._announce(self._prepare())
        self._supervise(names, listener, options["host"])

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

    def _prepare(self) -> prepare.Administrator | None:
        try:
            return prepare.prepare()
        except OperationalError as error:
            raise CommandError(f"The database cannot be used: {str(error).strip()}") from error

    def _announce(self, administrator: prepare.Administrator | None) -> None:
        if administrator is None:
            return
        self.stdout.write(f"Administrator: {administrator.email}")
        if administrator.password:
            self.stdout.write(f"Password:      {administrator.password}  (shown only this once)")
        self.stdout.flush()

    def _supervise(self, names: list[str], listener: socket.socket | None, host: str) -> None:
        """Replace this process, and the memory that preparing took, by the supervisor."""
        connections.close_all()
        for name, value in FRUGAL.items():
            os.environ.setdefault(name, value)
        plan: dict[str, Any] = {"ready_text": "The worker is running."}
        if listener is not None:
            port = listener.getsockname()[1]
            address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
            shown = f"[{address}]" if ":" in address else address
            plan = {"address": address, "port": port}
            plan["ready_text"] = f"Speechsite is ready at http://{shown}:{port}"
        plan["children"] = [self._child(name, listener) for name in names]
        sys.stdout.flush()
        script = str(Path(supervisor.__file__))
        os.execv(sys.executable, [sys.executable, "-I", "-S", script, json.dumps(plan)])  # noqa: S606

    def _child(self, name: str, listener: socket.socket | None) -> dict[str, Any]:
        manage = str(settings.BASE_DIR / "manage.py")
        command = [sys.executable, manage, "up", "--child", name]
        if name == "worker" or listener is None:
            return {"name": name, "command": command}
        number = listener.fileno()
        return {"name": name, "command": [*command, "--socket", str(number)], "sockets": [number]}
