"""A change of the rulebook: what widens needs two people, what narrows holds at once, and grants follow in the same moment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node_samples import EXAMPLE, World, indicator, objects_url, opened
from table_samples import rule, rulebook, shares, write_table
from tocsin.errors import NodeError, RulebookError
from tocsin.records.entry import Entry, Kind, decode
from tocsin.runs.adoption import adopt, differs
from tocsin.runs.new_node import init_node
from tocsin.runs.node import NODE_FILE, RULEBOOK, open_node
from tocsin.sharing.decisions import Caller
from tocsin.sharing.markings import Tlp
from tocsin.stores import record
from tocsin.stores.database import reading
from tocsin.stores.tokens import Access, Role

_TEXT = (EXAMPLE / "rulebook.yml").read_text()
WIDER = _TEXT.replace(
    "up_to: TLP:GREEN\n    reason: what every member may have", "reason: what every member may have", 1
).replace("to: [community]\n    collections: [indicators]", "to: [community, hilltown]\n    collections: [indicators]", 1)
NARROWER = _TEXT.replace("    clients: true\n", "", 1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Give a node that is in use."""
    with opened(tmp_path / "node") as found:
        found.post("water-cert", "indicators", indicator(1, Tlp.GREEN), indicator(2, Tlp.AMBER_STRICT))
        yield found


def change(world: World, text: str) -> None:
    """Change the rulebook's file."""
    assert text != _TEXT
    (world.folder / RULEBOOK).write_text(text)


def person(world: World, name: str, organisation: str = "water-cert", *roles: Role) -> Access:
    """Return the access of a person's token."""
    found = world.node.tokens.accept(world.token(organisation, *roles, holder=name))
    assert found is not None
    return found


def last(world: World) -> Entry:
    """Return the last entry of the record."""
    with reading(world.node.engine) as connection:
        size = record.size_of(connection)
        (leaf,) = record.entries(connection, size - 1, size)
    assert leaf.entry is not None
    return decode(leaf.entry)


def test_what_widens_waits_for_two_people(world: World) -> None:
    """Nothing is given by a wider rulebook before a second person approved it; then a server that runs gives it at once."""
    client = world.client("hilltown")
    change(world, WIDER)
    assert differs(world.node)
    first = adopt(world.node)
    assert (first.in_force, first.holders) == (False, ())
    assert any("hilltown" in str(gain) for gain in first.widening.gains)
    alice = person(world, "alice")
    for _ in range(2):
        assert adopt(world.node, alice).holders == ("alice",)
    assert len(client.get(objects_url("indicators")).json()["objects"]) == 1
    done = adopt(world.node, person(world, "bob"))
    assert (done.in_force, done.holders) == (True, ("alice", "bob"))
    assert len(client.get(objects_url("indicators")).json()["objects"]) == 2
    entry = last(world)
    assert entry.kind is Kind.RELEASE
    assert entry.rulebook == done.digest == world.node.rules.digest


def test_what_narrows_holds_at_once(world: World) -> None:
    """A rulebook that gives less needs nobody, and is recorded as what it is."""
    client = world.client("hilltown")
    assert len(client.get(objects_url("indicators")).json()["objects"]) == 1
    change(world, NARROWER)
    assert adopt(world.node).in_force
    assert (last(world).kind, last(world).detail["widens"]) == (Kind.RULE_CHANGE, "no")
    assert client.get(objects_url("indicators")).status_code == 404


def test_what_markings_mean_holds_for_what_is_there(world: World) -> None:
    """A narrower default, and another meaning of a declared marking, reach objects that were taken in before."""
    team = "marking-definition--6c3b7f0e-52f4-4c0c-8f3c-5d8f2a7e9b10"
    statement = "marking-definition--fa42a846-8d90-4e51-bc29-71d5b4802168"
    world.post("water-cert", "indicators", indicator(3, None), indicator(4, None, object_marking_refs=[statement]))
    world.post("water-cert", "indicators", indicator(5, None, object_marking_refs=[team]))
    everything = [indicator(number)["id"] for number in range(1, 6)]
    assert world.ids("riverdale-water", "indicators") == everything
    change(world, _TEXT.replace("unmarked: TLP:AMBER+STRICT", "unmarked: TLP:RED", 1))
    assert adopt(world.node).in_force
    assert world.ids("riverdale-water", "indicators") == [everything[0], everything[1], everything[4]]
    change(world, _TEXT.replace("means: TLP:AMBER+STRICT", "means: TLP:RED", 1))
    adopt(world.node, person(world, "alice"))
    assert adopt(world.node, person(world, "bob")).in_force
    assert world.ids("riverdale-water", "indicators") == everything[:4]


def test_an_approval_is_of_one_change(world: World) -> None:
    """An approval counts for the rulebook that was looked at, in place of the one that was in force then, and for no other."""
    change(world, WIDER)
    adopt(world.node, person(world, "alice"))
    change(world, WIDER.replace("hilltown]", "hilltown, guardline]", 1))
    assert adopt(world.node, person(world, "bob")).holders == ("bob",)
    change(world, NARROWER)
    assert adopt(world.node).in_force
    change(world, WIDER)
    assert adopt(world.node, person(world, "bob")).holders == ("bob",)


_SHARED = rulebook(rule("{columns: {port: keep}}", to="riverdale-water", more=", up_to: TLP:GREEN"))


def test_shares_that_give_more_wait_for_two_people(tmp_path: Path) -> None:
    """A looser marking, another owner and a new table of node.yml give nobody more before two people approved them."""
    write_table(tmp_path / "logons", {"port": [22]})
    listed = shares(tmp_path / "logons")
    red = listed.replace("TLP:GREEN", "TLP:RED")
    more = listed.replace("tables: {", f"tables: {{more: {tmp_path / 'logons'}, ")
    with opened(tmp_path / "node", _SHARED, shares=red) as world:
        world.post("water-cert", "indicators", indicator(1, Tlp.GREEN))
    for changed, told in (
        (listed, "riverdale-water may read the table default.logons of water-cert in events (TLP:GREEN)"),
        (red.replace("water-cert", "hilltown"), "hilltown becomes the owner of the table default.logons in events"),
        (more.replace("TLP:GREEN", "TLP:RED"), "water-cert becomes the owner of the table default.more in events"),
    ):
        set_shares(tmp_path / "node", changed)
        with opened(tmp_path / "node") as world:  # which asks for the change to be adopted
            assert differs(world.node)
            found = adopt(world.node)
            assert not found.in_force
            assert any(str(gain).startswith(told) for gain in found.widening.gains), [str(it) for it in found.widening.gains]
            assert not any(world.node.tables.given(Caller(name)) for name in ("riverdale-water", "hilltown"))
            assert [item.table.name for item in world.node.tables.given(Caller("water-cert"))] == ["default.logons"]
    set_shares(tmp_path / "node", listed)
    with opened(tmp_path / "node") as world:
        adopt(world.node, person(world, "alice"))
        assert adopt(world.node, person(world, "bob")).in_force
        assert last(world).detail["approved_by"] == "alice, bob"
        assert not differs(world.node)
        assert len(world.node.tables.given(Caller("riverdale-water"))) == 1


def test_shares_that_give_less_hold_when_they_are_adopted(tmp_path: Path) -> None:
    """A narrower marking is in force for a node that runs, without anybody's approval, as soon as it is adopted."""
    write_table(tmp_path / "logons", {"port": [22]})
    with opened(tmp_path / "node", _SHARED, shares=shares(tmp_path / "logons")) as world:
        world.post("water-cert", "indicators", indicator(1, Tlp.GREEN))
        assert len(world.node.tables.given(Caller("riverdale-water"))) == 1
        set_shares(tmp_path / "node", shares(tmp_path / "logons").replace("TLP:GREEN", "TLP:RED"))
        with opened(tmp_path / "node") as other:
            assert (last(other).kind, last(other).detail["widens"]) == (Kind.RULE_CHANGE, "no")
        assert world.node.tables.given(Caller("riverdale-water")) == []


def set_shares(folder: Path, value: str) -> None:
    """Write other shares into the file of a node."""
    path = folder / NODE_FILE
    kept = [line for line in path.read_text().splitlines() if not line.startswith("shares:")]
    path.write_text("\n".join([f"shares: {value}", *kept]) + "\n")


@pytest.mark.parametrize("roles", [(Role.READ, Role.WRITE), (Role.OPERATE,)])
def test_who_may_not_approve(world: World, roles: tuple[Role, ...]) -> None:
    """An approval needs the role, the operator's organisation, and a name; a refused one changes nothing."""
    change(world, WIDER)
    organisation = "water-cert" if Role.OPERATE not in roles else "riverdale-water"
    for access in (person(world, "mallory", organisation, *roles), person(world, "")):
        with pytest.raises(NodeError, match="N040"):
            adopt(world.node, access)
    assert adopt(world.node).holders == ()


def test_nobody_has_to_approve_while_a_node_is_set_up(tmp_path: Path) -> None:
    """As long as nothing was taken or given any rulebook is adopted; from the first object on it is not."""
    with opened(tmp_path / "node") as world:
        change(world, WIDER)
        done = adopt(world.node)
        assert (done.in_force, done.setup) == (True, True)
        (world.folder / RULEBOOK).write_text(_TEXT)
        assert adopt(world.node).setup
        world.post("water-cert", "indicators", indicator(1))
        change(world, WIDER)
        assert not adopt(world.node).in_force


def test_contradictions_are_told(world: World) -> None:
    """A rulebook that says what cannot be is taken in force where it narrows, and what `share check` finds is told."""
    change(world, NARROWER.replace("up_to: TLP:GREEN", "up_to: TLP:AMBER", 1))
    assert [(item.code, item.where is not None) for item in adopt(world.node).problems] == [("B011", True)]
    assert [item.code for item in adopt(world.node).problems] == ["B011"]
    change(world, NARROWER)
    assert adopt(world.node).problems == ()


def test_the_first_token_approves_nothing(tmp_path: Path) -> None:
    """The token that `init` shows names nobody, so that one person with a token of their own has not two voices."""
    token = init_node(tmp_path / "node", "cert", "CERT", "Us")
    node = open_node(tmp_path / "node")
    try:
        access = node.tokens.accept(token)
        assert access is not None
        assert (access.holder, Role.OPERATE in access.roles) == ("", True)
    finally:
        node.close()


def test_a_rulebook_with_problems_changes_nothing(world: World) -> None:
    """What cannot be read, or names a collection that the node has not, is an error; the rulebook in force stays."""
    before = world.node.rules.digest
    for text in ("rules: [", _TEXT.replace("[indicators]", "[indicatrs]", 1)):
        change(world, text)
        with pytest.raises(RulebookError):
            adopt(world.node)
    assert world.node.rules.digest == before
    assert adopt_back(world)


def adopt_back(world: World) -> bool:
    """Put the first text back and return whether it was in force all the time."""
    (world.folder / RULEBOOK).write_text(_TEXT)
    return adopt(world.node).was_in_force
