"""What filters take from a rule: the plans that count it say the same as the reference, and what is left and taken adds up."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from test_engines import by_engine, read
from vocabulary import PLACEHOLDERS, events, rule_documents

from tocsin.engine.executor import FastEngine
from tocsin.engine.reference import view_matches
from tocsin.errors import RuleError
from tocsin.plans.compile import compile_rule, compile_suppressions
from tocsin.rules.filters import applies
from tocsin.rules.logsource import views
from tocsin.rules.parse import parse_document
from tocsin.rules.rule import Filter, Rule
from tocsin.sources.interface import Records


def filter_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return a filter that suppresses what the detection of a rule describes, in every rule of its logsource."""
    body = dict(document["detection"])
    if isinstance(body["condition"], list):
        body["condition"] = body["condition"][0]
    return {"title": "filter", "logsource": document["logsource"], "filter": body}


def parsed(document: dict[str, Any], others: list[dict[str, Any]]) -> tuple[Rule, tuple[Filter, ...]]:
    """Return a rule and those of the filters that have a meaning with it."""
    try:
        rule = parse_document(document, "rule.yml")
        assert isinstance(rule, Rule)
        compile_rule(rule, PLACEHOLDERS)
    except RuleError:
        assume(False)
        raise
    filters: list[Filter] = []
    for other in others:
        try:
            item = parse_document(filter_of(other), "filter.yml")
            assert isinstance(item, Filter)
            compile_rule(rule, PLACEHOLDERS, (item,))
        except RuleError:
            continue
        if applies(item, rule):
            filters.append(item)
    assume(filters)
    return rule, tuple(filters)


def taken_by_reference(rule: Rule, filters: tuple[Filter, ...], records: list[Records]) -> set[tuple[int, int, bool]]:
    """Return (line, filter, view) of every match that the reference loses to the first filter that takes it."""
    found = set()
    for item in records:
        for raw, number in zip(item.raws, item.numbers, strict=True):
            event = item.decoder.event(item.gate, raw, number)
            for at, view in enumerate(views(event.gate)):
                left = [view_matches(rule, event, view, PLACEHOLDERS, filters[:count]) for count in range(len(filters) + 1)]
                if left[0] and not left[-1]:
                    found.add((number, left.index(False) - 1, view.twin or at > 0))
    return found


@given(rule_documents(), st.lists(rule_documents(), min_size=1, max_size=3), st.lists(events(), min_size=1, max_size=8))
def test_both_engines_count_the_same(
    document: dict[str, Any], others: list[dict[str, Any]], found: list[dict[str, Any]]
) -> None:
    """Each lost match belongs to one filter, the same by both engines; what is left and what is taken are all matches."""
    others = [{**other, "logsource": document["logsource"]} for other in others]
    rule, filters = parsed(document, others)
    records = read(found)
    plans = compile_suppressions(rule, PLACEHOLDERS, filters)
    assert [number for number, _ in plans] == list(range(len(filters)))
    taken = by_engine(FastEngine([plan for _, plan in plans]), records)
    assert taken == taken_by_reference(rule, filters, records)
    bare, kept = (by_engine(FastEngine([compile_rule(rule, PLACEHOLDERS, some)]), records) for some in ((), filters))
    assert {(line, view) for line, _, view in bare} == {(line, view) for line, _, view in kept | taken}
    assert len(bare) == len(kept) + len(taken)
