"""The spool: sorted runs merged into one order, repeated units once, duplicates found."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tocsin.runs import spool
from tocsin.runs.spool import Entry, Spool, merge, record_bases, without_duplicates


def entry(number: int, unit: int = 0, time: str = "t", same: str = "") -> Entry:
    """Return an entry with a number."""
    return Entry(
        time, "p", 0, number, "r", b"a", b"b%d" % number, unit, "low", "T", "h", (), ("r", "h", "c", same or str(number))
    )


def _runs(folder: Path, entries: list[Entry], runs: int) -> list[Path]:
    found = []
    for number in range(runs):
        one = Spool(folder, f"run-{number}")
        for item in entries[number::runs]:
            one.add(item)
        path = one.write()
        if path:
            found.append(path)
    return found


@pytest.mark.parametrize("fan_in", [2, 3, 128])
def test_merge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fan_in: int) -> None:
    """Entries come out in order and whole, whatever the runs that they went into."""
    monkeypatch.setattr(spool, "_FAN_IN", fan_in)
    entries = [entry(number) for number in range(200)]
    shuffled = entries.copy()
    random.Random(1).shuffle(shuffled)
    assert list(merge(_runs(tmp_path, shuffled, 13), tmp_path)) == entries


def test_nothing_to_write(tmp_path: Path) -> None:
    """An empty spool writes no run, and no runs merge to nothing."""
    assert Spool(tmp_path, "x").write() is None
    assert list(merge([], tmp_path)) == []


def test_repeated_units(tmp_path: Path) -> None:
    """Entries of a unit that was read twice come once; equal ones of other units stay."""
    twice = [entry(1, unit=1), entry(1, unit=1), entry(2, unit=2), entry(2, unit=2), entry(3, unit=1)]
    found = list(merge(_runs(tmp_path, twice, 2), tmp_path, frozenset({1})))
    assert [(item.record, item.unit) for item in found] == [(1, 1), (2, 2), (2, 2), (3, 1)]


def test_without_duplicates() -> None:
    """The same record at the same time is given once, and counted; at another time it is another."""
    entries = [entry(1, same="x"), entry(2, same="x"), entry(3, same="y"), entry(4, time="u", same="x")]
    dropped = [0]
    assert [item.record for item in without_duplicates(entries, dropped)] == [1, 3, 4]
    assert dropped == [1]


def test_record_bases() -> None:
    """Each part begins after the records of those before it in its file."""
    assert record_bases({(0, 1): 5, (0, 0): 3, (0, 2): 1, (1, 0): 7}) == {(0, 0): 0, (0, 1): 3, (0, 2): 8, (1, 0): 0}


def test_line() -> None:
    """The line has the record counted from the file's beginning."""
    assert entry(4).line(10) == b"a14b4"
