"""What every sink must do: valid output for no, one and many findings, and for text made to harm."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.json import encode

from sink_forms import CHECK, READ, TITLE, coverage, read_csv, write
from tocsin.findings import Finding, FoundLogsource, FoundRule, FoundSource
from tocsin.findings.text import safe_text
from tocsin.sinks import SINKS

TIME = "2024-01-02T03:04:05.678000Z"
HOSTILE = [
    "\x1b]0;owned\x07\x1b[2J",
    "a\r\nb\nc",
    '"quoted", and; separated',
    "=cmd|' /C calc'!A0",
    "\u202egpj.exe",
    "\x9b31m\x85\x7f",
    "\u2028\u2029\ufeff",
    "\0",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "| a | `b` | [c](javascript:alert(1)) | **d** | &lt; |",
    ']}{"complete": true}',
    "😀 ünï 日本",
]
WHOLE = ("jsonl", "json", "csv")


def finding(text: str = "text", number: int = 1, event: Any = None, time: str = TIME) -> bytes:
    """Return the line of a finding that has the text in every place."""
    found = Finding(
        FoundRule("id-1", text, "high", "test", ("attack.execution", text), text, (text,), text),
        time,
        text,
        FoundLogsource("windows", "process_creation", ""),
        "sysmon/1",
        False,
        FoundSource(text, "evtx", number),
        {text: text} if event is None else event,
        {"selection": {text: [text]}},
    )
    return encode(found)


@pytest.fixture(params=READ)
def name(request: pytest.FixtureRequest) -> str:
    """Give the name of each form that has every finding."""
    return request.param


@pytest.fixture(params=SINKS)
def any_name(request: pytest.FixtureRequest) -> str:
    """Give the name of each form."""
    return request.param


def test_the_registry_names_each_sink_by_its_name() -> None:
    """A sink is found under the name that it has."""
    assert {name: sink.name for name, sink in SINKS.items()} == {name: name for name in SINKS}
    assert set(SINKS) == set(CHECK)
    assert set(READ) == set(TITLE)


@pytest.mark.parametrize("count", [0, 1, 500])
@pytest.mark.parametrize("complete", [True, False])
def test_any_number_of_findings_is_valid_and_in_order(name: str, count: int, complete: bool) -> None:
    """No finding, one, or many."""
    lines = [finding(f"title {number}", number) for number in range(count)]
    found = READ[name](write(name, lines, coverage(complete)))
    assert [TITLE[name](one) for one in found] == [f"title {number}" for number in range(count)]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_breaks_nothing(any_name: str, text: str) -> None:
    """The output stays valid, and harmless for a terminal."""
    data = write(any_name, [finding("before"), finding(text), finding("after")])
    found = CHECK[any_name](data)
    assert any_name not in READ or len(found) == 3
    printed = data.decode().replace("\r\n", "\n").split("\n")
    assert [safe_text(line) for line in printed] == printed


@pytest.mark.parametrize("name", ["jsonl", "json"])
@given(text=st.text())
def test_json_keeps_every_text(name: str, text: str) -> None:
    """Escapes do not change what is read back."""
    lines = [finding(text), finding("other")]
    assert READ[name](write(name, lines)) == [json.loads(line) for line in lines]


@given(text=st.text())
def test_csv_keeps_every_event(text: str) -> None:
    """The columns of JSON are valid JSON with the same value, in any event."""
    (row,) = read_csv(write("csv", [finding(text)]))
    assert json.loads(row["event"]) == {text: text}
    assert json.loads(row["matched"]) == {"selection": {text: [text]}}


def test_an_instance_can_be_used_again(any_name: str) -> None:
    """Nothing of one output is left in the next."""
    sink = SINKS[any_name]()
    outputs = []
    for _ in range(2):
        out = io.BytesIO()
        sink.begin(out)
        sink.write(out, finding())
        sink.end(out, coverage())
        outputs.append(out.getvalue())
    assert outputs[0] == outputs[1]


def test_a_finding_without_a_time_is_there(name: str) -> None:
    """A form that demands a time says that it is unknown."""
    found = READ[name](write(name, [finding("untimed", time=""), finding("timed")]))
    assert [TITLE[name](one) for one in found] == ["untimed", "timed"]


@pytest.mark.parametrize("depth", [100, 960, 1000, 20_000])
@pytest.mark.parametrize("ends", [("[", "]"), ('{"a":', "}")])
def test_nesting_without_end_breaks_nothing(any_name: str, depth: int, ends: tuple[str, str]) -> None:
    """The event is whole, or text that a reader bears."""
    name = any_name
    event = Raw(f'{{"deep":{ends[0] * depth}1{ends[1] * depth}}}'.encode())
    data = write(name, [finding("before"), finding("deep", event=event), finding("after")])
    if name in WHOLE:
        assert bytes(event) in data.replace(b'""', b'"')
    elif name in READ:
        assert [TITLE[name](one) for one in READ[name](data)] == ["before", "deep", "after"]
    else:
        CHECK[name](data)


def test_huge_values_are_whole_or_cut_with_a_mark(name: str) -> None:
    """Nothing ends without saying so."""
    huge = "A" * 1_000_000
    lines = [finding("huge", event={"CommandLine": huge, "Image": huge, "other": [huge]}), finding("after")]
    data = write(name, lines)
    assert [TITLE[name](one) for one in READ[name](data)] == ["huge", "after"]
    if name not in WHOLE:
        assert b"more characters]" in data
        assert len(data) < (5_000_000 if name == "stix" else 1_000_000)  # STIX has the event whole, in Base64


@given(text=st.text(st.characters(codec="utf-8")))
def test_any_text_is_valid_in_every_form(text: str) -> None:
    """Read back by the form's own reader."""
    event = {"Image": text, "CommandLine": text, "SourceIp": text, "DestinationPort": text, "User": text, "Hashes": text}
    for name, check in CHECK.items():
        found = check(write(name, [finding(text or "title", event=event)]))
        assert name not in READ or len(found) == 1
