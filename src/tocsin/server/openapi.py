"""The HTTP interface of a node as an OpenAPI 3.1 document, for clients that are generated and for tests that try everything.

`docs/openapi.json` is this document; a test holds it, and that every route of the node is in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from tocsin.feeds.carried import PROPERTY
from tocsin.server.answers import RECEIPT, TAXII

JSON = dict[str, Any]
_ROOT: Final = "/taxii2/api/"
_ONE: Final = _ROOT + "collections/{collection}/"
_MOMENT: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,12})?Z$"
_ID: Final = r"^[a-z0-9-]{1,250}--[0-9a-fA-F-]{1,64}$"
_PAGED: Final = ("added_after", "limit", "next")
_ALL: Final = (*_PAGED, "match[id]", "match[type]", "match[version]", "match[spec_version]")
_OF_ONE: Final = (*_PAGED, "match[version]", "match[spec_version]")
_PARAMETERS: Final[dict[str, tuple[str, JSON]]] = {
    "added_after": ("only what was added after a moment", {"type": "string", "pattern": _MOMENT}),
    "limit": ("how many at most", {"type": "integer", "minimum": 1, "maximum": 10**17}),
    "next": ("what the page before gave as `next`", {"type": "string"}),
    "match[id]": ("ids, with commas between", {"type": "string"}),
    "match[type]": ("types, with commas between", {"type": "string"}),
    "match[version]": ("`last`, `first`, `all`, or moments, with commas between", {"type": "string"}),
    "match[spec_version]": ("versions of STIX, with commas between", {"type": "string"}),
    "maxResults": ("how many at most", {"type": "integer", "minimum": 0, "maximum": 10**17}),
    "pageToken": ("what the page before gave as `nextPageToken`", {"type": "string"}),
    "startingVersion": ("the first version", {"type": "integer", "minimum": 0, "maximum": 10**17}),
    "endingVersion": ("the last version", {"type": "integer", "minimum": 0, "maximum": 10**17}),
    "startingTimestamp": ("from the version of a moment on", {"type": "string", "pattern": _MOMENT}),
    "endingTimestamp": ("to the version of a moment", {"type": "string", "pattern": _MOMENT}),
}
_NAMED: Final[dict[str, JSON]] = {
    "collection": {"type": "string", "description": "id or alias of a collection"},
    "object": {"type": "string", "pattern": _ID},
    "status": {"type": "string", "format": "uuid"},
    "leaf": {"type": "string", "description": f"what a {RECEIPT} header gave"},
    "share": {"type": "string"},
    "schema": {"type": "string"},
    "table": {"type": "string"},
    "link": {"type": "string", "description": "what a line of a table gave"},
}


class _Operation(NamedTuple):
    """What can be asked at a path: `answer` names the schema of the answer, empty for none; `also` other statuses."""

    method: str
    path: str
    summary: str
    answer: str
    parameters: tuple[str, ...] = ()
    also: tuple[int, ...] = ()
    takes: str = ""
    status: int = 200


_DELTA: Final = "/delta-sharing/"
_SHARES: Final = _DELTA + "shares"
_SHARE: Final = _SHARES + "/{share}"
_TABLES: Final = _SHARE + "/schemas/{schema}/tables"
_TABLE: Final = _TABLES + "/{table}"
_LISTED: Final = ("maxResults", "pageToken")
_BETWEEN: Final = ("startingVersion", "endingVersion", "startingTimestamp", "endingTimestamp")
_OPERATIONS: Final = (
    _Operation("get", "/taxii2/", "What this server is, and its API root", "Discovery", also=(406,)),
    _Operation("get", _ROOT, "What the API root is", "Root", also=(406,)),
    _Operation("get", _ROOT + "status/{status}/", "What became of a request to add objects", "Status", also=(404, 406)),
    _Operation("get", _ROOT + "collections/", "The collections that the caller may know of", "Collections", also=(406,)),
    _Operation("get", _ONE, "One collection", "Collection", also=(404, 406)),
    _Operation("get", _ONE + "manifest/", "Which objects there are", "Manifest", _ALL, (400, 403, 404, 406, 503)),
    _Operation("get", _ONE + "objects/", "Objects", "Envelope", _ALL, (400, 403, 404, 406, 503)),
    _Operation(
        "post", _ONE + "objects/", "Add objects", "Status", (), (400, 403, 404, 406, 413, 415, 503), "Objects", status=202
    ),
    _Operation("get", _ONE + "objects/{object}/", "Versions of one object", "Envelope", _OF_ONE, (400, 403, 404, 406, 503)),
    _Operation(
        "delete",
        _ONE + "objects/{object}/",
        "Withdraw what the caller put here",
        "",
        ("match[version]", "match[spec_version]"),
        (400, 403, 404, 406, 503),
    ),
    _Operation(
        "get",
        _ONE + "objects/{object}/versions/",
        "Which versions of an object there are",
        "Versions",
        (*_PAGED, "match[spec_version]"),
        (400, 403, 404, 406, 503),
    ),
    _Operation(
        "get",
        _ONE + "sightings/",
        "What was seen by enough others to be counted for the caller",
        "Envelope",
        ("match[id]", "limit", "next"),
        (400, 403, 404, 406, 503),
    ),
    _Operation("get", _ONE + "markings/", "Which markings the caller may see in a collection", "Markings", (), (403, 404, 406)),
    _Operation("get", _ROOT + "markings/", "Which markings the caller may see", "MarkingsOfAll", (), (403, 406)),
    _Operation("get", "/record/key", "The key that verifies the record", "text"),
    _Operation("get", "/record/witness-key", "The key that verifies cosignatures of the node", "text"),
    _Operation(
        "post",
        "/record/add-checkpoint",
        "Cosign the checkpoint of a peer",
        "text",
        (),
        (400, 403, 404, 409, 413, 415, 422),
        "text",
    ),
    _Operation("get", "/record/checkpoint", "A signed checkpoint of the record", "text", also=(503,)),
    _Operation("get", "/record/receipts/{leaf}", "The receipt of an entry about the caller", "text", also=(404, 503)),
    _Operation("get", _SHARES, "Which shares there are", "DeltaItems", _LISTED, (400, 403)),
    _Operation("get", _SHARE, "One share", "DeltaShare", also=(403, 404)),
    _Operation("get", _SHARE + "/schemas", "Which schemas a share has", "DeltaItems", _LISTED, (400, 403, 404)),
    _Operation("get", _SHARE + "/all-tables", "Which tables a share has", "DeltaItems", _LISTED, (400, 403, 404)),
    _Operation("get", _TABLES, "Which tables a schema has", "DeltaItems", _LISTED, (400, 403, 404)),
    _Operation("get", _TABLE + "/version", "The version of a table", "", ("startingTimestamp",), (400, 403, 404, 503)),
    _Operation("get", _TABLE + "/metadata", "The columns of a table", "lines", (), (403, 404, 503)),
    _Operation("get", _TABLE + "/changes", "Rows that were added", "lines", _BETWEEN, (400, 403, 404, 503)),
    _Operation("post", _TABLE + "/query", "The files of a table", "lines", (), (400, 403, 404, 413, 415, 503), "DeltaQuery"),
    _Operation("get", _DELTA + "files/{link}", "A file of a table, or a range of it", "file", also=(403,)),
)
_BYTES: Final = {"lines": "application/x-ndjson", "file": "application/octet-stream"}
_WHY: Final = {
    400: "a parameter or the body cannot be used",
    401: "a valid token is needed",
    403: "not with this token, or not by this caller",
    404: "there is no such thing, or it is not for this caller: the answer is the same",
    406: "the accepted media types cannot be served",
    409: "the record was seen at another size last, which the answer is",
    413: "the body is too long",
    415: "the media type of the body is not supported",
    422: "the proof does not show that the record goes on from the last checkpoint that was seen",
    429: "the caller asks too often, or failed to authenticate too often: `Retry-After` says when to come back",
    503: "the database cannot be used; nothing was taken or given",
}


def document() -> JSON:
    """Return the document. Pure."""
    paths: dict[str, JSON] = {}
    for operation in _OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tocsin sharing node",
            "version": "1",
            "summary": "TAXII 2.1, Delta Sharing, and the record",
        },
        "security": [{"token": []}, {"password": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic", "description": "the token as the password of any user"},
            },
            "schemas": _schemas(),
        },
    }


def _operation(asked: _Operation) -> JSON:
    names = [part[1:-1] for part in asked.path.split("/") if part.startswith("{")]
    parameters = [{"name": name, "in": "path", "required": True, "schema": _NAMED[name]} for name in names]
    for name in asked.parameters:
        description, schema = _PARAMETERS[name]
        parameters.append({"name": name, "in": "query", "description": description, "schema": schema})
    error = "DeltaError" if asked.path.startswith(_DELTA) else "Error"
    answers: dict[str, JSON] = {str(asked.status): {"description": asked.summary, **_content(asked.answer)}}
    for status in sorted({401, 429, *asked.also}):
        answers[str(status)] = {
            "description": _WHY[status],
            **_content(error),
        }
    body = {"requestBody": {"required": True, **_content(asked.takes)}} if asked.takes else {}
    return {"summary": asked.summary, "parameters": parameters, **body, "responses": answers}


def _content(schema: str) -> JSON:
    if not schema:
        return {}
    if schema == "text":
        return {"content": {"text/plain": {"schema": {"type": "string"}}}}
    if schema in _BYTES:
        return {"content": {_BYTES[schema]: {}}}
    kind = "application/json" if schema.startswith("Delta") else TAXII
    return {"content": {kind: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}


def _schemas() -> JSON:
    text, flag, count = {"type": "string"}, {"type": "boolean"}, {"type": "integer", "minimum": 0}
    moment = {"type": "string", "pattern": _MOMENT}
    texts = {"type": "array", "items": text}
    told = {"type": "array", "items": _object({"id": text, "version": text, "message": text}, "id", "version")}
    collection = {"id": text, "title": text, "description": text, "alias": text, "can_read": flag, "can_write": flag}
    record = _object({"id": text, "date_added": moment, "version": moment, "media_type": text})
    markings = {"id": text, "object_marking_refs": texts, "unmarked": flag}
    page = {"more": flag, "next": text}
    sets = {"type": "array", "items": texts}
    part = _object({"selectors": texts, "marks": sets}, "selectors", "marks")
    with_parts = _object({"marks": sets, "parts": {"type": "array", "items": part}}, "marks", "parts")
    marks = {PROPERTY: {"type": "array", "items": {"anyOf": [sets, with_parts]}}}
    titles = {"title": text, "description": text}
    counts = dict.fromkeys(("total_count", "success_count", "failure_count", "pending_count"), count)
    status = {"id": text, "status": text, "request_timestamp": moment, **counts}
    return {
        "Error": _object({**titles, "error_code": text, "http_status": text}, "title", "error_code"),
        "Discovery": _object(
            {"title": text, "description": text, "contact": text, "default": text, "api_roots": texts}, "title"
        ),
        "Root": _object(
            {"title": text, "description": text, "versions": texts, "max_content_length": count, PROPERTY: flag},
            "title",
            "versions",
        ),
        "Collection": _object({**collection, "media_types": texts}, "id", "title", "can_read", "can_write"),
        "Collections": _object({"collections": {"type": "array", "items": {"$ref": "#/components/schemas/Collection"}}}),
        "Markings": _object(markings, *markings),
        "MarkingsOfAll": _object({"collections": {"type": "array", "items": {"$ref": "#/components/schemas/Markings"}}}),
        "Objects": _object({"objects": {"type": "array", "items": {"type": "object"}}, **marks}, "objects"),
        "Envelope": _object({**page, **marks, "objects": {"type": "array", "items": {"type": "object"}}}),
        "Manifest": _object({**page, "objects": {"type": "array", "items": record}}),
        "Versions": _object({**page, "versions": {"type": "array", "items": moment}}),
        "DeltaError": _object({"errorCode": text, "message": text}, "errorCode", "message"),
        "DeltaItems": _object({"items": {"type": "array", "items": {"type": "object"}}, "nextPageToken": text}, "items"),
        "DeltaShare": _object({"share": _object({"name": text, "id": text}, "name")}, "share"),
        "DeltaQuery": _object(
            {"predicateHints": texts, "jsonPredicateHints": text, "limitHint": count, "version": count, "timestamp": moment}
        ),
        "Status": _object({**status, "successes": told, "failures": told}, *status),
    }


def _object(properties: JSON, *required: str) -> JSON:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def operations() -> Iterable[tuple[str, str]]:
    """Yield the method and the path of everything that can be asked."""
    return ((operation.method.upper(), operation.path) for operation in _OPERATIONS)


__all__ = ["document", "operations"]
