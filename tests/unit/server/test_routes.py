"""Every route declares who is let in, lets in exactly those, and is in the documentation."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import httpx2
import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from node_samples import TAXII, World, indicator, objects_url, opened
from route_table import LOGIN, Row, rows, table, written
from table_samples import write_table
from tocsin.server.answers import RECEIPT
from tocsin.server.app import build_app
from tocsin.server.asking import By
from tocsin.stores.tokens import Role

NUMBERS = itertools.count(1)
ONLY = "{requests_at_once: 1000, failures_at_once: 1000}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Give a node with an object."""
    folder = tmp_path_factory.mktemp("routes")
    write_table(folder / "logons", {"user": ["alice", "bob"]})
    shares = f"{{events: {{owner: water-cert, tables: {{logons: {folder / 'logons'}}}}}}}"
    with opened(folder / "node", limits=ONLY, shares=shares, **LOGIN) as found:
        found.post("water-cert", "indicators", indicator(next(NUMBERS)))
        yield found


def ask(client: TestClient, row: Row, path: str) -> httpx2.Response:
    """Send a request of a row's method to a path."""
    parameters = {"startingVersion": "0"} if path.endswith("/changes") else {}
    return client.request(row.method, path, headers={"Content-Type": TAXII}, params=parameters)


def filled(world: World, row: Row) -> str:
    """Return an address of a route that is there."""
    client = world.client("water-cert")
    made = indicator(next(NUMBERS))
    names = {"collection": "indicators", "object": made["id"], "share": "events", "schema": "default", "table": "logons"}
    if "{object}" in row.path:
        world.post("water-cert", "indicators", made)
    if "{leaf}" in row.path:
        names["leaf"] = client.get(objects_url("indicators")).headers[RECEIPT]
    if "{status}" in row.path:
        names["status"] = world.post("water-cert", "indicators", made).json()["id"]
    return re.sub(r"\{(\w+)\}", lambda match: names[match[1]], row.path)


def test_the_table_is_that_of_the_router(world: World) -> None:
    """docs/access.md has each route, method and role as the router has them; tests/route_table.py writes it anew."""
    assert written() == table(build_app(world.node))


def test_a_route_without_declaration_is_found(world: World) -> None:
    """A route that does not say who is let in makes the table fail."""
    app = build_app(world.node)
    app.routes.append(Route("/open", lambda request: None))
    with pytest.raises(AssertionError, match="open"):
        table(app)


def test_each_role_gets_what_its_routes_declare(world: World) -> None:
    """For each route, method and role: let in with the declared role, refused with any other, and told to authenticate."""
    seen = 0
    nobody = TestClient(build_app(world.node))
    for row in rows(build_app(world.node)):
        if row.need.by is not By.TOKEN:
            continue
        assert ask(nobody, row, filled(world, row)).status_code == 401, row
        for role in Role:
            answer = ask(world.client("water-cert", role), row, filled(world, row))
            refused = answer.status_code == 403 and "N002" in answer.text
            assert refused is (row.need.role not in {None, role}), (row, role, answer.text)
            if row.method == "GET" and not refused:
                assert answer.status_code == 200, (row, role, answer.text)
            seen += 1
    assert seen >= 14 * len(Role)


def test_what_needs_a_session_takes_nothing_else(world: World) -> None:
    """A route of people refuses who has a token and no session; what needs nothing asks nobody to authenticate."""
    client = world.client("water-cert")
    client.headers["Origin"] = "https://node.example"
    found = [row for row in rows(build_app(world.node)) if row.need.by is not By.TOKEN]
    for row in found:
        status = client.request(row.method, row.path, follow_redirects=False).status_code
        assert status == 403 or row.need.by is not By.LINK, row
        assert (status == 401) is (row.need.by is By.SESSION), row
    assert {row.path for row in found if row.need.by is By.NOTHING} == {"/", "/login", "/login/callback"}


def test_only_declared_methods_are_answered(world: World) -> None:
    """A method that a route does not declare is refused, before anything else of the request is looked at."""
    client = world.client("water-cert")
    declared: dict[str, set[str]] = {}
    for row in rows(build_app(world.node)):
        declared.setdefault(row.path, set()).add(row.method)
    for path, methods in declared.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - methods:
            assert client.request(method, path).status_code == 405, (method, path)
