"""Sessions of people: how long they hold, what they show, and what a node's file may say of logins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from node_samples import START, World, configure, opened
from route_table import LOGIN
from tocsin.errors import NodeError
from tocsin.runs.login_file import is_protected
from tocsin.runs.node import open_node
from tocsin.server.app import build_app
from tocsin.sharing.decisions import Caller
from tocsin.stores.sessions import Person
from tocsin.stores.tokens import Role

MINUTE = 60_000_000
ADA = Person("https://id.example", "248289761001", "<img src=x onerror=alert(1)> Ada \u202e")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Give a node that people can log in to."""
    with opened(tmp_path / "node", **LOGIN) as found:
        yield found


def begin(world: World, minutes: int = 480) -> TestClient:
    """Return a browser with a session."""
    secret = world.node.sessions.begin(ADA, Caller("hilltown"), frozenset({Role.READ}), world.clock() + minutes * MINUTE)
    return TestClient(build_app(world.node), base_url="https://node.example", cookies={"__Host-tocsin": secret})


def is_in(browser: TestClient) -> bool:
    """Return whether a browser is told who it is."""
    return ADA.id in browser.get("/").text


def test_a_session_ends_when_it_is_idle(world: World) -> None:
    """Who asks now and then stays logged in; who does not for half an hour is not."""
    browser = begin(world)
    for _ in range(4):
        world.clock.now += 29 * MINUTE
        assert is_in(browser)
    world.clock.now += 30 * MINUTE
    assert not is_in(browser)


def test_a_session_ends(world: World) -> None:
    """However often somebody asks, a session has an end."""
    browser = begin(world, minutes=60)
    for _ in range(5):
        world.clock.now += 10 * MINUTE
        assert is_in(browser)
    world.clock.now += 10 * MINUTE
    assert not is_in(browser)


def test_what_is_shown_is_text(world: World) -> None:
    """A name with markup, and marks that turn the direction of text, are shown as what they are."""
    page = begin(world).get("/").text
    assert "&lt;img src=x" in page
    assert "<img" not in page
    assert "\u202e" not in page


def test_a_secret_is_not_an_id(world: World) -> None:
    """Neither the id of a session nor that of its person opens it, nor does a long or empty text."""
    begin(world)
    for text in (ADA.id, "", "x" * 10_000, "\ud800"):
        assert world.node.sessions.accept(text, MINUTE) is None


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"public_url": "http://node.example"}, "public_url"),
        ({"login": LOGIN["login"].replace("127.0.0.1:9", "id.example")}, "issuer"),
        ({"login": LOGIN["login"].replace("client_id", "scopes: [profile], client_id")}, "openid"),
        ({"login": LOGIN["login"].replace("hilltown", "hilltown, roles: [admin]")}, "admin"),
    ],
)
def test_a_login_that_could_be_led_astray(tmp_path: Path, changed: dict[str, str], named: str) -> None:
    """A provider or node without TLS, and what is not known, are refused when the node is opened."""
    with opened(tmp_path / "node"):
        pass
    configure(tmp_path / "node", **{**LOGIN, **changed})
    with pytest.raises(NodeError, match=named) as raised:
        open_node(tmp_path / "node")
    assert raised.value.code == "N006"


def test_what_is_protected() -> None:
    """Only TLS, or an address of this computer, keeps what is sent."""
    assert all(map(is_protected, ("https://id.example/a", "http://127.0.0.1:5/", "http://[::1]/", "http://localhost:1")))
    refused = (
        "http://id.example",
        "https://",
        "https://user@id.example",
        "ftp://localhost",
        "http://127.0.0.1.example",
        "",
        "//x",
    )
    assert not any(map(is_protected, refused))


def test_begun_at_is_told(world: World) -> None:
    """The page tells since when a session holds, and until when."""
    page = begin(world).get("/").text
    assert world.clock() == START
    assert "2030-03-01T12:00:00" in page
    assert "2030-03-01T20:00:00" in page
