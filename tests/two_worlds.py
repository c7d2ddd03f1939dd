"""Two worlds: one node gets all that is posted, the other never what stays hidden from an observer, who must not notice.

A script is played in both worlds by the same clock, with the same salts and ids. What the other organisations ask for is asked
in both; of what they post, the second world is not given what the observer may see on no day and under no rulebook of the
script, objects and parts of them, nor what the node did not take. Then all that the observer was answered is compared, byte by
byte.

Markings are the same in both worlds: an object that the observer sees is as restricted as all that it was packaged with, also
by what is hidden. What an owner makes of its own object by packing it with others is its decision, and may be noticed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest import mock
from urllib.parse import urlencode
from uuid import UUID

from hypothesis import strategies as st
from rulebook_reference import COLLECTIONS, MARKINGS, ORGANISATIONS, TODAY, TYPES, books, may
from sqlalchemy import select
from starlette.types import ASGIApp, Message

from node_samples import AGGREGATE, DAY_US, TAXII, Clock, configure, objects_url
from tocsin.feeds.carried import ASKS_MARKS
from tocsin.feeds.interface import Incoming, Rejected, Terms
from tocsin.feeds.reference import spread_naively
from tocsin.feeds.spreading import links
from tocsin.feeds.stix import divide, read_bundle
from tocsin.runs import intake
from tocsin.runs.new_node import init_node
from tocsin.runs.node import Node, Options, open_node
from tocsin.server.app import build_app
from tocsin.sharing.decisions import Caller, Label, counted
from tocsin.sharing.markings import PAP_2, TLP_2, Marks, Pap, Tlp, read_marks
from tocsin.sharing.moments import moment_text
from tocsin.sharing.rulebook import Action, Organisation, Rule, Rulebook, Selection, digest
from tocsin.sharing.tables import Books
from tocsin.stores import schema, statuses
from tocsin.stores.database import reading, writing
from tocsin.stores.grants import read_marks_text
from tocsin.stores.rulebooks import Rules, put_in_force
from tocsin.stores.tokens import Role
from tocsin.stores.tokens import Terms as TokenTerms

NOON = int(datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=UTC).timestamp()) * 1_000_000
SECOND_US = 1_000_000
VERSIONS = (NOON - 2 * DAY_US, NOON - DAY_US, NOON - DAY_US + 1)
UNKNOWN = "marking-definition--cccccccc-0000-4000-8000-cccccccccccc"
PURPOSES = ((), ("detect",), ("block", "detect"))
NUMBERS = (1, 2, 3)
KINDS = (*TYPES, "domain-name", "report")
"""Rules speak of the first two. A domain name has no version; it and a report hold others, which are as restricted."""


Database = Callable[[], AbstractContextManager[str | None]]
"""Gives the URL of an empty database, or None for one in the folder of the node."""


class Answer(NamedTuple):
    """All that a caller is answered."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass(frozen=True)
class Ask:
    """A request; `next` of a page is followed as often as `pages` says. `later` is by how much the clock moves before it.

    With `marks` the markings of each object are asked for too.
    """

    who: str
    method: str
    path: str
    parameters: tuple[tuple[str, str], ...] = ()
    objects: tuple[str, ...] | None = None
    later: int = SECOND_US
    pages: int = 0
    marks: bool = False


@dataclass(frozen=True)
class Turn:
    """Another rulebook comes into force."""

    book: Rulebook


@dataclass(frozen=True)
class Script:
    """What happens: the rulebook at first, the observer, requests and turns. At the end the observer asks for all there is."""

    book: Rulebook
    observer: Caller
    steps: tuple[Ask | Turn, ...]

    def every(self) -> tuple[Ask | Turn, ...]:
        """Return all that happens."""
        return *self.steps, *whole_probes(self.observer.organisation, self.steps)

    def books(self) -> list[Rulebook]:
        """Return every rulebook that holds at some time."""
        return [self.book, *(step.book for step in self.steps if isinstance(step, Turn))]

    def days(self) -> set[date]:
        """Return every day on which something happens."""
        moments, now = [NOON], NOON
        for step in self.every():
            now += step.later if isinstance(step, Ask) else 0
            moments.append(now)
        return {datetime.fromtimestamp(moment / 1e6, UTC).date() for moment in moments}

    def hides(self, owner: str, collection: str, kind: str, marks: Marks) -> bool:
        """Return whether the observer may never see an object nor have it counted, whenever it was posted."""
        labels = [Label(collection, owner, kind, marks.resolve(book.markings, book.default)) for book in self.books()]
        every = ((book, label, day) for book in self.books() for label in labels for day in self.days())
        return not any(
            may(book, self.observer, label, day) or counted(book, self.observer, label, day) for book, label, day in every
        )


@dataclass
class Side:
    """One of the worlds."""

    node: Node
    clock: Clock
    tokens: Mapping[Caller, str]
    app: ASGIApp
    loop: asyncio.AbstractEventLoop
    noticed: list[tuple[str, Answer]] = field(default_factory=list)
    given: dict[tuple[str, str, str], str] = field(default_factory=dict)
    kept: Counter[bool] = field(default_factory=Counter)
    _source: random.Random = field(default_factory=random.Random)

    def salt(self) -> str:
        """Return the next salt of the request at hand."""
        return self._source.randbytes(16).hex()

    def uuid(self) -> UUID:
        """Return the next random id of the request at hand."""
        return UUID(int=self._source.getrandbits(128), version=4)

    def ask(self, caller: Caller, ask: Ask, number: int, given: Mapping[int, str] | None = None) -> Answer:
        """Return the answer to a request, made with those of its objects that are given, each as it is given; else all."""
        self.clock.now += ask.later
        if ask.objects is None:
            return self._send(caller, ask, dict(ask.parameters), None, number)
        given = dict(enumerate(ask.objects)) if given is None else given
        every = [given.get(at, item) for at, item in enumerate(ask.objects)]

        def read(body: bytes, label: str, terms: Terms) -> list[Incoming | Rejected]:
            assert divide(body, label) == [item.encode() for item in given.values()]
            return [item for at, item in enumerate(read_bundle(_package(every), label, terms)) if at in given]

        with mock.patch.object(intake, "read_bundle", read):
            answer = self._send(caller, ask, dict(ask.parameters), _package(given.values()), number)
        status = json.loads(answer.body) if answer.status == 202 else {}
        lost = status.get("failures", [])
        self.kept.update({True: status.get("success_count", 0), False: len(lost)})
        assert {item["message"] for item in lost} <= {"this version is here with another content"}, lost
        return answer

    def notice(self, caller: Caller, ask: Ask, number: int) -> None:
        """Keep what the observer is answered, and the pages that follow."""
        answer = self.ask(caller, ask, number)
        self.noticed.append((f"{ask}", answer))
        for page in range(ask.pages):
            more = json.loads(answer.body).get("next") if answer.status == 200 and answer.body else None
            if more is None:
                return
            answer = self._send(caller, ask, {**dict(ask.parameters), "next": more}, None, number * 1000 + page)
            self.noticed.append((f"page {page + 2} of {ask}", answer))

    def _send(self, caller: Caller, ask: Ask, parameters: Mapping[str, str], content: bytes | None, number: int) -> Answer:
        self._source.seed(number)
        headers = [(b"host", b"node.example"), (b"authorization", f"Bearer {self.tokens[caller]}".encode())]
        headers += [] if content is None else [(b"content-type", TAXII.encode())]
        headers += [(ASKS_MARKS.encode(), b"1")] if ask.marks else []
        with mock.patch.object(statuses, "uuid4", self.uuid):
            return self.loop.run_until_complete(
                _answered(self.app, ask.method, ask.path, urlencode(parameters), headers, content or b"")
            )

    def marks_of(self, owner: str, collection: str, body: str) -> tuple[Marks, dict[str, Marks]] | None:
        """Return what an object and each of its parts carry in the node, None when it is not there as it was posted."""
        entry, label, part = schema.entry, schema.label, schema.part
        query = select(entry.c.seq, label.c.marks).join(label, entry.c.label == label.c.id)
        query = query.where(entry.c.stix_id == json.loads(body)["id"], entry.c.owner == owner)
        query = query.where(entry.c.collection == collection, entry.c.body == body.encode())
        with reading(self.node.engine) as connection:
            found = connection.execute(query).one_or_none()
            if found is None:
                return None
            of_parts = select(part.c.selectors, label.c.marks).join(label, part.c.label == label.c.id)
            parts = connection.execute(of_parts.where(part.c.seq == found.seq)).all()
        marks = {name: read_marks_text(row.marks) for row in parts for name in json.loads(row.selectors)}
        return read_marks_text(found.marks), marks


def _package(objects: Iterable[str] | None) -> bytes:
    return ('{"objects": [' + ", ".join(objects or ()) + "]}").encode()


def naive_marks(objects: Iterable[str]) -> list[tuple[Marks, dict[str, Marks]]]:
    """Return what objects that are posted together carry, and the parts of each, worked out slowly.

    The marking of a part does not spread, unless its selectors select nothing.
    """
    contents = [json.loads(item) for item in objects]
    parts = [{mark["selectors"][0]: mark["marking_ref"] for mark in item.get("granular_markings", ())} for item in contents]
    own = [
        _joined(read_marks(content.get("object_marking_refs", ())), (ref for name, ref in marks.items() if name not in content))
        for content, marks in zip(contents, parts, strict=True)
    ]
    spread = spread_naively([links(content) for content in contents], own)
    return [
        (marks, {name: _joined(marks, [ref]) for name, ref in those.items()})
        for marks, those in zip(spread, parts, strict=True)
    ]


def without_parts(body: str, hidden: set[str]) -> str:
    """Return an object without some of its properties and what its granular markings say of them, as a node writes it."""
    content = {name: value for name, value in json.loads(body).items() if name not in hidden}
    marks = [mark for mark in content.pop("granular_markings") if mark["selectors"][0] not in hidden]
    content |= {"granular_markings": marks} if marks else {}
    return json.dumps(content, separators=(",", ":"))


def _joined(marks: Marks, refs: Iterable[str]) -> Marks:
    for ref in refs:
        marks = marks.join(read_marks([ref], Tlp.CLEAR))
    return marks


async def _answered(
    app: ASGIApp, method: str, path: str, query: str, headers: list[tuple[bytes, bytes]], content: bytes
) -> Answer:
    """Return what an application answers, without a client and its threads between."""
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": headers}
    scope |= {"client": ("127.0.0.1", 1), "server": ("node.example", 80), "scheme": "http", "root_path": ""}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    with suppress(Exception):  # it was answered with 500 before it was raised
        await app({**scope, "raw_path": path.encode(), "http_version": "1.1"}, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return Answer(sent[0]["status"], tuple(sorted(sent[0]["headers"])), body)


def play(
    script: Script, database: Database = nullcontext, kept: Counter[bool] | None = None
) -> tuple[list[tuple[str, Answer]], list[tuple[str, Answer]], int]:
    """Return what the observer is answered in both worlds, and how many objects the second was not given.

    `kept` counts of the objects that others were let post whether they were kept.
    """
    with ExitStack() as stack:
        whole, less = (stack.enter_context(_side(script, database)) for _ in range(2))
        missing = 0
        for number, step in enumerate(script.every()):
            if isinstance(step, Turn):
                for side in (whole, less):
                    come_into_force(side.node, step.book)
            elif step.who == script.observer.organisation:
                for side in (whole, less):
                    side.notice(script.observer, step, number)
            else:
                left_out = _other(script, whole, less, step, number)
                missing += left_out
        if kept is not None:
            kept.update(whole.kept)
        return whole.noticed, less.noticed, missing


def _other(script: Script, whole: Side, less: Side, ask: Ask, number: int) -> int:
    """Let another organisation ask in both worlds; return how many objects the second is not given."""
    caller = Caller(ask.who, PURPOSES[-1])
    whole.ask(caller, ask, number)
    given = _given(script, whole, less, ask)
    less.ask(caller, ask, number, given)
    return len(ask.objects or ()) - len(given)


def _given(script: Script, whole: Side, less: Side, ask: Ask) -> dict[int, str]:
    """Return which of the objects of a request, already made in the whole world, the other one is given, and what of each.

    What it was given before it is given again: the owner may have narrowed it, by packing it with what is hidden.
    """
    if not ask.objects:
        return {}
    given, collection = {}, ask.path.split("/")[4]
    for at, (body, naive) in enumerate(zip(ask.objects, naive_marks(ask.objects), strict=True)):
        found = whole.marks_of(ask.who, collection, body)
        if found is None:
            continue
        _check_marks(body, *found, *naive)
        key = ask.who, collection, body
        kind = json.loads(body)["type"]
        if key not in less.given and not script.hides(ask.who, collection, kind, found[0]):
            hidden = {name for name, marks in found[1].items() if script.hides(ask.who, collection, kind, marks)}
            less.given[key] = without_parts(body, hidden) if hidden else body
        if key in less.given:
            given[at] = less.given[key]
    return given


def _check_marks(body: str, marks: Marks, parts: Mapping[str, Marks], naive: Marks, naive_parts: Mapping[str, Marks]) -> None:
    """Check that an object is not less restricted in the node than its package, nor any part of it."""
    assert marks.join(naive) == marks, f"{body} is less restricted than its package"
    for name, least in naive_parts.items():
        held = parts.get(name, marks)
        assert held.join(least) == held, f"{name} of {body} is less restricted than it says"


def difference(script: Script, database: Database = nullcontext) -> str:
    """Return what the observer can tell the worlds apart by, empty when there is nothing."""
    whole, less, _ = play(script, database)
    for (ask, answer), (same, other) in zip(whole, less, strict=False):
        if (ask, answer) != (same, other):
            return f"{ask}\n  with:    {answer}\n  without: {other}"
    return "" if len(whole) == len(less) else "another number of pages"


@cache
def _template() -> Path:
    """Return the folder of a node with a token of each organisation for each set of purposes."""
    memory = Path("/dev/shm")
    made = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
    _KEPT.append(made)
    folder = Path(made.name) / "node"
    init_node(folder, "ash", "Ash", "Water CERT")
    configure(folder, _RULEBOOK, COLLECTIONS)
    node = open_node(folder, Options(Clock(NOON)))
    come_into_force(node, Rulebook("Water CERT", "ash", {"ash": Organisation("ash", "Ash")}))
    _TOKENS.update(_issue(node))
    node.close()
    return folder


def _issue(node: Node) -> dict[Caller, str]:
    callers = [Caller(name, purposes) for name in (*ORGANISATIONS, "stranger") for purposes in PURPOSES]
    terms = TokenTerms(tuple(Role), NOON + 300 * DAY_US)
    return {caller: node.tokens.issue(caller, terms) for caller in callers}


_KEPT: list[tempfile.TemporaryDirectory[str]] = []
_TOKENS: dict[Caller, str] = {}
_RULEBOOK = "{community: Water CERT, operator: ash, organisations: {ash: {name: Ash}}}"


def come_into_force(node: Node, book: Rulebook) -> None:
    """Put a rulebook in force that was never text."""
    with writing(node.engine) as connection:
        put_in_force(connection, Books(book, ()), b"", node.clock())
    node.rulebooks._last = Rules(book, digest(book), ())


@contextmanager
def _side(script: Script, database: Database) -> Iterator[Side]:
    """Give a world in which nothing has happened."""
    template = _template()
    with tempfile.TemporaryDirectory(dir=template.parent) as made, database() as url, ExitStack() as stack:
        folder = Path(made) / "node"
        shutil.copytree(template, folder)
        if url is not None:
            configure(folder, _RULEBOOK, COLLECTIONS, database=url)
        clock, salts = Clock(NOON), random.Random()
        node = open_node(folder, Options(clock, lambda: side.salt()))
        stack.callback(node.close)
        loop = asyncio.new_event_loop()
        stack.callback(loop.close)
        tokens = _TOKENS if url is None else {}
        side = Side(node, clock, tokens, build_app(node), loop, _source=salts)
        if url is not None:
            side.tokens = _issue(node)
        come_into_force(node, script.book)
        yield side
        loop.run_until_complete(loop.shutdown_default_executor())


def stix_id(kind: str, number: int) -> str:
    """Return the id of an object by its number."""
    return f"{kind}--{UUID(int=(4 << 76) | (2 << 62) | number)}"


@st.composite
def objects(draw: st.DrawFn) -> str:
    """Give an object as its text, valid by its type: few ids and versions, so that owners meet on them."""
    kind = draw(st.sampled_from((*TYPES, *KINDS)))
    levels = [None, *TLP_2.values()]
    refs = [*filter(None, [draw(st.sampled_from(levels))])]
    refs += draw(st.sampled_from([[], [], [], [MARKINGS[0]], [MARKINGS[1]], [PAP_2[Pap.AMBER]], [UNKNOWN]]))
    made: dict[str, Any] = {"type": kind, "id": draw(ids_of(kind)), **draw(heads(kind))}
    made |= {"object_marking_refs": refs} if refs else {}
    names = draw(st.lists(st.sampled_from(["name", "name", "count", "type"]), min_size=1, max_size=2, unique=True))
    of_parts = st.sampled_from([TLP_2[Tlp.RED], TLP_2[Tlp.RED], TLP_2[Tlp.AMBER], MARKINGS[0], UNKNOWN])
    marked = [{"selectors": [name], "marking_ref": draw(of_parts)} for name in names]
    made |= {"granular_markings": marked} if not draw(st.integers(0, 3)) else {}
    made |= {"name": draw(st.sampled_from(["x", "y"]))} if kind == "report" or not draw(st.integers(0, 3)) else {}
    made |= draw(_OF_KIND[kind])
    return json.dumps(made)


@st.composite
def heads(draw: st.DrawFn, kind: str) -> dict[str, str]:
    """Give what says the version of an object: that of STIX 2.0 may leave it out, a domain name has none."""
    if kind == "domain-name":
        return {"spec_version": "2.1"}
    version = draw(st.sampled_from((*VERSIONS, None)))
    if version is None:
        return {}
    spec = {"spec_version": "2.1"} if draw(st.integers(0, 3)) else {}
    return {**spec, "created": moment_text(VERSIONS[0]), "modified": moment_text(version)}


def ids_of(*kinds: str) -> st.SearchStrategy[str]:
    """Give the id of an object of one of the types."""
    return st.builds(stix_id, st.sampled_from(kinds), st.sampled_from(NUMBERS))


_OF_KIND: Mapping[str, st.SearchStrategy[dict[str, Any]]] = {
    "indicator": st.just(
        {"pattern": "[ipv4-addr:value = '192.0.2.1']", "pattern_type": "stix", "valid_from": moment_text(VERSIONS[0])}
    ),
    "sighting": st.fixed_dictionaries({"sighting_of_ref": ids_of("indicator")}, optional={"count": st.integers(2, 9)}),
    "domain-name": st.one_of(
        st.just({"value": "a.example"}),
        st.fixed_dictionaries({"value": st.just("a.example"), "resolves_to_refs": st.lists(ids_of("domain-name"), min_size=1)}),
    ),
    "report": st.fixed_dictionaries(
        {"published": st.just(moment_text(VERSIONS[0])), "object_refs": st.lists(ids_of(*KINDS), min_size=1, max_size=3)}
    ),
}
moves = st.sampled_from([*[SECOND_US] * 8, 60 * SECOND_US, 3600 * SECOND_US, -3600 * SECOND_US, DAY_US])
collections = st.sampled_from(COLLECTIONS)
readable = st.sampled_from([*COLLECTIONS, AGGREGATE])
ids = ids_of(*TYPES, *KINDS)


@st.composite
def posts(draw: st.DrawFn, who: st.SearchStrategy[str]) -> Ask:
    """Give a request to add objects."""
    found = draw(st.lists(objects(), min_size=1, max_size=6))
    return Ask(draw(who), "POST", objects_url(draw(collections)), objects=tuple(found), later=draw(moves))


@st.composite
def removals(draw: st.DrawFn, who: st.SearchStrategy[str]) -> Ask:
    """Give a request to withdraw all or exact versions: which is the last depends on all that its owner has."""
    versions = draw(st.sampled_from(["all", *map(moment_text, VERSIONS)]))
    path = f"{objects_url(draw(collections))}{draw(ids)}/"
    return Ask(draw(who), "DELETE", path, (("match[version]", versions),), later=draw(moves))


@st.composite
def place_texts(draw: st.DrawFn) -> str:
    """Give a `next` that no page gave: anything that the server can read."""
    added = NOON + draw(st.integers(0, 12)) * SECOND_US + draw(st.integers(-2, 6))
    place = [added, draw(ids), draw(st.sampled_from([0, *VERSIONS])), draw(st.sampled_from(["2.0", "2.1", "9.0"]))]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


_FILTERS: Mapping[str, st.SearchStrategy[str]] = {
    "added_after": st.builds(
        lambda seconds, more: moment_text(NOON + seconds * SECOND_US + more), st.integers(0, 15), st.integers(-2, 6)
    ),
    "limit": st.sampled_from(["1", "1", "2", "3", "500"]),
    "next": place_texts(),
    "match[id]": st.lists(ids, min_size=1, max_size=3).map(",".join),
    "match[type]": st.sampled_from([*KINDS, "indicator,sighting", "tool"]),
    "match[version]": st.sampled_from(["all", "first", "last", "first,last", *map(moment_text, VERSIONS)]),
    "match[spec_version]": st.sampled_from(["2.0", "2.1", "2.0,2.1"]),
    "unknown": st.just("x"),
}


_FEW: Final = ("/taxii2/", "/taxii2/api/", "/taxii2/api/collections/", "/taxii2/api/markings/")
_KEYS: Final = ("/record/key", "/record/witness-key")


@st.composite
def reads(draw: st.DrawFn, who: st.SearchStrategy[str]) -> Ask:
    """Give a request to read, with filters that may not be those of its address."""
    base = objects_url(draw(readable))
    one = base + draw(ids) + "/"
    collection = base.removesuffix("objects/")
    paths = [
        base,
        base,
        base,
        collection + "manifest/",
        collection + "manifest/",
        collection + "sightings/",
        collection + "markings/",
        one,
        one + "versions/",
    ]
    path = draw(st.sampled_from([*paths, *paths, collection, *_FEW, one[:-1]]))
    names = draw(st.lists(st.sampled_from(sorted(_FILTERS)), unique=True, max_size=3))
    method = draw(st.sampled_from([*["GET"] * 9, "HEAD", "PUT"]))
    filters = tuple((name, draw(_FILTERS[name])) for name in names)
    return Ask(draw(who), method, path, filters, later=draw(moves), pages=6, marks=draw(st.booleans()))


def statuses_of(steps: tuple[Ask | Turn, ...]) -> list[str]:
    """Return the ids that the statuses of all requests get."""
    found = []
    for number, step in enumerate(steps):
        if isinstance(step, Ask) and step.objects is not None:
            side = random.Random(number)
            side.randbytes(16)
            found.append(str(UUID(int=side.getrandbits(128), version=4)))
    return found


def whole_probes(who: str, steps: tuple[Ask | Turn, ...]) -> Iterator[Ask]:
    """Yield requests for all that there is, in small pages and large."""
    yield from (Ask(who, "GET", path) for path in (*_FEW, *_KEYS))
    for base in map(objects_url, (*COLLECTIONS, AGGREGATE)):
        yield Ask(who, "GET", base, (("limit", "1"), ("match[version]", "all")), pages=40)
        yield Ask(who, "GET", base.replace("objects/", "manifest/"), (("limit", "2"), ("match[version]", "all")), pages=40)
        yield Ask(who, "GET", base, marks=True)
        yield Ask(who, "GET", base.replace("objects/", "markings/"))
        yield Ask(who, "GET", base.replace("objects/", "sightings/"), (("limit", "1"),), pages=40)
    posted = [(step.path, body) for step in steps if isinstance(step, Ask) for body in step.objects or ()]
    for one in sorted({f"{path}{json.loads(body)['id']}/" for path, body in posted}):
        yield Ask(who, "GET", one)
        yield Ask(who, "GET", one + "versions/")
    for status in statuses_of(steps):
        yield Ask(who, "GET", f"/taxii2/api/status/{status}/")


@st.composite
def worlds(draw: st.DrawFn) -> Rulebook:
    """Give a rulebook under which all may write, and something is read."""
    book = draw(books())
    level = draw(st.sampled_from(Tlp))
    about = Selection(owners=tuple(draw(st.lists(st.sampled_from(ORGANISATIONS), unique=True, max_size=2))))
    given = Rule("given", tuple(book.organisations), about, up_to=level)
    writers = Rule("writers", tuple(book.organisations), may=Action.WRITE)
    return Rulebook(
        book.community,
        book.operator,
        book.organisations,
        book.groups,
        book.markings,
        book.purposes,
        (*book.rules, given, writers),
        book.default,
    )


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """Give a script in which what is hidden and what is seen meet on the same ids."""
    book = draw(worlds())
    observer = Caller(draw(st.sampled_from(sorted(book.organisations))), draw(st.sampled_from(PURPOSES)))
    mine = st.just(observer.organisation)
    others = st.sampled_from(sorted({*ORGANISATIONS, "stranger"} - {observer.organisation}))
    everyone = st.one_of(mine, others, others)
    step = st.one_of(posts(others), posts(everyone), posts(others), posts(others), removals(everyone), reads(everyone))
    steps = draw(st.lists(step, min_size=3, max_size=8))
    if not draw(st.integers(0, 5)):
        steps.insert(draw(st.integers(0, len(steps))), Turn(draw(worlds())))
    asked = st.one_of(*[reads(mine)] * 6, removals(mine), posts(mine))
    probes = draw(st.lists(asked, min_size=8, max_size=20))
    return Script(book, observer, (*steps, *probes))


__all__ = ["NOON", "SECOND_US", "VERSIONS", "Answer", "Ask", "Script", "Turn", "difference", "play", "scripts", "stix_id"]
