"""A small server of TAXII 2.1 in memory, right by itself, with faults that can be switched on: what a suite has to find.

Its faults are those of real servers: each is a line that is easy to get wrong.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

TAXII: Final = "application/taxii+json;version=2.1"
STIX: Final = "application/stix+json;version="
MOST_BYTES: Final = 200_000
TOKEN: Final = "correct-horse"
COLLECTIONS: Final[dict[str, tuple[str, bool, bool]]] = {
    "5b1f7f30-8f3c-4d63-9d0b-6f1a4c2e7a01": ("shared", True, True),
    "5b1f7f30-8f3c-4d63-9d0b-6f1a4c2e7a02": ("published", True, False),
    "5b1f7f30-8f3c-4d63-9d0b-6f1a4c2e7a03": ("reports", False, True),
    "5b1f7f30-8f3c-4d63-9d0b-6f1a4c2e7a04": ("secret", False, False),
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", re.ASCII)
_OBSERVABLES: Final = {"domain-name"}

FAULTS: Final[dict[str, str]] = {
    "media type without a version": "test_information_has_the_media_type",
    "errors as plain JSON": "test_error_has_the_media_type",
    "error with a number as status": "test_error_message_is_well_formed",
    "discovery without a title": "test_discovery_has_a_title",
    "default root that is not listed": "test_default_root_is_one_of_the_list",
    "collections in another order each time": "test_collections_keep_their_order",
    "collection ids that count": "test_ids_are_random_uuids",
    "accept compared as text": "test_accept_of_taxii_is_served",
    "accept ignored": "test_accept_of_something_else_is_refused",
    "content type compared as text": "test_content_type_of_taxii_is_taken",
    "content type ignored": "test_content_type_of_something_else_is_refused",
    "no dates in headers": "test_answer_has_the_dates",
    "dates in milliseconds": "test_answer_has_the_dates",
    "dates of all instead of the page": "test_dates_follow_the_page",
    "newest first": "test_manifest_is_in_the_order_of_adding",
    "order of modified": "test_older_content_that_is_added_later_comes_later",
    "added_after includes the moment": "test_added_after_leaves_out_the_moment_itself",
    "added_after compares modified": "test_added_after_is_not_about_the_content",
    "malformed parameters ignored": "test_malformed_parameter_is_refused",
    "malformed parameters crash": "test_malformed_parameter_is_refused",
    "parameter twice takes the last": "test_parameter_twice_is_refused",
    "limit ignored": "test_limit_is_kept",
    "more is never told": "test_limit_is_kept",
    "more is always told": "test_limit_that_is_enough_gives_everything",
    "limit before filters": "test_limit_and_match_are_joined",
    "match type ignored": "test_match_type_of_one",
    "match id takes one value": "test_match_id_of_several",
    "filters joined by or": "test_filters_are_joined_by_and",
    "all versions by default": "test_latest_version_is_the_default",
    "last is what was added last": "test_older_version_that_is_added_later_is_not_the_last",
    "versions by the second": "test_versions_are_told_apart_by_a_millisecond",
    "spec_version ignored": "test_match_spec_version_keeps_others_out",
    "all specifications by default": "test_latest_specification_is_the_default",
    "pages by offset": "test_pages_hold_while_others_delete",
    "pages by date, one date for a batch": "test_pages_of_one_batch_are_the_whole",
    "next holds the query": "test_next_of_another_query_is_harmless",
    "duplicate kept twice": "test_same_object_again_is_there_once",
    "duplicate is a failure": "test_same_object_again_is_no_error",
    "bad object taken": "test_bad_object_is_told",
    "counts of the request instead of the outcome": "test_bad_object_is_told",
    "status not kept": "test_status_is_told_again",
    "status with 201": "test_objects_are_taken",
    "unlimited bodies": "test_body_above_the_limit_is_too_long",
    "length believed": "test_body_of_unknown_length_is_limited_too",
    "content rewritten": "test_content_is_kept_exactly",
    "empty lists": "test_nothing_is_an_empty_answer",
    "nothing is 404": "test_nothing_is_an_empty_answer",
    "manifest tells created": "test_manifest_has_the_modified_version",
    "versions are the last": "test_versions_are_listed",
    "delete takes the last version": "test_object_is_deleted_in_all_its_versions",
    "delete ignores the version": "test_versions_are_deleted",
    "delete hides from objects alone": "test_deleted_object_is_in_no_list",
    "delete twice": "test_object_is_deleted_once",
    "open to all": "test_reading_without_login_is_refused",
    "no challenge": "test_refusal_without_login_challenges",
    "write-only is read": "test_write_only_collection_is_not_read",
    "read-only is written": "test_read_only_collection_takes_nothing",
    "hidden is listed": "test_hidden_collection_is_not_listed",
    "hidden deletion is 403": "test_hidden_collection_deletes_nothing",
}
"""Every fault, and a case that has to find it."""


class Refused(Exception):  # noqa: N818 - an answer
    """An error that is answered."""

    def __init__(self, status: int, title: str) -> None:
        super().__init__(title)
        self.status = status


@dataclass
class Entry:
    """One version of an object. Moments are in microseconds since 1970."""

    id: str
    version: int
    spec: str
    added: int
    body: dict[str, Any]
    hidden: bool = False

    @property
    def type(self) -> str:
        """Return the type of the object."""
        return self.id.partition("--")[0]


@dataclass(frozen=True)
class Asked:
    """What the parameters of a request ask for."""

    after: int | None = None
    limit: int = 1000
    start: int = 0
    match: Mapping[str, Sequence[str]] = field(default_factory=dict)


class FaultyTaxii:
    """The server. With no fault it is right."""

    def __init__(self, *faults: str) -> None:
        unknown = set(faults) - set(FAULTS)
        assert not unknown, f"there are no faults {unknown}"
        self.faults = set(faults)
        self.entries: dict[str, list[Entry]] = {name: [] for name in COLLECTIONS}
        self.statuses: dict[str, dict[str, Any]] = {}
        self.asked = 0

    def app(self) -> Starlette:
        """Return the application."""
        one = "/root/collections/{collection}/"
        table = [
            ("/taxii2/", ["GET"], self.discovery),
            ("/root/", ["GET"], self.root),
            ("/root/status/{status}/", ["GET"], self.status),
            ("/root/collections/", ["GET"], self.collections),
            (one, ["GET"], self.collection),
            (one + "manifest/", ["GET"], self.manifest),
            (one + "objects/", ["GET", "POST"], self.objects),
            (one + "objects/{object}/", ["GET", "DELETE"], self.object),
            (one + "objects/{object}/versions/", ["GET"], self.versions),
        ]
        routes = [Route(path, self.guarded(handler), methods=methods) for path, methods, handler in table]
        app = Starlette(routes=routes, exception_handlers={404: self.absent, 405: self.not_allowed})
        app.router.redirect_slashes = False
        return app

    def has(self, fault: str) -> bool:
        """Return whether a fault is switched on."""
        assert fault in FAULTS, fault
        return fault in self.faults

    async def absent(self, request: Request, error: Exception) -> Response:
        """Answer what no route takes."""
        return self.error(Refused(404, "not found"))

    async def not_allowed(self, request: Request, error: Exception) -> Response:
        """Answer a method that an endpoint does not have."""
        answer = self.error(Refused(405, "not allowed"))
        answer.headers["Allow"] = "GET"
        return answer

    def guarded(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """Return an endpoint that lets in who may ask."""

        async def endpoint(request: Request) -> Response:
            try:
                self.check_login(request)
                self.check_accept(request)
                answer: Response = await handler(request)
            except Refused as refused:
                return self.error(refused)
            return answer

        return endpoint

    def answer(self, body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """Return an answer of TAXII."""
        kind = "application/taxii+json" if self.has("media type without a version") else TAXII
        content = b"" if body is None else json.dumps(body).encode()
        return Response(content, status, {"Content-Type": kind, **(headers or {})})

    def error(self, refused: Refused) -> Response:
        """Return an error message."""
        status: str | int = refused.status if self.has("error with a number as status") else str(refused.status)
        answer = self.answer({"title": str(refused), "http_status": status}, refused.status)
        if self.has("errors as plain JSON"):
            answer.headers["Content-Type"] = "application/json"
        if refused.status == 401 and not self.has("no challenge"):
            answer.headers["WWW-Authenticate"] = 'Bearer realm="test"'
        return answer

    def check_login(self, request: Request) -> None:
        """Refuse who has no token."""
        scheme, _, rest = request.headers.get("authorization", "").partition(" ")
        basic = base64.b64encode(f"user:{TOKEN}".encode()).decode()
        right = {"bearer": rest == TOKEN, "basic": rest == basic}.get(scheme.lower(), False)
        if not right and not self.has("open to all"):
            raise Refused(401, "who is it?")

    def check_accept(self, request: Request) -> None:
        """Refuse who cannot read TAXII."""
        accept = request.headers.get("accept")
        if accept is None or self.has("accept ignored"):
            return
        if self.has("accept compared as text"):
            right = accept == TAXII
        else:
            right = any(_is_taxii(part, ranges=True) for part in accept.split(","))
        if not right:
            raise Refused(406, "not to be served")

    def rights(self, request: Request, *, read: bool = False, write: bool = False) -> str:
        """Return the id of the collection that a path names, when the caller has the rights that are needed."""
        wanted = request.path_params["collection"]
        found = next((name for name, (alias, *_) in COLLECTIONS.items() if wanted in {name, alias}), "")
        _, may_read, may_write = COLLECTIONS.get(found, ("", False, False))
        if not (may_read or may_write):
            status = 403 if self.has("hidden deletion is 403") and request.method == "DELETE" else 404
            raise Refused(status, "no such collection")
        may_read = may_read or self.has("write-only is read")
        may_write = may_write or self.has("read-only is written")
        if (read and not may_read) or (write and not may_write):
            raise Refused(403, "not for this caller")
        return found

    async def discovery(self, request: Request) -> Response:
        """Answer with the discovery resource."""
        default = "/other/" if self.has("default root that is not listed") else "/root/"
        title = {} if self.has("discovery without a title") else {"title": "Test"}
        return self.answer({**title, "default": default, "api_roots": ["/root/"]})

    async def root(self, request: Request) -> Response:
        """Answer with the API root."""
        return self.answer({"title": "Test", "versions": [TAXII], "max_content_length": MOST_BYTES})

    async def status(self, request: Request) -> Response:
        """Answer with a status."""
        found = self.statuses.get(request.path_params["status"])
        if found is None:
            raise Refused(404, "no such status")
        return self.answer(found)

    async def collections(self, request: Request) -> Response:
        """Answer with the collections that a caller may know of."""
        names = [name for name, (_, *rights) in COLLECTIONS.items() if any(rights) or self.has("hidden is listed")]
        self.asked += 1
        if self.has("collections in another order each time") and self.asked % 2:
            names.reverse()
        return self.answer({"collections": [self.described(name) for name in names]})

    async def collection(self, request: Request) -> Response:
        """Answer with one collection."""
        return self.answer(self.described(self.rights(request)))

    def described(self, name: str) -> dict[str, Any]:
        """Return a collection resource."""
        alias, may_read, may_write = COLLECTIONS[name]
        may_read = may_read or (self.has("hidden is listed") and alias == "secret")
        rights = {"can_read": may_read, "can_write": may_write}
        shown = str(list(COLLECTIONS).index(name)) if self.has("collection ids that count") and alias != "shared" else name
        shown = shown.rjust(32, "0") if len(shown) == 1 else shown
        return {"id": shown, "title": alias.title(), "alias": alias, **rights, "media_types": [STIX + "2.1", STIX + "2.0"]}

    async def manifest(self, request: Request) -> Response:
        """Answer with a manifest."""
        name = self.rights(request, read=True)
        return self.paged(request, self.entries[name], "objects", self.record)

    async def objects(self, request: Request) -> Response:
        """Answer with objects, or add some."""
        if request.method == "POST":
            return await self.add(request)
        found = [entry for entry in self.entries[self.rights(request, read=True)] if not entry.hidden]
        return self.paged(request, found, "objects", lambda entry: entry.body)

    async def object(self, request: Request) -> Response:
        """Answer with an object, or delete it."""
        name = self.rights(request, read=True, write=request.method == "DELETE")
        found = self.known(request, name)
        if request.method == "DELETE":
            return self.delete(request, name, found)
        return self.paged(request, found, "objects", lambda entry: entry.body)

    async def versions(self, request: Request) -> Response:
        """Answer with the versions of an object."""
        found = self.known(request, self.rights(request, read=True))
        if not self.has("versions are the last"):
            return self.paged(request, found, "versions", lambda entry: _text(entry.version), every=True)
        return self.paged(request, found, "versions", lambda entry: _text(entry.version))

    def known(self, request: Request, name: str) -> list[Entry]:
        """Return the versions of the object that a path names."""
        found = [entry for entry in self.entries[name] if entry.id == request.path_params["object"] and not entry.hidden]
        if not found and not (self.has("delete twice") and request.method == "DELETE"):
            raise Refused(404, "no such object")
        return found

    def record(self, entry: Entry) -> dict[str, str]:
        """Return a manifest record."""
        version = _micros(entry.body["created"]) if self.has("manifest tells created") else entry.version
        added = _text(entry.added)
        return {"id": entry.id, "date_added": added, "version": _text(version), "media_type": STIX + entry.spec}

    def paged(
        self, request: Request, entries: list[Entry], name: str, show: Callable[[Entry], Any], *, every: bool = False
    ) -> Response:
        """Answer with the page of entries that a request asks for."""
        asked = self.read(request)
        if every:
            asked = Asked(asked.after, asked.limit, asked.start, {**asked.match, "version": ["all"]})
        found = self.ordered(self.matching(entries, asked))
        rest = self.started(found, asked)
        limit = len(rest) if self.has("limit ignored") else asked.limit
        page = rest[:limit]
        if self.has("limit before filters"):
            page = [entry for entry in self.ordered(entries)[:limit] if entry in rest]
        body: dict[str, Any] = {name: [show(entry) for entry in page]} if page or self.has("empty lists") else {}
        if not page and self.has("nothing is 404"):
            raise Refused(404, "nothing matches")
        if (len(rest) > limit and not self.has("more is never told")) or self.has("more is always told"):
            body |= {"more": True, "next": self.next(page, asked)}
        return self.answer(body, headers=self.dates(found if self.has("dates of all instead of the page") else page))

    def ordered(self, found: list[Entry]) -> list[Entry]:
        """Return entries in the order in which they were added."""
        if self.has("order of modified"):
            return sorted(found, key=lambda entry: entry.version)
        return found[::-1] if self.has("newest first") else found

    def started(self, found: list[Entry], asked: Asked) -> list[Entry]:
        """Return what follows the place where a page begins."""
        if self.has("pages by offset"):
            return found[asked.start :]
        if self.has("newest first") or self.has("order of modified"):
            places = [at for at, entry in enumerate(found) if entry.added == asked.start]
            return found[places[0] + 1 :] if places else found
        return [entry for entry in found if entry.added > asked.start]

    def next(self, page: list[Entry], asked: Asked) -> str:
        """Return where the next page begins."""
        if self.has("pages by offset"):
            return base64.urlsafe_b64encode(str(asked.start + len(page)).encode()).decode()
        place: Any = page[-1].added if page else asked.start
        if self.has("next holds the query"):
            place = [place, dict(asked.match)]
        return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()

    def dates(self, page: list[Entry]) -> dict[str, str]:
        """Return the headers of a page."""
        if not page or self.has("no dates in headers"):
            return {}
        cut = 3 if self.has("dates in milliseconds") else 0
        first, last = (_text(entry.added) for entry in (page[0], page[-1]))
        return {"X-TAXII-Date-Added-First": first[: 26 - cut] + "Z", "X-TAXII-Date-Added-Last": last[: 26 - cut] + "Z"}

    def read(self, request: Request) -> Asked:
        """Return what the parameters of a request ask for."""
        given = request.query_params
        if any(len(given.getlist(name)) > 1 for name in given) and not self.has("parameter twice takes the last"):
            raise Refused(400, "a parameter twice")
        try:
            return self.parsed(dict(given.items()))
        except (ValueError, TypeError) as error:
            if self.has("malformed parameters ignored"):
                return Asked(match={name[6:-1]: given[name].split(",") for name in given if name == "match[id]"})
            raise Refused(500 if self.has("malformed parameters crash") else 400, f"malformed: {error}") from error

    def parsed(self, given: dict[str, str]) -> Asked:
        """Return what parameters ask for. Raises: ValueError."""
        limit = int(given.get("limit", "1000"))
        if limit < 1:
            raise ValueError("limit")
        match = {name[6:-1]: value.split(",") for name, value in given.items() if name.startswith("match[")}
        versions = match.get("version", ["last"])
        if len(set(versions)) < len(versions) or ("all" in versions and len(versions) > 1):
            raise ValueError("version")
        for version in set(versions) - {"first", "last", "all"}:
            _micros(version)
        after = _micros(given["added_after"]) if "added_after" in given else None
        place = json.loads(base64.b64decode(given["next"], b"-_", validate=True)) if "next" in given else 0
        if isinstance(place, list) and self.has("next holds the query"):
            place, match = place
        if not isinstance(place, int):
            raise ValueError("next")
        return Asked(after, limit, place, match)

    def matching(self, entries: list[Entry], asked: Asked) -> list[Entry]:
        """Return the entries that all filters match."""
        ids = asked.match.get("id")
        if ids and self.has("match id takes one value"):
            ids = ids[:1]
        types = None if self.has("match type ignored") else asked.match.get("type")
        specs = None if self.has("spec_version ignored") else asked.match.get("spec_version")
        wanted = self.versions_of(entries, asked)
        join = any if self.has("filters joined by or") and ids and types else all
        found = [entry for entry in entries if join(self.tests(entry, ids, types)) and id(entry) in wanted]
        found = [entry for entry in found if not specs or entry.spec in specs]
        return [entry for entry in found if asked.after is None or self.is_after(entry, asked.after)]

    def tests(self, entry: Entry, ids: Sequence[str] | None, types: Sequence[str] | None) -> Iterator[bool]:
        """Yield whether each filter of an entry itself matches."""
        yield ids is None or entry.id in ids
        yield types is None or entry.type in types

    def is_after(self, entry: Entry, moment: int) -> bool:
        """Return whether an entry was added after a moment."""
        if self.has("added_after compares modified"):
            return entry.version > moment
        return entry.added >= moment if self.has("added_after includes the moment") else entry.added > moment

    def versions_of(self, entries: list[Entry], asked: Asked) -> set[int]:
        """Return which entries are of the versions that are asked for."""
        default = ["all"] if self.has("all versions by default") else ["last"]
        values = asked.match.get("version", default)
        by_object: dict[str, list[Entry]] = {}
        for entry in entries:
            by_object.setdefault(entry.id, []).append(entry)
        return {id(entry) for group in by_object.values() for entry in self.chosen(group, values, asked)}

    def chosen(self, group: list[Entry], values: Sequence[str], asked: Asked) -> list[Entry]:
        """Return those versions of one object that are asked for."""
        if "spec_version" not in asked.match and not self.has("all specifications by default"):
            group = [entry for entry in group if entry.spec == max(item.spec for item in group)]
        elif "spec_version" in asked.match and not self.has("spec_version ignored"):
            group = [entry for entry in group if entry.spec in asked.match["spec_version"]]
        if not group or "all" in values:
            return group
        last = group[-1].version if self.has("last is what was added last") else max(entry.version for entry in group)
        named = {"last": last, "first": min(entry.version for entry in group)}
        times = {named.get(value) or _micros(value) for value in values}
        if self.has("versions by the second"):
            times = {moment // 1_000_000 for moment in times}
            return [entry for entry in group if entry.version // 1_000_000 in times]
        return [entry for entry in group if entry.version in times]

    def delete(self, request: Request, name: str, found: list[Entry]) -> Response:
        """Delete the versions of an object that a request names, all when it names none."""
        asked = self.read(request)
        if "version" not in asked.match and not self.has("delete takes the last version"):
            asked = Asked(match={**asked.match, "version": ["all"]})
        gone = found if self.has("delete ignores the version") else self.matching(found, asked)
        if self.has("delete hides from objects alone"):
            for entry in gone:
                entry.hidden = True
        else:
            self.entries[name] = [entry for entry in self.entries[name] if entry not in gone]
        return self.answer(None)

    async def add(self, request: Request) -> Response:
        """Add the objects of a body."""
        name = self.rights(request, write=True)
        kind = request.headers.get("content-type", "")
        right = kind == TAXII if self.has("content type compared as text") else _is_taxii(kind, ranges=False)
        if not right and not self.has("content type ignored"):
            raise Refused(415, "not supported")
        if int(request.headers.get("content-length", "0")) > MOST_BYTES and not self.has("unlimited bodies"):
            raise Refused(413, "too long")
        body = await request.body()
        if len(body) > MOST_BYTES and not (self.has("length believed") or self.has("unlimited bodies")):
            raise Refused(413, "too long")
        try:
            objects = _list(json.loads(body)["objects"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise Refused(400, f"no envelope: {error}") from error
        return self.answer(self.taken(name, objects), 201 if self.has("status with 201") else 202)

    def taken(self, name: str, objects: list[Any]) -> dict[str, Any]:
        """Keep objects; return the status."""
        began = max(time.time_ns() // 1000, self.latest() + 1)
        good: list[dict[str, str]] = []
        bad: list[dict[str, str]] = []
        for at, made in enumerate(objects):
            added = began if self.has("pages by date, one date for a batch") else began + at
            try:
                good.append({"id": made["id"], "version": _text(self.keep(name, made, added))})
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                known = made.get("id", "") if isinstance(made, dict) else ""
                bad.append({"id": str(known), "version": _text(began), "message": str(error) or "wrong"})
        status: dict[str, Any] = {"id": str(uuid4()), "status": "complete", "request_timestamp": _text(began)}
        lists = {key: found for key, found in (("successes", good), ("failures", bad)) if found}
        status |= {"total_count": len(objects), "success_count": len(good), "failure_count": len(bad), "pending_count": 0}
        status |= lists
        if self.has("counts of the request instead of the outcome"):
            status |= {"success_count": len(objects), "failure_count": 0}
        if not self.has("status not kept"):
            self.statuses[status["id"]] = status
        return status

    def latest(self) -> int:
        """Return when something was added last."""
        return max((entry.added for entries in self.entries.values() for entry in entries), default=0)

    def keep(self, name: str, made: dict[str, Any], added: int) -> int:
        """Keep an object and return its version. Raises: ValueError, TypeError, KeyError."""
        given = made.get("modified") or made.get("created")
        try:
            version = _micros(given) if given is not None else added
            _check(made)
        except (ValueError, TypeError, KeyError):
            if not self.has("bad object taken"):
                raise
            version = added
        spec = made.get("spec_version") or ("2.1" if made["type"] in _OBSERVABLES else "2.0")
        same = [entry for entry in self.entries[name] if (entry.id, entry.spec) == (made["id"], spec)]
        known = next((entry for entry in same if entry.version == version or (given is None and entry.body == made)), None)
        if known and not self.has("duplicate kept twice"):
            if self.has("duplicate is a failure"):
                raise ValueError("it is there already")
            return known.version
        body = (
            {key: value for key, value in made.items() if not key.startswith("x_")} if self.has("content rewritten") else made
        )
        self.entries[name].append(Entry(made["id"], version, spec, added, body))
        return version


def _list(found: Any) -> list[Any]:
    """Return what is a list. Raises: TypeError."""
    if not isinstance(found, list):
        raise TypeError("objects is no list")
    return found


def _check(made: dict[str, Any]) -> None:
    """Raise ValueError, TypeError or KeyError unless an object has what every object has."""
    if not re.fullmatch(re.escape(made["type"]) + "--[0-9a-f-]{36}", made["id"]):
        raise ValueError("id and type do not fit")
    if made.get("spec_version", "2.1") not in {"2.0", "2.1"}:
        raise ValueError("no such version of STIX")


def _is_taxii(text: str, *, ranges: bool) -> bool:
    """Return whether a media type is that of TAXII 2.1, or a range that it is in."""
    name, *rest = (part.strip().lower() for part in text.split(";"))
    parameters = dict(part.replace('"', "").partition("=")[::2] for part in rest)
    if float(parameters.get("q") or 1) == 0 or (ranges and name in {"*/*", "application/*"}):
        return float(parameters.get("q") or 1) > 0
    return name == "application/taxii+json" and parameters.get("version", "2.1") == "2.1"


def _micros(text: str) -> int:
    """Return a timestamp in microseconds. Raises: ValueError, TypeError."""
    if not _MOMENT.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no timestamp")
    whole, _, fraction = text[:-1].partition(".")
    moment = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1) + int(fraction[:6].ljust(6, "0") if fraction else 0)


def _text(moment: int) -> str:
    """Return a moment with microseconds."""
    return (_EPOCH + timedelta(microseconds=moment)).isoformat(timespec="microseconds").replace("+00:00", "Z")


__all__ = ["COLLECTIONS", "FAULTS", "TOKEN", "FaultyTaxii"]
