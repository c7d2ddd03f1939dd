"""What a node takes in: objects with complete markings, told of one by one; files of other tools and findings."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from report_samples import finding, written
from scan_samples import scan, write
from shared_data import shared
from tocsin.errors import UsageError
from tocsin.feeds.interface import Incoming, Rejected, Terms
from tocsin.feeds.stix import read_bundle, write_bundle
from tocsin.runs.adoption import adopt
from tocsin.runs.exchange_files import import_file
from tocsin.runs.intake import take_in
from tocsin.runs.new_node import init_node
from tocsin.runs.node import Node, open_node
from tocsin.runs.shared_files import read_file
from tocsin.runs.withdraw import withdraw
from tocsin.sharing.decisions import Caller
from tocsin.sharing.markings import TLP_2, Tlp
from tocsin.stores import schema
from tocsin.stores.interface import Query

MOMENT = "2026-01-31T12:00:00.000Z"
HEAD = {"spec_version": "2.1", "created": MOMENT, "modified": MOMENT}
UUID = "00000001-0000-4000-8000-000000000001"
CERT, MEMBER = Caller("cert", ("detect",)), Caller("water", ("detect",))
TERMS = Terms({}, Tlp.AMBER)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """Open a new node, whose member may read up to TLP:GREEN."""
    init_node(tmp_path / "node", "cert", "CERT", "water sector")
    book = tmp_path / "node" / "rulebook.yml"
    member = "  water:\n    name: Water\n    relations: [{member_of: community}]\n"
    book.write_text(book.read_text().replace("organisations:\n", "organisations:\n" + member))
    opened = open_node(tmp_path / "node")
    adopt(opened)
    yield opened
    opened.close()


def _made(kind: str, level: Tlp, **more: Any) -> dict[str, Any]:
    return {"type": kind, "id": f"{kind}--{UUID}", **HEAD, "object_marking_refs": [TLP_2[level]], **more}


def _post(node: Node, *objects: dict[str, Any]) -> list[str]:
    told, _ = take_in(node, CERT, node.file.collections[0], json.dumps({"objects": objects}).encode())
    return [item.why_not for item in told]


def _seen(node: Node, caller: Caller) -> set[str]:
    page = node.objects.page(caller, Query(node.file.collections[0].parts, limit=5000))
    return {row.id.partition("--")[0] for row in page.rows}


def test_markings_spread_before_a_store_keeps_objects(node: Node) -> None:
    """A member does not get the indicator of a RED report, though the indicator itself is GREEN, and gets what is beside it."""
    report = _made("report", Tlp.RED, name="r", published=MOMENT, object_refs=[f"tool--{UUID}"])
    assert _post(node, report, _made("tool", Tlp.GREEN, name="t"), _made("identity", Tlp.GREEN, name="i")) == ["", "", ""]
    assert _seen(node, CERT) == {"report", "tool", "identity"}
    assert _seen(node, MEMBER) == {"identity"}


def _given(node: Node, caller: Caller) -> list[dict[str, Any]]:
    page = node.objects.page(caller, Query(node.file.collections[0].parts, limit=5000))
    return [json.loads(row.body) for row in page.rows]


def test_a_restricted_part_is_left_out(node: Node) -> None:
    """Who may not see a part gets the rest, with the marks of what is left; its owner gets the bytes that it sent."""
    marks = [{"selectors": ["description", "labels.[0]"], "marking_ref": TLP_2[Tlp.RED]}]
    tongue = {"selectors": ["labels.[1]"], "lang": "en"}
    item = _made(
        "identity", Tlp.GREEN, name="Riverdale", labels=["a", "b"], description="x", granular_markings=[*marks, tongue]
    )
    assert _post(node, item) == [""]
    assert _given(node, CERT) == [item]
    expected = _made("identity", Tlp.GREEN, name="Riverdale", labels=["b"])
    assert _given(node, MEMBER) == [{**expected, "granular_markings": [{**tongue, "selectors": ["labels.[0]"]}]}]


def test_parts_narrow_with_the_object(node: Node) -> None:
    """What is sent again in a narrower package is kept back with its parts, and goes with them when it is withdrawn."""
    marks = [{"selectors": ["description"], "marking_ref": TLP_2[Tlp.AMBER]}]
    item = _made("identity", Tlp.GREEN, name="Riverdale", description="x", granular_markings=marks)
    note = _made("report", Tlp.RED, name="r", published=MOMENT, object_refs=[item["id"]])
    assert _post(node, item) == [""]
    assert [sorted(found) == sorted(item.keys() - {"description", "granular_markings"}) for found in _given(node, MEMBER)] == [
        True
    ]
    assert _post(node, item, note) == ["", ""]
    assert _given(node, MEMBER) == []
    assert len(_given(node, CERT)) == 2
    withdraw(node, CERT, node.file.collections[0], item["id"])
    with node.engine.connect() as connection:
        assert connection.execute(select(schema.part)).all() == []


def test_what_cannot_be_left_out_is_kept_back_whole(node: Node) -> None:
    """Of a tool without its name nothing valid would be left, so that its most restricted part decides."""
    marks = [{"selectors": ["name"], "marking_ref": TLP_2[Tlp.RED]}]
    assert _post(node, _made("tool", Tlp.GREEN, name="t", granular_markings=marks)) == [""]
    assert _seen(node, MEMBER) == set()


def test_each_object_is_told_of(node: Node) -> None:
    """A wrong one is told with its id and code; the same again is known, with another content a conflict."""
    good = _made("tool", Tlp.GREEN, name="t")
    wrong = {**_made("tool", Tlp.GREEN), "id": "tool--00000002-0000-4000-8000-000000000002"}
    told, _ = take_in(node, CERT, node.file.collections[0], json.dumps({"objects": [good, wrong]}).encode())
    assert [(item.id, item.why_not) for item in told] == [(good["id"], ""), (wrong["id"], "there is no `name` [X010]")]
    assert _post(node, good, {**good, "name": "u"}) == ["", "this version is here with another content"]


def test_what_is_no_envelope_raises(node: Node) -> None:
    """The server answers with 400 to what is a ValueError."""
    with pytest.raises(ValueError, match="X004"):
        take_in(node, CERT, node.file.collections[0], b"[3")


def test_files_are_imported(node: Node) -> None:
    """A MISP event and an advisory come in whole; again, and nothing is added."""
    collection = node.file.collections[0]
    paths = [shared("misp", "sshdoor__misp-events__anoat.json"), shared("csaf", "icsa-24-121-01.json")]
    first = [item for path in paths for item in import_file(node, CERT, collection, path).told]
    assert {item.why_not for item in first if item.id} == {""}
    before = len(node.objects.page(CERT, Query(collection.parts, limit=5000)).rows)
    again = [item for path in paths for item in import_file(node, CERT, collection, path).told]
    assert {item.why_not for item in again if item.id} == {""}
    assert before == len(node.objects.page(CERT, Query(collection.parts, limit=5000)).rows) == sum(bool(i.id) for i in first)
    assert "report" in _seen(node, MEMBER)  # the advisory is TLP:CLEAR


def test_findings_of_a_scan(tmp_path: Path) -> None:
    """Findings become indicators, what was observed, and sightings, as restricted as the default."""
    _, found, data = scan(write(tmp_path / "events.jsonl", range(20)))
    path = tmp_path / "findings.jsonl"
    path.write_bytes(data)
    read = list(read_file(path, "findings.jsonl", TERMS))
    good = [item for item in read if isinstance(item, Incoming)]
    counts = Counter(item.type for item in good)
    assert len(read) == len(good)
    assert counts["sighting"] == len(found) > 0
    assert counts["indicator"] == len({item["rule"]["id"] for item in found})
    assert {item.marking.tlp for item in good} == {Tlp.AMBER}


def test_a_rule_gives_its_marking_to_its_sightings(tmp_path: Path) -> None:
    """A rule with the tag tlp.red is a RED indicator, and so is that it was seen; a line that is none is told."""
    item = finding({"Image": "a.exe"}, rule={"tags": ["tlp.red"], "path": "none.yml"})
    path = written(tmp_path / "findings.jsonl", [item])
    path.write_bytes(path.read_bytes() + b"{}\n")
    read = list(read_file(path, "findings.jsonl", TERMS))
    levels = {found.type: found.marking.tlp for found in read if isinstance(found, Incoming)}
    assert (levels["indicator"], levels["sighting"], levels["observed-data"]) == (Tlp.RED, Tlp.RED, Tlp.AMBER)
    assert [(found.place, found.code) for found in read if isinstance(found, Rejected)] == [("findings.jsonl:2", "F006")]


def test_a_bundle_is_written_as_it_was_read() -> None:
    """Objects of ATT&CK come out byte for byte, in a bundle that is read again; one without objects is one too."""
    data = shared("attack", "ics-attack.json").read_bytes()
    bodies = [item.body for item in read_bundle(data, "a", TERMS) if isinstance(item, Incoming)]
    for some in (bodies, []):
        out = BytesIO()
        write_bundle(out, some)
        assert [item.body for item in read_bundle(out.getvalue(), "b", TERMS) if isinstance(item, Incoming)] == some
        assert json.loads(out.getvalue())["id"].startswith("bundle--")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """It is an error with a code."""
    with pytest.raises(UsageError) as raised:
        list(read_file(tmp_path / "x", "x", TERMS))
    assert raised.value.code == "X001"
