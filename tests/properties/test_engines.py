"""The fast engine answers as the reference does, whatever the rules, the events, the batches and the caches."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from vocabulary import PLACEHOLDERS, compiled, events, lines, rule_documents

from tocsin.engine import alike, executor, prefilter
from tocsin.engine.executor import FastEngine
from tocsin.engine.reference import view_matches
from tocsin.events import Event, batch_of
from tocsin.plans.explain import holds
from tocsin.plans.expr import Plan
from tocsin.plans.witness import find_witness
from tocsin.rules.logsource import admits, views
from tocsin.rules.rule import Rule
from tocsin.rules.twins import see
from tocsin.sources import recognise
from tocsin.sources.interface import Records, Stream

RuleList = list[tuple[Rule, Plan]]
_RULES = st.lists(rule_documents(), min_size=1, max_size=8)
_EVENTS = st.lists(events(), min_size=1, max_size=8)


@pytest.fixture(autouse=True)
def _alike_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask which combinations are alike even where there are few."""
    monkeypatch.setattr(executor, "_SAMPLE", 1)
    monkeypatch.setattr(alike, "_TESTS_A_ROW", 1000)


def _compile(documents: list[dict[str, Any]]) -> RuleList:
    found = [pair for pair in map(compiled, documents) if pair]
    assume(found)
    return found


def read(found: list[dict[str, Any]]) -> list[Records]:
    """Read events as a scan does."""
    stream = Stream(io.BytesIO(lines(found)), "events.jsonl")
    source = recognise(stream.head)
    assert source is not None
    items = list(source.read(stream))
    assert all(isinstance(item, Records) for item in items), items
    return [item for item in items if isinstance(item, Records)]


def by_reference(rules: RuleList, records: list[Records]) -> set[tuple[int, int, int]]:
    """Return (line, rule, view) of every match by the reference."""
    found = set()
    for line, event in _numbered(records):
        for at, view in enumerate(views(event.gate)):
            here = (line, view.twin or at > 0)
            found |= {
                (here[0], number, here[1])
                for number, (rule, _) in enumerate(rules)
                if view_matches(rule, event, view, PLACEHOLDERS)
            }
    return found


def by_engine(engine: FastEngine, records: list[Records], size: int = 1000) -> set[tuple[int, int, int]]:
    """Return (line, rule, view) of every match by the fast engine, in batches of a size."""
    found = set()
    for item in records:
        gate_plan = engine.gate_plan(item.gate)
        all_views = views(item.gate)
        for start in range(0, len(item.raws), size):
            raws = item.raws[start : start + size]
            columns = item.decoder.columns(item.gate, raws, gate_plan.demand)
            answer = engine.match(batch_of(item.gate, columns, len(raws), lambda row: None))
            assert not answer.faults
            assert answer.found == sorted(set(answer.found))
            for match in answer.found:
                view = gate_plan.views[match.view].view
                found.add((item.numbers[start + match.row], match.rule, view.twin or all_views.index(view) > 0))
    return found


@given(_RULES, _EVENTS)
def test_fast_equals_reference(documents: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    """For every rule, event and view both give the same answer."""
    rules = _compile(documents)
    records = read(found)
    assert by_engine(FastEngine([plan for _, plan in rules]), records) == by_reference(rules, records)


@given(_RULES, _EVENTS, st.integers(1, 8), st.randoms(use_true_random=False))
def test_batches_change_nothing(
    documents: list[dict[str, Any]], found: list[dict[str, Any]], size: int, order: random.Random
) -> None:
    """Neither the size of batches, nor the order of events, nor what was read before changes an answer."""
    rules = _compile(documents)
    plans = [plan for _, plan in rules]
    records = read(found)
    whole = by_engine(FastEngine(plans), records)
    engine = FastEngine(plans)
    assert by_engine(engine, records, size) == whole
    lines_of = list(range(len(found)))
    order.shuffle(lines_of)
    moved = by_engine(engine, read([found[line] for line in lines_of]), size)
    assert {(lines_of[line - 1] + 1, rule, view) for line, rule, view in moved} == whole


@given(_RULES, _EVENTS)
def test_full_caches_change_nothing(documents: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    """With caches that are dropped before every batch, and needles searched all at once, the answers are the same."""
    rules = _compile(documents)
    plans = [plan for _, plan in rules]
    records = read(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor, "CACHE_BYTES", 0)
        patch.setattr(prefilter, "_SEARCHES", 0)
        engine = FastEngine(plans)
        found_by = [by_engine(engine, records, size) for size in (1, 2, 1000)]
    assert found_by == [by_reference(rules, records)] * 3


@given(rule_documents(), _EVENTS)
def test_rules_beside_change_nothing(document: dict[str, Any], found: list[dict[str, Any]]) -> None:
    """A rule matches the same events alone and among others."""
    rules = _compile([document])
    others = [pair for pair in (compiled({**document, "title": f"n{n}"}) for n in range(3)) if pair]
    records = read(found)
    alone = by_engine(FastEngine([rules[0][1]]), records)
    among = by_engine(FastEngine([others[0][1], rules[0][1], others[1][1]]), records)
    assert {(line, view) for line, _, view in alone} == {(line, view) for line, rule, view in among if rule == 1}


@given(_RULES, _EVENTS)
def test_explanation_agrees(documents: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    """`holds`, by which matches are explained, says of every match that it is one, and only of matches."""
    rules = _compile(documents)
    records = read(found)
    matched = by_reference(rules, records)
    seen = [(line, event, at, view) for line, event in _numbered(records) for at, view in enumerate(views(event.gate))]
    for line, event, at, view in seen:
        for number, (_, plan) in enumerate(rules):
            tags = admits(view, plan.logsource)
            if tags and not any(tag.field for tag in tags):
                assert holds(plan, see(event, view)) == ((line, number, view.twin or at > 0) in matched)


def _numbered(records: list[Records]) -> Iterator[tuple[int, Event]]:
    for item in records:
        for raw, line in zip(item.raws, item.numbers, strict=True):
            yield line, item.decoder.event(item.gate, raw, line)


@given(_RULES, _EVENTS)
def test_witness_is_sound(documents: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    """Wherever a plan holds, one of the tests of its witness holds."""
    rules = _compile(documents)
    for item in read(found):
        for raw, line in zip(item.raws, item.numbers, strict=True):
            event = item.decoder.event(item.gate, raw, line)
            for _, plan in rules:
                witness = find_witness(plan.expr)
                if witness is not None and holds(plan, event):
                    assert any(_held(plan, atom, event) for atom in witness.atoms)


def _held(plan: Plan, expr: Any, event: Any) -> bool:
    from tocsin.rules.condition import Name

    return holds(Plan(plan.meta, plan.logsource, {"s": expr}, Name("s")), event)
