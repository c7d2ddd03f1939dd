"""The table of routes in docs/access.md, made from the router. `python tests/route_table.py` writes it anew."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from starlette.applications import Starlette

from node_samples import ROOT, opened
from tocsin.server.app import build_app
from tocsin.server.asking import Declared, Need

LOGIN = {
    "public_url": "https://node.example",
    "login": '{issuer: "http://127.0.0.1:9", client_id: node, people: {analysts: {organisation: hilltown}}}',
}
"""What makes a node have all its routes."""
PAGE = ROOT / "docs" / "access.md"
TABLE = re.compile(r"(?<=<!-- routes -->\n).*?(?=<!-- end of routes -->)", re.DOTALL)


class Row(NamedTuple):
    """One method of one route."""

    path: str
    method: str
    need: Need


def rows(app: Starlette) -> Iterator[Row]:
    """Yield each method of each route, in the order of the routes' paths."""
    for route in sorted(app.routes, key=lambda route: getattr(route, "path", "")):
        assert isinstance(route, Declared), f"{route} does not declare who is let in"
        yield from (Row(route.path, method, need) for method, need in sorted(route.needs.items()))


def table(app: Starlette) -> str:
    """Return the table of an application's routes in Markdown."""
    lines = ["| route | method | let in by | role |", "| --- | --- | --- | --- |"]
    lines += [f"| `{row.path}` | {row.method} | {row.need.by} | {row.need.role or 'any'} |" for row in rows(app)]
    return "\n" + "\n".join(lines) + "\n\n"


def written() -> str:
    """Return the table that the page has."""
    found = TABLE.search(PAGE.read_text())
    assert found, f"{PAGE} has no place for the table"
    return found[0]


def _write() -> None:
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder) / "node", **LOGIN) as world:
        made = table(build_app(world.node))
    PAGE.write_text(TABLE.sub(lambda _: made, PAGE.read_text()))


if __name__ == "__main__":
    _write()
