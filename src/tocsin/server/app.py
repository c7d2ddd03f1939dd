"""The web application of a node: its routes, and one shape for all that goes wrong."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tocsin.runs.node import Node
from tocsin.server.answers import Refusal, refusal_answer
from tocsin.server.delta import PREFIX, delta_refusal, delta_routes
from tocsin.server.people import people_routes
from tocsin.server.record import record_routes
from tocsin.server.taxii import taxii_routes

_LOG: Final = logging.getLogger("tocsin.server")
_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
_LONGEST_URL: Final = 16_384
_LONGEST_HEADERS: Final = 16_384
_LATER_S: Final = "30"
_KNOWN: Final = {
    404: ("N017", "there is nothing at this address, or it is not for this caller"),
    405: ("N018", "this method is not one of the address"),
}


def build_app(node: Node) -> Starlette:
    """Return the application that serves a node."""
    handlers: dict[int | type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        Refusal: _refused,
        HTTPException: _not_routed,
        OperationalError: _not_written,
        Exception: _failed,
    }
    app = Starlette(
        routes=[*taxii_routes(node), *record_routes(node), *people_routes(node), *delta_routes(node)],
        exception_handlers=handlers,
    )
    app.router.redirect_slashes = False
    app.add_middleware(_Headers)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _refusal(request, error)


async def _not_routed(request: Request, error: Exception) -> Response:
    """Answer what no route takes, in the same shape."""
    assert isinstance(error, HTTPException)
    code, title = _KNOWN.get(error.status_code, ("N019", "the request cannot be answered"))
    return _refusal(request, Refusal(error.status_code, code, title, headers=error.headers))


async def _not_written(request: Request, error: Exception) -> Response:
    """Answer when the database refuses, such as on a full disk: what cannot be recorded is neither taken nor given."""
    _LOG.error("%s %s: the database failed: %s", request.method, request.url.path, error.__cause__ or error)
    title = "the node cannot use its database; nothing was taken or given"
    return _refusal(request, Refusal(503, "N020", title, "ask again later", {"Retry-After": _LATER_S}))


async def _failed(request: Request, error: Exception) -> Response:
    """Answer a fault of the server: the log has the details, the caller gets none."""
    _LOG.exception("%s %s failed", request.method, request.url.path, exc_info=error)
    return _refusal(request, Refusal(500, "N019", "the server failed", "its log tells more"))


def _refusal(request: Request, refusal: Refusal) -> Response:
    """Return a refusal in the form of what was asked: of Delta Sharing, or of TAXII for all else."""
    is_delta = request.url.path == PREFIX or request.url.path.startswith(f"{PREFIX}/")
    return delta_refusal(refusal) if is_delta else refusal_answer(refusal)


def _too_long(scope: Scope) -> Refusal | None:
    """Return how the head of a request is refused, or None when it is short enough. The path counts as it was sent."""
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > _LONGEST_URL:
        return Refusal(414, "N023", "the URL is too long", f"it may have {_LONGEST_URL} bytes; ask for less at once")
    if sum(len(name) + len(value) for name, value in scope["headers"]) > _LONGEST_HEADERS:
        return Refusal(431, "N024", "the headers are too long", f"together they may have {_LONGEST_HEADERS} bytes")
    return None


class _Headers:
    """Adds the headers that every answer has, and refuses a head that is too long."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", ())
                there = {name for name, _ in headers}
                message["headers"] = [*headers, *(header for header in _HEADERS if header[0] not in there)]
            await send(message)

        if scope["type"] == "http" and (refusal := _too_long(scope)):
            return await refusal_answer(refusal)(scope, receive, with_headers)
        return await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


__all__ = ["build_app"]
