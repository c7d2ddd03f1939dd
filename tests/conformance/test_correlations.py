"""Every case of a correlation: by the reference, and by a scan of the events in two files, in two orders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from correlations import CorrelationCase, load_correlation_cases
from suite import read

from scan_samples import scan
from tocsin.correlations.link import link
from tocsin.correlations.occurrence import Body, Occurrence, microseconds
from tocsin.correlations.plan import CorrelationPlan
from tocsin.correlations.reference import evaluate
from tocsin.engine.reference import view_matches
from tocsin.events import Event
from tocsin.events.values import scalar_text
from tocsin.rules.correlation import Correlation
from tocsin.rules.logsource import views
from tocsin.rules.parse import parse_document
from tocsin.rules.rule import Rule
from tocsin.rules.twins import see
from tocsin.runs.ruleset import RuleFile, RuleSet, load_rules

CASES = load_correlation_cases()
COMPILED = [case for case in CASES if case.outcome == "compiled"]


def load(case: CorrelationCase) -> RuleSet:
    """Load the documents of a case as one file."""
    text = yaml.safe_dump_all(case.documents(), sort_keys=False)
    return load_rules([RuleFile(f"{case.name}.yml", text.encode())], {})


def test_there_are_enough_cases() -> None:
    """The suite covers every type, each case has a name of its own, and says why it is there."""
    assert len(CASES) == len({case.name for case in CASES}) >= 60
    assert all(case.body["why"] for case in CASES)
    types = {document["correlation"]["type"] for case in COMPILED for document in case.documents() if "correlation" in document}
    assert len(types) == 8


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_outcome(case: CorrelationCase) -> None:
    """The correlations compile, are unsupported or invalid, as the case says."""
    outcomes = {item.outcome for item in load(case).rejected}
    assert outcomes == (set() if case.outcome == "compiled" else {case.outcome})


@pytest.mark.parametrize("case", COMPILED, ids=lambda case: case.name)
def test_reference(case: CorrelationCase) -> None:
    """The reference gives the expected findings."""
    parsed = [parse_document(document, case.name) for document in case.documents()]
    rules = [item for item in parsed if isinstance(item, Rule)]
    linked = link([rule.meta for rule in rules], [item for item in parsed if isinstance(item, Correlation)])
    matched = {number: list(occurrences(plan, rules, case.events())) for number, plan in enumerate(linked.plans)}
    found = []
    for plan, runs in zip(linked.plans, evaluate(linked.plans, matched), strict=True):
        found += [
            {
                "title": plan.meta.title,
                "group": {name: text.casefold() for name, text in zip(plan.group_by, run.group, strict=True)},
                "first": run.first_us,
                "last": run.last_us,
                "count": len({event.place for event in run.events}),
                "measure": float(run.peak),
            }
            for run in runs
            if plan.reported
        ]
    assert sorted(found, key=str) == sorted(expected(case, found), key=str)


def expected(case: CorrelationCase, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what a case expects in the form of the reference, with the measures that it leaves open."""
    wanted = []
    for item in case.findings():
        group = {name: text.casefold() for name, text in item["group"].items()}
        one = item | {"group": group, "first": microseconds(item["first"]), "last": microseconds(item["last"])}
        measures = [other["measure"] for other in found if {**other, "measure": 0} == {**one, "measure": 0}]
        wanted.append(one if "measure" in one else one | {"measure": measures[0] if measures else None})
    return wanted


def occurrences(plan: CorrelationPlan, rules: list[Rule], events: list[dict[str, Any]]) -> Iterator[Occurrence]:
    """Yield the events that the rules of a correlation match, one by one, by the naive matcher."""
    for number, entry in enumerate(events):
        seen = [event for _, group in read(json.dumps(entry).encode()) for event in group if event.time]
        looks = [(event, view) for event in seen for view in views(event.gate)]
        for place, item in enumerate(plan.inputs):
            for event, view in looks if item.rule >= 0 else ():
                if view_matches(rules[item.rule], event, view):
                    yield _occurrence(plan, place, see(event, view), number)


def _occurrence(plan: CorrelationPlan, place: int, event: Event, number: int) -> Occurrence:
    item = plan.inputs[place]
    texts = [tuple(_texts(event, name) for name in names) for names in (item.groups, item.values, plan.carries)]
    return Occurrence(place, microseconds(event.time), number, Body(0, "f", "json", 0, number, event.host, *texts))


def _texts(event: Event, name: str) -> tuple[str, ...]:
    present, value = event.find(name)
    items = value if isinstance(value, list) else [value]
    return tuple(text for text in map(scalar_text, items) if text) if present else ()


@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("case", COMPILED, ids=lambda case: case.name)
def test_scan(case: CorrelationCase, backwards: bool, tmp_path: Path) -> None:
    """A scan gives the expected findings, wherever the events are read."""
    lines = [json.dumps(event) + "\n" for event in case.events()]
    lines = lines[::-1] if backwards else lines
    for name, part in (("a", lines[::2]), ("b", lines[1::2])):
        if part:
            (tmp_path / f"{name}.jsonl").write_text("".join(part))
    report, findings, _ = scan(tmp_path, found=load(case), jobs=1)
    assert not report.coverage.rules.failed
    correlated = [item for item in findings if item["telemetry"] == "correlation"]
    found = [
        {"title": item["rule"]["title"], **{key: item["event"][key] for key in ("group", "first", "last", "count", "measure")}}
        for item in correlated
    ]
    wanted = case.findings()
    for item in found:
        if not any("measure" in other for other in wanted):
            del item["measure"]
    assert [folded(item) for item in sorted(found, key=str)] == [folded(item) for item in wanted]
    assert sorted(item["rule"]["title"] for item in findings if item not in correlated) == case.body.get("reported", [])


def folded(item: dict[str, Any]) -> dict[str, Any]:
    """Return a finding with its group in lower case: which spelling comes first is not part of a case."""
    return item | {"group": {name: text.casefold() for name, text in item["group"].items()}}
