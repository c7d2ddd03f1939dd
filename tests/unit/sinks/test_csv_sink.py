"""The columns of CSV, and no cell that is a formula."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.json import encode

from sink_forms import coverage
from tocsin.findings import Finding, FoundLogsource, FoundRule, FoundSource
from tocsin.sinks.csv import COLUMNS, CsvSink, csv_line

TAGS = (
    "attack.defense_evasion",
    "attack.privilege-escalation",
    "attack.t1059.001",
    "attack.T1003",
    "attack.g0016",
    "car.2013-05-004",
)


def row(title: str = "A title", event: object = None, host: str = "pc1") -> list[str]:
    """Return the cells of one finding."""
    found = Finding(
        FoundRule("0001", title, "high", "test", TAGS, "me", (), "rules/a.yml"),
        "2024-01-02T03:04:05Z",
        host,
        FoundLogsource("windows", "process_creation", ""),
        "security/4688",
        True,
        FoundSource("a.zip!/x.evtx", "evtx", 7),
        {"A": 1, "z": [None, 1.50]} if event is None else event,
        {"selection": {"A": ["1"]}},
    )
    out = io.BytesIO()
    sink = CsvSink()
    sink.begin(out)
    sink.write(out, encode(found))
    sink.end(out, coverage())
    header, cells = csv.reader(io.StringIO(out.getvalue().decode(), newline=""), strict=True)
    assert tuple(header) == COLUMNS
    return cells


def test_each_column_has_its_part() -> None:
    """All parts of a finding, tags split into tactics and techniques."""
    assert row() == [
        "2024-01-02T03:04:05Z",
        "high",
        "A title",
        "pc1",
        "security/4688",
        "true",
        "0001",
        "defense-evasion privilege-escalation",
        "T1059.001 T1003",
        "a.zip!/x.evtx",
        "evtx",
        "7",
        '{"selection":{"A":["1"]}}',
        '{"A":1,"z":[null,1.5]}',
    ]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "'  =1"),
        ("\u00a0=1", "'\u00a0=1"),
        ("＝1", "'＝1"),
        ('"=1', "'\"=1"),
        ("x\",'=1", "'x\",'=1"),
        ("\t=1", "\\x09=1"),
        ("\r=1", "\\x0d=1"),
        ("a\nb", "a\\x0ab"),
        ("\x1b[31m", "\\x1b[31m"),
        ("plain - text = fine", "plain - text = fine"),
        ("it's", "it's"),
        ("a,b;c", "a,b;c"),
        ("", ""),
    ],
)
def test_a_cell_is_never_a_formula(text: str, cell: str) -> None:
    """What a spreadsheet would run begins with an apostrophe; control characters are visible."""
    assert row(title=text)[2] == cell
    assert row(host=text)[3] == cell


@given(st.text())
def test_no_text_begins_like_a_formula(text: str) -> None:
    """For any text."""
    cell = row(title=text)[2]
    assert not cell.lstrip(' "').startswith(("=", "+", "-", "@", "\t", "\r"))


@given(st.dictionaries(st.text(), st.text()) | st.text() | st.integers(-9, 9) | st.lists(st.integers()))
def test_an_event_is_json_without_formulas(event: object) -> None:
    """A formula after a quote is escaped, and the value stays the same."""
    cell = row(event=event)[-1]
    assert not any(mark in cell for mark in ('"=', '"+', '"-', '"@'))
    assert json.loads(cell.removeprefix("'")) == event
    assert not cell.startswith("-")


@given(st.lists(st.text(st.sampled_from('",;\r\n\t ax=é') | st.characters(exclude_categories=["Cs"])), min_size=2))
def test_rows_are_those_of_the_standard_library(cells: list[str]) -> None:
    """Cells stand in quotes exactly where Python's own writer puts them."""
    wanted = io.StringIO(newline="")
    csv.writer(wanted, lineterminator="\r\n").writerow(cells)
    assert csv_line(cells) == wanted.getvalue().encode()
