"""Nodes that take in what others have: each served by a process of its own, and asked by the client of another."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from node_samples import START, indicator, objects_url
from node_server import served
from peer_nodes import Community, markings, wait_for
from tocsin.cli.node import node as commands
from tocsin.sharing.markings import Tlp
from tocsin.stores import schema
from tocsin.stores.database import reading


@pytest.fixture
def community(tmp_path: Path) -> Iterator[Community]:
    """Give a community without nodes."""
    with ExitStack() as stack:
        yield Community(tmp_path, stack)


def test_what_a_peer_has_is_taken_once(community: Community) -> None:
    """All that the peer gives comes in by pages, later only what is new, and a second run finds nothing."""
    a, b = community.add("a"), community.add("b")
    a.post("water-cert", "indicators", *(indicator(number) for number in range(1200)))
    a.post("water-cert", "indicators", indicator(2000, Tlp.RED))
    community.subscribe("b", "a", community.serve("a"))
    assert community.sync("b") == (0, "upstream: 1,200 taken, 0 known, 0 refused\n")
    assert community.sync("b") == (0, "upstream: 0 taken, 0 known, 0 refused\n")
    a.post("water-cert", "indicators", indicator(3000, Tlp.AMBER))
    assert community.sync("b") == (0, "upstream: 1 taken, 0 known, 0 refused\n")
    for number, there in ((0, 1), (1199, 1), (3000, 1), (2000, 0)):
        found = indicator(number)["id"]
        assert b.ids("water-cert", "indicators", **{"match[id]": found}) == [found] * there
    told = CliRunner().invoke(commands, ["peers", str(community.folder / "b" / "node")]).output
    assert "last success: 20" in told
    assert "last fault" not in told


def test_a_served_node_asks_by_itself(community: Community) -> None:
    """A node that is served takes in what its peer has, tells a fault and keeps it, and goes on when the peer is there."""
    a, b = community.add("a"), community.add("b")
    a.post("water-cert", "indicators", indicator(1))
    with ExitStack() as first:
        url = first.enter_context(served(community.folder / "a" / "node")) + "/taxii2/api/"
        community.subscribe("b", "a", url, every=10)
        community.serve("b")
        wait_for(lambda: b.ids("water-cert", "indicators") == [indicator(1)["id"]])
    wait_for(lambda: b.node.cursors.progress("upstream").failures == 1)
    assert b.node.cursors.progress("upstream").fault.endswith("[N060]")
    log = (community.folder / "b" / "served.log").read_text()
    assert "peer upstream: 1 taken, 0 known, 0 refused\n" in log
    assert "peer upstream failed: http://127.0.0.1:" in log


def test_what_a_peer_withdraws_is_withdrawn(community: Community) -> None:
    """Where versions are compared, what the peer has no more goes here too, and what others put there stays."""
    a, b = community.add("a"), community.add("b")
    address = {"type": "ipv4-addr", "spec_version": "2.1", "id": "ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd"}
    address |= {"value": "198.51.100.3", "object_marking_refs": indicator(1)["object_marking_refs"]}
    other = {**address, "id": "ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742de"}
    later = START + 1_000_000
    a.post("water-cert", "indicators", indicator(1), indicator(2), indicator(2, version=later), address, other)
    a.post("water-cert", "indicators", *(indicator(number) for number in range(10, 1000)))
    b.post("lakeside-services", "indicators", indicator(1), indicator(5))
    community.subscribe("b", "a", community.serve("a"), compare_every=1)
    said = community.sync("b")
    assert said == (0, "upstream: 994 taken, 0 known, 0 refused\n")  # the last of two versions is given
    for end in (f"{indicator(1)['id']}/", f"{indicator(900)['id']}/", f"{other['id']}/"):
        assert a.client("water-cert").delete(objects_url("indicators") + end).status_code == 200
    time.sleep(1.1)
    assert community.sync("b") == (0, "upstream: 0 taken, 0 known, 0 refused, 3 withdrawn\n")
    time.sleep(1.1)
    assert community.sync("b") == (0, "upstream: 0 taken, 0 known, 0 refused\n")
    for name, there in ((indicator(1)["id"], 1), (indicator(5)["id"], 1), (indicator(900)["id"], 0), (other["id"], 0)):
        assert b.ids("riverdale-water", "indicators", **{"match[id]": name}) == [name] * there
    assert len(markings(b)) == 994 - 3 + 2


def test_a_narrower_marking_is_taken_over(community: Community) -> None:
    """Who pulls learns by `compare_every` that a version is marked more narrowly now, and gives it to nobody who may not."""
    a, b = community.add("a"), community.add("b")
    community.subscribe("b", "a", community.serve("a"), compare_every=1)
    a.post("water-cert", "indicators", indicator(1))
    a.post("water-cert", "indicators", indicator(2))
    assert community.sync("b") == (0, "upstream: 2 taken, 0 known, 0 refused\n")
    assert b.ids("hilltown", "indicators") == [indicator(1)["id"], indicator(2)["id"]]
    made = indicator(9, Tlp.AMBER_STRICT)
    kept = {key: made[key] for key in ("spec_version", "created", "modified", "object_marking_refs")}
    about = {"name": "x", "published": made["created"], "object_refs": [indicator(1)["id"]]}
    name = made["id"].replace("indicator", "report")
    a.post("water-cert", "indicators", indicator(1), {"type": "report", "id": name, **kept, **about})
    time.sleep(1.1)
    assert community.sync("b")[0] == 0
    assert b.ids("hilltown", "indicators") == [indicator(2)["id"]]


def test_a_run_that_is_killed(community: Community) -> None:
    """However often the program is killed while it takes in pages, in the end all is there, once."""
    a, b = community.add("a", page="20"), community.add("b")
    a.post("water-cert", "indicators", *(indicator(number) for number in range(2000)))
    community.subscribe("b", "a", community.serve("a"))
    code = "from tocsin.cli.entry import run; run()"
    command = [sys.executable, "-c", code, "node", "sync", str(community.folder / "b" / "node")]
    pick = random.Random(7)
    killed = 0
    for _ in range(8):
        before = len(markings(b))
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as program:
            until = time.monotonic() + 20
            while program.poll() is None and len(markings(b)) == before and time.monotonic() < until:
                time.sleep(0.01)
            time.sleep(pick.uniform(0, 0.1))
            killed += program.poll() is None
            program.kill()
        assert len(markings(b)) >= before
    assert killed >= 3
    assert community.sync("b")[0] == 0
    with reading(b.node.engine) as connection:
        ids = connection.execute(select(schema.entry.c.stix_id)).scalars().all()
    assert sorted(ids) == sorted(indicator(number)["id"] for number in range(2000))
    assert community.sync("b") == (0, "upstream: 0 taken, 0 known, 0 refused\n")
