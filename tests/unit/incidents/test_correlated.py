"""Correlations in incidents: joined with the findings of their events, explained, and not counted twice."""

from __future__ import annotations

from typing import Any

import msgspec

from report_samples import finding
from tocsin.findings import Finding
from tocsin.incidents import Incident, join


def on_event(record: int, **more: Any) -> dict[str, Any]:
    """Return a finding on an event of a log, each at a time and on a host of its own."""
    found = finding({}, rule={"title": f"Rule {record}", "level": "medium", "tags": ["attack.discovery", "attack.t1046"]})
    found |= {"source": {"path": "conn.log", "format": "zeek", "record": record}, "host": f"PC-{record}"}
    return {**found, "time": f"2026-10-{record:02}T10:00:00Z", **more}


def correlation(*records: int, level: str = "high") -> dict[str, Any]:
    """Return the finding of a correlation of events."""
    events = [{"rule": "x", "time": "", "host": "", "path": "conn.log", "record": record} for record in records]
    found = finding(
        {"type": "event_count", "events": events}, rule={"title": "Sweep", "level": level, "tags": ["attack.t1046"]}
    )
    found |= {"telemetry": "correlation", "source": {"path": "conn.log", "format": "zeek", "record": records[-1]}, "host": ""}
    return {**found, "time": "2026-10-20T10:00:00Z"}


def joined(*items: dict[str, Any]) -> tuple[Incident, ...]:
    """Return the incidents of findings."""
    return join([msgspec.convert(item, Finding) for item in items]).incidents


def test_joined_and_explained() -> None:
    """A correlation is in one incident with the findings of its events, whatever host and day they are of, and says so."""
    (incident, other) = joined(on_event(1), on_event(2), on_event(3), correlation(1, 2))
    assert [member.title for member in incident.members] == ["Rule 1", "Rule 2", "Sweep"]
    assert [member.title for member in other.members] == ["Rule 3"]
    assert incident.members[2].reasons == ("correlates findings 1, 2",)
    assert incident.members[1].reasons == ("correlated by finding 4",)


def test_many_findings_are_listed_shortly() -> None:
    """Of many findings the first are named."""
    incident = joined(*(on_event(number) for number in range(1, 15)), correlation(*range(1, 15)))[0]
    assert incident.members[-1].reasons == ("correlates findings 1, 2, 3, 4, 5, 6, 7, 8 and 6 more",)


def test_not_counted_twice() -> None:
    """What a correlation of the same level or above tells adds nothing to the score; a graver finding does."""
    alone = joined(correlation(1, 2))[0]
    with_events = joined(on_event(1, host=""), on_event(2, host=""), correlation(1, 2))[0]
    graver = joined(on_event(1, host=""), on_event(2, host=""), correlation(1, 2, level="low"))[0]
    tactic = joined(on_event(1, host="", rule={**on_event(1)["rule"], "tags": ["attack.t1046"]}), correlation(1, 2))[0]
    assert with_events.score == tactic.score == alone.score
    assert graver.score > joined(correlation(1, 2, level="low"))[0].score
    assert {stage.name: stage.count for stage in with_events.techniques} == {"t1046": 1}
    assert with_events.findings == 3


def test_hostile_lists_of_events() -> None:
    """A correlation whose events are no list of events joins nothing, and breaks nothing."""
    for events in ({}, "x", [1, None, {}], None):
        item = correlation(1)
        item["event"]["events"] = events
        assert len(joined(on_event(1), item)) == 2
