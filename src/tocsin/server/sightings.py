"""Counts of sightings, as summary sightings of STIX: what was seen, how often, and nothing of who saw it."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID, uuid5

import msgspec
from starlette.responses import Response

from tocsin.runs.node import Node
from tocsin.runs.node_file import Collection
from tocsin.server.answers import RECEIPT, taxii_answer
from tocsin.server.asking import Asked
from tocsin.server.parameters import read_ids
from tocsin.sharing.decisions import Caller
from tocsin.sharing.markings import as_refs
from tocsin.sharing.moments import moment_text
from tocsin.stores.sightings import Counted, Wanted

_NAMESPACE: Final = UUID("5f0a7b52-6a0f-5f6e-9d0c-2f1f6a8a3d11")


def counted_sightings(asked: Asked, collection: Collection) -> Response:
    """Answer with what was seen in a collection often enough to be counted for the caller, in an envelope."""
    caller = asked.access.caller
    ids, after, limit = read_ids(asked.request.query_params, asked.node.file.page)
    found = asked.node.sightings.counts(caller, Wanted(collection.parts, ids, after, limit + 1))
    if not found:
        return taxii_answer({})
    given = found[:limit]
    more = {"more": True, "next": given[-1].of} if len(found) > limit else {}
    content = msgspec.json.encode({**more, "objects": [_summary(asked.node, caller, collection.alias, item) for item in given]})
    detail = {"collection": ", ".join(collection.parts), "what": "sightings", "rows": str(len(given))}
    return taxii_answer(content, headers={RECEIPT: asked.node.journal.release(caller, detail, content)})


def _summary(node: Node, caller: Caller, collection: str, item: Counted) -> dict[str, Any]:
    """Return a sighting that sums up others; its id is the same each time that one caller asks."""
    book = node.rules.book
    identity = book.organisations[book.operator].identity
    name = "\0".join((node.file.record, collection, caller.organisation, item.of))
    seen = {"first_seen": item.first, "last_seen": item.last}
    names = sorted(node.pseudonyms.identity(owner, caller.organisation, node.today()) for owner in item.owners)
    return {
        "type": "sighting",
        "spec_version": "2.1",
        "id": f"sighting--{uuid5(_NAMESPACE, name)}",
        **({"created_by_ref": identity} if identity else {}),
        "created": moment_text(item.added[0]),
        "modified": moment_text(item.added[1]),
        **{key: moment_text(moment) for key, moment in seen.items() if moment is not None},
        "count": item.count,
        "sighting_of_ref": item.of,
        **({"where_sighted_refs": names} if item.named else {}),
        "summary": True,
        "object_marking_refs": as_refs(item.marking),
    }


__all__ = ["counted_sightings"]
