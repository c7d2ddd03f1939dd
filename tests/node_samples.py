"""Nodes for tests: the community of the example's rulebook, a clock that is set by hand, a client for each organisation."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
from starlette.testclient import TestClient

from tocsin.runs.adoption import adopt
from tocsin.runs.new_node import init_node
from tocsin.runs.node import NODE_FILE, RULEBOOK, Node, Options, open_node
from tocsin.server.app import build_app
from tocsin.sharing.decisions import Caller
from tocsin.sharing.markings import TLP_2, Tlp
from tocsin.sharing.moments import moment_text, read_moment
from tocsin.stores.tokens import Role, Terms

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "sharing"
AGGREGATE = "everything"
COLLECTIONS = ("indicators", "warnings", "incidents", "sightings")
PURPOSES = ("block", "detect", "investigate", "research")
TAXII = "application/taxii+json;version=2.1"
DAY_US = 24 * 3600 * 1_000_000
START = read_moment("2030-03-01T12:00:00Z") or 0
"""When the clock of a node begins: all that the example's rulebook agrees on holds."""


@dataclass
class Clock:
    """A clock that stands still until it is moved, in microseconds since 1970 UTC."""

    now: int = START

    def __call__(self) -> int:
        """Return the moment."""
        return self.now


@dataclass
class World:
    """A node of the example's community in a folder, and its clients by organisation. `salt` makes its record repeatable."""

    folder: Path
    node: Node
    clock: Clock
    _clients: dict[tuple[str, frozenset[Role]], TestClient] = field(default_factory=dict)

    def client(self, organisation: str, *roles: Role) -> TestClient:
        """Return a client that asks for an organisation, for all purposes."""
        key = organisation, frozenset(roles or Role)
        if key not in self._clients:
            token = self.token(organisation, *key[1])
            client = TestClient(build_app(self.node), headers={"Authorization": f"Bearer {token}"})
            client.headers["Accept"] = TAXII
            self._clients[key] = client
        return self._clients[key]

    def token(self, organisation: str, *roles: Role, holder: str = "") -> str:
        """Return a new token of an organisation, for all purposes."""
        terms = Terms(roles or tuple(Role), self.clock() + 300 * DAY_US, holder=holder)
        return self.node.tokens.issue(Caller(organisation, PURPOSES), terms)

    def post(self, organisation: str, collection: str, *objects: Any) -> httpx2.Response:
        """Post objects to a collection for an organisation, a second after whatever was before."""
        self.clock.now += 1_000_000
        content = json.dumps({"objects": objects})
        return self.client(organisation).post(objects_url(collection), content=content, headers={"Content-Type": TAXII})

    def ids(self, organisation: str, collection: str, **parameters: str) -> list[str]:
        """Return the ids of the objects that an organisation gets of a collection."""
        answer = self.client(organisation).get(objects_url(collection), params=parameters)
        return [item["id"] for item in answer.json().get("objects", [])]


def objects_url(collection: str) -> str:
    """Return where the objects of a collection are."""
    return f"/taxii2/api/collections/{collection}/objects/"


def configure(folder: Path, rulebook: str | None = None, collections: Iterable[str] = COLLECTIONS, **keys: str) -> None:
    """Give a new node the example's rulebook, or another, and its collections; `keys` are added to its file."""
    name = next(line for line in (folder / NODE_FILE).read_text().splitlines() if line.startswith("record:"))
    held = list(collections)
    listed = "".join(f"  {alias}: {{title: {alias.title()}}}\n" for alias in held)
    listed += f"  {AGGREGATE}: {{title: All of them, of: [{', '.join(held)}]}}\n"
    more = "".join(f"{key}: {value}\n" for key, value in keys.items())
    (folder / NODE_FILE).write_text(f"title: Test\n{name}\n{more}collections:\n{listed}")
    (folder / RULEBOOK).write_text(rulebook or (EXAMPLE / "rulebook.yml").read_text())


@contextmanager
def opened(folder: Path, rulebook: str | None = None, clock: Clock | None = None, **keys: str) -> Iterator[World]:
    """Give a node of a folder, made when it is not there."""
    if not folder.exists():
        init_node(folder, "water-cert", "Water CERT", "Water CERT")
        configure(folder, rulebook, **keys)
    clock = clock or Clock()
    node = open_node(folder, Options(clock, salts()))
    try:
        adopt(node)
        yield World(folder, node, clock)
    finally:
        node.close()


def salts() -> Callable[[], str]:
    """Return a source of salts that are the same in every run."""
    source = random.Random(7)
    return lambda: source.randbytes(16).hex()


def indicator(number: int, tlp: Tlp | None = Tlp.GREEN, version: int = START, **more: Any) -> dict[str, Any]:
    """Return an indicator by its number; `version` is in microseconds, without `tlp` it is unmarked."""
    marked = {} if tlp is None else {"object_marking_refs": [TLP_2[tlp]]}
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{UUID(int=(4 << 76) | (2 << 62) | number)}",
        "created": moment_text(START),
        "modified": moment_text(version),
        "pattern": f"[ipv4-addr:value = '192.0.2.{number % 256}']",
        "pattern_type": "stix",
        "valid_from": moment_text(START),
        **marked,
        **more,
    }


def ids_of(objects: Iterable[dict[str, Any]]) -> list[str]:
    """Return the ids of objects."""
    return [item["id"] for item in objects]


def copied(folder: Path, to: Path) -> Path:
    """Return a copy of a node that is not open."""
    shutil.copytree(folder, to)
    return to


__all__ = [
    "AGGREGATE",
    "COLLECTIONS",
    "DAY_US",
    "EXAMPLE",
    "PURPOSES",
    "ROOT",
    "START",
    "TAXII",
    "Clock",
    "World",
    "configure",
    "copied",
    "ids_of",
    "indicator",
    "objects_url",
    "opened",
    "salts",
]
