"""A request of somebody who was let in, and the ways in: who calls, with which role, and what is recorded when it is refused.

Every route declares for each method who is let in, and is let in by that declaration: the table of docs/access.md is made from
what the router has.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tocsin.records.entry import Kind
from tocsin.runs.node import Node
from tocsin.server.access import authenticate, need
from tocsin.server.answers import Refusal
from tocsin.server.bodies import read_body
from tocsin.stores.tokens import Access, Role

_RECORDED: Final = {403, 404}
_LONGEST: Final = 500
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of somebody who was let in."""

    request: Request
    node: Node
    access: Access


Endpoint = Callable[[Request], Awaitable[Response]]
Handler = Callable[[Asked], Response]
Check = Callable[[Request], None]


class By(StrEnum):
    """By what somebody is let in."""

    NOTHING = "nothing"
    SESSION = "session"
    LINK = "link"
    TOKEN = "token or certificate"  # noqa: S105 - a kind of credential


class Need(NamedTuple):
    """What a method of a route needs: by what its callers are known, and the role they have to have, None for any."""

    by: By
    role: Role | None


class Entrance(NamedTuple):
    """A method of a route: what it needs, and the endpoint that holds it to that."""

    need: Need
    endpoint: Endpoint


class Declared(Route):
    """A route that says of each of its methods who is let in. GET answers HEAD too."""

    def __init__(self, path: str, entrances: Mapping[str, Entrance]) -> None:
        async def endpoint(request: Request) -> Response:
            return await entrances["GET" if request.method == "HEAD" else request.method].endpoint(request)

        super().__init__(path, endpoint, methods=list(entrances))
        self.needs: dict[str, Need] = {method: entrance.need for method, entrance in entrances.items()}


def entered(node: Node, role: Role | None, handler: Handler, check: Check | None = None) -> Entrance:
    """Return what lets in who has a role, and answers in a thread. `check` refuses by what is no secret."""

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(lambda: _answer(node, role, handler, check, request))

    return Entrance(Need(By.TOKEN, role), endpoint)


def taking(
    node: Node,
    role: Role,
    ready: Callable[[Asked], T],
    take: Callable[[Asked, T, bytes], Response],
    check: Check | None = None,
) -> Entrance:
    """Return what takes a body from who has a role. It is read after `ready` has not refused, and then taken in a thread."""

    async def endpoint(request: Request) -> Response:
        asked = await run_in_threadpool(_enter, node, role, request, check)
        found = await run_in_threadpool(_with_refusals, asked, lambda: ready(asked))
        body = await read_body(request, node.file.most_bytes, node.file.limits)
        return await run_in_threadpool(take, asked, found, body)

    return Entrance(Need(By.TOKEN, role), endpoint)


def _enter(node: Node, role: Role | None, request: Request, check: Check | None) -> Asked:
    """Return the request of who may ask. Raises: Refusal."""
    access = authenticate(request, node)
    if check is not None:
        check(request)
    asked = Asked(request, node, access)
    if role is not None:
        _with_refusals(asked, lambda: need(access, role))
    return asked


def _with_refusals(asked: Asked, act: Callable[[], T]) -> T:
    """Return what `act` returns; what it refuses, or answers as not there, is recorded first."""
    try:
        return act()
    except Refusal as refusal:
        if refusal.status in _RECORDED:
            path = asked.request.url.path[:_LONGEST]
            detail = {"code": refusal.code, "method": asked.request.method, "path": path, "token": asked.access.token}
            asked.node.journal.commit(Kind.REFUSAL, asked.access.caller, detail)
        raise


def _answer(node: Node, role: Role | None, handler: Handler, check: Check | None, request: Request) -> Response:
    asked = _enter(node, role, request, check)
    return _with_refusals(asked, lambda: handler(asked))


__all__ = ["Asked", "By", "Check", "Declared", "Endpoint", "Entrance", "Handler", "Need", "entered", "taking"]
