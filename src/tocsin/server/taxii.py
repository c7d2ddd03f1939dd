"""TAXII 2.1: discovery, API root, collections, manifests, objects, versions, statuses.

What a caller may not know of is answered as what is not there: 404. Source: TAXII 2.1 (OASIS Standard, 2021).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tocsin.feeds.carried import ASKS_MARKS, PROPERTY
from tocsin.feeds.interface import Terms
from tocsin.runs.envelopes import envelope
from tocsin.runs.intake import MOST_OBJECTS, Told, take_in, terms
from tocsin.runs.node import Node, Readable
from tocsin.server.answers import RECEIPT, TAXII, Refusal, check_accepts, check_content_type, taxii_answer
from tocsin.server.asking import Asked, Declared, Entrance, Handler, entered, taking
from tocsin.server.markings import markings_of, markings_of_collections
from tocsin.server.parameters import is_id, next_text, read_query
from tocsin.server.sightings import counted_sightings
from tocsin.sharing.moments import added_text, moment_text
from tocsin.stores.interface import Page, Query, Row, Versions
from tocsin.stores.tokens import Role

_ROOT: Final = "/taxii2/api/"
_STATUS: Final = re.compile(r"[0-9a-f-]{36}")
_STIX: Final = "application/stix+json;version="
_MEDIA_TYPES: Final = (_STIX + "2.1", _STIX + "2.0")
_PAGE: Final = ("added_after", "limit", "next", "id", "type", "version", "spec_version")
_OF_ONE: Final = ("added_after", "limit", "next", "version", "spec_version")
_OF_VERSIONS: Final = ("added_after", "limit", "next", "spec_version")
_REMOVED: Final = ("version", "spec_version")


def taxii_routes(node: Node) -> list[Declared]:
    """Return the routes of TAXII 2.1 for a node."""
    one = _ROOT + "collections/{collection}/"
    table: list[tuple[str, str, Role | None, Handler]] = [
        ("GET", "/taxii2/", None, _discovery),
        ("GET", _ROOT, None, _api_root),
        ("GET", _ROOT + "status/{status}/", None, _status),
        ("GET", _ROOT + "collections/", None, _collections),
        ("GET", one, None, _collection),
        ("GET", one + "manifest/", Role.READ, _manifest),
        ("GET", one + "objects/", Role.READ, _objects),
        ("GET", one + "objects/{object}/", Role.READ, _object),
        ("GET", one + "sightings/", Role.READ, _sightings),
        ("GET", one + "markings/", Role.READ, _markings),
        ("GET", _ROOT + "markings/", Role.READ, markings_of_collections),
        ("DELETE", one + "objects/{object}/", Role.WRITE, _remove),
        ("GET", one + "objects/{object}/versions/", Role.READ, _versions),
    ]
    routes: dict[str, dict[str, Entrance]] = {}
    for method, path, role, handler in table:
        routes.setdefault(path, {})[method] = entered(node, role, handler, _check)
    routes[one + "objects/"]["POST"] = taking(node, Role.WRITE, _writable, _take_in, _check)
    return [Declared(path, entrances) for path, entrances in routes.items()]


def _check(request: Request) -> None:
    check_accepts(request.headers.get("accept"))


def _writable(asked: Asked) -> Readable:
    """Return the collection that objects are sent to. Their body is read only from who may write here."""
    found = _collection_of(asked, write=True)
    check_content_type(asked.request.headers.get("content-type"))
    return found


def _take_in(asked: Asked, found: Readable, body: bytes) -> Response:
    began = added_text(asked.node.clock())
    try:
        told, receipt = take_in(asked.node, asked.access.caller, found.collection, body)
    except ValueError as error:
        raise Refusal(400, "N015", "the body is no envelope of objects", str(error)) from error
    except OverflowError as error:
        raise Refusal(413, "N013", "the body is too long", f"send at most {MOST_OBJECTS} objects at once") from error
    _, made = asked.node.statuses.put(asked.access.caller, lambda name: _status_body(name, began, told))
    return taxii_answer(made, 202, {RECEIPT: receipt})


def _status_body(name: str, began: str, told: Iterable[Told]) -> bytes:
    """Return a status resource (section 4.3.1)."""
    told = list(told)
    kept = [{"id": item.id, "version": item.version} for item in told if not item.why_not]
    lost = [{"id": item.id, "version": item.version, "message": item.why_not} for item in told if item.why_not]
    counts = {"total_count": len(told), "success_count": len(kept), "failure_count": len(lost), "pending_count": 0}
    lists = {name: items for name, items in (("successes", kept), ("failures", lost)) if items}
    return msgspec.json.encode({"id": name, "status": "complete", "request_timestamp": began, **counts, **lists})


def _discovery(asked: Asked) -> Response:
    file = asked.node.file
    base = file.public_url or str(asked.request.base_url).rstrip("/")
    texts = {"title": file.title, "description": file.description, "contact": file.contact}
    root = base + _ROOT
    return taxii_answer({**{key: text for key, text in texts.items() if text}, "default": root, "api_roots": [root]})


def _api_root(asked: Asked) -> Response:
    file = asked.node.file
    description = {"description": file.description} if file.description else {}
    told = {"versions": [TAXII], "max_content_length": file.most_bytes, PROPERTY: True}
    return taxii_answer({"title": file.title, **description, **told})


def _status(asked: Asked) -> Response:
    name = asked.request.path_params["status"]
    found = asked.node.statuses.get(asked.access.caller, name) if _STATUS.fullmatch(name) else None
    if found is None:
        raise _absent("status")
    return taxii_answer(found)


def _collections(asked: Asked) -> Response:
    found = [_described(item) for item in asked.node.collections(asked.access.caller)]
    return taxii_answer({"collections": found} if found else {})


def _collection(asked: Asked) -> Response:
    return taxii_answer(_described(_collection_of(asked)))


def _described(item: Readable) -> dict[str, Any]:
    """Return a collection resource (section 5.2.1)."""
    of = item.collection
    description = {"description": of.description} if of.description else {}
    rights = {"can_read": item.can_read, "can_write": item.can_write}
    return {"id": of.id, "title": of.title, **description, "alias": of.alias, **rights, "media_types": _MEDIA_TYPES}


def _objects(asked: Asked) -> Response:
    return _give_objects(asked, _query_of(asked, _collection_of(asked, read=True).collection.parts, *_PAGE))


def _object(asked: Asked) -> Response:
    return _give_objects(asked, _of_one(asked, _collection_of(asked, read=True), *_OF_ONE))


def _versions(asked: Asked) -> Response:
    query = _of_one(asked, _collection_of(asked, read=True), *_OF_VERSIONS)
    every = replace(query, versions=frozenset({Versions.ALL}))
    return _give_descriptions(asked, every, "versions", "versions", lambda row: moment_text(row.version))


def _manifest(asked: Asked) -> Response:
    query = _query_of(asked, _collection_of(asked, read=True).collection.parts, *_PAGE)
    return _give_descriptions(asked, query, "objects", "manifest", _record)


def _sightings(asked: Asked) -> Response:
    return counted_sightings(asked, _collection_of(asked, read=True).collection)


def _markings(asked: Asked) -> Response:
    return markings_of(asked, _collection_of(asked, read=True))


def _record(row: Row) -> dict[str, str]:
    """Return a manifest record (section 5.3.2)."""
    return {
        "id": row.id,
        "date_added": added_text(row.added),
        "version": moment_text(row.version),
        "media_type": _STIX + row.spec_version,
    }


def _remove(asked: Asked) -> Response:
    query = _of_one(asked, _collection_of(asked, read=True, write=True), *_REMOVED)
    if "match[version]" not in asked.request.query_params:
        query = replace(query, versions=frozenset({Versions.ALL}))
    gone, others, receipt = asked.node.objects.remove(asked.access.caller, query)
    if others and not gone:
        raise Refusal(403, "N016", "this object is another organisation's", "ask its owner to withdraw it")
    return taxii_answer(b"", headers={RECEIPT: receipt} if receipt else {})


def _collection_of(asked: Asked, *, read: bool = False, write: bool = False) -> Readable:
    """Return the collection that the path names, with the rights that are needed."""
    found = asked.node.collection(asked.access.caller, asked.request.path_params["collection"])
    if found is None:
        raise _absent("collection")
    if (read and not found.can_read) or (write and not found.can_write):
        raise Refusal(403, "N014", f"this collection is not for {'writing' if write else 'reading'} by this caller")
    return found


def _query_of(asked: Asked, collections: tuple[str, ...], *allowed: str) -> Query:
    """Return the query of a request's parameters."""
    return read_query(asked.request.query_params, collections, asked.node.file.page, *allowed)


def _of_one(asked: Asked, found: Readable, *allowed: str) -> Query:
    """Return the query about the one object that the path names, which the caller has to be able to see."""
    stix_id = asked.request.path_params["object"]
    query = replace(_query_of(asked, found.collection.parts, *allowed), ids=(stix_id,))
    if not is_id(stix_id) or not asked.node.objects.knows(asked.access.caller, found.collection.parts, stix_id):
        raise _absent("object")
    return query


def _give_objects(asked: Asked, query: Query) -> Response:
    """Answer with the objects that match a query."""
    page = asked.node.objects.page(asked.access.caller, query)
    known = terms(asked.node) if ASKS_MARKS in asked.request.headers else None
    return _give(asked, query, page, _envelope(page, known), "objects")


def _give_descriptions(asked: Asked, query: Query, name: str, what: str, describe: Callable[[Row], Any]) -> Response:
    """Answer with a description of each object that matches a query, under a name."""
    page = asked.node.objects.page(asked.access.caller, query, bodies=False)
    values = {name: [describe(row) for row in page.rows]} if page.rows else {}
    return _give(asked, query, page, msgspec.json.encode({**_more(page), **values}), what)


def _give(asked: Asked, query: Query, page: Page, content: bytes, what: str) -> Response:
    """Answer with a page once the record has it."""
    receipt = asked.node.objects.release(asked.access.caller, query, page, content, what)
    return taxii_answer(content, headers=_dates(page) | ({RECEIPT: receipt} if receipt else {}))


def _envelope(page: Page, known: Terms | None) -> bytes:
    """Return objects as they were received, in an envelope (section 3.7), with their markings beside them for who asks."""
    parts = [msgspec.json.encode(_more(page))[1:-1]] if page.more else []
    return envelope(page.rows, known, parts)


def _more(page: Page) -> dict[str, Any]:
    """Return the properties that lead to the next page. Clients look for `next` in manifests and versions too."""
    return {"more": True, "next": next_text(page.rows[-1].place)} if page.more else {}


def _dates(page: Page) -> dict[str, str]:
    """Return the headers that say when the first and the last row were added (section 3.4)."""
    if not page.rows:
        return {}
    first, last = added_text(page.rows[0].added), added_text(page.rows[-1].added)
    return {"X-TAXII-Date-Added-First": first, "X-TAXII-Date-Added-Last": last}


def _absent(what: str) -> Refusal:
    return Refusal(404, "N017", f"there is no such {what}, or it is not for this caller")


__all__ = ["taxii_routes"]
