"""One expression, rule or batch that fails costs itself, by name, and nothing else."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tocsin.engine.executor import FastEngine
from tocsin.events import Gate
from tocsin.findings import Report
from tocsin.rules import regexes
from tocsin.runs.batches import match_isolated
from tocsin.runs.readers import ENVIRONMENT
from tocsin.runs.ruleset import RuleFile, load_rules
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.sinks import SINKS
from tocsin.sources import recognise
from tocsin.sources.interface import Records, Stream

SYSMON = "Microsoft-Windows-Sysmon/Operational"
SLOW = r"""
title: Slow
id: 00000000-0000-4000-8000-000000000001
logsource: {product: windows, category: process_creation}
detection:
  a: {Image|endswith: '\whoami.exe'}
  b: {CommandLine|re: '^(?=x)(.*?,){12}P'}
  condition: a or b
"""
PLAIN = r"""
title: Plain
id: 00000000-0000-4000-8000-000000000002
logsource: {product: windows, category: process_creation}
detection:
  a: {Image|endswith: '\whoami.exe'}
  condition: a
"""
TWIN = r"""
title: Native
id: 00000000-0000-4000-8000-000000000003
logsource: {product: windows, service: security}
detection:
  a: {NewProcessName|endswith: '\whoami.exe'}
  condition: a
"""


def event(command: str, channel: str = SYSMON) -> dict:
    """Return one process creation."""
    return {"Channel": channel, "EventID": 1, "Image": r"C:\Windows\whoami.exe", "CommandLine": command}


def run(folder: Path, *rules: str) -> tuple[Report, list[dict]]:
    """Scan a folder with rules."""
    found = load_rules([RuleFile(f"{number}.yml", text.encode()) for number, text in enumerate(rules)], {})
    out = io.BytesIO()
    report = Scan(ScanOptions((str(folder),), jobs=1), found).run(SINKS["jsonl"](), out)
    return report, [json.loads(line) for line in out.getvalue().split(b"\n")[:-1]]


def test_timeout_while_explaining(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A match whose other branch is cut off is still a finding; the rule is named as failed, no file is lost."""
    monkeypatch.setattr(regexes, "TIMEOUT_S", 0.05)
    regexes.searcher.cache_clear()
    lines = [event("x," * 60), *(event(f"whoami {number}") for number in range(5))]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    report, found = run(tmp_path, SLOW, PLAIN)
    titles = [entry["rule"]["title"] for entry in found]
    assert (titles.count("Slow"), titles.count("Plain")) == (6, 6)
    assert [file.status for file in report.coverage.files] == ["read"]
    assert len(report.coverage.rules.failed) == 1


def test_slow_rule_is_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that is cut off again and again is no longer tried, and every event that it could not decide is counted."""
    monkeypatch.setattr(regexes, "TIMEOUT_S", 0.05)
    regexes.searcher.cache_clear()
    rule = SLOW.replace("condition: a or b", "condition: b")
    lines = [event("x," * 60 + str(number)) for number in range(60)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    report, found = run(tmp_path, rule, PLAIN)
    assert len(found) == 60
    assert [note.reason.endswith("(on 60 events)") for note in report.coverage.rules.failed] == [True]
    assert report.seconds < 60 * 0.05 * 2


def test_broken_engine_keeps_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule by rule the answer is that of the whole engine, twins included."""
    rules = load_rules([RuleFile("a.yml", PLAIN.encode()), RuleFile("b.yml", TWIN.encode())], {})
    security = {"Channel": "Security", "EventID": 4688, "NewProcessName": r"C:\Windows\whoami.exe"}
    stream = Stream(io.BytesIO(json.dumps(security).encode()), "x")
    source = recognise(stream.head)
    assert source is not None
    (records,) = [item for item in source.read(stream) if isinstance(item, Records)]
    engine = FastEngine(rules.plans)
    plan = engine.gate_plan(Gate("windows", "Security", "4688"))
    from tocsin.events import batch_of

    columns = records.decoder.columns(records.gate, records.raws, plan.demand)
    batch = batch_of(records.gate, columns, 1, lambda row: None)
    whole = engine.match(batch)
    assert len(whole.found) == 2

    def broken(batch: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(engine, "match", broken)
    assert match_isolated(engine, rules.plans, batch) == whole


def test_batch_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that fails makes the files of its records partial, and only those."""
    from tocsin.sources.json_layouts import FLAT

    (tmp_path / "a.jsonl").write_text(json.dumps(event("x")) + "\n")
    (tmp_path / "b.jsonl").write_text(json.dumps({"Event": {"System": {"Channel": SYSMON, "EventID": 1}}}) + "\n")

    def broken(*arguments: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(FLAT, "columns", broken)
    monkeypatch.setenv(ENVIRONMENT, "slow")  # the fast readers make no columns
    report, _ = run(tmp_path, PLAIN)
    assert [(file.status, "broken" in file.reason) for file in report.coverage.files] == [("partial", True), ("read", False)]
