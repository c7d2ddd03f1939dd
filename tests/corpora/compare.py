"""Counts matches over evidence by the reference and by the fast engine, rule by rule."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from tocsin.engine.executor import FastEngine
from tocsin.engine.reference import view_matches
from tocsin.events import Event, Gate, batch_of
from tocsin.plans.expr import Plan
from tocsin.rules.logsource import admits, views
from tocsin.rules.parse import parse_text
from tocsin.rules.rule import Rule
from tocsin.runs.ruleset import RuleFile
from tocsin.sources import recognise
from tocsin.sources.containers import Limits, open_streams
from tocsin.sources.interface import Loss, Records

Found = Counter[tuple[str, str, int]]


def read_records(paths: Sequence[Path]) -> list[Records]:
    """Read everything under the paths that has a source; losses are left to other tests."""
    found = []
    for path in paths:
        for stream in open_streams(path, path.name, Limits()):
            source = None if isinstance(stream, Loss) else recognise(stream.head)
            if source and not isinstance(stream, Loss):
                found += [item for item in source.read(stream) if isinstance(item, Records)]
    return found


def by_gate(records: Sequence[Records]) -> dict[Gate, list[Records]]:
    """Group records by gate."""
    groups: dict[Gate, list[Records]] = {}
    for item in records:
        groups.setdefault(item.gate, []).append(item)
    return groups


def fast(plans: Sequence[Plan], records: Sequence[Records]) -> Counter[str]:
    """Count the matches of each rule by a fresh fast engine."""
    return match_counts(FastEngine(plans), plans, records)


def match_counts(engine: FastEngine, plans: Sequence[Plan], records: Sequence[Records]) -> Counter[str]:
    """Count the matches of each rule by a fast engine."""
    counts: Counter[str] = Counter()
    for item in records:
        columns = item.decoder.columns(item.gate, item.raws, engine.gate_plan(item.gate).demand)
        answer = engine.match(batch_of(item.gate, columns, len(item.raws), lambda row: None))
        assert not answer.faults
        counts.update(plans[match.rule].meta.path for match in answer.found)
    return counts


def reference_counts(
    rules: Sequence[Rule], records: Sequence[Records], placeholders: Mapping[str, Sequence[str]] | None = None
) -> Counter[str]:
    """Count the matches of each rule by the reference, in this process."""
    _prepare(rules, records, placeholders)
    return sum((_count(number) for number in range(len(records))), Counter())


def reference(rules: Sequence[Rule], records: Sequence[Records], jobs: int = 2) -> Counter[str]:
    """Count the matches of each rule by the reference, over `jobs` processes."""
    records = split(records, 200)
    with multiprocessing.get_context("fork").Pool(jobs, _prepare, (rules, records)) as pool:
        return sum(pool.imap_unordered(_count, range(len(records)), chunksize=1), Counter())


_STATE: dict[str, Any] = {}


def _prepare(
    rules: Sequence[Rule], records: Sequence[Records], placeholders: Mapping[str, Sequence[str]] | None = None
) -> None:
    _STATE["rules"], _STATE["records"], _STATE["placeholders"] = rules, records, placeholders
    _admitted.cache_clear()


@lru_cache(maxsize=4096)
def _admitted(gate: Gate) -> list[tuple[Rule, list]]:
    found = []
    for rule in _STATE["rules"]:
        seen = [view for view in views(gate) if admits(view, rule.logsource)]
        if seen:
            found.append((rule, seen))
    return found


def _count(number: int) -> Counter[str]:
    item = _STATE["records"][number]
    counts: Counter[str] = Counter()
    for raw, record in zip(item.raws, item.numbers, strict=True):
        event: Event = item.decoder.event(item.gate, raw, record)
        for rule, seen in _admitted(item.gate):
            counts[rule.meta.path] += sum(view_matches(rule, event, view, _STATE["placeholders"]) for view in seen)
    return +counts


def split(records: Sequence[Records], rows: int) -> list[Records]:
    """Cut records into groups of at most so many rows, so that processes share the work evenly."""
    return [
        Records(item.decoder, item.gate, item.raws[at : at + rows], item.numbers[at : at + rows], item.size_bytes)
        for item in records
        for at in range(0, len(item.raws), rows)
    ]


def distinct(records: Sequence[Records], keep: Callable[[Event], object]) -> list[Records]:
    """Return records without the events that are told apart by nothing in `keep(event)`."""
    seen: set[object] = set()
    found = []
    for item in records:
        raws, numbers = [], []
        for raw, number in zip(item.raws, item.numbers, strict=True):
            key = (item.gate, keep(item.decoder.event(item.gate, raw, number)))
            if key not in seen:
                seen.add(key)
                raws.append(raw)
                numbers.append(number)
        if raws:
            found.append(Records(item.decoder, item.gate, raws, numbers, item.size_bytes))
    return found


def parse_rules(files: Sequence[RuleFile]) -> list[Rule]:
    """Return the typed rules of files."""
    parsed = [item for file in files for _, item in parse_text(file.text, file.label)]
    return [item for item in parsed if isinstance(item, Rule)]


__all__ = [
    "by_gate",
    "distinct",
    "fast",
    "match_counts",
    "parse_rules",
    "read_records",
    "reference",
    "reference_counts",
    "split",
]
