"""Sightings that are counted: from how many on, for whom, under which names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node_samples import EXAMPLE, START, World, indicator, objects_url, opened
from tocsin.server.answers import RECEIPT
from tocsin.sharing.decisions import Caller
from tocsin.sharing.markings import TLP_2, Tlp
from tocsin.sharing.moments import moment_text, read_moment
from tocsin.stores.interface import Query, Versions

OTHERS = ("water-cert", "riverdale-water", "lakeside-services")
UNIVERSITY = "riverside-university"
NAMED = (EXAMPLE / "rulebook.yml").read_text().replace("k: 3", "k: 3\n    pseudonyms: true", 1)
URL = objects_url("sightings").replace("/objects/", "/sightings/")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Give a node of the example's community."""
    with opened(tmp_path / "node") as found:
        yield found


def sighting(number: int, of: int, version: int = START, tlp: Tlp = Tlp.GREEN, **more: Any) -> dict[str, Any]:
    """Return a sighting of an indicator, by their numbers."""
    base = {key: value for key, value in indicator(number, tlp, version).items() if not key.startswith(("pattern", "valid"))}
    changed = {"type": "sighting", "id": base["id"].replace("indicator", "sighting"), "sighting_of_ref": indicator(of)["id"]}
    return {**base, **changed, **more}


def seen(world: World, organisation: str = UNIVERSITY, **parameters: str) -> list[dict[str, Any]]:
    """Return the summaries that an organisation gets."""
    answer = world.client(organisation).get(URL, params=parameters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json().get("objects", [])
    return found


def test_counted_from_k_others_on(world: World) -> None:
    """Two organisations are answered as none; a third makes a count, and who asks is given no sighting itself."""
    for number, organisation in enumerate(OTHERS):
        assert world.client(UNIVERSITY).get(URL).content == b"{}"
        assert world.post(organisation, "sightings", sighting(number, 1, count=number + 2)).json()["success_count"] == 1
    (summary,) = seen(world)
    assert (summary["count"], summary["summary"], summary["sighting_of_ref"]) == (9, True, indicator(1)["id"])
    assert summary["created_by_ref"] == "identity--1f4e5c1e-6c0b-4f0d-9a53-3b1de3a5a001"
    assert "where_sighted_refs" not in summary
    assert world.ids(UNIVERSITY, "sightings") == []
    assert seen(world, **{"match[id]": indicator(2)["id"]}) == []


def test_the_last_version_of_each_counts(world: World) -> None:
    """A new version of a sighting takes the place of the old one, and one that is withdrawn no longer counts."""
    for number, organisation in enumerate(OTHERS):
        world.post(organisation, "sightings", sighting(number, 1, first_seen=moment_text(START - number)))
    world.post("water-cert", "sightings", sighting(0, 1, START + 1000, Tlp.AMBER, count=40, last_seen=moment_text(START)))
    (summary,) = seen(world)
    assert (summary["count"], summary["object_marking_refs"]) == (42, [TLP_2[Tlp.AMBER]])
    assert (read_moment(summary["first_seen"]), read_moment(summary["last_seen"])) == (START - 2, START)
    every = Query(("sightings",), ids=(sighting(0, 1)["id"],), versions=frozenset({Versions.ALL}))
    assert world.node.objects.remove(Caller("water-cert"), every)[0] == 2
    assert seen(world) == []


def test_what_is_too_restricted_is_not_counted(world: World) -> None:
    """A sighting that the rule could not give, by its level, is not counted either."""
    for number, organisation in enumerate(OTHERS):
        world.post(organisation, "sightings", sighting(number, 1, tlp=Tlp.AMBER_STRICT if number else Tlp.GREEN))
    assert seen(world) == []


def test_names_change_with_recipient_and_month(tmp_path: Path) -> None:
    """With pseudonyms each organisation has one name for a recipient and a month, which is no identity of the rulebook."""
    text = NAMED.replace("to: [riverside-university]", "to: [riverside-university, hilltown]", 1)
    with opened(tmp_path / "node", text) as world:
        for number, organisation in enumerate(OTHERS):
            world.post(organisation, "sightings", sighting(number, 1), sighting(number + 10, 2))
        first, second = seen(world)
        names = first["where_sighted_refs"]
        assert names == second["where_sighted_refs"]
        assert len(set(names)) == 3
        assert not set(names) & set(re.findall("identity--[0-9a-f-]{36}", text))
        assert not set(names) & set(seen(world, "hilltown")[0]["where_sighted_refs"])
        world.clock.now += 31 * 24 * 3600 * 1_000_000
        assert not set(names) & set(seen(world)[0]["where_sighted_refs"])
        assert [item["id"] for item in seen(world)] == [first["id"], second["id"]]


def test_pages_and_the_record(world: World) -> None:
    """Summaries come page by page in the order of what was seen, and each page is in the record."""
    for number, organisation in enumerate(OTHERS):
        world.post(organisation, "sightings", *(sighting(number * 100 + of, of) for of in range(7)))
    client, found, start = world.client(UNIVERSITY), [], {}
    for _ in range(4):
        answer = client.get(URL, params={"limit": "2", **start})
        assert len(answer.headers[RECEIPT]) == 64
        found += [item["sighting_of_ref"] for item in answer.json()["objects"]]
        start = {"next": answer.json().get("next", "")}
    assert found == [indicator(of)["id"] for of in range(7)]
    receipt = client.get(f"/record/receipts/{answer.headers[RECEIPT]}")
    assert receipt.status_code == 200
    for wrong in ({"limit": "0"}, {"next": "../x"}, {"match[type]": "x"}):
        assert client.get(URL, params=wrong).status_code == 400


@settings(max_examples=15)
@given(st.lists(st.tuples(st.sampled_from(OTHERS), st.integers(0, 2), st.sampled_from(Tlp), st.integers(1, 9)), max_size=12))
def test_as_counted_by_hand(tmp_path_factory: pytest.TempPathFactory, posts: list[tuple[str, int, Tlp, int]]) -> None:
    """Random sightings are counted as a reading of the requirement says."""
    with opened(tmp_path_factory.mktemp("n") / "node") as world:
        for number, (organisation, of, tlp, count) in enumerate(posts):
            world.post(organisation, "sightings", sighting(number, of, tlp=tlp, count=count))
        given_it = [post for post in posts if post[2] <= Tlp.AMBER]
        wanted = {
            indicator(of)["id"]: sum(post[3] for post in given_it if post[1] == of)
            for of in range(3)
            if len({post[0] for post in given_it if post[1] == of}) == len(OTHERS)
        }
        assert {item["sighting_of_ref"]: item["count"] for item in seen(world)} == wanted
