"""Peers of other makes: servers of TAXII 2.1 that know nothing of markings beside objects, are busy, or date by the second."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from node_samples import NODE_FILE, Clock, World, indicator, opened
from tocsin.runs.node_file import read_node_file
from tocsin.runs.sync import Synced, sync_peer
from tocsin.sharing.markings import Tlp

STATUS = "2f1c4f2a-0000-4000-8000-000000000001"


@dataclass
class Said:
    """An answer: status, body, headers."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Other:
    """A server that answers as it is told, by method and path; a list is worked off, its last answer stays."""

    world: World
    answers: dict[tuple[str, str], list[Said]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, list[str]], bytes]] = field(default_factory=list)

    def answer(self, method: str, path: str, body: bytes) -> Said:
        """Return what is answered."""
        found = urlsplit(path)
        self.asked.append((method, found.path, parse_qs(found.query), body))
        waiting = self.answers.get((method, found.path), [Said(404, {"title": "nothing"})])
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def sync(self) -> Synced:
        """Run with it."""
        self.asked.clear()
        return sync_peer(self.world.node, "other")

    def parameters(self) -> list[dict[str, list[str]]]:
        """Return what was asked for with, but for the limit."""
        return [{name: value for name, value in found.items() if name != "limit"} for _, _, found, _ in self.asked]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Other]]:
    """Give what makes a server and a node that knows it as its peer."""
    with opened(tmp_path / "node", clock=Clock(time.time_ns() // 1000)) as world:
        found = Other(world)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                """Answer as told."""
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                said = found.answer(self.command, self.path, body)
                content = json.dumps(said.body).encode()
                self.send_response(said.status)
                for name, value in {"Content-Length": str(len(content)), **said.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_DELETE = do_GET  # noqa: N815 - the names that the library calls

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()

        def begin(**keys: str) -> Other:
            settings = {"kind": "taxii", "organisation": "water-cert", "local": "indicators", "remote": "c", **keys}
            listed = ", ".join(f"{name}: {value}" for name, value in settings.items())
            with (world.folder / NODE_FILE).open("a") as file:
                file.write(
                    f'peers:\n  other: {{{listed}, allow: [127.0.0.1], url: "http://127.0.0.1:{server.server_port}/api"}}\n'
                )
            world.node.file = read_node_file(world.folder / NODE_FILE)
            return found

        yield begin
        server.shutdown()
        server.server_close()
        thread.join()


OBJECTS = "/api/collections/c/objects/"
PUSH = {"direction": "push", "organisation": "lakeside-services", "purposes": "[detect]"}


def page(*numbers: int, last: str = "", more: bool = False, **body: Any) -> Said:
    """Return a page of indicators."""
    objects = [indicator(number) for number in numbers]
    said = {"objects": objects, **({"more": True} if more else {}), **body}
    return Said(200, said, {"X-TAXII-Date-Added-Last": last} if last else {})


def test_a_server_that_dates_by_the_second(make: Callable[..., Other]) -> None:
    """Between pages, and as long as a second is not over, it is asked from just before the last moment, so none is missed."""
    other = make()
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    other.answers["GET", OBJECTS] = [
        page(1, 2, last="2026-01-01T00:00:00Z", more=True, next="a"),
        Said(500, {"title": "down"}),
        page(2, 3, last="2026-01-01T00:00:00Z"),
        page(4, last=now),
        Said(200, {}),
    ]
    first = other.sync()
    assert (first.came.taken, first.fault.rpartition(": ")[2]) == (2, "down [N066]")
    assert other.parameters() == [{}, {"next": ["a"]}]
    assert str(other.sync().came) == "1 taken, 1 known, 0 refused"
    assert other.parameters() == [{"added_after": ["2025-12-31T23:59:59.999999Z"]}]
    other.sync()
    assert other.parameters() == [{"added_after": ["2026-01-01T00:00:00.000000Z"]}]
    other.sync()
    assert other.parameters()[0]["added_after"][0].endswith(".999999Z")


def test_a_server_without_next(make: Callable[..., Other]) -> None:
    """Where no `next` leads on, the last moment does."""
    other = make()
    other.answers["GET", OBJECTS] = [page(1, last="2026-01-01T00:00:00.5Z", more=True), page(2, last="2026-01-02T00:00:00Z")]
    assert other.sync().came.taken == 2
    assert other.parameters() == [{}, {"added_after": ["2026-01-01T00:00:00.500000Z"]}]


def test_a_server_that_dates_nothing(make: Callable[..., Other]) -> None:
    """All of it is read each time, and known."""
    other = make()
    other.answers["GET", OBJECTS] = [page(1, more=True, next="a"), page(2)] * 2
    assert str(other.sync().came) == "2 taken, 0 known, 0 refused"
    assert str(other.sync().came) == "0 taken, 2 known, 0 refused"
    assert other.parameters()[0] == {}


def test_a_server_that_is_busy(make: Callable[..., Other]) -> None:
    """What it puts off is asked again when it says, a few times; what it puts off for long is a fault."""
    other = make()
    busy = Said(429, {"title": "busy"}, {"Retry-After": "0"})
    other.answers["GET", OBJECTS] = [busy, busy, page(1)]
    assert other.sync().came.taken == 1
    other.answers["GET", OBJECTS] = [busy]
    assert other.sync().fault.endswith("answers 429: busy [N066]")
    assert len(other.asked) == 6
    other.answers["GET", OBJECTS] = [Said(503, {"title": "busy"}, {"Retry-After": "86400"})]
    assert other.sync().fault.endswith("answers 503: busy [N066]")
    assert len(other.asked) == 1


def report(tlp: Tlp, of: dict[str, Any]) -> dict[str, Any]:
    """Return a report about an object."""
    made = indicator(9, tlp)
    kept = {key: made[key] for key in ("spec_version", "created", "modified", "object_marking_refs")}
    about = {"name": "x", "published": made["created"], "object_refs": [of["id"]]}
    return {"type": "report", "id": made["id"].replace("indicator", "report"), **kept, **about}


def test_a_marking_reaches_other_pages(make: Callable[..., Other]) -> None:
    """A report on the last page narrows what came on the first. What came before a fault is taken."""
    other = make()
    last = Said(200, {"objects": [report(Tlp.RED, indicator(1))]})
    other.answers["GET", OBJECTS] = [page(1, 2, more=True, next="a"), page(3, more=True, next="b"), last]
    assert other.sync().came.taken == 4
    assert other.world.ids("riverdale-water", "indicators") == [indicator(2)["id"], indicator(3)["id"]]
    other.answers["GET", OBJECTS] = [page(5, 6, more=True, next="a"), Said(500)]
    done = other.sync()
    assert (done.came.taken, done.fault.rpartition(" ")[2]) == (2, "[N066]")


def status(state: str, **more: Any) -> Said:
    """Return a status resource."""
    counts = {"total_count": 1, "success_count": 0, "failure_count": 0, "pending_count": 0}
    return Said(202, {"id": STATUS, "status": state, **counts, **more})


def test_what_would_lose_its_marking_is_withheld(make: Callable[..., Other]) -> None:
    """A peer that cannot be told of markings gets what tells them itself, and the rest is told."""
    other = make(**PUSH)
    told = report(Tlp.AMBER, indicator(2))
    other.world.post("water-cert", "indicators", indicator(1), indicator(2), told)
    other.answers["GET", "/api/"] = [Said(200, {"title": "x", "versions": [], "max_content_length": 10_000_000})]
    other.answers["POST", OBJECTS] = [status("complete")]
    done = other.sync()
    assert (str(done.came), done.fault) == ("2 given, 0 withdrawn, 0 refused, 1 withheld", "")
    assert done.came.why == [
        f"withheld {indicator(2)['id']}: it is TLP:AMBER here, which it does not say and the peer cannot be told"
    ]
    (sent,) = [json.loads(body) for method, _, _, body in other.asked if method == "POST"]
    assert list(sent) == ["objects"]
    assert [item["id"] for item in sent["objects"]] == [indicator(1)["id"], told["id"]]


def test_a_status_that_is_pending(make: Callable[..., Other]) -> None:
    """A peer that looks at objects later is asked for what became of them; what it still has not looked at is told."""
    other = make(**PUSH)
    other.world.post("water-cert", "indicators", indicator(1))
    other.answers["GET", "/api/"] = [Said(200, {"title": "x", "versions": [], "max_content_length": 10_000_000})]
    other.answers["POST", OBJECTS] = [status("pending", pending_count=1)]
    failed = [{"id": indicator(1)["id"], "version": indicator(1)["modified"], "message": "too old"}]
    other.answers["GET", f"/api/status/{STATUS}/"] = [status("pending", pending_count=1), Said(200, status("complete").body)]
    other.answers["GET", f"/api/status/{STATUS}/"][0].status = 200
    other.answers["GET", f"/api/status/{STATUS}/"][1].body["failures"] = failed
    done = other.sync()
    assert (str(done.came), done.came.why) == (
        "0 given, 0 withdrawn, 1 refused",
        [f"refused {indicator(1)['id']}: too old"],
    )


def test_a_push_that_is_cut_off(make: Callable[..., Other]) -> None:
    """Objects whose receipt never came are sent again, and no others."""
    other = make(**PUSH)
    other.answers["GET", "/api/"] = [Said(200, {"title": "x", "versions": [], "max_content_length": 10_000_000})]
    other.world.post("water-cert", "indicators", indicator(1))
    other.answers["POST", OBJECTS] = [status("complete"), Said(500, {"title": "down"})]
    assert str(other.sync().came) == "1 given, 0 withdrawn, 0 refused"
    other.world.post("water-cert", "indicators", indicator(2))
    failed = other.sync()
    assert (failed.came.given, failed.fault.rpartition(": ")[2]) == (0, "down [N066]")
    other.answers["POST", OBJECTS] = [status("complete")]
    assert str(other.sync().came) == "1 given, 0 withdrawn, 0 refused"
    (sent,) = [json.loads(body)["objects"] for method, _, _, body in other.asked if method == "POST"]
    assert [item["id"] for item in sent] == [indicator(2)["id"]]


@pytest.mark.parametrize(
    "said", [Said(200, []), Said(200, {"max_content_length": "x"}), Said(404, {}), Said(200, None)], ids=str
)
def test_what_is_no_api_root(make: Callable[..., Other], said: Said) -> None:
    """Nothing is given to what does not answer as an API root."""
    other = make(**PUSH)
    other.world.post("water-cert", "indicators", indicator(1))
    other.answers["GET", "/api/"] = [said]
    done = other.sync()
    assert done.fault.rpartition("[")[2] in {"N066]", "N067]"}
    assert [method for method, *_ in other.asked] == ["GET"]
