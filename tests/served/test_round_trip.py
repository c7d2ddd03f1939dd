"""What goes from node to node keeps every marking, however it was marked and however it is divided on its way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from node_samples import EXAMPLE, World, indicator
from peer_nodes import Community, markings, markings_of_parts
from tocsin.sharing.markings import PAP_2, TLP_2, TLP_IDS, Pap, Tlp

TEAM = "marking-definition--6c3b7f0e-52f4-4c0c-8f3c-5d8f2a7e9b10"
MITRE = "marking-definition--fa42a846-8d90-4e51-bc29-71d5b4802168"
TLP_1 = {level: name for name, level in reversed(TLP_IDS.items())}
RULES = ("    collections: [indicators, warnings]\n    purposes", "    collections: [indicators]\n    owners")


@pytest.fixture
def community(tmp_path: Path) -> Iterator[Community]:
    """Give a community without nodes."""
    with ExitStack() as stack:
        yield Community(tmp_path, stack)


def marked(number: int, *refs: str, **more: Any) -> dict[str, Any]:
    """Return an indicator with references to markings."""
    return indicator(number, None, **({"object_marking_refs": list(refs)} if refs else {}), **more)


def report(number: int, tlp: Tlp, *of: dict[str, Any]) -> dict[str, Any]:
    """Return a report about objects."""
    made = indicator(number, tlp)
    kept = {key: made[key] for key in ("spec_version", "created", "modified", "object_marking_refs")}
    published = {"name": "x", "published": made["created"], "object_refs": [item["id"] for item in of]}
    return {"type": "report", "id": made["id"].replace("indicator", "report"), **kept, **published}


def samples() -> list[dict[str, Any]]:
    """Return objects that are marked in every way."""
    description = {"description": "seen at Riverdale", "labels": ["a", "b"]}
    parts = [
        {"marking_ref": TLP_2[Tlp.AMBER], "selectors": ["description"]},
        {"marking_ref": MITRE, "selectors": ["labels.[1]"]},
        {"lang": "en", "selectors": ["labels"]},
    ]
    return [
        *(indicator(number, level) for number, level in enumerate(Tlp)),
        *(marked(10 + level, TLP_1[level]) for level in Tlp if level is not Tlp.AMBER_STRICT),
        marked(20),
        marked(21, MITRE),
        marked(22, TLP_2[Tlp.GREEN], MITRE),
        marked(23, TLP_2[Tlp.GREEN], TEAM),
        marked(24, TLP_2[Tlp.CLEAR], PAP_2[Pap.AMBER]),
        marked(25, PAP_2[Pap.GREEN]),
        marked(26, "marking-definition--00000000-0000-4000-8000-00000000abcd"),
        marked(30, TLP_2[Tlp.GREEN], granular_markings=parts, **description),
        marked(31, TLP_2[Tlp.CLEAR], granular_markings=[{"marking_ref": TEAM, "selectors": ["pattern"]}]),
        *(indicator(number, Tlp.GREEN) for number in range(40, 44)),
        report(50, Tlp.AMBER, indicator(40), indicator(41)),
        report(51, Tlp.AMBER_STRICT, indicator(42)),
    ]


@pytest.mark.parametrize("way", ["pull", "push"])
def test_from_node_to_node_every_marking_is_kept(community: Community, way: str) -> None:
    """A -> B -> C: bytes and markings of each object are the same on all three, what may not go stays, page by page.

    B sees no reports, so that only A knows why indicators in them are narrower than they say.
    """
    book = (EXAMPLE / "rulebook.yml").read_text()
    for rule in RULES:
        assert rule in book
        book = book.replace(rule, f"    types: [indicator]\n{rule}")
    a, b, c = community.add("a", book, page="2"), community.add("b", page="3"), community.add("c")
    assert a.post("water-cert", "indicators", *samples()).json()["failure_count"] == 0
    if way == "pull":
        community.subscribe("b", "a", community.serve("a"))
        assert community.sync("b") == (0, "upstream: 19 taken, 0 known, 0 refused\n")
        community.subscribe("c", "b", community.serve("b"))
        assert community.sync("c") == (0, "upstream: 19 taken, 0 known, 0 refused\n")
    else:
        community.push("a", "b", community.serve("b"), organisation="riverdale-water", by="water-cert")
        assert community.sync("a") == (0, "downstream: 19 given, 0 withdrawn, 0 refused\n")
        community.push("b", "c", community.serve("c"), organisation="riverdale-water", by="water-cert")
        assert community.sync("b") == (0, "downstream: 19 given, 0 withdrawn, 0 refused\n")
    first = markings(a)
    stays = {name for (name, _), marking in first.items() if marking.tlp is Tlp.RED or name.startswith("report")}
    assert len(stays) == 5
    expected = {key: marking for key, marking in first.items() if key[0] not in stays}
    assert markings(b) == expected
    assert markings(c) == expected
    parts = markings_of_parts(a)
    assert {selectors for _, _, selectors in parts} == {'["description"]', '["labels.[1]"]'}
    assert markings_of_parts(b) == markings_of_parts(c) == parts
    narrower = [key for key, marking in expected.items() if key[0] in {indicator(40)["id"], indicator(41)["id"]}]
    assert {expected[key].tlp for key in narrower} == {Tlp.AMBER}
    for world in (b, c):
        for name in {key[0] for key in expected}:
            assert body(world, name) == body(a, name)


def body(world: World, name: str) -> str:
    """Return an object as the operator of a node gets it."""
    url = f"/taxii2/api/collections/indicators/objects/{name}/"
    found: str = world.client("water-cert").get(url).text
    return found
