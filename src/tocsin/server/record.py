"""The record over HTTP: its key, a checkpoint of it, and the receipt of what concerned the caller's organisation."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from starlette.responses import Response

from tocsin.errors import RecordError
from tocsin.records.checkpoint import read_checkpoint
from tocsin.records.keys import PublicKey
from tocsin.records.note import parse_note
from tocsin.records.peers import parse_submission
from tocsin.runs.node import Node
from tocsin.runs.witnessing import PATH, SIZE_TYPE, known_records
from tocsin.server.answers import Refusal
from tocsin.server.asking import Asked, Declared, entered, taking
from tocsin.stores.tokens import Role

_LOG: Final = logging.getLogger("tocsin.server")
_STATUS: Final = {"L014": 404, "L006": 403, "L007": 422, "L008": 422}
_TEXT: Final = {"Content-Type": "text/plain; charset=utf-8"}


def record_routes(node: Node) -> list[Declared]:
    """Return the routes of a node's record. They tell all who are let in how many entries it has, and nothing of them."""
    table: list[tuple[str, Callable[[Asked], Response]]] = [
        ("/record/key", _key),
        ("/record/witness-key", _witness_key),
        ("/record/checkpoint", _checkpoint),
        ("/record/receipts/{leaf}", _receipt),
    ]
    routes = [Declared(path, {"GET": entered(node, None, handler)}) for path, handler in table]
    return [*routes, Declared(PATH, {"POST": taking(node, Role.READ, _keys, _cosign)})]


def _key(asked: Asked) -> Response:
    return Response(f"{asked.node.record.key}\n", headers=_TEXT)


def _witness_key(asked: Asked) -> Response:
    return Response(f"{asked.node.record.witness_key}\n", headers=_TEXT)


def _keys(asked: Asked) -> list[PublicKey]:
    return known_records(asked.node)


def _cosign(asked: Asked, keys: list[PublicKey], body: bytes) -> Response:
    """Answer another record that asks for a cosignature, in the form of C2SP's tlog-witness."""
    text = body.decode(errors="replace")
    try:
        return Response(asked.node.record.witness(text, keys, asked.node.clock() // 1_000_000), headers=_TEXT)
    except RecordError as error:
        if error.code == "L012":
            origin = read_checkpoint(parse_note(parse_submission(text).note)).origin
            return Response(f"{asked.node.record.seen(origin)}\n", 409, {"Content-Type": SIZE_TYPE})
        if error.code == "L007":
            _LOG.error("a record is not cosigned, asked by %s: %s", asked.access.caller.organisation, error)
        raise Refusal(_STATUS.get(error.code, 400), error.code, error.message) from error


def _checkpoint(asked: Asked) -> Response:
    return Response(str(asked.node.record.checkpoint()), headers=_TEXT)


def _receipt(asked: Asked) -> Response:
    found = asked.node.record.receipt(asked.access.caller.organisation, asked.request.path_params["leaf"])
    if found is None:
        raise Refusal(404, "N017", "there is no such receipt, or it is not for this caller")
    return Response(str(found), headers=_TEXT)


__all__ = ["record_routes"]
