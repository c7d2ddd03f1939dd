"""Nodes that push to peers: what the rulebook gives them, once; and what is withdrawn or marked otherwise afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from node_samples import START, World, indicator, objects_url
from peer_nodes import Community, markings
from postgresql import new_database
from tocsin.cli.node import node as commands
from tocsin.errors import PeerError
from tocsin.records.entry import Entry, Kind, decode
from tocsin.runs.adoption import adopt
from tocsin.runs.node import NODE_FILE, RULEBOOK
from tocsin.runs.node_file import read_node_file
from tocsin.runs.peer_taxii import Acknowledged, TaxiiPeer
from tocsin.runs.push import target_of
from tocsin.sharing.markings import TLP_2, Tlp
from tocsin.stores import record
from tocsin.stores.database import reading
from tocsin.stores.pushed import Sent

GIVEN = "downstream: {} given, {} withdrawn, {} refused\n"


@pytest.fixture
def community(tmp_path: Path) -> Iterator[Community]:
    """Give a community without nodes."""
    with ExitStack() as stack:
        yield Community(tmp_path, stack)


@pytest.fixture
def pair(community: Community) -> tuple[Community, World, World]:
    """Give a node that pushes to another, and that one."""
    a, b = community.add("a"), community.add("b")
    community.push("a", "b", community.serve("b"))
    return community, a, b


def pushed(given: int = 0, withdrawn: int = 0, refused: int = 0) -> tuple[int, str]:
    """Return what a run without faults says."""
    return 0, GIVEN.format(given, withdrawn, refused)


def entries(world: World, *kinds: Kind) -> list[Entry]:
    """Return what the record of a node holds of some kinds."""
    with reading(world.node.engine) as connection:
        leaves = list(record.entries(connection, 0, record.size_of(connection)))
    found = [decode(leaf.entry) for leaf in leaves if leaf.entry is not None]
    return [entry for entry in found if entry.kind in kinds]


def withdraw(world: World, organisation: str, number: int) -> None:
    """Withdraw an indicator at a node."""
    answer = world.client(organisation).delete(objects_url("indicators") + indicator(number)["id"] + "/")
    assert answer.status_code == 200


def report(number: int, tlp: Tlp, of: dict[str, Any]) -> dict[str, Any]:
    """Return a report about an object."""
    made = indicator(number, tlp)
    kept = {key: made[key] for key in ("spec_version", "created", "modified", "object_marking_refs")}
    about = {"name": "x", "published": made["created"], "object_refs": [of["id"]]}
    return {"type": "report", "id": made["id"].replace("indicator", "report"), **kept, **about}


def test_a_peer_gets_what_the_rulebook_gives(pair: tuple[Community, World, World]) -> None:
    """Each level goes as far as it may, once, with its marking, and the record names whom it was given to."""
    community, a, b = pair
    a.post("water-cert", "indicators", *(indicator(number, level) for number, level in enumerate(Tlp)))
    a.post("lakeside-services", "indicators", indicator(100))
    assert community.sync("a") == pushed(given=4)
    assert sorted(b.ids("riverdale-water", "indicators")) == sorted(indicator(number)["id"] for number in range(4))
    assert markings(b) == {key: found for key, found in markings(a).items() if key in markings(b)}
    (release,) = entries(a, Kind.RELEASE)
    assert (release.organisation, release.detail["what"], release.detail["rows"]) == ("lakeside-services", "push", "4")
    assert [item.id for item in release.objects] == [indicator(2)["id"], indicator(3)["id"]]
    assert community.sync("a") == pushed()
    a.post("water-cert", "indicators", indicator(7))
    assert community.sync("a") == pushed(given=1)
    assert len(entries(a, Kind.RELEASE)) == 2


def test_pages(community: Community) -> None:
    """More than a page goes in its order; a run that was cut off goes on where it was."""
    a, b = community.add("a"), community.add("b", most_megabytes="1")
    url = community.serve("b")
    a.post("water-cert", "indicators", *(indicator(number, description="x" * 1000) for number in range(1200)))
    a.post("water-cert", "indicators", indicator(5000, description="x" * 1_100_000))
    community.push("a", "b", url)
    code, said = community.sync("a")
    assert (code, said.splitlines()[0]) == (0, "downstream: 1,200 given, 0 withdrawn, 0 refused, 1 withheld")
    assert said.splitlines()[1].startswith(f"  withheld {indicator(5000)['id']}: it has 1,100,")
    assert len(markings(b)) == 1200


def test_what_is_withdrawn_is_withdrawn_there(pair: tuple[Community, World, World]) -> None:
    """The peer is told, and its receipt, which its record proves, is kept and shown."""
    community, a, b = pair
    a.post("water-cert", "indicators", indicator(1, Tlp.AMBER), indicator(2))
    assert community.sync("a") == pushed(given=2)
    withdraw(a, "water-cert", 1)
    assert community.sync("a") == pushed(withdrawn=1)
    assert b.ids("riverdale-water", "indicators") == [indicator(2)["id"]]
    shown = CliRunner().invoke(commands, ["peers", "--receipts", str(community.folder / "a" / "node")]).output
    (line,) = [line for line in shown.splitlines() if indicator(1)["id"] in line]
    receipt = line.rpartition(": ")[2]
    assert len(receipt) == 64
    assert b.client("riverdale-water").get(f"/record/receipts/{receipt}").status_code == 200
    (told,) = [entry for entry in entries(a, Kind.WITHDRAWAL) if "acknowledged" in entry.detail]
    assert [item.id for item in told.objects] == [indicator(1)["id"]]
    assert community.sync("a") == pushed()


def test_a_revoked_version_travels(pair: tuple[Community, World, World]) -> None:
    """A version that revokes an object is given as any other."""
    community, a, b = pair
    a.post("water-cert", "indicators", indicator(1))
    assert community.sync("a") == pushed(given=1)
    a.post("water-cert", "indicators", indicator(1, version=START + 1_000_000, revoked=True))
    assert community.sync("a") == pushed(given=1)
    answer = b.client("water-cert").get(objects_url("indicators"))
    assert [item["revoked"] for item in answer.json()["objects"]] == [True]


def test_a_narrower_marking_is_told(pair: tuple[Community, World, World]) -> None:
    """What a report makes narrower after it was given is narrower at the peer; what is not for it any more is withdrawn."""
    community, a, b = pair
    a.post("water-cert", "indicators", indicator(1), indicator(2), indicator(3))
    assert community.sync("a") == pushed(given=3)
    a.post("water-cert", "indicators", report(4, Tlp.AMBER, indicator(1)), indicator(1))
    a.post("water-cert", "indicators", report(5, Tlp.RED, indicator(2)), indicator(2))
    assert community.sync("a") == pushed(given=2, withdrawn=1)
    levels = {name: found.tlp for (name, _), found in markings(b).items()}
    assert levels == {
        indicator(1)["id"]: Tlp.AMBER,
        indicator(3)["id"]: Tlp.GREEN,
        report(4, Tlp.AMBER, indicator(1))["id"]: Tlp.AMBER,
    }
    assert community.sync("a") == pushed()


def test_a_change_of_the_rulebook_reaches_peers(pair: tuple[Community, World, World]) -> None:
    """What a new rulebook takes from the peer is withdrawn there, and what it gives back is given again."""
    community, a, b = pair
    a.post("water-cert", "indicators", indicator(1), indicator(2, Tlp.AMBER))
    assert community.sync("a") == pushed(given=2)
    path = a.folder / RULEBOOK
    before = path.read_text()
    path.write_text(before.replace("members: [riverdale-water, lakeside-services]", "members: [riverdale-water]"))
    assert adopt(a.node).in_force
    assert community.sync("a") == pushed(withdrawn=1)
    assert b.ids("riverdale-water", "indicators") == [indicator(1)["id"]]
    path.write_text(before)
    for holder in ("ada", "grace"):
        done = adopt(a.node, a.node.tokens.accept(a.token("water-cert", holder=holder)))
    assert done.in_force
    assert community.sync("a") == pushed(given=1)
    assert len(b.ids("riverdale-water", "indicators")) == 2


def test_parts_follow_the_rulebook(pair: tuple[Community, World, World], monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer gets an object without what it may not see; when that changes the object is withdrawn and given as it may be now.

    Also when the run ends in between.
    """
    community, a, b = pair
    marks = [{"selectors": [name], "marking_ref": TLP_2[level]} for name, level in (("name", Tlp.AMBER), ("labels", Tlp.RED))]
    made = indicator(1, Tlp.GREEN, name="seen at Riverdale", labels=["secret"], granular_markings=marks)
    a.post("water-cert", "indicators", made, indicator(2))

    def there() -> set[str]:
        found = b.client("riverdale-water").get(f"{objects_url('indicators')}{made['id']}/").json().get("objects", [{}])
        return set(found[0]) & {"name", "labels"}

    def fails(*_: object) -> None:
        raise PeerError("N064", "the peer is away")

    assert community.sync("a") == pushed(given=2)
    assert there() == {"name"}
    path = a.folder / RULEBOOK
    before = path.read_text()
    path.write_text(before.replace("members: [riverdale-water, lakeside-services]", "members: [riverdale-water]"))
    assert adopt(a.node).in_force
    with monkeypatch.context() as patched:
        patched.setattr(TaxiiPeer, "withdraw", fails)
        assert community.sync("a")[0] == 1
    assert community.sync("a") == pushed(given=1, withdrawn=1)
    assert there() == set()
    path.write_text(before)
    for holder in ("ada", "grace"):
        adopt(a.node, a.node.tokens.accept(a.token("water-cert", holder=holder)))
    assert community.sync("a") == pushed(given=1, withdrawn=1)
    assert there() == {"name"}
    assert community.sync("a") == pushed()


def test_who_is_out_is_told_of_withdrawals_still(pair: tuple[Community, World, World]) -> None:
    """A peer whose organisation the rulebook gives nothing any more withdraws all, and then the run fails."""
    community, a, b = pair
    a.post("water-cert", "indicators", indicator(1))
    assert community.sync("a") == pushed(given=1)
    path = a.folder / RULEBOOK
    text = path.read_text().replace("to: [community]", "to: [riverdale-water]")
    path.write_text(text.replace("members: [riverdale-water, lakeside-services]", "members: [riverdale-water]"))
    assert adopt(a.node).in_force
    code, said = community.sync("a")
    assert code == 1
    assert said.startswith("downstream: 0 given, 1 withdrawn")
    assert "[N071]" in said
    assert not markings(b)


def test_what_a_peer_refuses_is_told(pair: tuple[Community, World, World]) -> None:
    """A version that is there with another content is refused by itself, told once, and not sent again."""
    community, a, b = pair
    b.post("riverdale-water", "indicators", indicator(1, name="another"))
    a.post("water-cert", "indicators", indicator(1), indicator(2))
    assert community.sync("a") == (
        0,
        f"downstream: 1 given, 0 withdrawn, 1 refused\n  refused {indicator(1)['id']}: "
        "this version is here with another content\n",
    )
    assert community.sync("a") == pushed()
    assert {outcome: count for outcome, (count, _) in a.node.pushed.counts(target(community, "a")).items()} == {
        Sent.GIVEN: 1,
        Sent.REFUSED: 1,
    }


def test_of_two_versions_one_is_refused(pair: tuple[Community, World, World]) -> None:
    """The version that the peer took is withdrawn there, although it refused another of the same object."""
    community, a, b = pair
    later = indicator(1, version=START + 60_000_000, name="later")
    b.post("riverdale-water", "indicators", {**later, "name": "another"})
    a.post("water-cert", "indicators", indicator(1), later)
    assert community.sync("a")[1].startswith("downstream: 1 given, 0 withdrawn, 1 refused\n")
    withdraw(a, "water-cert", 1)
    assert community.sync("a") == pushed(withdrawn=1)
    versions = b.client("water-cert").get(objects_url("indicators") + indicator(1)["id"] + "/versions/").json()["versions"]
    assert versions == [later["modified"]]


def test_an_answer_that_is_lost(pair: tuple[Community, World, World], monkeypatch: pytest.MonkeyPatch) -> None:
    """What a peer took without its answer coming back is sent again, and withdrawn there when it is withdrawn here."""
    community, a, b = pair
    post = TaxiiPeer.post

    def lost(self: TaxiiPeer, body: bytes) -> Any:
        post(self, body)
        raise PeerError("N067", "the connection ended")

    a.post("water-cert", "indicators", indicator(1), indicator(2))
    monkeypatch.setattr(TaxiiPeer, "post", lost)
    assert community.sync("a")[0] == 1
    assert a.node.pushed.counts(target(community, "a"))[Sent.SENT][0] == 2
    assert b.ids("water-cert", "indicators") == [indicator(1)["id"], indicator(2)["id"]]
    withdraw(a, "water-cert", 1)
    monkeypatch.undo()
    assert community.sync("a") == pushed(given=1, withdrawn=1)
    assert b.ids("water-cert", "indicators") == [indicator(2)["id"]]
    assert community.sync("a") == pushed()


def test_a_marking_that_the_peer_refuses(pair: tuple[Community, World, World], monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that a peer has, and will not mark anew, is told at each run, and is withdrawn there when it is here."""
    community, a, b = pair
    a.post("water-cert", "indicators", indicator(1))
    assert community.sync("a") == pushed(given=1)
    a.post("water-cert", "indicators", indicator(1), report(9, Tlp.AMBER, indicator(1)))
    refused = Acknowledged("status x", {(indicator(1)["id"], None): "it exists already"}, 0)
    monkeypatch.setattr(TaxiiPeer, "post", lambda self, body: refused)
    for _ in range(2):
        assert f"refused {indicator(1)['id']}: it exists already" in community.sync("a")[1]
    withdraw(a, "water-cert", 1)
    assert ", 1 withdrawn, 0 refused" in community.sync("a")[1]
    assert indicator(1)["id"] not in b.ids("water-cert", "indicators")


def target(community: Community, name: str) -> str:
    """Return what a node calls its peer."""
    peer = read_node_file(community.folder / name / "node" / NODE_FILE).peers["downstream"]
    return target_of("downstream", peer)


def test_a_withdrawal_stays_due(pair: tuple[Community, World, World]) -> None:
    """A peer that refuses a withdrawal gets new objects still; the run fails, what is due is shown, and tried again."""
    community, a, b = pair
    a.post("water-cert", "indicators", indicator(1))
    assert community.sync("a") == pushed(given=1)
    path = b.folder / RULEBOOK
    before = path.read_text()
    closed = before.replace("to: [community]\n    collections: [indicators]", "to: [water-cert]\n    collections: [indicators]")
    closed = closed.replace("members: [riverdale-water, lakeside-services]", "members: [lakeside-services]")
    path.write_text(closed.replace("to: [riverdale-water]", "to: [water-cert]"))
    assert adopt(b.node).in_force
    withdraw(a, "water-cert", 1)
    a.post("water-cert", "indicators", indicator(2))
    code, said = community.sync("a")
    assert (code, said.splitlines()[0]) == (1, "downstream: 1 given, 0 withdrawn, 0 refused")
    assert "answers 403" in said
    shown = CliRunner().invoke(commands, ["peers", str(community.folder / "a" / "node")], standalone_mode=False)
    assert shown.return_value == 1
    assert "due: 1, the first since 20" in shown.output
    path.write_text(before)
    for holder in ("ada", "grace"):
        adopt(b.node, b.node.tokens.accept(b.token("water-cert", holder=holder)))
    assert community.sync("a") == pushed(withdrawn=1)


def test_observables_without_versions(pair: tuple[Community, World, World]) -> None:
    """What has no version of its own is withdrawn too, though each node dates it by when it came."""
    community, a, b = pair
    address = {"type": "ipv4-addr", "spec_version": "2.1", "id": "ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd"}
    a.post("water-cert", "indicators", {**address, "value": "198.51.100.3"})
    assert community.sync("a") == pushed(given=1)
    assert community.sync("a") == pushed()
    a.client("water-cert").delete(objects_url("indicators") + address["id"] + "/")
    assert community.sync("a") == pushed(withdrawn=1)
    assert not markings(b)


def test_down_a_chain(community: Community) -> None:
    """A -> B -> C: what A withdraws is withdrawn at C, and a narrower marking arrives there."""
    a, _, c = (community.add(name) for name in "abc")
    url = community.serve("c")
    community.push("b", "c", url)
    community.push("a", "b", community.serve("b"))
    a.post("water-cert", "indicators", indicator(1), indicator(2))
    for name in "ab":
        assert community.sync(name)[0] == 0
    assert len(markings(c)) == 2
    withdraw(a, "water-cert", 1)
    a.post("water-cert", "indicators", report(4, Tlp.AMBER, indicator(2)), indicator(2))
    for name in "ab":
        assert community.sync(name)[0] == 0
    assert {name: found.tlp for (name, _), found in markings(c).items() if name.startswith("indicator")} == {
        indicator(2)["id"]: Tlp.AMBER
    }


def test_on_postgresql(community: Community) -> None:
    """The same on a server of PostgreSQL: given once, withdrawn, told a narrower marking."""
    with new_database() as url:
        a, b = community.add("a", database=url), community.add("b")
        community.push("a", "b", community.serve("b"))
        a.post("water-cert", "indicators", indicator(1), indicator(2), indicator(3))
        assert community.sync("a") == pushed(given=3)
        withdraw(a, "water-cert", 1)
        a.post("water-cert", "indicators", report(4, Tlp.AMBER, indicator(2)), indicator(2))
        assert community.sync("a") == pushed(given=2, withdrawn=1)
        assert {found.tlp for (name, _), found in markings(b).items() if name == indicator(2)["id"]} == {Tlp.AMBER}
        assert community.sync("a") == pushed()
        a.node.close()
