"""Logs of database servers."""

import pytest
from text_reading import read

from tocsin.sources.sql_log import SqlLogSource

SOURCE = SqlLogSource()


@pytest.mark.parametrize(
    ("text", "channel", "query", "time"),
    [
        (
            "2026-10-06 06:12:01.123 UTC [12] a@b LOG:  statement: SELECT 1\n\tFROM x\n",
            "query",
            "SELECT 1\n\tFROM x",
            "06:12:01.123",
        ),
        (
            "2026-10-06 06:12:01 CET [12] LOG:  duration: 1.2 ms  execute <unnamed>: SELECT 1\n",
            "query",
            "SELECT 1",
            "06:12:01.000",
        ),
        ("2026-10-06 06:12:01.123 UTC [12] a@b STATEMENT:  SELECT 1\n", "query", "SELECT 1", "06:12:01.123"),
        ("2026-10-06 06:12:01.123 UTC [12] a@b ERROR:  relation does not exist\n", "error", None, "06:12:01.123"),
        ("2026-10-06T06:12:01.123456Z\t   12 Query\tSELECT 1\n", "query", "SELECT 1", "06:12:01.123"),
        ("261006  6:12:01\t   12 Query\tSELECT 1\n", "query", "SELECT 1", "06:12:01.000"),
        ("2026-10-06T06:12:01.123456Z\t   12 Connect\ta@b on x\n", "error", None, "06:12:01.123"),
        ("2026-10-06T06:12:01.123456Z 12 [Warning] [MY-010068] [Server] x\n", "error", None, "06:12:01.123"),
    ],
)
def test_lines(text, channel, query, time):
    """A statement is a query with the lines below, all else is a message."""
    assert SOURCE.recognise(text.encode())
    (event,), errors = read(SOURCE, text)
    assert errors == []
    assert (event.gate[:2], event.fields.get("query")) == (("sql", channel), query)
    assert event.time[:23] == f"2026-10-06T{time}"


def test_a_line_without_a_time_has_that_before():
    """MySQL leaves the time out where it did not change."""
    events, _ = read(SOURCE, "261006  6:12:01\t   12 Query\tSELECT 1\n\t\t   12 Query\tSELECT 2\n")
    assert [event.time for event in events] == ["2026-10-06T06:12:01.000000Z"] * 2


def test_statements_without_end_are_cut():
    """An event has a most of lines; none is lost."""
    events, errors = read(SOURCE, "2026-10-06 06:12:01 UTC [12] LOG:  statement: SELECT\n" + "\tx,\n" * 4500)
    assert errors == []
    assert sum(len(event.text.splitlines()) for event in events) == 4501
    assert len(events) == 3
