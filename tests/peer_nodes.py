"""Several nodes that know each other as peers, each served by a process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from sqlalchemy import Select, select

from node_samples import Clock, World, opened
from node_server import served
from tocsin.cli.node import node as commands
from tocsin.runs.node import NODE_FILE
from tocsin.sharing.markings import Marking
from tocsin.stores import schema
from tocsin.stores.database import reading
from tocsin.stores.grants import read_marks_text

_AN_HOUR_US = 3600 * 1_000_000


class Community:
    """Nodes in folders of their own, each run by water-cert; what one gives to another it gives to riverdale-water."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self.worlds: dict[str, World] = {}

    def add(self, name: str, rulebook: str | None = None, **keys: str) -> World:
        """Return a new node."""
        clock = Clock(time.time_ns() // 1000 - _AN_HOUR_US)
        self.worlds[name] = self.stack.enter_context(opened(self.folder / name / "node", rulebook, clock, **keys))
        return self.worlds[name]

    def serve(self, name: str) -> str:
        """Serve a node, and return its API root."""
        return self.stack.enter_context(served(self.folder / name / "node")) + "/taxii2/api/"

    def subscribe(self, name: str, to: str, url: str, **keys: Any) -> None:
        """Let a node know another as its peer `upstream`, as whom it is riverdale-water there."""
        self.know(name, "upstream", self.worlds[to].token("riverdale-water"), url, organisation="water-cert", **keys)

    def push(self, name: str, to: str, url: str, by: str = "riverdale-water", **keys: Any) -> None:
        """Let a node push to another as its peer `downstream`, which it knows as lakeside-services. There it is `by`."""
        token = self.worlds[to].token(by)
        purposes = "[block, detect, investigate, research]"
        settings = {"direction": "push", "organisation": "lakeside-services", "purposes": purposes, **keys}
        self.know(name, "downstream", token, url, **settings)

    def know(self, name: str, peer: str, token: str, url: str, **keys: Any) -> None:
        """Write a peer into a node's file."""
        node = self.folder / name / "node"
        (node / f"{peer}.token").write_text(token)
        settings = {
            "kind": "taxii",
            "url": url,
            "remote": "indicators",
            "local": "indicators",
            "allow": "[127.0.0.1]",
            "auth": f"{{token_file: {peer}.token}}",
            **keys,
        }
        listed = "".join(f"    {key}: {value}\n" for key, value in settings.items())
        path = node / NODE_FILE
        path.write_text(path.read_text() + ("" if "peers:\n" in path.read_text() else "peers:\n") + f"  {peer}:\n{listed}")

    def sync(self, name: str) -> tuple[int, str]:
        """Run a node's peers by the command; return exit code and what it says."""
        done = CliRunner().invoke(commands, ["sync", str(self.folder / name / "node")], standalone_mode=False)
        if done.exception:
            raise done.exception
        return done.return_value or 0, done.output


def markings(world: World) -> dict[tuple[str, int], Marking]:
    """Return what each version of each object of a node is marked with there, by its rulebook."""
    return _markings(
        world, select(*_VERSION, schema.label.c.marks).join(schema.label, schema.label.c.id == schema.entry.c.label)
    )


def markings_of_parts(world: World) -> dict[tuple[str, int, str], Marking]:
    """Return what each version of each object is marked with, with each of its parts, by the selectors of it."""
    entry, part, label = schema.entry, schema.part, schema.label
    joined = select(*_VERSION, part.c.selectors, label.c.marks).join(part, part.c.seq == entry.c.seq)
    return _markings(world, joined.join(label, label.c.id == part.c.label))


_VERSION = schema.entry.c.stix_id, schema.entry.c.version


def _markings(world: World, query: Select[Any]) -> dict[Any, Marking]:
    book = world.node.rules.book
    with reading(world.node.engine) as connection:
        rows = connection.execute(query).all()
    return {tuple(row)[:-1]: read_marks_text(row.marks).resolve(book.markings, book.default) for row in rows}


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait until something holds, which it has to within half a minute."""
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)


__all__ = ["Community", "markings", "markings_of_parts", "wait_for"]
