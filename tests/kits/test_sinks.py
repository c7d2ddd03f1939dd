"""What every sink must do: valid output for no, one and many findings, and for text made to harm."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.json import encode

from tocsin.findings import Finding, FoundLogsource, FoundRule, FoundSource
from tocsin.findings.text import safe_text
from tocsin.sinks import SINKS

HOSTILE = [
    "\x1b]0;owned\x07\x1b[2J",
    "a\r\nb\nc",
    '"quoted", and; separated',
    "=cmd|' /C calc'!A0",
    "\u202egpj.exe",
    "\x9b31m\x85\x7f",
    "\u2028\u2029\ufeff",
    "\0",
    ']}{"complete": true}',
    "😀 ünï 日本",
]


def finding(text: str = "text", number: int = 1, event: Any = None) -> bytes:
    """Return the line of a finding that has the text in every place."""
    found = Finding(
        FoundRule("id-1", text, "high", "test", ("attack.execution", text), text, (text,), text),
        "2024-01-02T03:04:05.678Z",
        text,
        FoundLogsource("windows", "process_creation", ""),
        "sysmon/1",
        False,
        FoundSource(text, "evtx", number),
        {text: text} if event is None else event,
        {"selection": {text: [text]}},
    )
    return encode(found)


def write(name: str, lines: list[bytes], complete: bool = True) -> bytes:
    """Return what the sink writes."""
    out = io.BytesIO()
    sink = SINKS[name]()
    sink.begin(out)
    for line in lines:
        sink.write(out, line)
    sink.end(out, complete)
    return out.getvalue()


def read(name: str, data: bytes) -> list[dict[str, Any]]:
    """Return the findings in what a sink wrote, checking the form."""
    text = data.decode()
    if name == "jsonl":
        assert not text or text.endswith("\n")
        return [json.loads(line) for line in text.split("\n")[:-1]]
    if name == "json":
        return json.loads(text)["findings"]
    assert text.count("\r\n") == text.count("\n") == text.count("\r")
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert {len(row) for row in rows} == {len(rows[0])}
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


@pytest.fixture(params=SINKS)
def name(request: pytest.FixtureRequest) -> str:
    """Give the name of each sink."""
    return request.param


def test_the_registry_names_each_sink_by_its_name() -> None:
    """A sink is found under the name that it has."""
    assert {name: sink.name for name, sink in SINKS.items()} == {name: name for name in SINKS}
    assert set(SINKS) == {"jsonl", "json", "csv"}


@pytest.mark.parametrize("count", [0, 1, 500])
@pytest.mark.parametrize("complete", [True, False])
def test_any_number_of_findings_is_valid_and_in_order(name: str, count: int, complete: bool) -> None:
    """No finding, one, or many."""
    lines = [finding(f"title {number}", number) for number in range(count)]
    found = read(name, write(name, lines, complete))
    titles = [one["title"] if name == "csv" else one["rule"]["title"] for one in found]
    assert titles == [f"title {number}" for number in range(count)]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_breaks_nothing(name: str, text: str) -> None:
    """The output stays valid, and harmless for a terminal."""
    lines = [finding("before"), finding(text), finding("after")]
    data = write(name, lines)
    assert len(read(name, data)) == 3
    printed = data.decode().replace("\r\n", "\n").split("\n")
    assert [safe_text(line) for line in printed] == printed


@pytest.mark.parametrize("name", ["jsonl", "json"])
@given(text=st.text())
def test_json_keeps_every_text(name: str, text: str) -> None:
    """Escapes do not change what is read back."""
    lines = [finding(text), finding("other")]
    assert read(name, write(name, lines)) == [json.loads(line) for line in lines]


@given(text=st.text())
def test_csv_keeps_every_event(text: str) -> None:
    """The columns of JSON are valid JSON with the same value, in any event."""
    (row,) = read("csv", write("csv", [finding(text)]))
    assert json.loads(row["event"]) == {text: text}
    assert json.loads(row["matched"]) == {"selection": {text: [text]}}


def test_an_instance_can_be_used_again(name: str) -> None:
    """Nothing of one output is left in the next."""
    sink = SINKS[name]()
    outputs = []
    for _ in range(2):
        out = io.BytesIO()
        sink.begin(out)
        sink.write(out, finding())
        sink.end(out, True)
        outputs.append(out.getvalue())
    assert outputs[0] == outputs[1]
