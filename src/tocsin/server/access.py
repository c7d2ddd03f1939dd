"""Who calls: a token in the Authorization header, or the certificate of the connection. Others are told no more than that."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from starlette.requests import Request

from tocsin.runs.node import Node
from tocsin.server.answers import Refusal
from tocsin.stores.tokens import Access, Role

CLIENT: Final = "client_certificate"
"""The key of a connection's state that has the fingerprint of its client's certificate."""
_CHALLENGE: Final = 'Bearer realm="tocsin", Basic realm="tocsin", charset="UTF-8"'
_BEARERS: Final = ("bearer", "token")


def authenticate(request: Request, node: Node) -> Access:
    """Return the access of a request's token: `Bearer TOKEN`, `Token TOKEN`, or Basic with the token as password.

    Without any, the certificate that the connection was made with decides.

    A token is looked up by its digest, so that no comparison's time tells of it: who guesses chooses no byte of a digest.
    Raises: Refusal (401) when there is none that is valid; it says not which of its parts was wrong. Refusal (429) when the
    address failed too often, whatever it sends now, or the caller asks too often.
    """
    text = _token(request.headers.get("authorization", ""))
    address = request.client.host if request.client else ""
    if text:
        wait(node.rates.barred(address), "N022", "authentication failed too often from this address")
    access = node.tokens.accept(text) if text else _by_certificate(request, node)
    if access is None or not access.may_come_from(address):
        if text:
            node.rates.fail(address)
        raise Refusal(401, "N001", "authentication is needed", "send a valid token", {"WWW-Authenticate": _CHALLENGE})
    wait(node.rates.ask(access.token), "N021", "this caller asks too often")
    return access


def need(access: Access, role: Role) -> None:
    """Refuse with 403 what a token's roles do not cover."""
    if role not in access.roles:
        raise Refusal(403, "N002", f"this token may not {role.value}", "ask the operator of this node for another")


def _by_certificate(request: Request, node: Node) -> Access | None:
    """Return the access of the certificate that the protocol found, if any: a client cannot write into the state."""
    fingerprint = request.scope.get("state", {}).get(CLIENT)
    return None if fingerprint is None else node.certificates.accept(fingerprint)


def wait(seconds: int, code: str, title: str) -> None:
    """Refuse with 429 until some seconds are over."""
    if seconds:
        raise Refusal(429, code, title, f"ask again in {seconds} s", {"Retry-After": str(seconds)})


def _token(header: str) -> str:
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() in _BEARERS:
        return rest.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


__all__ = ["CLIENT", "authenticate", "need", "wait"]
