"""STIX: ids that follow from content, what is told once, and what an unknown time does."""

from __future__ import annotations

import base64
import json
from collections import Counter
from io import BytesIO
from typing import Any

import pytest

from sink_forms import PROCESS, coverage, line, read_stix, write
from tocsin.sinks import make_sink, stix


def objects(lines: list[bytes], complete: bool = True) -> list[dict[str, Any]]:
    """Return the objects of a valid bundle."""
    data = write("stix", lines, coverage(complete))
    read_stix(data)
    return json.loads(data)["objects"]


def one(found: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return the only object of a type."""
    (item,) = [item for item in found if item["type"] == kind]
    return item


def test_a_finding_is_indicator_observed_data_and_sighting() -> None:
    """Joined by their ids; the event is whole in an artifact."""
    found = objects([line(PROCESS)])
    indicator, observed, sighting = (one(found, kind) for kind in ("indicator", "observed-data", "sighting"))
    assert sighting["sighting_of_ref"] == indicator["id"]
    assert sighting["observed_data_refs"] == [observed["id"]]
    assert sighting["first_seen"] == sighting["last_seen"] == "2024-01-02T03:04:05.678901Z"
    assert sighting["created"] == "2024-01-02T03:04:05.678Z"
    assert indicator["pattern_type"] == "sigma"
    assert {"source_name": "mitre-ics-attack", "external_id": "T0855"} in indicator["external_references"]
    assert json.loads(base64.b64decode(one(found, "artifact")["payload_bin"])) == PROCESS
    kinds = Counter(item["type"] for item in found)
    assert kinds["process"] == 2
    assert kinds["ipv4-addr"] == kinds["ipv6-addr"] == kinds["network-traffic"] == kinds["user-account"] == 1
    assert set(observed["object_refs"]) == {item["id"] for item in found if "created" not in item}


def test_an_address_has_the_id_of_the_specification() -> None:
    """As any other producer gives it: uuid5 of the canonical JSON in the namespace of the specification."""
    found = objects([line({"SourceIp": "198.51.100.3"})])
    assert one(found, "ipv4-addr")["id"] == "ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4"


def test_what_findings_share_is_told_once() -> None:
    """Rule, addresses, hosts; each finding has its own sighting."""
    found = objects([line(PROCESS), line(PROCESS, title="Another"), line({**PROCESS, "ProcessId": 13})])
    kinds = Counter(item["type"] for item in found)
    assert (kinds["indicator"], kinds["sighting"], kinds["observed-data"], kinds["ipv4-addr"]) == (2, 3, 2, 1)
    assert len({item["id"] for item in found}) == len(found)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was forgotten is told again, the same."""
    monkeypatch.setattr(stix, "_REMEMBERED", 1)
    found = objects([line(PROCESS), line({**PROCESS, "ProcessId": 13})])
    twice = [item for item in found if item["type"] == "indicator"]
    assert len(twice) == 2
    assert twice[0] == twice[1]


def test_without_a_time_nothing_is_invented() -> None:
    """No observed-data, which demands one; a note says so."""
    found = objects([line(PROCESS, time="")])
    assert not [item for item in found if item["type"] == "observed-data"]
    sighting = one(found, "sighting")
    assert "first_seen" not in sighting
    assert sighting["id"] in one(found, "note")["object_refs"]


def test_an_incomplete_scan_is_told() -> None:
    """In a note on the bundle's creator."""
    assert "not complete" in one(objects([], complete=False), "note")["content"]
    assert [item["type"] for item in objects([])] == ["identity"]


def test_the_pattern_is_the_rule() -> None:
    """Where its text is at hand; its head otherwise."""
    sink = make_sink("stix", rule_text=lambda path, rule_id: f"title: {path} {rule_id}\n")
    out = BytesIO()
    sink.begin(out)
    sink.write(out, line({}))
    sink.end(out, coverage())
    assert one(json.loads(out.getvalue())["objects"], "indicator")["pattern"] == "title: rules/a.yml 0001\n"
    head = one(objects([line({})]), "indicator")["pattern"]
    assert head.startswith('title: "A title"\nid: "0001"\n')
    assert "not at hand" in head
