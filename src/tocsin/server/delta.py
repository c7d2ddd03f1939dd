"""Delta Sharing over HTTP: shares, schemas, tables, their metadata, files, changes. What is hidden from a caller is not there.

Source: the Delta Sharing protocol, REST API, with files in the format `parquet`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from deltalake import Schema
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from tocsin.errors import TableError
from tocsin.records.entry import Reference
from tocsin.runs.node import Node
from tocsin.runs.tables import File, Given, Release
from tocsin.server.answers import RECEIPT, Refusal
from tocsin.server.asking import Asked, By, Declared, Entrance, Need, entered, taking
from tocsin.server.delta_links import FILES, LINK_US, make_link, open_link
from tocsin.sharing.moments import read_moment
from tocsin.stores.tokens import Role
from tocsin.tables.hints import MOST_HINTS, json_hints, may_have, sql_hints
from tocsin.tables.keys import derive

PREFIX: Final = "/delta-sharing"
_LOG: Final = logging.getLogger("tocsin.server")
_LINES: Final = "application/x-ndjson; charset=utf-8"
_JSON: Final = "application/json; charset=utf-8"
_VERSION: Final = "Delta-Table-Version"
_CAPABILITIES: Final = {"delta-sharing-capabilities": "responseformat=parquet"}
_PAGE: Final = 500
_MOST_ITEMS: Final = 10_000
_MOST_REFERENCES: Final = 1_000


class _Query(msgspec.Struct):
    """The body of a query; keys that are not known are left alone, as the protocol wants it."""

    predicateHints: list[str] = []  # noqa: N815 - as the protocol spells it
    jsonPredicateHints: str = ""  # noqa: N815
    limitHint: int | None = None  # noqa: N815
    version: int | None = None
    timestamp: str = ""
    startingVersion: int | None = None  # noqa: N815
    endingVersion: int | None = None  # noqa: N815


@dataclass(frozen=True, slots=True)
class _Found:
    """A table as the caller gets it, and what is given of it now."""

    given: Given
    release: Release


def delta_routes(node: Node) -> list[Declared]:
    """Return the routes of the tables of a node."""
    share = PREFIX + "/shares/{share}"
    table = share + "/schemas/{schema}/tables/{table}"
    found: list[tuple[str, Callable[[Asked], Response]]] = [
        (PREFIX + "/shares", _shares),
        (share, _share),
        (share + "/schemas", _schemas),
        (share + "/schemas/{schema}/tables", _tables),
        (share + "/all-tables", _all_tables),
        (table + "/version", _version),
        (table + "/metadata", _metadata),
        (table + "/changes", _changes),
    ]
    routes = [Declared(path, {"GET": entered(node, Role.READ, handler)}) for path, handler in found]
    routes.append(Declared(table + "/query", {"POST": taking(node, Role.READ, _find, _query)}))

    async def file(request: Request) -> Response:
        return await run_in_threadpool(_file, node, request)

    routes.append(Declared(FILES + "{link}", {"GET": Entrance(Need(By.LINK, None), file)}))
    return routes


def _shares(asked: Asked) -> Response:
    names = sorted({given.table.share for given in _given(asked)})
    return _listed(asked, names, lambda name: {"name": name, "id": _id(asked, name)})


def _share(asked: Asked) -> Response:
    name = _of_share(asked)[0].table.share
    return _json({"share": {"name": name, "id": _id(asked, name)}})


def _schemas(asked: Asked) -> Response:
    found = _of_share(asked)
    share = found[0].table.share
    return _listed(asked, sorted({given.table.schema for given in found}), lambda name: {"name": name, "share": share})


def _tables(asked: Asked) -> Response:
    schema = asked.request.path_params["schema"]
    found = [given for given in _of_share(asked) if given.table.schema == schema]
    if not found:
        raise _absent("schema")
    return _listed_tables(asked, found)


def _all_tables(asked: Asked) -> Response:
    return _listed_tables(asked, _of_share(asked))


def _listed_tables(asked: Asked, found: Iterable[Given]) -> Response:
    tables = {given.table.name: given for given in found}

    def described(name: str) -> dict[str, str]:
        table = tables[name].table
        ids = {"shareId": _id(asked, table.share), "id": _id(asked, tables[name].policy)}
        return {"name": table.table, "schema": table.schema, "share": table.share, **ids}

    return _listed(asked, sorted(tables), described)


def _version(asked: Asked) -> Response:
    found = _release(asked, _find(asked))
    start = asked.request.query_params.get("startingTimestamp")
    version = found.release.version if start is None else _first_from(found.release, _moment(start))
    return Response(b"", headers={_VERSION: str(version), **_CAPABILITIES})


def _metadata(asked: Asked) -> Response:
    found = _release(asked, _find(asked))
    lines = _head(asked, found, found.release.version)
    return _give(asked, found, found.release.version, lines, [], "metadata")


def _query(asked: Asked, given: Given, body: bytes) -> Response:
    """Answer with the files of a version, less those that cannot have what the hints look for."""
    query = _read_query(body)
    found = _release(asked, given)
    version = _wanted(found.release, query)
    hints = (*sql_hints(query.predicateHints), *json_hints(query.jsonPredicateHints))
    files = [file for file in found.release.at(version) if may_have(hints, file.piece.bounds)]
    if query.limitHint is not None:
        files = _enough(files, query.limitHint)
    expires = asked.node.clock() + LINK_US
    lines = _head(asked, found, version)
    lines += [{"file": _described(asked, found, file, at, expires)} for at, file in enumerate(files)]
    return _give(asked, found, version, lines, files, "query")


def _changes(asked: Asked) -> Response:
    """Answer with the rows that were added between two versions, as the files that have them."""
    found = _release(asked, _find(asked))
    release = found.release
    first, last = _stretch(asked.request.query_params, release)
    expires = asked.node.clock() + LINK_US
    lines = _head(asked, found, last)
    files = [file for file in release.files if first <= file.version <= last]
    for at, file in enumerate(files):
        when = {"version": file.version, "timestamp": release.made[file.version - release.first] // 1000}
        lines.append({"add": _described(asked, found, file, at, expires) | when})
    return _give(asked, found, last, lines, files, "changes")


def _file(node: Node, request: Request) -> Response:
    """Answer with a file, or a range of it. That it was given is in the record since its link was made."""
    opened = open_link(node, request, request.path_params["link"])
    with _refusing(opened.given):
        path = node.tables.path(opened.given, opened.name)
    try:
        found = path.stat() if path else None
    except OSError:
        found = None
    if path is None or found is None:
        raise Refusal(403, "D012", "this link is not valid, or no longer", "ask for the table again")
    headers = {"ETag": f'"{opened.name}"'}
    answer = FileResponse(path, headers=headers, media_type="application/octet-stream", stat_result=found)
    del answer.headers["last-modified"]
    return answer


def _given(asked: Asked) -> list[Given]:
    return asked.node.tables.given(asked.access.caller)


def _of_share(asked: Asked) -> list[Given]:
    """Return the tables of the share that the path names. Raises: Refusal (404)."""
    name = asked.request.path_params["share"]
    found = [given for given in _given(asked) if given.table.share == name]
    if not found:
        raise _absent("share")
    return found


def _find(asked: Asked) -> Given:
    """Return the table that the path names. Raises: Refusal (404)."""
    named = asked.request.path_params
    found = asked.node.tables.find(asked.access.caller, named["share"], f"{named['schema']}.{named['table']}")
    if found is None:
        raise _absent("table")
    return found


def _release(asked: Asked, given: Given) -> _Found:
    """Return what is given of a table. Raises: Refusal as `_refusing`."""
    with _refusing(given):
        return _Found(given, asked.node.tables.release(given))


@contextmanager
def _refusing(given: Given) -> Iterator[None]:
    """Refuse a table (403) when it is held back, (503) when it cannot be made."""
    try:
        yield
    except TableError as error:
        if error.code == "D006":
            raise Refusal(403, "D006", "this table is held back: too few in it look alike", "ask the operator") from error
        _LOG.error("%s/%s cannot be given: %s", given.table.share, given.table.name, error)
        raise Refusal(503, "D013", "the table cannot be given now", "its operator finds the reason in the log") from error


def _read_query(body: bytes) -> _Query:
    try:
        query = msgspec.json.decode(body or b"{}", type=_Query)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _unclear(f"the body cannot be read: {error}") from error
    if len(query.predicateHints) > MOST_HINTS:
        raise _unclear(f"there are more than {MOST_HINTS} hints")
    return query


def _wanted(release: Release, query: _Query) -> int:
    """Return the version that a query is about. Raises: Refusal."""
    if query.startingVersion is not None or query.endingVersion is not None:
        raise _unclear("a query is about one version; ask for what changed at .../changes")
    if query.version is not None and query.timestamp:
        raise _unclear("give a version or a timestamp, not both")
    if query.timestamp:
        moment = _moment(query.timestamp)
        known = [release.first + at for at, made in enumerate(release.made) if made <= moment]
        if not known:
            raise _no_version()
        return known[-1]
    version = release.version if query.version is None else query.version
    if not release.first <= version <= release.version:
        raise _no_version()
    return version


def _stretch(parameters: Mapping[str, str], release: Release) -> tuple[int, int]:
    """Return the first and the last version whose changes are asked for. Raises: Refusal."""
    first, last = _bound(parameters, release, "starting"), _bound(parameters, release, "ending")
    if first is None:
        raise _unclear("give startingVersion or startingTimestamp")
    if last is None:
        last = release.version
    if first > last or last > release.version:
        raise _no_version()
    if first < release.first:
        why = "the table was made anew since: rows were changed or removed"
        raise Refusal(400, "D011", why, f"read it anew; changes are told from version {release.first} on")
    return first, last


def _bound(parameters: Mapping[str, str], release: Release, name: str) -> int | None:
    version, moment = parameters.get(f"{name}Version"), parameters.get(f"{name}Timestamp")
    if version is not None and moment is not None:
        raise _unclear(f"give {name}Version or {name}Timestamp, not both")
    if moment is not None:
        if name == "starting":
            return _first_from(release, _moment(moment))
        return _wanted(release, _Query(timestamp=moment))
    return None if version is None else _number(version, f"{name}Version")


def _first_from(release: Release, moment: int) -> int:
    """Return the first version that was made at a moment or later. Raises: Refusal."""
    for at, made in enumerate(release.made):
        if made >= moment:
            return release.first + at
    raise _no_version()


def _enough(files: list[File], limit: int) -> list[File]:
    """Return as many of the files as have a number of rows."""
    found: list[File] = []
    rows = 0
    for file in files:
        if rows >= limit:
            break
        found.append(file)
        rows += file.piece.rows
    return found


def _head(asked: Asked, found: _Found, version: int) -> list[dict[str, Any]]:
    """Return the lines with which every answer about a table begins."""
    metadata = {
        "id": _id(asked, found.given.policy),
        "format": {"provider": "parquet"},
        "schemaString": Schema.from_arrow(found.release.columns()).to_json(),
        "partitionColumns": [],
        "configuration": {"enableChangeDataFeed": "true"},
        "version": version,
    }
    return [{"protocol": {"minReaderVersion": 1}}, {"metaData": metadata}]


def _described(asked: Asked, found: _Found, file: File, at: int, expires: int) -> dict[str, Any]:
    """Return a file as the protocol describes it: nothing of what is in it but its size."""
    path = make_link(asked.node, asked.access, found.given, file.piece.name, expires)
    base = asked.node.file.public_url or str(asked.request.base_url).rstrip("/")
    return {
        "url": base + path,
        "id": hashlib.sha256(f"{file.piece.name} {file.version} {at}".encode()).hexdigest()[:32],
        "partitionValues": {},
        "size": file.piece.size,
        "expirationTimestamp": expires // 1000,
    }


def _give(asked: Asked, found: _Found, version: int, lines: list[dict[str, Any]], files: list[File], what: str) -> Response:
    """Answer with lines once the record has what they give."""
    content = b"\n".join(map(msgspec.json.encode, lines)) + b"\n"
    table = found.given.table
    detail = {
        "what": what,
        "table": f"{table.share}/{table.name}",
        "version": str(version),
        "policy": found.given.policy,
        "rule": found.given.grant.rule,
        "files": str(len(files)),
        "token": asked.access.token,
    }
    given = [Reference(f"file--{file.piece.name[:32]}", file.piece.name) for file in files[:_MOST_REFERENCES]]
    receipt = asked.node.journal.release(asked.access.caller, detail, content, given)
    return Response(content, headers={"Content-Type": _LINES, _VERSION: str(version), RECEIPT: receipt, **_CAPABILITIES})


def _listed(asked: Asked, names: list[str], described: Callable[[str], dict[str, str]]) -> Response:
    """Answer with a page of names in their order. A page's token is the last name of the page before."""
    parameters = asked.request.query_params
    most = min(_number(parameters.get("maxResults", str(_PAGE)), "maxResults"), _MOST_ITEMS)
    after = _after(parameters.get("pageToken", ""))
    rest = [name for name in names if name > after]
    page = rest[:most]
    answer: dict[str, Any] = {"items": [described(name) for name in page]}
    if len(rest) > len(page):
        last = page[-1] if page else after
        answer["nextPageToken"] = base64.urlsafe_b64encode(f">{last}".encode()).decode()
    return _json(answer)


def _after(text: str) -> str:
    if not text:
        return ""
    try:
        found = base64.b64decode(text, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        found = ""
    if not found.startswith(">"):
        raise _unclear("pageToken is none that this server gave")
    return found[1:]


def _id(asked: Asked, *parts: str) -> str:
    """Return an id that says nothing but which share or table it is."""
    return str(UUID(bytes=derive(asked.node.tables.secret, "id", *parts)[:16], version=4))


def _number(text: str, name: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise _unclear(f"{name} is a number from 0 on")
    return int(text)


def _moment(text: str) -> int:
    found = read_moment(text)
    if found is None:
        try:
            parsed = datetime.fromisoformat(text)
        except ValueError:
            parsed = None
        if parsed is None or parsed.tzinfo is None:
            raise _unclear("a timestamp is as in 2030-01-31T12:00:00Z")
        return int(parsed.timestamp() * 1_000_000)
    return found


def _json(body: Any) -> Response:
    return Response(msgspec.json.encode(body), headers={"Content-Type": _JSON})


def delta_refusal(refusal: Refusal) -> Response:
    """Return an error as Delta Sharing wants it."""
    message = refusal.title + (f": {refusal.description}" if refusal.description else "")
    body = msgspec.json.encode({"errorCode": refusal.code, "message": message})
    return Response(body, refusal.status, {"Content-Type": _JSON, **refusal.headers})


def _absent(what: str) -> Refusal:
    return Refusal(404, "D008", f"there is no such {what}, or it is not for this caller")


def _unclear(why: str) -> Refusal:
    return Refusal(400, "D010", why)


def _no_version() -> Refusal:
    return Refusal(400, "D009", "this version of the table is not there, or no longer", "ask for the last one")


__all__ = ["PREFIX", "delta_refusal", "delta_routes"]
