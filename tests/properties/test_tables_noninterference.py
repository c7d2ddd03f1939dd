"""Rows that a rule hides could as well not exist: all that a recipient can get of a table is the same, byte for byte."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from node_samples import Clock, opened
from table_samples import TABLE_URL, rule, rulebook, shares, write_table
from tocsin.server.app import build_app
from tocsin.stores.tokens import Role
from tocsin.tables import pieces, sources

SCHEMA = pa.schema([("site", pa.string()), ("user", pa.string()), ("address", pa.string()), ("port", pa.int64())])
POLICIES = {
    "plain": rule("{rows: {site: north}, columns: {user: keep, port: keep}}"),
    "changed": rule("{rows: {site: north}, columns: {user: token, address: prefix, port: {bucket: 3}, by: {constant: x}}}"),
    "own": rule("{rows: {site: {recipient: true}}, columns: {user: token, address: {network: 24}, port: keep}}"),
    "counted": rule("{rows: {site: north}, columns: {user: token, port: keep}, quasi: [port], subject: user}", more=", k: 2"),
}
OBSERVER = "riverdale-water"
LISTS = ("shares", "shares/events/all-tables")
HIDDEN = st.fixed_dictionaries(
    {
        "site": st.sampled_from([None, "south"]),
        "user": st.text("ab", max_size=20),
        "address": st.text(max_size=9),
        "port": st.integers(0, 2**40),
    }
)
VISIBLE = st.fixed_dictionaries(
    {
        "site": st.just("north"),
        "user": st.sampled_from(["ann", "bob", "cyd"]),
        "address": st.sampled_from(["10.0.0.1", "10.0.0.2", "none"]),
        "port": st.integers(0, 3),
    }
)
ROWS = st.lists(st.one_of(HIDDEN, VISIBLE), max_size=30)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from("abcd"), ROWS),
        st.tuples(st.just("hide"), st.sampled_from("abcd"), st.lists(HIDDEN, max_size=5)),
        st.tuples(st.just("remove"), st.sampled_from("bcd"), st.just([])),
        st.tuples(st.just("look"), st.just(""), st.just([])),
    ),
    max_size=7,
)


@dataclass
class Side:
    """One of two nodes, and its table's folder. `only` keeps rows of a site."""

    folder: Path
    only: str
    files: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def write(self, name: str, rows: list[dict[str, Any]]) -> None:
        """Write the file of a name, with those rows alone that exist on this side."""
        self.files[name] = rows
        kept = [row for row in rows if not self.only or row["site"] == self.only]
        table = pa.Table.from_pylist(kept, SCHEMA)
        encoded = table.column("user").combine_chunks().dictionary_encode()
        write_table(self.folder, table.set_column(1, "user", encoded), name)

    def play(self, step: tuple[str, str, list[dict[str, Any]]]) -> None:
        """Play a step: hidden rows are added at the front of what a file has."""
        kind, name, rows = step
        if kind == "write":
            self.write(name, rows)
        elif kind == "hide":
            self.write(name, rows + self.files.get(name, []))
        elif kind == "remove":
            self.files.pop(name, None)
            (self.folder / f"{name}.parquet").unlink(missing_ok=True)


def told(client: TestClient) -> Iterator[tuple[str, int, list[tuple[str, str]], bytes]]:
    """Yield all that can be asked of a table: what was asked, status, headers, and body."""
    bodies: list[dict[str, Any]] = [{}, {"limitHint": 2}, {"predicateHints": ["port = 2"]}, {"version": 0}, {"version": 1}]
    asked: list[tuple[str, str, Any]] = [
        ("GET", f"/delta-sharing/{path}", None) for path in ("shares", "shares/events/all-tables")
    ]
    asked += [("GET", f"{TABLE_URL}/{path}", None) for path in ("version", "metadata", "changes?startingVersion=0")]
    asked += [("GET", f"{TABLE_URL}/version?startingTimestamp=2030-03-01T12:00:02Z", None)]
    asked += [("POST", f"{TABLE_URL}/query", body) for body in bodies]
    links = []
    for method, url, body in asked:
        answer = client.request(method, url, json=body)
        headers = [(name, value) for name, value in answer.headers.items() if name != "x-tocsin-receipt"]
        yield url, answer.status_code, headers, answer.content
        for line in answer.content.splitlines() if answer.status_code == 200 else ():
            found = json.loads(line) if line.startswith((b'{"file"', b'{"add"')) else {}
            links += [item["url"] for item in found.values()]
    for link in dict.fromkeys(links):
        answer = client.get(link)
        assert answer.status_code == 200
        yield link, answer.status_code, list(answer.headers.items()), answer.content


@pytest.mark.parametrize("policy", POLICIES)
@given(steps=STEPS)
@settings(max_examples=25, deadline=None)
def test_hidden_rows_could_as_well_not_exist(policy: str, steps: list[tuple[str, str, list[dict[str, Any]]]]) -> None:
    """With and without the hidden rows, a recipient is told the same by every request, after every step."""
    observer = "north" if policy == "own" else OBSERVER
    with TemporaryDirectory() as name, ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "GROUP_ROWS", 8)
        patch.setattr(sources, "_BATCH_ROWS", 4)
        first = Path(name) / "first" / "node"
        first.parent.mkdir()
        book = rulebook(POLICIES[policy]).replace("riverdale-water", "north") if policy == "own" else rulebook(POLICIES[policy])
        with opened(first, book, shares=shares("../logons")) as world:
            token = world.token(observer, Role.READ)
        shutil.copytree(first, Path(name) / "other" / "node")
        sides, clients, clocks = [], [], []
        for part, only in (("first", ""), ("other", "north")):
            clock = Clock()
            world = stack.enter_context(opened(Path(name) / part / "node", clock=clock))
            sides.append(Side(Path(name) / part / "logons", only))
            clients.append(TestClient(build_app(world.node), headers={"Authorization": f"Bearer {token}"}))
            clocks.append(clock)
        for step in (("write", "a", []), *steps, ("look", "", [])):
            for side, clock in zip(sides, clocks, strict=True):
                clock.now += 1_000_000
                side.play(step)
            if step[0] == "look":
                for one, other in zip(told(clients[0]), told(clients[1]), strict=True):
                    assert one == other
