"""Which findings an entry selects."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec import UNSET

from tocsin.decisions import Selector, parse_tuning
from tocsin.findings import Finding, FoundAsset, FoundLogsource, FoundRule, FoundSource

WHO = "owner: SOC, reason: known, expires: 2027-05-31"
RULE = FoundRule("id-1", "Whoami", "medium", "", (), "", (), "r.yml")


def finding(time: str = "2026-10-05T06:00:00.000000Z", host: str = "HIST-01.plant.example", zone: str = "") -> Finding:
    """Return a finding; 2026-10-05 is a Monday."""
    assets = {"10.0.0.5": FoundAsset("PLC-1", ("plc",), zone)} if zone else UNSET
    return Finding(RULE, time, host, FoundLogsource("", "", ""), "", False, FoundSource("p", "f", 1), {}, {}, assets)


def decides(entry: str, found: Finding, texts: Sequence[str] = ()) -> bool:
    """Tell whether a suppression selects a finding."""
    entries, problems = parse_tuning(f"suppress:\n  - {{{entry}, {WHO}}}\n".encode(), "t.yml")
    assert not problems, problems
    return Selector(list(enumerate(entries))).decide(found, texts) == 0


@pytest.mark.parametrize(
    ("entry", "selected"),
    [
        ("rules: [Whoami]", True),
        ("rules: [other, id-1]", True),
        ("rules: [whoami]", False),
        ("hosts: [hist-01]", True),
        ("hosts: [HIST-01.PLANT.example]", True),
        ("hosts: [HIST-01.other.example]", False),
        ("hosts: [HIST]", False),
        ("zones: [control]", True),
        ("zones: [office]", False),
        ("assets: [PLC-1]", True),
        ("assets: [PLC-2]", False),
        ("addresses: [10.0.0.0/24]", True),
        ("addresses: [10.0.1.0/24]", False),
        ("addresses: ['fd00::/8']", False),
        ("from: 2026-10-05, until: 2026-10-06", True),
        ("from: 2026-10-05T06:00:00Z", True),
        ("until: 2026-10-05T06:00:00Z", False),
        ("rules: [Whoami], hosts: [other]", False),
        ("rules: [Whoami], zones: [control], hosts: [other, hist-01], addresses: [10.0.0.5]", True),
    ],
)
def test_every_selector_must_hold(entry: str, selected: bool) -> None:
    """Values of one selector are alternatives; different ones must all hold."""
    assert decides(entry, finding(zone="control"), ("nonsense", "10.0.0.5")) is selected


@pytest.mark.parametrize(
    ("time", "selected"),
    [
        ("2026-10-05T19:59:59.999999Z", False),
        ("2026-10-05T20:00:00.000000Z", True),
        ("2026-10-06T03:59:00.000000Z", True),
        ("2026-10-06T04:00:00.000000Z", False),
        ("2026-10-06T20:00:00.000000Z", False),
        ("2026-11-02T20:30:00.000000Z", False),
        ("2026-11-02T21:00:00.000000Z", True),
        ("", False),
    ],
)
def test_a_daily_window_is_of_its_day_and_time_zone(time: str, selected: bool) -> None:
    """From 22 to 6 in Berlin on Mondays goes on until Tuesday, in summer and winter; an unknown time is in no window."""
    entry = "daily: {time_zone: Europe/Berlin, days: [mon], from: 22:00, until: 06:00}"
    assert decides(entry, finding(time)) is selected


def test_without_a_time_only_entries_without_one_select() -> None:
    """A finding whose time is unknown is not taken for one of a span."""
    assert not decides("from: 1990-01-01", finding(""))
    assert not decides("until: 2990-01-01", finding(""))
    assert decides("rules: [Whoami]", finding(""))


def test_who_decides() -> None:
    """What suppresses comes before what levels; of those that level the first decides, also when it changes nothing."""
    text = f"level:\n  - {{to: medium, hosts: [hist-01], {WHO}}}\n  - {{to: low, rules: [Whoami], {WHO}}}\n"
    (medium, low), _ = parse_tuning(text.encode(), "t.yml")
    (gone,), _ = parse_tuning(f"suppress: [{{rules: [Whoami], {WHO}}}]".encode(), "t.yml")
    assert Selector([(0, medium), (1, low)]).decide(finding(), ()) == -1
    assert Selector([(0, medium), (1, low)]).decide(finding(host="x"), ()) == 1
    assert Selector([(0, medium), (1, low), (2, gone)]).decide(finding(), ()) == 2
