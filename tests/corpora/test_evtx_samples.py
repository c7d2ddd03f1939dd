"""The whole rule corpus over 277 real event logs: the fast engine finds what the reference finds, rule by rule."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from compare import fast, match_counts, read_records, reference

from shared_data import shared
from tocsin.engine.executor import FastEngine
from tocsin.rules.rule import Rule
from tocsin.runs.ruleset import RuleSet
from tocsin.sources.interface import Records


@pytest.fixture(scope="module")
def records() -> list[Records]:
    """Return the records of every log."""
    paths = sorted(shared("evtx-attack-samples").rglob("*.evtx"))
    assert len(paths) == 277
    return read_records(paths)


@pytest.fixture(scope="module")
def counts(rule_set: RuleSet, records: list[Records]) -> Counter[str]:
    """Return the matches of each rule by the fast engine."""
    return fast(rule_set.plans, records)


def test_totals(records: list[Records], counts: Counter[str]) -> None:
    """All 8,255 records are read, and 386 rules match 1,569 times."""
    assert sum(len(item.raws) for item in records) == 8255
    assert (len(counts), counts.total()) == (386, 1569)


def test_reference(records: list[Records], rules: list[Rule], counts: Counter[str]) -> None:
    """The reference, which reads every event against every rule, counts the same for each rule."""
    assert reference(rules, records) == counts


def test_caches_change_nothing(engine: FastEngine, rule_set: RuleSet, records: list[Records], counts: Counter[str]) -> None:
    """An engine that has seen all the logs before, now read backwards, gives the same counts."""
    match_counts(engine, rule_set.plans, records)
    assert match_counts(engine, rule_set.plans, records[::-1]) == counts


def test_batches_over_files_change_nothing(rule_set: RuleSet, records: list[Records], counts: Counter[str]) -> None:
    """Records of one gate from all files in one batch give the same counts."""
    groups: dict[tuple, list[Records]] = {}
    for item in records:
        groups.setdefault((id(item.decoder), item.gate), []).append(item)
    joined = [
        Records(
            group[0].decoder,
            group[0].gate,
            [raw for item in group for raw in item.raws],
            [number for item in group for number in item.numbers],
            sum(item.size_bytes for item in group),
        )
        for group in groups.values()
    ]
    assert len(joined) < len(records)
    assert fast(rule_set.plans, joined) == counts


def test_record_numbers(records: list[Records]) -> None:
    """An event's record is its EventRecordID, which Event Viewer shows; the numbers in the file rise within a group."""
    for item in records:
        assert all(a < b for a, b in pairwise(item.numbers)), item.gate
        for raw, number in zip(item.raws, item.numbers, strict=True):
            event = item.decoder.event(item.gate, raw, number)
            assert event.record == int(event.fields["EventRecordID"])
