"""Every conformance case, by the reference and by the fast engine."""

from __future__ import annotations

import pytest
from suite import Case, load_cases, read

from tocsin.engine.executor import FastEngine
from tocsin.engine.reference import matches
from tocsin.errors import RuleError, UnsupportedRule
from tocsin.events import batch_of
from tocsin.plans.compile import compile_rule

CASES = load_cases()


def _ids(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("case", CASES, ids=_ids)
def test_outcome(case: Case) -> None:
    """Each rule compiles, is unsupported or is invalid, as the case says."""
    try:
        compile_rule(case.rule(), case.placeholders, case.filters())
        found = "compiled"
    except UnsupportedRule:
        found = "unsupported"
    except RuleError:
        found = "invalid"
    assert found == case.outcome


@pytest.mark.parametrize("case", [case for case in CASES if case.outcome == "compiled"], ids=_ids)
def test_reference(case: Case) -> None:
    """The reference gives the expected answer for each event."""
    rule, filters = case.rule(), case.filters()
    for number, (expected, evidence) in enumerate(case.events()):
        events = [event for _, group in read(evidence) for event in group]
        found = any(matches(rule, event, case.placeholders, filters) for event in events)
        assert found == expected, (number, evidence)


@pytest.mark.parametrize("case", [case for case in CASES if case.outcome == "compiled"], ids=_ids)
def test_fast_engine(case: Case) -> None:
    """The fast engine gives the expected answer for each event, with its caches kept from event to event."""
    engine = FastEngine([compile_rule(case.rule(), case.placeholders, case.filters())])
    for number, (expected, evidence) in enumerate(case.events()):
        found = False
        for records, _ in read(evidence):
            columns = records.decoder.columns(records.gate, records.raws, engine.gate_plan(records.gate).demand)
            answer = engine.match(batch_of(records.gate, columns, len(records.raws), lambda row: None))
            assert not answer.faults
            found = found or bool(answer.found)
        assert found == expected, (number, evidence)
