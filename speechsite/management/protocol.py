"""uvicorn's protocols with an end: to headers, in size and in time, and to strangers' messages.

It keeps whatever it is sent until a header or a message ends, from anybody: see decision 0011.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from speechsite.core.bodies import FROM_ANYBODY, LARGEST_HEAD

HEAD_SECONDS = 30.0
REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 26\r\nconnection: close\r\n\r\n"
    b"The headers are too large."
)


class BoundedProtocol(HttpToolsProtocol):
    """Ends a connection whose headers, or what stands between the pieces of a body, do not end."""

    _kept = 0  # bytes since the parser last gave something away
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._timer = self.loop.call_later(HEAD_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._kept += len(data)
        super().data_received(data)
        if self._kept > LARGEST_HEAD and not self.transport.is_closing():
            if self._timer is not None:
                self.transport.write(REFUSAL)
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def on_headers_complete(self) -> None:
        self._kept = 0
        self._stop_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._kept = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._kept = 0
        super().on_message_complete()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class BoundedSocketProtocol(WebSocketsSansIOProtocol):
    """Takes short messages only, until the application says that it knows who sends them.

    It says so by the extension `speechsite.known` of the connection's scope.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.conn.max_message_size = FROM_ANYBODY

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            self.scope["extensions"]["speechsite.known"] = {"tell": self._widen}  # type: ignore[typeddict-unknown-key]

    def _widen(self) -> None:
        self.conn.max_message_size = self.config.ws_max_size
