"""Every conformance case, by the reference, by the fast engine, and by the fast reader of JSON lines."""

from __future__ import annotations

import io

import pytest
from suite import Case, load_cases, read

from tocsin.engine.coded import CodedEngine
from tocsin.engine.executor import FastEngine
from tocsin.engine.reference import matches
from tocsin.errors import RuleError, UnsupportedRule
from tocsin.events import batch_of
from tocsin.kernels.block import Block
from tocsin.plans.compile import compile_rule
from tocsin.plans.gates import native_fields
from tocsin.sources import recognise
from tocsin.sources.interface import Records, Stream
from tocsin.sources.json import JsonSource
from tocsin.sources.json_blocks import JsonBlocks

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


@pytest.mark.parametrize("case", [case for case in CASES if case.outcome == "compiled"], ids=_ids)
def test_fast_reader(case: Case) -> None:
    """So does the fast reader of JSON lines, alone and with the same event once more behind it."""
    plans = [compile_rule(case.rule(), case.placeholders, case.filters())]
    engine = FastEngine(plans)
    reader = JsonBlocks(sorted(native_fields(plans)), Block(1 << 16, 16, 1 << 13))
    coded = CodedEngine(engine, reader)
    for number, (expected, evidence) in enumerate(case.events()):
        if isinstance(recognise(evidence), JsonSource) and b"\n" not in evidence.strip():
            for lines in (evidence + b"\n", evidence + b"\n" + evidence):
                assert _matched(engine, reader, coded, lines) == expected, (number, evidence)


def _matched(engine: FastEngine, reader: JsonBlocks, coded: CodedEngine, lines: bytes) -> bool:
    """Tell whether the rule matches an event of some lines, read into a block or slowly."""
    reader.block.clear()
    found = False
    slow = [item for item in reader.read(Stream(io.BytesIO(lines), "case")) if isinstance(item, Records)]
    answer = coded.match()
    for records in (*slow, *reader.records(answer.slow)):
        columns = records.decoder.columns(records.gate, records.raws, engine.gate_plan(records.gate).demand)
        found = found or bool(engine.match(batch_of(records.gate, columns, len(records.raws), lambda row: None)).found)
    return found or any(rules for _, _, one in answer.found for rules, _ in one.answers)
