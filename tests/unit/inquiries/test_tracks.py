"""Gaps, missing record numbers and clocks that went back; the same whatever the order and however it was divided."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from tocsin.inquiries.tracks import SLOTS, Missing, Records, Slots, Track

MINUTE = 60_000_000


def track(times: list[int], first: int = 1) -> Track:
    """Return the track of records with these times in minutes."""
    found = Track()
    for number, time in enumerate(times, first):
        found.events += 1
        found.times.add(time * MINUTE, time * MINUTE)
        found.clock.add(number, time * MINUTE)
        found.records.add(number)
    return found


def test_gaps() -> None:
    """A gap far beyond the usual distance is told with its exact ends; regular pauses are not."""
    assert track([*range(300), *range(500, 800)]).gaps(60 * 60) == [(299 * MINUTE, 500 * MINUTE)]
    assert not track([*range(300), *range(500, 800)]).gaps(60 * 60 * 4)
    assert not track(list(range(0, 6000, 100))).gaps(60 * 60)
    assert not track([0, 1, 5000]).gaps(60)


def test_gaps_of_long_logs() -> None:
    """Joined slots keep exact ends."""
    rng = random.Random(3)
    times = sorted({rng.randrange(500_000) for _ in range(40_000)} - set(range(200_000, 209_000)))
    ends = max(time for time in times if time < 200_000), min(time for time in times if time >= 209_000)
    found = track(times)
    assert len(found.times.slots) <= SLOTS
    assert found.gaps(60 * 60)[0] == tuple(end * MINUTE for end in ends)


def test_clock() -> None:
    """A clock that goes back is told once, with the records on both sides."""
    steps = track([*range(100), *range(40, 200)]).steps_back()
    assert [tuple(step) for step in steps] == [(100, 101, 99 * MINUTE, 40 * MINUTE)]
    assert not track([0, 1, 1, 2, 3]).steps_back()
    assert len(track([*range(9000), *range(2000, 9000)]).steps_back()) == 1


@given(st.sets(st.integers(0, 20_000), min_size=1))
def test_missing(numbers: set[int]) -> None:
    """The missing stretches are just what is not there between the first and the last."""
    found = Records()
    for number in numbers:
        found.add(number)
    gone = set(range(min(numbers), max(numbers))) - numbers
    stretches = list(found.missing())
    assert {n for first, last in stretches for n in range(first, last + 1)} == gone
    assert all(isinstance(stretch, Missing) for stretch in stretches)
    assert (found.count, found.ends) == (len(numbers), (min(numbers), max(numbers)))


@given(st.lists(st.integers(0, 10**7), max_size=3000), st.integers(1, 4))
def test_slots_do_not_depend_on_order(keys: list[int], parts: int) -> None:
    """Slots are the same for any order of values and any division among workers."""
    whole = Slots()
    for key in keys:
        whole.add(key, key % 977)
    joined = Slots()
    for part in range(parts):
        own = Slots()
        for key in sorted(keys[part::parts]):
            own.add(key, key % 977)
        joined.merge(own)
    assert joined.ordered() == whole.ordered()
