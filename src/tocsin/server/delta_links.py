"""Links to files of tables: each is for one caller, for minutes, and opens what the caller may still have when it is used."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import Final

import msgspec
from starlette.requests import Request

from tocsin.runs.node import Node
from tocsin.runs.tables import Given
from tocsin.server.access import wait
from tocsin.server.answers import Refusal
from tocsin.stores.tokens import Access, Role
from tocsin.tables.keys import derive

LINK_US: Final = 600_000_000
FILES: Final = "/delta-sharing/files/"
_LONGEST: Final = 2_000
_USE: Final = "links"


@dataclass(frozen=True, slots=True)
class Opened:
    """What a link opens: a file of a table, as its caller gets it."""

    given: Given
    name: str
    access: Access


def make_link(node: Node, access: Access, given: Given, name: str, expires: int) -> str:
    """Return the path of a link to a file, until a moment in microseconds."""
    content = msgspec.json.encode([access.token, given.table.share, given.table.name, given.policy, name, expires])
    signed = hmac.digest(derive(node.tables.secret, _USE), content, "sha256") + content
    return FILES + base64.urlsafe_b64encode(signed).rstrip(b"=").decode()


def open_link(node: Node, request: Request, text: str) -> Opened:
    """Return what a link opens.

    Raises: Refusal (403) unless it was made here, holds, and its caller may still have what it was made for; Refusal (429) when
    its caller asks for files too often.
    """
    found = _read(node, text)
    if found is None or found[5] <= node.clock():
        raise _refused()
    token, share, name, policy, file, _ = found
    access = node.tokens.standing(token) or node.certificates.standing(token)
    address = request.client.host if request.client else ""
    if access is None or Role.READ not in access.roles or not access.may_come_from(address):
        raise _refused()
    wait(node.rates.fetch(access.token), "N021", "this caller asks for files too often")
    given = node.tables.find(access.caller, share, name)
    if given is None or given.policy != policy:
        raise _refused()
    return Opened(given, file, access)


def _read(node: Node, text: str) -> tuple[str, str, str, str, str, int] | None:
    """Return what a link says when this node signed it."""
    if len(text) > _LONGEST:
        return None
    try:
        signed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    mark, content = signed[:32], signed[32:]
    if not hmac.compare_digest(mark, hmac.digest(derive(node.tables.secret, _USE), content, "sha256")):
        return None
    return msgspec.json.decode(content, type=tuple[str, str, str, str, str, int])


def _refused() -> Refusal:
    return Refusal(403, "D012", "this link is not valid, or no longer", "ask for the table again")


__all__ = ["FILES", "LINK_US", "Opened", "make_link", "open_link"]
