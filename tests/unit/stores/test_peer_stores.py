"""What is kept of peers, on each kind of database: cursors, faults, and what was given version by version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from node_samples import START, World, indicator, opened
from tocsin.sharing.decisions import Caller
from tocsin.sharing.markings import Tlp
from tocsin.stores.cursors import Progress
from tocsin.stores.interface import Query, Versions
from tocsin.stores.pushed import Key, Pushed, Sent

DETECT = ("detect",)


@pytest.fixture
def world(tmp_path: Path, database: dict[str, str]) -> Iterator[World]:
    """Give a node on each kind of database."""
    with opened(tmp_path / "node", **database) as found:
        yield found


def test_a_cursor_is_of_one_way(world: World) -> None:
    """Where to go on is kept until the way is another; successes, faults and tries do not touch it."""
    cursors = world.node.cursors
    assert cursors.progress("peer") == Progress()
    cursors.begin("peer")
    cursors.move("peer", "way", "7")
    assert (cursors.cursor("peer", "way"), cursors.cursor("peer", "other"), cursors.cursor("x", "way")) == ("7", "", "")
    world.clock.now += 5
    assert [cursors.fail("peer", "down"), cursors.fail("peer", "x" * 5000)] == [1, 2]
    assert cursors.progress("peer") == Progress("way", "7", START, 0, 2, START + 5, "x" * 1000)
    cursors.succeed("peer")
    assert cursors.progress("peer") == Progress("way", "7", START, START + 5, 0, START + 5, "x" * 1000)


def test_parts_that_were_seen(world: World) -> None:
    """The last state of each part is kept, by peer and way."""
    cursors = world.node.cursors
    cursors.see("peer", "way", "a", "1")
    cursors.see("peer", "way", "a", "2")
    cursors.see("other", "way", "a", "3")
    assert cursors.seen("peer", "way") == {"a": "2"}
    assert cursors.seen("peer", "another") == {}


def given(number: int, version: int = START) -> Pushed:
    """Return a version that was given."""
    return Pushed(Key(f"indicator--{number:04}", version, "2.1"), "v", "m", "d", Sent.GIVEN, receipt="r")


def test_what_was_given_is_walked_through(world: World) -> None:
    """All versions of an outcome come once, however many there are, and what was changed is found as what it is now."""
    store = world.node.pushed
    items = [given(number) for number in range(450)] + [given(3, START + 1)]
    store.keep("target", items)
    store.keep("other", items[:1])
    walked = [item for part in store.walk("target", Sent.GIVEN) for item in part]
    assert {item.key for item in walked} == {item.key for item in items}
    assert len(walked) == 451
    store.change("target", [items[3].key, items[5].key], Sent.DUE)
    assert [item.key for part in store.walk("target", Sent.DUE) for item in part] == [items[3].key, items[5].key]
    store.keep("target", [replace(items[3], outcome=Sent.WITHDRAWN, receipt="gone")])
    assert {outcome: count for outcome, (count, _) in store.counts("target").items()} == {
        Sent.GIVEN: 449,
        Sent.DUE: 1,
        Sent.WITHDRAWN: 1,
    }
    known = store.known("target", [items[3].key, items[4].key, Key("indicator--none", 0, "2.1")])
    assert (known[items[3].key].receipt, known[items[4].key].outcome, len(known)) == ("gone", Sent.GIVEN, 2)
    assert store.counts("other") == {Sent.GIVEN: (1, START)}


def test_the_stamp_changes_with_what_is_taken_back(world: World) -> None:
    """New objects leave it as it is; a withdrawal and a narrower marking change it."""
    stamps = [world.node.pushed.stamp()]
    world.post("water-cert", "indicators", indicator(1), indicator(2))
    stamps.append(world.node.pushed.stamp())
    assert stamps[0] == stamps[1]
    report = {
        key: value for key, value in indicator(3, Tlp.RED).items() if key not in {"pattern", "pattern_type", "valid_from"}
    }
    report |= {"id": indicator(3)["id"].replace("indicator", "report"), "type": "report", "name": "x"}
    report |= {"published": report["created"], "object_refs": [indicator(1)["id"]]}
    world.post("water-cert", "indicators", report, indicator(1))
    stamps.append(world.node.pushed.stamp())
    world.client("water-cert").delete(f"/taxii2/api/collections/indicators/objects/{indicator(2)['id']}/")
    stamps.append(world.node.pushed.stamp())
    assert len(set(stamps)) == 3


def test_questions_by_owner(world: World) -> None:
    """`but_of` leaves out what an organisation put there, `only_of` all else; both within what the caller may see."""
    world.post("water-cert", "indicators", indicator(1), indicator(2), indicator(9, Tlp.RED))
    world.post("riverdale-water", "indicators", indicator(2), indicator(3))
    caller = Caller("riverdale-water", DETECT)

    def ids(**keys: str) -> list[str]:
        query = Query(("indicators",), versions=frozenset({Versions.ALL}), **keys)  # type: ignore[arg-type]
        return [row.id for row in world.node.objects.page(caller, query).rows]

    one, two, three = (indicator(number)["id"] for number in (1, 2, 3))
    assert ids() == [one, two, three]
    assert ids(but_of="riverdale-water") == [one, two]
    assert ids(only_of="riverdale-water") == [two, three]
    assert ids(only_of="water-cert") == [one, two]
