"""A node that is served by its own process: slow clients, too many of them, heads that never end."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from node_samples import START, TAXII, opened
from node_server import served
from tocsin.sharing.decisions import Caller
from tocsin.stores.tokens import Role, Terms

LIMITS = "{head_seconds: 1, body_seconds: 1, connections_of_address: 5}"
PATIENCE_S = 15


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int, str]]:
    """Give host and port of a node that waits a second, and a token to write."""
    folder: Path = tmp_path_factory.mktemp("served") / "node"
    with opened(folder, limits=LIMITS) as world:
        token = world.node.tokens.issue(Caller("water-cert"), Terms((Role.READ, Role.WRITE), START * 2))
    with served(folder) as url:
        where = urlsplit(url)
        yield str(where.hostname), int(where.port or 0), token


def connect(node: tuple[str, int, str]) -> socket.socket:
    """Return a connection to a node."""
    return socket.create_connection(node[:2], timeout=PATIENCE_S)


def answer(connection: socket.socket) -> bytes:
    """Return what comes until the connection is closed, from either side."""
    found = b""
    try:
        while piece := connection.recv(65_536):
            found += piece
    except ConnectionResetError:
        pass
    return found


def head(token: str, *more: str) -> bytes:
    """Return the head of a request that posts."""
    lines = ["POST /taxii2/api/collections/indicators/objects/ HTTP/1.1", "Host: node", f"Authorization: Bearer {token}"]
    return "\r\n".join([*lines, f"Content-Type: {TAXII}", *more, "", ""]).encode()


@pytest.mark.parametrize("sent", [b"", b"GET /taxii2/ HTTP/1.1\r\nHost: node\r\nX-Slow: "])
def test_a_head_that_does_not_come_is_not_waited_for(node: tuple[str, int, str], sent: bytes) -> None:
    """A connection that sends nothing, or a byte now and then, is closed after the seconds for a head."""
    with connect(node) as connection:
        began = time.monotonic()
        connection.sendall(sent)
        connection.settimeout(0.3)
        while time.monotonic() - began < PATIENCE_S:
            try:
                if not connection.recv(1):
                    break
            except TimeoutError:
                connection.sendall(b"y" if sent else b"")
            except ConnectionResetError:
                break
        assert 0.9 < time.monotonic() - began < 5


def test_a_body_that_does_not_come_is_answered(node: tuple[str, int, str]) -> None:
    """Who sends half a body is told so after the seconds for a body."""
    with connect(node) as connection:
        connection.sendall(head(node[2], "Content-Length: 100") + b"{")
        found = answer(connection)
    assert found.startswith(b"HTTP/1.1 408 ")
    assert b'"N027"' in found


def test_a_body_that_nobody_reads_is_not_waited_for(node: tuple[str, int, str]) -> None:
    """The rest of a body that was refused by its head may not keep the connection."""
    with connect(node) as connection:
        connection.sendall(head("tocsin_x", "Content-Length: 100"))
        began = time.monotonic()
        found = answer(connection)
    assert found.startswith(b"HTTP/1.1 401 ")
    assert time.monotonic() - began < 5


def test_a_head_without_end_is_refused(node: tuple[str, int, str]) -> None:
    """A head is not held beyond its limit."""
    with connect(node) as connection:
        connection.sendall(b"GET /taxii2/ HTTP/1.1\r\n" + b"X-Long: y\r\n" * 5_000)
        found = answer(connection)
    assert found.startswith(b"HTTP/1.1 400 ")


def test_a_request_has_one_length(node: tuple[str, int, str]) -> None:
    """A request with a length and chunks is one that two readers read differently, and is refused."""
    with connect(node) as connection:
        connection.sendall(head(node[2], "Content-Length: 3", "Transfer-Encoding: chunked") + b"0\r\n\r\n")
        first = connection.recv(65_536)
    assert first.startswith(b"HTTP/1.1 400 ")


def test_connections_of_one_address_are_bounded(node: tuple[str, int, str]) -> None:
    """The sixth connection at once is closed; when one goes, the next is served."""
    request = b"GET /taxii2/ HTTP/1.1\r\nHost: node\r\n\r\n"
    open_now = [connect(node) for _ in range(5)]
    try:
        time.sleep(0.2)
        with connect(node) as sixth:
            assert answer(sixth) == b""
        open_now.pop().close()
        time.sleep(0.2)
        with connect(node) as next_one:
            next_one.sendall(request)
            assert next_one.recv(65_536).startswith(b"HTTP/1.1 401 ")
    finally:
        for connection in open_now:
            connection.close()
