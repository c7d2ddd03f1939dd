"""Audit logs of clouds, identity providers, code hosts, Kubernetes, honeypots, macOS: each export is told, its rules match.

`audit_logs.jsonl` holds invented logs in the documented form of each export, one a line: its gate, and the rules of the
corpus that match it.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from compare import match_counts, reference_counts

from shared_data import shared
from tocsin.engine.executor import FastEngine
from tocsin.rules.rule import Rule
from tocsin.runs.ruleset import RuleSet
from tocsin.sources import recognise
from tocsin.sources.containers import Limits, open_streams
from tocsin.sources.interface import Loss, Records, Stream
from tocsin.sources.json_audits import EXPORTS

CASES: list[dict[str, Any]] = [
    json.loads(line) for line in Path(__file__).with_name("audit_logs.jsonl").read_text("utf-8").splitlines()
]
WITHOUT_RULES = {"azure activity table", "azure audit graph", "azure sign-in graph", "gcp data", "gitlab", "unified"}
"""Exports whose invented log is ordinary, or for which the corpus has no rule."""
each = pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))


def records_of(log: Any) -> list[Records]:
    """Return the records of one log, written as JSON."""
    data = json.dumps(log).encode()
    source = recognise(data)
    assert source is not None
    items = list(source.read(Stream(io.BytesIO(data), "x")))
    assert not [item for item in items if isinstance(item, Loss)]
    return [item for item in items if isinstance(item, Records)]


@each
def test_told_and_matched(case: dict[str, Any], engine: FastEngine, rule_set: RuleSet, rules: list[Rule]) -> None:
    """The log has its gate and a time, and just these rules match it, by the fast engine and the reference."""
    records = records_of(case["log"])
    assert {tuple(item.gate[:2]) for item in records} == {tuple(case["gate"])}
    for item in records:
        for raw, number in zip(item.raws, item.numbers, strict=True):
            assert item.decoder.event(item.gate, raw, number).time.startswith("2026-03-01T10:0")
    fast = match_counts(engine, rule_set.plans, records)
    assert fast == reference_counts(rules, records)
    ids = {plan.meta.path: plan.meta.id for plan in rule_set.plans}
    assert sorted(ids[path] for path in fast) == case["rules"]
    assert bool(fast) == (case["name"] not in WITHOUT_RULES)


def test_every_export_has_a_log() -> None:
    """No product of the table is without a case."""
    assert {export.product for export in EXPORTS} <= {case["gate"][0] for case in CASES}


@pytest.mark.parametrize("key", sorted({key for export in EXPORTS for key in export.keys}))
def test_foreign_objects_are_left(key: str) -> None:
    """One key alone, whatever it holds, makes nobody's log of an object."""
    for value in ("x", 1, None, [], {}, {"action": 1}, [{"x": 1}]):
        for item in records_of({key: value, "other": 1}):
            assert item.gate.product == ""


@pytest.mark.parametrize(
    ("archive", "events", "found"),
    [
        ("aws_s3_honeybucketlogs.zip", 301, 0),
        ("ec2_proxy_s3_exfiltration.zip", 103, 11),
    ],
)
def test_real_cloudtrail(archive: str, events: int, found: int, rule_set: RuleSet, engine: FastEngine) -> None:
    """The real CloudTrail logs are read whole, every one as such."""
    records: list[Records] = []
    for stream in open_streams(shared("otrf", archive), archive, Limits()):
        source = None if isinstance(stream, Loss) else recognise(stream.head)
        if source and not isinstance(stream, Loss):
            records += [item for item in source.read(stream) if isinstance(item, Records)]
    assert {tuple(item.gate[:2]) for item in records} == {("aws", "cloudtrail")}
    assert sum(len(item.raws) for item in records) == events
    assert sum(match_counts(engine, rule_set.plans, records).values()) == found
