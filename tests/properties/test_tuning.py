"""Random events and marks: no true finding is ever lost, and each false positive goes, or the filter is refused."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from vocabulary import WORDS

from tocsin.engine import reference
from tocsin.errors import RuleError
from tocsin.events import Event, Gate
from tocsin.findings.text import safe_text
from tocsin.plans.compile import compile_rule
from tocsin.plans.explain import holds
from tocsin.rules.parse import parse_document, parse_text
from tocsin.rules.rule import Filter, Rule
from tocsin.runs.judged_events import Judge
from tocsin.runs.ruleset import RuleFile
from tocsin.tuning import Decision, Inseparable, filter_text, propose, sample_of

GATE = Gate("windows", "Microsoft-Windows-Sysmon/Operational", "1")
RULE: dict[str, Any] = {
    "title": "Every process",
    "id": "11111111-2222-3333-4444-555555555555",
    "logsource": {"product": "windows", "category": "process_creation"},
    "detection": {"selection": {"EventID": 1}, "condition": "selection"},
}
DECISION = Decision("o", "r", date(2027, 5, 31))
FIELDS = ("Image", "CommandLine", "ParentImage", "User", "Computer", "DestinationIp", "Hashes", "ProcessId", "a|b", "My Field")
VALUES = st.sampled_from(WORDS) | st.text(max_size=12) | st.lists(st.sampled_from(WORDS), max_size=2) | st.integers(0, 99999)
EVENTS = st.lists(
    st.dictionaries(st.sampled_from(FIELDS), VALUES, min_size=1, max_size=6).map(lambda fields: {"EventID": "1", **fields}),
    min_size=1,
    max_size=8,
)


def event(fields: dict[str, Any]) -> Event:
    """Return an event of a process."""
    return Event(GATE, fields, fields)


@given(EVENTS, EVENTS, EVENTS)
def test_true_findings_stay(false: list[dict[str, Any]], true: list[dict[str, Any]], unmarked: list[dict[str, Any]]) -> None:
    """The reference and the plan agree that the filter removes every false positive and keeps every true one."""
    rule = parse_document(RULE)
    assert isinstance(rule, Rule)
    samples = [[sample_of(event(fields)) for fields in group] for group in (false, true, unmarked)]
    try:
        proposal = propose(samples[0], samples[1], [(sample, 1) for sample in samples[2]], frozenset({"EventID"}))
    except Inseparable:
        return
    text = filter_text(rule.meta.id, rule.meta.title, rule.logsource, proposal, DECISION, ())
    [(_, found)] = parse_text(text.encode(), "filter.yml")
    assert isinstance(found, Filter)
    plan = compile_rule(rule, {}, (found,))
    for group, kept in ((false, False), (true, True)):
        for fields in group:
            assert reference.matches(rule, event(fields), {}, [found]) is kept
            assert holds(plan, event(fields)) is kept
    assert all(proposal.removes(s) is not holds(plan, event(f)) for s, f in zip(samples[2], unmarked, strict=True))
    assert all(safe_text(line) == line for line in text.splitlines())


@given(EVENTS, EVENTS, st.randoms())
def test_the_order_changes_nothing(false: list[dict[str, Any]], true: list[dict[str, Any]], random: Any) -> None:
    """Findings in any order give the same filter, or none."""

    def made(group: list[dict[str, Any]]) -> object:
        try:
            return propose([sample_of(event(fields)) for fields in group], [sample_of(event(f)) for f in true], [], frozenset())
        except Inseparable:
            return None

    again = list(false)
    random.shuffle(again)
    assert made(false) == made(again)


@given(EVENTS, st.integers(0, 7))
def test_both_engines_judge_alike(rows: list[dict[str, Any]], at: int) -> None:
    """A judge with a filter decides as a judge without it, but for what the filter removes."""
    rule = RuleFile("rule.yml", json.dumps(RULE).encode())
    judge = Judge(str(RULE["id"]), [rule], {})
    try:
        proposal = propose([sample_of(event(rows[at % len(rows)]))], [], [], frozenset())
    except (Inseparable, RuleError):
        return
    parsed = parse_document(RULE)
    assert isinstance(parsed, Rule)
    text = filter_text(parsed.meta.id, "t", parsed.logsource, proposal, DECISION, ())
    tuned = judge.with_filter(RuleFile("filter.yml", text.encode()))
    for fields in rows:
        assert judge.matches(event(fields))
        assert tuned.matches(event(fields)) is not proposal.removes(sample_of(event(fields)))
