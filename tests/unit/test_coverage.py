"""Coverage: which rules the data could not show, and which branches were blind."""

from __future__ import annotations

import json
from pathlib import Path

from scan_samples import LOGON, WHOAMI, event, rules, scan

RULE = """\
title: T{number}
id: t{number}
level: low
logsource: {{product: windows, category: {category}}}
detection:
{detection}
"""


def _coverage(path: Path, events: list[dict], *texts: str):
    path.write_text("".join(json.dumps(item) + "\n" for item in events))
    return scan(path, found=rules("---\n".join(texts)))[0].coverage


def _rule(number: int, detection: str, category: str = "process_creation") -> str:
    return RULE.format(number=number, category=category, detection=detection)


def test_not_evaluable(tmp_path: Path) -> None:
    """Rules without an event of their logsource, with an EventID or a field that never occurred, are named with the reason."""
    texts = (
        WHOAMI,
        LOGON,
        _rule(1, "  s:\n    Missing: x\n  condition: s"),
        _rule(2, "  s:\n    EventID: 99\n  condition: s"),
        _rule(3, "  s:\n    TargetFilename: x\n  condition: s", "file_access"),
        _rule(4, "  s:\n    Missing: null\n  condition: s"),
        _rule(5, "  s:\n    Image: x\n  f:\n    Missing: y\n  condition: s and not f"),
    )
    found = _coverage(tmp_path / "a.jsonl", [event(1)], *texts).rules
    reasons = {note.title: note.reason for note in found.not_evaluable}
    assert set(reasons) == {"Logon", "T1", "T2", "T3"}
    assert "windows/*/security" in reasons["Logon"]
    assert reasons["T1"] == "a field never occurred: Missing"
    assert "EventID" in reasons["T2"]
    assert len(found.compiled) == 7


def test_a_field_that_another_refers_to(tmp_path: Path) -> None:
    """A comparison of two fields cannot hold when either never occurred."""
    texts = (
        _rule(1, "  s:\n    Image|fieldref: Missing\n  condition: s"),
        _rule(2, "  s:\n    Missing|fieldref: Image\n  condition: s"),
        _rule(3, "  s:\n    Image|fieldref: CommandLine\n  condition: s"),
        _rule(4, "  s:\n    Image|fieldref: Missing\n  t:\n    Image: x\n  condition: s or t"),
        _rule(5, "  s:\n    Image|fieldref|neq: Missing\n  condition: s"),
    )
    found = _coverage(tmp_path / "a.jsonl", [event(1)], *texts).rules
    assert {note.title: note.reason for note in found.not_evaluable} == {
        "T1": "a field never occurred: Missing",
        "T2": "a field never occurred: Missing",
    }
    assert {note.title: note.reason.partition(" in ")[0] for note in found.blind} == {"T4": "s: no Missing"}


def test_blind(tmp_path: Path) -> None:
    """A rule with a branch on a field that never occurred is blind there, with the field and the telemetry named."""
    text = _rule(1, "  a:\n    Image: x\n  b:\n    OriginalFileName: y\n  condition: 1 of *")
    found = _coverage(tmp_path / "a.jsonl", [event(1)], text).rules
    assert not found.not_evaluable
    (note,) = found.blind
    assert note.title == "T1"
    assert note.reason.startswith("b: no OriginalFileName in Microsoft-Windows-Sysmon/Operational:1")
    twin = {"Channel": "Security", "EventID": 4688, "NewProcessName": "x"}
    assert "as twin" in _coverage(tmp_path / "b.jsonl", [twin], text).rules.blind[0].reason


def test_seeing_rules_are_not_listed(tmp_path: Path) -> None:
    """A rule all whose fields occurred somewhere is in no list of what could not be seen."""
    found = _coverage(tmp_path / "a.jsonl", [event(1), event(2, User="x")], WHOAMI).rules
    assert not found.not_evaluable
    assert not found.blind


def test_logsources(tmp_path: Path) -> None:
    """Every event is counted under its logsource, those that no rule can see too."""
    events = [event(1), {"Channel": "Security", "EventID": 4624}, {"Channel": "Own/Log", "EventID": 1}, {"any": "thing"}]
    found = _coverage(tmp_path / "a.jsonl", events, WHOAMI)
    assert found.events == 4
    assert found.logsources == {
        "unknown/json": 1,
        "windows/Own/Log": 1,
        "windows/process_creation/sysmon": 1,
        "windows/security": 1,
    }
