"""Times: the forms that logs use."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.events.time import format_time, normal_time, parse_time


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("2026-10-03T06:10:13Z", "2026-10-03T06:10:13.000000Z"),
        ("2026-10-03 06:10:13,5", "2026-10-03T06:10:13.500000Z"),
        ("2026-10-03 06:10:13 UTC", "2026-10-03T06:10:13.000000Z"),
        ("2026-10-03T06:10:13.123456789+02:00", "2026-10-03T04:10:13.123456Z"),
        ("2026-10-03T23:30-0130", "2026-10-04T01:00:00.000000Z"),
        ("1790986500.120", "2026-10-03T00:15:00.120000Z"),
        (1790986500, "2026-10-03T00:15:00.000000Z"),
        ("2026-12-31T23:59:60Z", "2026-12-31T23:59:59.000000Z"),
        ("2026-02-30T00:00:00Z", ""),
        ("2026-10-03", ""),
        ("yesterday", ""),
        ("0001-01-01T00:00:00+12:00", ""),
        (True, ""),
        (None, ""),
        ("", ""),
    ],
)
def test_normal_time(value: object, wanted: str) -> None:
    """Each form becomes RFC 3339 in UTC, and what is no time becomes nothing."""
    assert normal_time(value) == wanted


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_order_and_round_trip(a: datetime, b: datetime) -> None:
    """Written times sort as times do, and are read back the same."""
    assert (format_time(a) < format_time(b)) == (a < b)
    assert parse_time(format_time(a)) == a
