"""The exact bytes of JSON and JSON Lines."""

from __future__ import annotations

import io
import json

import pytest

from sink_forms import coverage
from tocsin.sinks import JsonLinesSink, JsonSink


def test_json_lines_are_the_lines() -> None:
    """A finding of plain ASCII is written as it came."""
    out = io.BytesIO()
    sink = JsonLinesSink()
    sink.begin(out)
    sink.write(out, b'{"a":1}')
    sink.write(out, b'{"a":"\\u0007"}')
    sink.end(out, coverage(False))
    assert out.getvalue() == b'{"a":1}\n{"a":"\\u0007"}\n'


def test_json_has_complete_last() -> None:
    """The object ends with what is known at the end only."""
    out = io.BytesIO()
    sink = JsonSink()
    sink.begin(out)
    sink.write(out, b'{"a":1}')
    sink.write(out, b'{"a":2}')
    sink.end(out, coverage())
    assert out.getvalue() == b'{"findings": [\n{"a":1},\n{"a":2}\n], "complete": true}\n'


@pytest.mark.parametrize("complete", [True, False])
def test_json_without_findings_is_an_empty_list(complete: bool) -> None:
    """Nothing found is said, and whether all was looked at."""
    out = io.BytesIO()
    sink = JsonSink()
    sink.begin(out)
    sink.end(out, coverage(complete))
    assert json.loads(out.getvalue()) == {"findings": [], "complete": complete}


def test_only_characters_that_harm_are_escaped() -> None:
    """Other text stays readable."""
    out = io.BytesIO()
    JsonLinesSink().write(out, '{"a":"é\u202e\x9b日\u2028\x7f\U000e0041😀"}'.encode())
    assert out.getvalue().decode() == '{"a":"é\\u202e\\u009b日\\u2028\\u007f\\udb40\\udc41😀"}\n'
