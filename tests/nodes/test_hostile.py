"""Hostile input: whatever is sent, a node answers in its one shape, keeps nothing that readers cannot read, and goes on."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from node_samples import TAXII, World, indicator, objects_url, opened
from table_samples import SHARE, shares, write_table
from tocsin.feeds.check import DEPTH, check
from tocsin.runs import intake
from tocsin.server.app import build_app
from tocsin.server.delta import delta_routes
from tocsin.server.openapi import document, operations
from tocsin.server.record import record_routes
from tocsin.server.taxii import taxii_routes
from tocsin.sharing.markings import TLP_2, Tlp

ROOT = Path(__file__).resolve().parents[2]
OPENAPI = ROOT / "docs" / "openapi.json"
URL = objects_url("indicators")
NAME = indicator(1)["id"]
FIRST = json.dumps(indicator(1))[1:-1]


def one(more: str, first: str = FIRST) -> bytes:
    """Return an envelope of one object, with more in it."""
    return f'{{"objects": [{{{first}{", " if first else ""}{more}}}]}}'.encode()


def named(stix_id: str, kind: str = "indicator", **more: Any) -> bytes:
    """Return an envelope of one object with an id."""
    return json.dumps({"objects": [{"type": kind, "id": stix_id, **more}]}).encode()


SOUND = {key: value for key, value in indicator(1, None).items() if key not in {"id", "type"}}
NO_ENVELOPES = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "no objects": b"{}",
    "objects that are none": b'{"objects": "x"}',
    "a list too deep": b'{"objects": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
    "an object too deep": one('"x": ' + '{"a":' * 100_000 + "1" + "}" * 100_000),
    "half a surrogate": one('"x": "\\ud800"'),
    "no number": one('"x": NaN'),
    "a byte order mark": b'\xef\xbb\xbf{"objects": []}',
    "UTF-16": '{"objects": []}'.encode("utf-16"),
    "gzip": b"\x1f\x8b\x08\x00xxxx",
    "more behind it": b'{"objects": []} x',
    "cut off": one('"x": 1')[:-3],
}
REJECTED = {
    "no UTF-8": one('"x": "?"').replace(b"?", b"\xff"),
    "no UTF-8 in the id": named("indicator--?").replace(b"?", b"\xff"),
    "a marking twice": one(f'"object_marking_refs": ["{TLP_2[Tlp.CLEAR]}"]'),
    "a name twice, deep inside": one('"x": [{"a": {"b": 1, "b": 1}}]'),
    "too deep": one('"x": ' + "[" * DEPTH + "]" * DEPTH),
    "a number out of range": one('"x": 1e999999'),
    "a number of 5000 digits": one('"x": ' + "9" * 5000),
    "an id of a megabyte": named("indicator--" + "a" * 1_000_000),
    "a type of a megabyte": named("a" * 1_000_000 + "--x", "a" * 1_000_000),
    "a marking of a megabyte": named(NAME, object_marking_refs=["x" * 1_000_000]),
    "a hundred thousand markings": named(NAME, object_marking_refs=[f"m{number}" for number in range(100_000)]),
    "itself as its marking": named(NAME, object_marking_refs=[NAME]),
    "a marking that points outside": named(NAME, object_marking_refs=["http://127.0.0.1:1/", "file:///etc/passwd"]),
    "an id that climbs": named("indicator--../../../etc/passwd"),
    "an id of SQL": named("indicator--' OR 1=1 --"),
    "a zero byte in the id": named("indicator--\0"),
    "a zero byte in the type": named("a\0--x", "a\0"),
    "no string": json.dumps({"objects": [{"type": 1, "id": 2}]}).encode(),
    "markings that are no list": named(NAME, object_marking_refs=True),
    "another type": named(NAME, "malware"),
    "an unknown specification": named(NAME, spec_version="9.9"),
    "a zero byte in the specification": named(NAME, spec_version="\0"),
    "a year that is none": named(NAME, modified="0000-01-01T00:00:00Z"),
    "an empty object": b'{"objects": [{}]}',
}
RED = {
    "an unknown definition": named(NAME, **SOUND, object_marking_refs=[f"marking-definition--{UUID(int=1)}"]),
    "more of them than anybody needs": named(
        NAME, **SOUND, object_marking_refs=[f"marking-definition--{UUID(int=number)}" for number in range(1, 2000)]
    ),
}
PLACES = (
    "x",
    "\0",
    '[1,"\\u0000",1,"2.1"]',
    '[1,"x--1",1,"\\u0000"]',
    f'[{"9" * 30},"{NAME}",1,"2.1"]',
    "[" * 10_000,
    "[]",
    "{}",
)
QUERIES = (
    *("limit=0", "limit=-1", "limit=99999999999999999999", "limit=1e3", "limit=%D9%A1", "limit=", "limit=1&limit=2"),
    *(f"next={base64.urlsafe_b64encode(place.encode()).decode()}" for place in PLACES),
    *("next=%00", "next=%ff", "next=%C3%A9", "next="),
    *("added_after=x", "added_after=2020-13-01T00:00:00Z", "added_after=2020-01-01T00:00:00%2B00:00", "added_after="),
    *("match[id]=%00", "match[id]=", "match[id]=a,,b", "match[id]=../../etc/passwd", "match[type]=';--", "match[type]=%ff"),
    *("match[version]=never", "match[spec_version]=99999.1", "match[x]=1", "match[]=1"),
    "match[id]=" + ",".join([NAME] * 201),
)
PATHS = (
    *("/taxii2/%2e%2e/%2e%2e/etc/passwd", "//taxii2/", "/taxii2//api/", "/TAXII2/", "/taxii2/api/status/%00/", "/%00", "/%ff"),
    *("/taxii2/api/collections/..%2f..%2fetc/objects/", "/taxii2/api/collections/%00/", "/taxii2/api/collections/%ed%a0%80/"),
    *(
        URL + name
        for name in ("%00/", "indicator--%ff/", "a" * 5000 + "/", "%ed%a0%80/", "..%2f..%2f/", "indicator--1/versions")
    ),
    *("/record/receipts/%00", "/record/receipts/" + "a" * 5000, "/record/receipts/..%2fkey", "/record/", "/openapi.json"),
)
HEADERS = (
    ({"Accept": "x" * 10_000}, 406),
    ({"Accept": "a/b;q=x"}, 406),
    ({"Accept": "application/taxii+json;version=9"}, 406),
    ({"Authorization": "Bearer " + "x" * 10_000}, 401),
    ({"Authorization": "Bearer " + "x" * 100_000}, 431),
    ({"Authorization": "Basic %%%"}, 401),
    ({"Authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()}, 401),
    ({"Authorization": "Digest x"}, 401),
    ({"X-Forwarded-For": "10.0.0.1", "X-Original-URL": "/record/key", "Range": "bytes=0-1"}, 200),
)


@pytest.fixture
def world(tmp_path: Path, database: dict[str, str]) -> Iterator[World]:
    """Give a node of the example's community, on each kind of database."""
    with opened(tmp_path / "node", **database) as found:
        yield found


@pytest.fixture
def client(world: World) -> TestClient:
    """Give a client of the operator, for which the server's faults are answers."""
    token = world.client("water-cert").headers["Authorization"]
    return TestClient(build_app(world.node), headers={"Authorization": token, "Accept": TAXII}, raise_server_exceptions=False)


def is_error(answer: Any, *statuses: int) -> bool:
    """Return whether an answer is an error of a node with one of the statuses."""
    shaped = re.fullmatch("N0[0-9]{2}", answer.json()["error_code"]) and answer.json()["http_status"] == str(answer.status_code)
    return bool(shaped) and answer.status_code in statuses and answer.headers["Content-Type"] == TAXII


def post(client: TestClient, body: bytes) -> Any:
    """Post a body as it is."""
    return client.post(URL, content=body, headers={"Content-Type": TAXII})


def test_bodies(client: TestClient) -> None:
    """What is no envelope is refused whole, what is no sound object by itself with a reason, and none of them is kept."""
    for what, body in NO_ENVELOPES.items():
        assert is_error(post(client, body), 400), what
    for what, body in REJECTED.items():
        answer = post(client, body)
        assert answer.status_code == 202, what
        assert (answer.json()["success_count"], answer.json()["failure_count"]) == (0, 1), what
        assert len(answer.json()["failures"][0]["message"]) < 400, what
    assert client.get(URL).json() == {}


def test_a_sound_object_beside_others(world: World, client: TestClient) -> None:
    """One object that is rejected keeps no other out, and what is given can be decoded by every reader."""
    bad = [body.removeprefix(b'{"objects": [').removesuffix(b"]}") for body in REJECTED.values()]
    sound = json.dumps(indicator(2, x="\u2028 <script> ${jndi:ldap://127.0.0.1/}")).encode()
    assert post(client, b'{"objects": [' + b",".join([*bad, sound, *bad]) + b"]}").json()["success_count"] == 1
    answer = client.get(URL)
    assert answer.content == b'{"objects":[' + sound + b"]}"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("what", RED)
def test_markings_that_nobody_knows(world: World, client: TestClient, what: str) -> None:
    """What is marked with something unknown, however it looks, is kept to its owner."""
    assert post(client, RED[what]).json()["success_count"] == 1
    assert world.ids("water-cert", "indicators") == [NAME]
    assert world.ids("riverdale-water", "indicators") == []


def test_too_much(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """More objects than a request may have are refused before there is something in memory for each."""
    monkeypatch.setattr(intake, "MOST_OBJECTS", 3)
    assert is_error(post(client, b'{"objects": [{}, {}, {}, {}]}'), 413)
    assert is_error(post(client, b'{"objects": [' + b"1," * 2_000_000 + b"1]}"), 413)
    assert post(client, b'{"objects": [{}, {}, {}]}').status_code == 202


def test_parameters_and_paths(client: TestClient) -> None:
    """Parameters that cannot be read are refused by name, and addresses that lead elsewhere lead nowhere."""
    post(client, one('"x": 1'))
    for query in QUERIES:
        answer = client.get(f"{URL}?{query}")
        assert is_error(answer, 400), query
        assert "parameter" in answer.json()["title"], query
        assert is_error(client.get(f"{URL.replace('objects/', 'manifest/')}?{query}"), 400), query
    for path in PATHS:
        for method in ("GET", "POST", "DELETE", "PUT", "TRACE"):
            assert is_error(client.request(method, path), 404, 405), (method, path)
    for headers, status in HEADERS:
        assert client.get(URL, headers=headers).status_code == status, headers
    assert client.get(URL).json()["objects"][0]["id"] == NAME


def test_nothing_is_fetched(world: World, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever addresses stand in objects, a node connects to nothing but its database."""
    if "database" in (world.folder / "node.yml").read_text():
        pytest.skip("a node on PostgreSQL connects to it")
    url = "http://127.0.0.1:9/"
    more = {"external_references": [{"source_name": "x", "url": url}], "object_marking_refs": [url], "url": url, "schema": url}
    asked: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda *call: asked.append(call))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *call, **more: asked.append(call) or [])
    for kind in ("indicator", "extension-definition", "marking-definition", "artifact"):
        post(client, named(NAME.replace("indicator", kind), kind, **more))
    for headers in ({"Referer": url}, {"X-Forwarded-Host": "127.0.0.1:9"}, {"Forwarded": "host=127.0.0.1:9"}):
        assert client.get(URL, headers=headers).status_code == 200
    assert asked == []


@settings(max_examples=300)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_sound_json_is_taken(value: object) -> None:
    """No object is refused for JSON in a property of its own that all readers read alike."""
    assume(not has_empty(value))
    assert check(json.dumps({**indicator(1), "x_more": [1, value]}).encode()).form.id == NAME


def has_empty(value: object) -> bool:
    """Return whether a list is empty in there, which STIX has not."""
    if isinstance(value, dict):
        return any(map(has_empty, value.values()))
    return isinstance(value, list) and (not value or any(map(has_empty, value)))


def test_the_document_is_that_of_the_routes(world: World) -> None:
    """docs/openapi.json is what the server says of itself, and has every route."""
    assert json.loads(OPENAPI.read_text()) == document()
    routes = [*taxii_routes(world.node), *record_routes(world.node), *delta_routes(world.node)]
    there = {(method, route.path) for route in routes for method in route.methods or () if method != "HEAD"}
    assert set(operations()) == there


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Give the address of a node that is served by a process of its own."""
    command = "from tocsin.cli.entry import run; run()"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "serve", str(folder), "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        yield re.search("http://[0-9.:]+", process.stderr.readline())[0]  # type: ignore[index]
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_schemathesis(tmp_path: Path) -> None:
    """Schemathesis finds no answer of a served node that the document does not have, and no fault of the server."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    program = shutil.which("schemathesis", path=places)
    if program is None:
        assert os.environ.get("CI", "").lower() != "true", "schemathesis is not installed"
        pytest.skip("schemathesis is not installed (the group 'test' has it)")
    described = json.loads(OPENAPI.read_text())
    named_there = {"collection": ["indicators", "warnings"], "object": [indicator(number)["id"] for number in range(9)]}
    named_there |= {"share": [SHARE], "schema": ["default"], "table": ["logons"]}
    write_table(tmp_path / "logons", {"user": ["ann", "bob"]})
    for parameter in (each for path in described["paths"].values() for way in path.values() for each in way["parameters"]):
        if parameter["name"] in named_there:  # so that most of what is tried gets past the address
            parameter["schema"] = {"enum": named_there[parameter["name"]]}
    (tmp_path / "openapi.json").write_text(json.dumps(described))
    with opened(tmp_path / "node", shares=shares("../logons"), limits="{requests_at_once: 100000}") as world:
        world.post("water-cert", "indicators", *(indicator(number) for number in range(9)))
        token = world.token("water-cert")
    with served(tmp_path / "node") as url:
        checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
        command = [program, "run", "openapi.json", "--url", url, "--header", f"Authorization: Bearer {token}"]
        limits = [
            "--checks",
            checks,
            "--max-examples",
            "15",
            "--seed",
            "1",
            "--phases",
            "examples,coverage,fuzzing",
            "--no-color",
        ]
        found = subprocess.run([*command, *limits], capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-2000:]
