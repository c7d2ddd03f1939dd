"""Peers that mean harm: they cost a bounded time and size, lead nowhere, and are told by a code."""

from __future__ import annotations

import gzip
import ipaddress
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from certificates import make
from node_samples import NODE_FILE, Clock, World, indicator, opened
from tocsin.errors import NodeError, PeerError
from tocsin.runs import outbound
from tocsin.runs.node_file import read_node_file
from tocsin.runs.outbound import Outbound, Policy, is_public, permitted, trust_of
from tocsin.runs.peers_file import Peer, PeerKind
from tocsin.runs.sync import sync_peer

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
PEER = Peer(PeerKind.TAXII, "https://peer.example/", "water-cert", "indicators", "x")
Talk = Callable[[socket.socket], None]


class Hostile:
    """A server of one behaviour, which speaks by its socket after a request came."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.stopped = threading.Event()
        self.requests: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Return its port."""
        return int(self._listener.getsockname()[1])

    def _serve(self) -> None:
        while not self.stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    while request := connection.recv(1 << 16):
                        self.requests.append(request)
                        self._talk(connection)
                except OSError:
                    continue

    def close(self) -> None:
        """Stop it."""
        self.stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@contextmanager
def hostile(talk: Talk) -> Iterator[Hostile]:
    """Give a server of a behaviour."""
    server = Hostile(talk)
    try:
        yield server
    finally:
        server.close()


def ask(url: str, **policy: Any) -> outbound.Answer:
    """Ask one thing, in a second and a megabyte."""
    held = Policy(**{"networks": LOOPBACK, "most_bytes": 1 << 20, "most_seconds": 1.0, **policy})
    with Outbound(url, held, {"Authorization": "Bearer secret"}, trust_of(Path("/"), PEER)) as peer:
        return peer.ask("GET", url)


def fault(url: str, **policy: Any) -> str:
    """Return the code with which asking fails, within few seconds."""
    began = time.monotonic()
    with pytest.raises(PeerError) as raised:
        ask(url, **policy)
    assert time.monotonic() - began < 5
    return raised.value.code


def dripping(start: bytes, drop: bytes) -> Talk:
    """Return what says something and then a little more, for ever."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(drop)
            time.sleep(0.02)

    return talk


def flooding(head: bytes, part: bytes) -> Talk:
    """Return what says one thing over and over, as fast as it is read."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(part)

    return talk


def saying(answer: bytes, head: bytes = b"") -> Talk:
    """Return what gives one answer."""
    length = b"Content-Length: %d\r\n" % len(answer)
    return lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + length + b"\r\n" + answer)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n" + bytes(0x10000) + b"\r\n"
BOMB = gzip.compress(bytes(200 << 20))
GZIP = b"Content-Encoding: gzip\r\n"
BEHAVIOURS: dict[str, tuple[Talk, str]] = {
    "says nothing": (lambda _: time.sleep(3), "N065"),
    "head without end": (dripping(b"HTTP/1.1 200 OK\r\n", b"x"), "N065"),
    "headers without end": (dripping(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), "N065"),
    "body without end": (dripping(CHUNKED, b"1\r\nx\r\n"), "N065"),
    "large, declared": (saying(b"", b"Content-Length: 99999999999\r\n"), "N067"),
    "large": (lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"), "N064"),
    "large, in chunks": (flooding(CHUNKED, CHUNK), "N064"),
    "large head": (flooding(b"HTTP/1.1 200 OK\r\n", b"X: " + bytes(1000)), "N067"),
    "bomb": (saying(BOMB, GZIP), "N064"),
    "damaged gzip": (saying(b"no gzip", GZIP), "N067"),
    "cut gzip": (saying(BOMB[:100], GZIP), "N067"),
    "two members": (saying(gzip.compress(b"a") * 2, GZIP), "N067"),
    "another encoding": (saying(b"x", b"Content-Encoding: br\r\n"), "N067"),
    "no HTTP": (lambda connection: connection.sendall(b"SSH-2.0-x\r\n\r\n"), "N067"),
    "hangs up": (lambda connection: connection.close(), "N067"),
}


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_what_harms_is_cut_off(name: str) -> None:
    """Whatever a peer does, a request ends in its time with a code."""
    talk, code = BEHAVIOURS[name]
    with hostile(talk) as server:
        assert fault(f"http://127.0.0.1:{server.port}/") == code


def test_a_good_answer_is_read() -> None:
    """The same client reads what is within its limits, packed or not."""
    for talk in (saying(b"fine"), saying(gzip.compress(b"fine"), GZIP)):
        with hostile(talk) as server:
            assert ask(f"http://127.0.0.1:{server.port}/").body == b"fine"
            assert b"Bearer secret" in server.requests[0]


def test_redirections_lead_nowhere_else() -> None:
    """Another port, host or scheme is never asked, and the secret goes to nobody else; within the origin it is followed."""
    with hostile(saying(b"inside")) as inside:
        for place in (
            f"http://127.0.0.1:{inside.port}/",
            "http://169.254.169.254/",
            "https://127.0.0.1/",
            "file:///etc/passwd",
        ):
            head = f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()
            with hostile(lambda connection, head=head: connection.sendall(head)) as server:  # type: ignore[misc]
                assert fault(f"http://127.0.0.1:{server.port}/") == "N063"
        assert not inside.requests
    here = b"HTTP/1.1 302 Found\r\nLocation: /again/\r\nContent-Length: 0\r\n\r\n"
    with hostile(lambda connection: connection.sendall(here)) as server:
        assert fault(f"http://127.0.0.1:{server.port}/") == "N063"
        assert [request.split()[1] for request in server.requests] == [b"/", b"/again/", b"/again/", b"/again/"]


def test_names_that_lead_inside() -> None:
    """A name that resolves to an address of this computer is not asked, unless the policy names it."""
    with hostile(saying(b"fine")) as server:
        for name in ("localhost", "127.0.0.1", "127.1", "0x7f000001", "[::ffff:127.0.0.1]"):
            assert fault(f"http://{name}:{server.port}/", networks=()) == "N061"
        assert not server.requests
        assert ask(f"http://localhost:{server.port}/", networks=(), hosts=frozenset({"localhost"})).body == b"fine"


def test_names_without_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is not known, or is none, is told as such."""

    def lookup(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert fault(f"https://{'a' * 70}.example/") == "N060"
    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    assert fault("https://nowhere.example/") == "N060"


def test_a_name_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was judged is what is connected to: a name that leads elsewhere when it is asked again gains nothing."""
    answers = iter([["192.0.2.1", "93.184.216.34"], ["127.0.0.1"], ["127.0.0.1"]])
    tried: list[Any] = []

    def lookup(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(answers)]

    def connect(address: Any, *_: Any, **__: Any) -> socket.socket:
        tried.append(address)
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setattr(socket, "create_connection", connect)
    assert fault("https://peer.example/", networks=()) == "N060"
    assert tried == [("93.184.216.34", 443)]


PRIVATE_4 = ("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.168.1.1", "192.0.2.1")
PRIVATE_4 += ("198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255")
PRIVATE_6 = ("::", "::1", "::127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::1", "100::1", "2001:db8::1")
PRIVATE_6 += ("2001::1", "2002:a00:1::1", "fc00::1", "fe80::1", "fec0::1", "ff02::1", "ff0e::1")
PRIVATE = (*PRIVATE_4, *PRIVATE_6)
PUBLIC = ("1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101")


def test_addresses_that_are_public() -> None:
    """Only addresses of hosts on the Internet are, also where IPv6 stands for IPv4."""
    assert [text for text in PRIVATE if is_public(ipaddress.ip_address(text))] == []
    assert [text for text in PUBLIC if not is_public(ipaddress.ip_address(text))] == []


def test_a_name_does_not_permit_all() -> None:
    """A host that is named may be at a private address, but not where clouds keep secrets; a network permits what is in it."""
    named = Policy(hosts=frozenset({"intel.example"}))
    by_name = {text for text in PRIVATE if named.permits("intel.example", ipaddress.ip_address(text))}
    assert {"10.1.2.3", "127.0.0.1", "::1", "fc00::1", "::ffff:10.0.0.1"} <= by_name
    assert not by_name & {"0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255", "::", "fe80::1", "ff02::1"}
    assert not named.permits("other.example", ipaddress.ip_address("10.1.2.3"))
    network = Policy(networks=(ipaddress.ip_network("169.254.169.254/32"),))
    assert network.permits("any.example", ipaddress.ip_address("169.254.169.254"))
    assert permitted(network, "1.1.1.1", 443) == [ipaddress.ip_address("1.1.1.1")]


def test_certificates_are_verified(tmp_path: Path) -> None:
    """A certificate of an unknown authority ends the connection before anything is asked."""
    import ssl

    authority = make(tmp_path, "authority")
    held = make(tmp_path, "server", authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*held.files)
    asked: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as safe:
                    asked.append(safe.recv(1 << 16))
                    safe.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")
            except OSError:
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        assert fault(url) == "N062"
        peer = Peer(PeerKind.TAXII, url, "o", "l", "r", ca_file="authority.pem")
        with Outbound(url, Policy(LOOPBACK), {}, trust_of(tmp_path, peer)) as client:
            assert client.ask("GET", url).body == b"fine"
        thread.join()
    assert len(asked) == 1


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Give a node whose peer is at a port that a test fills in."""
    with opened(tmp_path / "node", clock=Clock(time.time_ns() // 1000)) as found:
        yield found


def subscribed(world: World, port: int, **keys: Any) -> World:
    """Let a node know a peer at a port."""
    settings = {
        "kind": "taxii",
        "url": f"http://127.0.0.1:{port}/api/",
        "organisation": "water-cert",
        "remote": "x",
        "local": "indicators",
        "allow": "[127.0.0.1]",
        "most_seconds": 1,
        **keys,
    }
    listed = "".join(f"    {key}: {value}\n" for key, value in settings.items())
    with (world.folder / NODE_FILE).open("a") as file:
        file.write(f"peers:\n  odd:\n{listed}")
    world.node.file = read_node_file(world.folder / NODE_FILE)
    return world


def endless(connection: socket.socket) -> None:
    """Give a page, and say that another follows."""
    number = endless.count = getattr(endless, "count", 0) + 1  # type: ignore[attr-defined]
    page = {"more": True, "next": f"n{number}", "objects": [indicator(number)]}
    head = b"X-TAXII-Date-Added-Last: 2026-01-01T00:00:00.%06dZ\r\n" % number
    saying(json.dumps(page).encode(), head)(connection)


def test_pages_without_end(world: World) -> None:
    """A peer whose pages never end stops at the limit of a run with a fault; what was taken stays, and the next run goes on."""
    with hostile(endless) as server:
        subscribed(world, server.port, most_objects=20)
        done = sync_peer(world.node, "odd")
        assert done.fault.endswith("[N069]")
        assert done.came.taken == 21
        assert b"added_after=2026-01-01T00%3A00%3A00.000020Z" not in server.requests[-1]
        again = sync_peer(world.node, "odd")
        assert b"added_after=2026-01-01T00%3A00%3A00.000020Z" in server.requests[21]
        assert again.came.taken == 21
    assert len(world.ids("water-cert", "indicators")) == 42
    progress = world.node.cursors.progress("odd")
    assert (progress.failures, progress.succeeded, progress.fault) == (2, 0, again.fault)


def test_pages_in_a_circle(world: World) -> None:
    """A page that leads to itself ends the run at once."""
    with hostile(saying(b'{"more": true, "next": "same", "objects": []}')) as server:
        assert sync_peer(subscribed(world, server.port).node, "odd").fault.endswith("[N069]")
        assert len(server.requests) == 2


def test_empty_pages_without_end(world: World) -> None:
    """Pages that hold nothing and always lead on end the run soon, and so does a place that is as long as a book."""

    def talk(connection: socket.socket) -> None:
        saying(json.dumps({"more": True, "next": f"n{len(server.requests)}"}).encode())(connection)

    with hostile(talk) as server:
        assert sync_peer(subscribed(world, server.port).node, "odd").fault.endswith("[N069]")
        assert len(server.requests) < 30


def test_a_place_that_is_too_long(world: World) -> None:
    """A `next` that no URL should hold is not asked for."""
    with hostile(saying(json.dumps({"more": True, "next": "n" * 100_000}).encode())) as server:
        assert sync_peer(subscribed(world, server.port).node, "odd").fault.endswith("[N067]")
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[]", b'{"objects": 7}', b'{"more": "yes"}', b'{"objects": [' + b"[" * 100_000, b"\xff", b""],
    ids=["page", "list", "number", "text", "deep", "bytes", "empty"],
)
def test_what_is_no_envelope(world: World, body: bytes) -> None:
    """An answer of another form is a fault, and never an empty page."""
    with hostile(saying(body)) as server:
        assert sync_peer(subscribed(world, server.port).node, "odd").fault.endswith("[N067]")


def test_refusals_are_told(world: World) -> None:
    """What a peer refuses is told with its reason, whatever characters it puts into it."""
    body = b'{"title": "no \\u001b[31m", "error_code": "X"}'
    head = b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n" % len(body)
    with hostile(lambda connection: connection.sendall(head + body)) as server:
        assert "answers 403: no \x1b[31m [N066]" in sync_peer(subscribed(world, server.port).node, "odd").fault


def test_objects_that_are_refused(world: World) -> None:
    """Objects that have not their form are refused by themselves, and the others taken."""
    page = {"objects": [indicator(1), {"type": "indicator", "id": "indicator--x"}, 7]}
    with hostile(saying(json.dumps(page).encode())) as server:
        done = sync_peer(subscribed(world, server.port).node, "odd")
    assert (done.came.taken, done.came.refused, done.fault) == (1, 2, "")
    assert done.came.why[0].startswith("refused indicator--x: ")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "http://peer.example/"}, "https"),
        ({"url": "https://user:secret@peer.example/"}, "https"),
        ({"url": "https://peer.example/?key=1"}, "path"),
        ({"allow": '["not a network!"]'}, "allows"),
        ({"auth": "{token_file: /etc/passwd}"}, "folder"),
        ({"auth": "{token_file: ../token}"}, "folder"),
        ({"auth": "{token: secret}"}, "token"),
        ({"auth": "{scheme: basic}"}, "user"),
        ({"local": "everything"}, "local"),
        ({"every": 1}, "10"),
        ({"kind": "ftp"}, "ftp"),
        ({"kind": "misp-feed"}, "remote"),
    ],
    ids=str,
)
def test_files_that_cannot_be_used(world: World, changes: dict[str, Any], words: str) -> None:
    """A peer that would be asked in the open, or with files of elsewhere, is an error of the file."""
    with pytest.raises(NodeError, match=words) as raised:
        subscribed(world, 1, **changes)
    assert raised.value.code == "N006"


def test_who_may_not_write_brings_nothing(world: World) -> None:
    """Objects of a peer whose organisation the rulebook takes nothing from are not even asked for."""
    with hostile(saying(b"{}")) as server:
        subscribed(world, server.port, organisation="hilltown")
        assert sync_peer(world.node, "odd").fault.endswith("[N071]")
        assert not server.requests


def test_secrets_that_cannot_be_used(world: World) -> None:
    """A secret that is not there, or is none, is a fault before anything is asked; a link out of the folder is not followed."""
    with hostile(saying(b"{}")) as server:
        subscribed(world, server.port, auth="{token_file: peer.token}")
        path = world.folder / "peer.token"
        assert sync_peer(world.node, "odd").fault.endswith("[N068]")
        path.write_text("two\nlines")
        assert sync_peer(world.node, "odd").fault.endswith("[N068]")
        path.unlink()
        path.symlink_to(world.folder.parent / "elsewhere")
        (world.folder.parent / "elsewhere").write_text("secret")
        assert "not of the node's folder" in sync_peer(world.node, "odd").fault
        assert not server.requests


def test_a_peer_that_is_not_there(world: World) -> None:
    """A name that the file does not have is an error of whoever asks for it."""
    with pytest.raises(NodeError, match="no peer 'other'") as raised:
        sync_peer(world.node, "other")
    assert raised.value.code == "N070"
