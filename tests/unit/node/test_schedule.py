"""When a peer is due: as often as its file says, and after faults more and more seldom."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.runs.schedule import seconds_until
from tocsin.stores.cursors import Progress

NOW = 1_900_000_000_000_000
SECOND_US = 1_000_000


def tried(seconds: int, failures: int = 0) -> Progress:
    """Return a peer that was tried so many seconds ago."""
    return Progress(tried=NOW - seconds * SECOND_US, failures=failures)


def test_when_a_peer_is_due() -> None:
    """A new one is due at once, one that was tried after its time, one that fails after a minute, then two, up to an hour."""
    assert seconds_until(Progress(), 900, NOW) == 0
    assert seconds_until(tried(300), 900, NOW) == 600
    assert seconds_until(tried(900), 900, NOW) == 0
    assert [seconds_until(tried(0, failures), 900, NOW) for failures in (1, 2, 3, 7, 8, 10_000)] == [
        60,
        120,
        240,
        3600,
        3600,
        3600,
    ]
    assert seconds_until(tried(0, 10), 86_400, NOW) == 30_720


@given(st.integers(-(10**18), 10**18), st.integers(0, 10**6), st.integers(10, 2_592_000))
def test_it_is_always_due_some_time(moment: int, failures: int, every_s: int) -> None:
    """Whatever clock and faults were, no peer waits for longer than it would without either."""
    found = seconds_until(Progress(tried=moment, failures=failures), every_s, NOW)
    assert 0 <= found <= max(every_s, 3600)
