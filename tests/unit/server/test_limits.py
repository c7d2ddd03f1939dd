"""Limits of a node: how often, how long, how much, how deep; and what is told of them."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from node_samples import START, TAXII, Clock, World, indicator, objects_url, opened
from tocsin.errors import NodeError
from tocsin.runs import limits
from tocsin.runs.limits import Buckets, neighbourhood
from tocsin.runs.node import NODE_FILE, open_node
from tocsin.server.app import build_app
from tocsin.sharing.decisions import Caller
from tocsin.stores.tokens import Role, Terms

SECOND = 1_000_000
FEW = "{requests_per_minute: 30, requests_at_once: 3, failures_per_minute: 6, failures_at_once: 2, expansion: 50}"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Give a node that bears little."""
    with opened(tmp_path / "node", limits=FEW) as found:
        yield found


def send(world: World, body: bytes, **headers: str) -> httpx2.Response:
    """Post a body to a collection."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return world.client("water-cert").post(objects_url("indicators"), content=body, headers={"Content-Type": TAXII, **more})


def test_a_caller_that_asks_too_often_waits(world: World) -> None:
    """The fourth request at once is refused with the seconds to wait, which then are enough; others are not held up."""
    client = world.client("hilltown")
    assert [client.get("/taxii2/").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = client.get("/taxii2/")
    assert (refused.json()["error_code"], refused.json()["http_status"], refused.headers["Retry-After"]) == ("N021", "429", "2")
    assert refused.headers["Content-Type"] == TAXII
    assert world.client("riverdale-water").get("/taxii2/").status_code == 200
    world.clock.now += 2 * SECOND
    assert [client.get("/taxii2/").status_code for _ in range(2)] == [200, 429]


def test_guessing_is_slowed(world: World) -> None:
    """After some failures an address is refused whatever it sends, so that a right guess looks as a wrong one."""
    client, good = TestClient(build_app(world.node)), world.client("hilltown").headers["Authorization"]
    wrong = {"Authorization": "Bearer tocsin_0_x"}
    assert [client.get("/taxii2/", headers=wrong).status_code for _ in range(3)] == [401, 401, 429]
    held = [client.get("/taxii2/", headers=header) for header in (wrong, {"Authorization": good})]
    assert held[0].content == held[1].content
    assert (held[1].json()["error_code"], held[1].headers["Retry-After"]) == ("N022", "10")
    elsewhere = TestClient(build_app(world.node), client=("192.0.2.7", 1))
    assert elsewhere.get("/taxii2/", headers={"Authorization": good}).status_code == 200
    world.clock.now += 10 * SECOND
    assert client.get("/taxii2/", headers={"Authorization": good}).status_code == 200


def test_a_token_from_a_wrong_address_is_a_failure(world: World) -> None:
    """A token that is bound to a network is refused elsewhere, in the words of an unknown one, and counts as a guess."""
    token = world.node.tokens.issue(Caller("hilltown"), Terms((Role.READ,), START + SECOND, ("192.0.2.0/24",)))
    header = {"Authorization": f"Bearer {token}"}
    inside = TestClient(build_app(world.node), client=("192.0.2.7", 1))
    outside = TestClient(build_app(world.node), client=("198.51.100.7", 1))
    assert inside.get("/taxii2/", headers=header).status_code == 200
    assert [outside.get("/taxii2/", headers=header).status_code for _ in range(3)] == [401, 401, 429]


def test_asking_without_a_token_is_no_guess(world: World) -> None:
    """Who sends no token is told to, each time."""
    client = TestClient(build_app(world.node))
    assert {client.get("/taxii2/").status_code for _ in range(5)} == {401}


@given(st.lists(st.integers(0, 5 * SECOND), max_size=60), st.integers(1, 120), st.integers(1, 9))
def test_a_bucket_gives_no_more_than_its_rate(steps: list[int], per_minute: int, most: int) -> None:
    """In any time a bucket gives at most what it holds and what the time gains, and after the wait that it names it gives."""
    clock = Clock()
    buckets, given_out = Buckets(per_minute, most, clock), 0
    for step in steps:
        clock.now += step
        wait = buckets.take("a")
        given_out += not wait
        assert given_out <= most + (clock.now - START) * per_minute / (60 * SECOND)
        if wait:
            assert buckets.wait("a") == wait
            clock.now += wait * SECOND
            assert buckets.take("a") == 0
            given_out += 1


def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    """After a clock was set back, a bucket gains again from then on."""
    clock = Clock()
    buckets = Buckets(60, 1, clock)
    assert (buckets.take("a"), buckets.take("a")) == (0, 1)
    clock.now -= 3600 * SECOND
    assert buckets.wait("a") == 1
    clock.now += SECOND
    assert buckets.take("a") == 0


def test_buckets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many callers there are, so many are remembered; who asks on is not forgotten."""
    monkeypatch.setattr(limits, "_MOST_BUCKETS", 100)
    buckets = Buckets(1, 1, Clock())
    for number in range(1000):
        buckets.take("guesser")
        buckets.take(str(number))
    assert len(buckets) == 100
    assert buckets.wait("guesser") > 0


def test_what_counts_as_one_address() -> None:
    """All addresses of a network of 64 bits are one, an address of IPv4 is one however it is written."""
    assert neighbourhood("2001:db8::1") == neighbourhood("2001:db8::ffff:1%eth0") != neighbourhood("2001:db8:0:1::1")
    assert neighbourhood("::ffff:192.0.2.1") == neighbourhood("192.0.2.1") != neighbourhood("192.0.2.2")
    assert neighbourhood(str(IPv6Address(1))) == "::/64"
    assert neighbourhood("testclient") == "testclient"


def test_limits_are_checked(tmp_path: Path) -> None:
    """A limit that is none, or one that is not known, is refused with its name."""
    for text, name in (("{requests_per_minute: 0}", "requests_per_minute"), ("{speed: 1}", "speed")):
        with opened(tmp_path / name, limits="{}"):
            pass
        file = tmp_path / name / NODE_FILE
        file.write_text(file.read_text().replace("limits: {}", f"limits: {text}"))
        with pytest.raises(NodeError, match=name):
            open_node(tmp_path / name)


def test_a_gzipped_body_is_taken(world: World) -> None:
    """A body that is packed by gzip is taken as if it were not; one that is packed otherwise is refused with what is."""
    body = json.dumps({"objects": [indicator(1)]}).encode()
    assert send(world, gzip.compress(body), Content_Encoding="gzip").json()["success_count"] == 1
    refused = send(world, zlib.compress(body), Content_Encoding="deflate")
    assert (refused.status_code, refused.json()["error_code"], refused.headers["Accept-Encoding"]) == (415, "N025", "gzip")


@pytest.mark.parametrize("damage", ["cut", "appended", "second member", "nothing"])
def test_damaged_gzip_is_refused(world: World, damage: str) -> None:
    """What is cut short, or followed by more, is refused and not taken in part."""
    body = gzip.compress(json.dumps({"objects": [indicator(1)]}).encode())
    sent = {"cut": body[:-9], "appended": body + b"x", "second member": body + body, "nothing": b""}[damage]
    refused = send(world, sent, Content_Encoding="gzip")
    assert (refused.status_code, refused.json()["error_code"]) == (400, "N026")
    assert world.ids("water-cert", "indicators") == []


def test_a_bomb_is_not_unpacked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gzip that unpacks to more than its ratio, or than a body's limit, is refused before it is held."""
    bomb = gzip.compress(bytes(60 << 20))
    assert len(bomb) < 64_000
    pieces: list[int] = []
    original = zlib.decompressobj

    class Counted:
        def __init__(self, bits: int) -> None:
            self._inner = original(bits)

        def decompress(self, data: bytes, most: int) -> bytes:
            piece = self._inner.decompress(data, most)
            pieces.append(len(piece))
            return piece

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

    monkeypatch.setattr(zlib, "decompressobj", Counted)
    refused = send(world, bomb, Content_Encoding="gzip")
    assert (refused.status_code, refused.json()["error_code"]) == (413, "N013")
    assert 0 < sum(pieces) <= len(bomb) * 50 + 1


def test_heads_are_bounded(world: World) -> None:
    """A URL or headers that are too long are refused before anything is looked up, with the headers of every answer."""
    client = world.client("hilltown")
    answers = [client.get("/taxii2/?x=" + "y" * 16_384), client.get("/taxii2/", headers={"X-Long": "y" * 16_384})]
    assert [answer.status_code for answer in answers] == [414, 431]
    assert [answer.json()["error_code"] for answer in answers] == ["N023", "N024"]
    assert all(answer.headers["X-Content-Type-Options"] == "nosniff" for answer in answers)


def test_depth_is_bounded(world: World) -> None:
    """An object that is nested too deep is told as such, and brackets in a text are not nesting."""
    deep = indicator(1, x_deep=json.loads("[" * 70 + "]" * 70))
    wide = indicator(2, description='{"[' * 100, x_wide=[[] for _ in range(100)])
    told = world.post("water-cert", "indicators", deep, wide).json()
    assert (told["success_count"], told["failure_count"]) == (1, 1)
    assert "deeper than 64" in told["failures"][0]["message"]
    bottomless = b'{"objects":' + b"[" * 200_000
    assert send(world, bottomless).json()["error_code"] == "N015"
