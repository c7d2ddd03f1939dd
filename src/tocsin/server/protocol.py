"""HTTP/1.1 on a connection, with an eye on its client: its certificate, its connections, how long it lets us wait.

uvicorn bounds how long a connection may be idle, but not how long the head of a request may take, nor how long an answer may
stay unread, nor how many connections come from one address; and it tells an application nothing of certificates.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections import Counter
from typing import Any, Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tocsin.runs.limits import Limits, neighbourhood
from tocsin.server.access import CLIENT

HEAD_BYTES: Final = 40_960
"""How much of a head is waited for. A head within it that is too long gets an answer of the application."""
_UNREAD_S: Final = 60
"""How long an answer may lie unread."""


class Config(uvicorn.Config):
    """The configuration of uvicorn, and what its connections share. `proxied` connections all come from one address."""

    def __init__(self, app: Any, limits: Limits, *, proxied: bool, **options: Any) -> None:
        super().__init__(
            app,
            http=Guarded,
            ws="none",
            h11_max_incomplete_event_size=HEAD_BYTES,
            limit_concurrency=limits.connections,
            **options,
        )
        self.limits = limits
        self.proxied = proxied
        self.by_address: Counter[str] = Counter()


class Guarded(H11Protocol):
    """A connection that is closed when its client is too slow, or has too many."""

    config: Config
    _timer: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _counted: str = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and wait for the head of its first request."""
        super().connection_made(transport)
        self._bound_unsent(transport)
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        if certificate:
            self.app_state = {**self.app_state, CLIENT: hashlib.sha256(certificate).digest()}
        if not self.config.proxied and self.client:
            self._counted = neighbourhood(self.client[0])
            self.config.by_address[self._counted] += 1
            if self.config.by_address[self._counted] > self.config.limits.connections_of_address:
                transport.abort()
                return
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop()
        self._answer_read()
        if self._counted:
            self.config.by_address[self._counted] -= 1
            if not self.config.by_address[self._counted]:
                del self.config.by_address[self._counted]
            self._counted = ""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes in, and see whether the head of a request is whole."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Go on to the next request. The rest of a body that nobody read may not come for ever."""
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self._watch()

    def pause_writing(self) -> None:
        """Stop writing: the client reads too slowly. It may do so for some time."""
        super().pause_writing()
        self._unread = self._unread or self.loop.call_later(_UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        self._answer_read()

    def _watch(self) -> None:
        """Run the timer while something has to come that is not an answer's to wait for."""
        unread_body = self.conn.their_state is h11.SEND_BODY and self.conn.our_state is h11.DONE
        if self.conn.their_state is not h11.IDLE and not unread_body:
            self._stop()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.config.limits.head_seconds, self.transport.abort)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _answer_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    @staticmethod
    def _bound_unsent(transport: asyncio.Transport) -> None:
        """Let the kernel give a connection up whose client acknowledges nothing, also when it is closed on our side."""
        found = transport.get_extra_info("socket")
        if found is not None and found.family in {socket.AF_INET, socket.AF_INET6}:
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_S * 1000)


__all__ = ["HEAD_BYTES", "Config", "Guarded"]
