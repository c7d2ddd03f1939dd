"""One correlation over the events of one file: for explanations, not for speed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from tocsin.correlations.occurrence import spelled
from tocsin.correlations.plan import CorrelationPlan
from tocsin.correlations.rows import RowFiles
from tocsin.correlations.sweep import sweep
from tocsin.events import Event
from tocsin.plans.explain import holds
from tocsin.plans.expr import Plan, require
from tocsin.rules.condition import Name
from tocsin.rules.correlation import Bound, Demand
from tocsin.rules.logsource import admits, views
from tocsin.rules.twins import see
from tocsin.runs.collect import CollectOptions, Left, MatchCollector, Place
from tocsin.runs.correlate import Chosen, Correlating
from tocsin.runs.spool import merge

NEAREST: Final = 5


@dataclass(slots=True)
class Correlated:
    """What a correlation makes of events: matches by rule, what was left out, findings, and the groups that came nearest."""

    events: int = 0
    matches: Counter[str] = field(default_factory=Counter)
    left: Left = field(default_factory=Counter)
    findings: list[dict[str, Any]] = field(default_factory=list)
    nearest: list[tuple[str, float]] = field(default_factory=list)


def correlate_events(chosen: Chosen, events: Iterable[Event]) -> Correlated:
    """Return what the last of the chosen correlations makes of events, in any order."""
    told = Correlated()
    with TemporaryDirectory() as name:
        folder = Path(name)
        collector = MatchCollector(CollectOptions(chosen.correlations), folder, "matched")
        paths: list[Path] = []
        for event in events:
            told.events += 1
            for number, plan in enumerate(chosen.plans):
                for shown in _matching(plan, event):
                    told.matches[plan.meta.title] += 1
                    collector.add(number, shown, Place(0, "", "", 0), event.record)
            if collector.full and (path := collector.write()):
                paths.append(path)
        if path := collector.write():
            paths.append(path)
        correlating = Correlating(chosen.correlations, folder, paths, lambda unit: 0, left=collector.tell())
        correlating.run()
        told.left = correlating.left
        top = chosen.correlations[-1]
        found = [msgspec.json.decode(entry.line(0)) for entry in merge(correlating.runs, folder)]
        told.findings = [item["event"] for item in found if item["rule"]["title"] == top.meta.title]
        told.nearest = _nearest(top, RowFiles(paths), len(chosen.correlations) - 1)
    return told


def _matching(plan: Plan, event: Event) -> Iterable[Event]:
    """Yield the event as each view shows it in which the rule matches."""
    for view in views(event.gate):
        tags = admits(view, plan.logsource)
        shown = see(event, view)
        whole = replace(plan, selections={"": require(plan.expr, tags)}, condition=Name(""))
        if tags and holds(whole, shown):
            yield shown


def _nearest(plan: CorrelationPlan, files: RowFiles, number: int) -> list[tuple[str, float]]:
    """Return the groups with the largest measure of a window."""
    loose = replace(plan, demand=Demand((Bound("gte", -(2**53)),), plan.demand.fields, plan.demand.percentile))
    found: list[tuple[str, float]] = []
    try:
        for share in files.shares(number):
            runs = sweep(loose, share.rows)
            for at in runs.peak.argsort()[::-1][:NEAREST].tolist():
                row = runs.rows[runs.first[at]]
                texts = spelled(files.body(row), int(row["group"]))
                group = ", ".join(f"{name} {text}" for name, text in zip(plan.group_by, texts, strict=True))
                found.append((group or "all events", float(runs.peak[at])))
    finally:
        files.close()
    return sorted(found, key=lambda item: (-item[1], item[0]))[:NEAREST]


__all__ = ["Correlated", "correlate_events"]
