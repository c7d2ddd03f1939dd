"""Which markings a caller may see in each collection, so that a client can tell what is kept from it from what is not there.

TAXII 2.1 has no such resource; it was asked for in https://github.com/oasis-tcs/cti-taxii2/issues/119.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from tocsin.runs.node import Readable
from tocsin.server.answers import taxii_answer
from tocsin.server.asking import Asked
from tocsin.sharing.permitted import permitted


def markings_of_collections(asked: Asked) -> Response:
    """Answer with the markings of every collection that the caller may read."""
    found = [item for item in asked.node.collections(asked.access.caller) if item.can_read]
    return taxii_answer({"collections": [_described(asked, item) for item in found]} if found else {})


def markings_of(asked: Asked, found: Readable) -> Response:
    """Answer with the markings of one collection."""
    return taxii_answer(_described(asked, found))


def _described(asked: Asked, found: Readable) -> dict[str, Any]:
    given = permitted(asked.node.rules.book, asked.access.caller, found.collection.parts, asked.node.today())
    return {"id": found.collection.id, "object_marking_refs": list(given.refs), "unmarked": given.unmarked}


__all__ = ["markings_of", "markings_of_collections"]
