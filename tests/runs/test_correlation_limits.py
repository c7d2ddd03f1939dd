"""Correlations within bounds of memory: shares of the groups, eviction that is told, jobs, copies, and ranges of time."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from scan_samples import scan
from tocsin.correlations import rows
from tocsin.correlations.plan import CorrelationPlan
from tocsin.correlations.sweep import Runs, sweep
from tocsin.runs import correlate, units
from tocsin.runs.ruleset import RuleFile, RuleSet, load_rules

RULES = """\
title: Many failures
id: 44444444-4444-4444-8444-444444444441
level: high
correlation:
  type: event_count
  rules: [failed]
  group-by: [User]
  timespan: 10m
  condition: {gte: 5}
---
title: Failed
id: 44444444-4444-4444-8444-444444444442
name: failed
level: low
logsource: {product: windows, service: security}
detection: {selection: {EventID: 4625}, condition: selection}
"""


def load(text: str = RULES) -> RuleSet:
    """Return the rules, all of which must compile."""
    found = load_rules([RuleFile("rules.yml", text.encode())], {})
    assert not found.rejected, found.rejected
    return found


def line(second: int, user: str, **more: Any) -> str:
    """Return a failed logon as a line."""
    time = f"2026-10-03T06:{second // 60 % 60:02}:{second % 60:02}Z"
    event = {"Channel": "Security", "EventID": 4625, "Computer": "dc", "User": user, "@timestamp": time, **more}
    return json.dumps(event) + "\n"


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    """Return eight files with events of 40 users in a random order; every fourth user fails often."""
    random = Random(3)
    lines = [line(random.randrange(3600), f"user{number}") for number in range(40) for _ in range(30 if number % 4 == 0 else 3)]
    random.shuffle(lines)
    folder = tmp_path / "evidence"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.jsonl").write_text("".join(lines[number::8]))
    return folder


def test_jobs_and_parts_change_nothing(evidence: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are the same for one worker and four, and for files that are cut into parts."""
    _, findings, first = scan(evidence, found=load(), jobs=1)
    assert {item["event"]["group"]["User"] for item in findings} >= {"user0", "user36"}
    assert scan(evidence, found=load(), jobs=4)[2] == first
    monkeypatch.setattr(units, "PART_BYTES", 500)
    assert scan(evidence, found=load(), jobs=3)[2] == first


def test_shares_of_groups_change_nothing(evidence: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups that are correlated a share at a time give the same bytes, and leave nothing out."""
    first = scan(evidence, found=load())[2]
    monkeypatch.setattr(rows, "ROWS_AT_ONCE", 50)
    report, _, again = scan(evidence, found=load())
    assert again == first
    assert not report.coverage.rules.left_out


@pytest.mark.parametrize("jobs", [1, 4])
def test_eviction_is_told(tmp_path: Path, jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a group that is too large the earliest events are kept, whichever file they are in, and the others are counted."""
    monkeypatch.setattr(rows, "ROWS_AT_ONCE", 10)
    monkeypatch.setattr(rows, "MOST_ROWS", 20)
    for number in range(5):
        (tmp_path / f"{number}.jsonl").write_text("".join(line(second, "ann") for second in range(number, 60, 5)))
    report, findings, _ = scan(tmp_path, found=load(), jobs=jobs)
    assert [(item["event"]["first"], item["event"]["last"], item["event"]["count"]) for item in findings] == [
        ("2026-10-03T06:00:00.000000Z", "2026-10-03T06:00:19.000000Z", 20)
    ]
    (note,) = report.coverage.rules.left_out
    assert note.title == "Many failures"
    assert note.reason.startswith("40 events from 2026-10-03T06:00:20.000000Z on were left out")
    assert note.reason.endswith("[E004]")


def test_events_without_time_or_group_are_counted(tmp_path: Path) -> None:
    """What cannot be correlated is told with the reason."""
    (tmp_path / "a.jsonl").write_text(line(0, "ann") + line(1, "") + line(2, "ann", **{"@timestamp": None}))
    (note,) = scan(tmp_path, found=load())[0].coverage.rules.left_out
    assert note.reason == "1 events without a time were left out; 1 events without a value of User were left out"


def test_copies_count_once_under_dedupe(tmp_path: Path) -> None:
    """A live log and its copy make no five failures of three, when a record read twice counts once."""
    lines = "".join(line(number, "ann", EventRecordID=number) for number in range(3))
    for name in ("live", "copy"):
        (tmp_path / f"{name}.jsonl").write_text(lines)
    assert len(scan(tmp_path, found=load())[1]) == 1
    assert not scan(tmp_path, found=load(), dedupe=True)[1]


def test_range_of_time_and_level(tmp_path: Path) -> None:
    """The last event decides whether a finding is in range; earlier events count, and rules below the level serve."""
    (tmp_path / "a.jsonl").write_text("".join(line(second, "ann") for second in range(0, 100, 20)))
    found = load()
    assert len(scan(tmp_path, found=found, since="2026-10-03T06:01:00.000000Z", level="high")[1]) == 1
    assert not scan(tmp_path, found=found, until="2026-10-03T06:01:00.000000Z")[1]


def test_a_rule_without_events_makes_its_correlation_not_evaluable(tmp_path: Path) -> None:
    """The correlation is named with the reason of its rule, and the rule as one that only serves."""
    (tmp_path / "a.jsonl").write_text(line(0, "ann").replace('"Security"', '"System"'))
    rules = scan(tmp_path, found=load())[0].coverage.rules
    reasons = {note.title: note.reason for note in rules.not_evaluable}
    assert reasons["Many failures"].startswith("its rule 'Failed' cannot be evaluated: no event of its logsource")
    assert [(note.title, note.reason) for note in rules.serving] == [("Failed", "serves 'Many failures'")]


def test_finding_of_a_correlation(tmp_path: Path) -> None:
    """A finding has the time and place of its last event, and tells where its events are."""
    (tmp_path / "a.jsonl").write_text("".join(line(second, "ann") for second in range(5)))
    (found,) = scan(tmp_path, found=load())[1]
    assert (found["time"], found["host"], found["telemetry"]) == ("2026-10-03T06:00:04.000000Z", "dc", "correlation")
    assert found["source"] == {"path": str(tmp_path / "a.jsonl"), "format": "json", "record": 5}
    assert found["event"]["rules"] == {"Failed": 5}
    assert [event["record"] for event in found["event"]["events"]] == [1, 2, 3, 4, 5]
    assert found["matched"] == {"event_count": {"User": ["ann"], "measure": ["5"]}}


def test_a_broken_correlation_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in one correlation loses only that one, and the coverage names it."""

    def broken(plan: CorrelationPlan, table: Any) -> Runs:
        if plan.meta.title == "Many failures":
            raise ZeroDivisionError("no")
        return sweep(plan, table)

    monkeypatch.setattr(correlate, "sweep", broken)
    other = RULES.split("---")[0].replace("Many failures", "Other").replace("4441", "4443")
    (tmp_path / "a.jsonl").write_text("".join(line(second, "ann") for second in range(5)))
    report, findings, _ = scan(tmp_path, found=load(RULES + "---\n" + other))
    assert [item["rule"]["title"] for item in findings] == ["Other"]
    assert [(note.title, note.reason) for note in report.coverage.rules.failed] == [
        ("Many failures", "failed: ZeroDivisionError: no [E002]")
    ]
