"""A tuning file is read whole or not at all, and every mistake is told with its place and a code."""

from __future__ import annotations

import json
from datetime import time
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.decisions import TuningEntry, load_tuning, parse_tuning
from tocsin.errors import TuningError

WHO = "owner: SOC, reason: known, expires: 2027-05-31"
WHOLE = f"""\
suppress:
  - title: Backup
    rules: [Whoami, 11111111-1111-4111-8111-111111111111]
    hosts: HIST-01
    assets: [PLC-1]
    zones: [control]
    addresses: [10.0.0.5, 10.1.0.0/16, "fd00::/8"]
    from: 2026-10-01
    until: 2026-10-03T06:00:00+02:00
    daily: {{time_zone: Europe/Berlin, days: [mon, Tuesday], from: 22:00, until: "24:00"}}
    owner: SOC
    reason: known
    expires: 2027-05-31
level:
  - {{to: high, rules: [Logon], {WHO}}}
"""


def entries(text: str) -> list[TuningEntry]:
    """Return the entries of a text without a problem."""
    found, problems = parse_tuning(text.encode(), "t.yml")
    assert not problems, problems
    return found


def problems(text: str) -> list[tuple[str, int]]:
    """Return the codes and lines of the problems of a text."""
    return [(item.code, item.where.line if item.where else 0) for item in parse_tuning(text.encode(), "t.yml")[1]]


def test_every_selector_is_read() -> None:
    """Each key has its typed form; clocks need no quotes, and times are in UTC."""
    first, second = entries(WHOLE)
    assert (first.kind, first.title, first.place) == ("suppress", "Backup", "t.yml, entry 1 of suppress")
    assert first.rules == ("Whoami", "11111111-1111-4111-8111-111111111111")
    assert (first.hosts, first.assets, first.zones) == (("HIST-01",), ("PLC-1",), ("control",))
    assert first.networks == tuple(map(ip_network, ("10.0.0.5", "10.1.0.0/16", "fd00::/8")))
    assert (first.since, first.until) == ("2026-10-01T00:00:00.000000Z", "2026-10-03T04:00:00.000000Z")
    assert first.daily is not None
    assert (first.daily.days, first.daily.begin, first.daily.end) == ({0, 1}, time(22), time(0))
    assert (first.owner, first.reason, first.expires) == ("SOC", "known", "2027-05-31")
    assert (second.kind, second.level, second.title) == ("level", "high", "entry 1 of level")


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("{rules: [a], owner: a, reason: b}", "T012"),
        ("{rules: [a], owner: a, reason: '', expires: 2027-05-31}", "T012"),
        ("{rules: [a], owner: [a], reason: b, expires: 2027-05-31}", "T013"),
        ("{rules: [a], owner: a, reason: b, expires: soon}", "T013"),
        (f"{{rule: [a], hosts: [b], {WHO}}}", "T011"),
        (f"{{to: high, hosts: [b], {WHO}}}", "T011"),
        (f"{{{WHO}}}", "T014"),
        (f"{{rules: [], {WHO}}}", "T012"),
        (f"{{rules: [a], hosts: , {WHO}}}", "T012"),
        (f"{{rules: [a], hosts: '', {WHO}}}", "T012"),
        (f"{{rules: [a], daily: {{}}, {WHO}}}", "T012"),
        (f"{{rules: [a], until: null, {WHO}}}", "T012"),
        (f"{{rules: [], hosts: [a], {WHO}}}", "T012"),
        (f"{{rules: [[a]], {WHO}}}", "T013"),
        (f"{{rules: [true], {WHO}}}", "T013"),
        (f"{{rules: 7, {WHO}}}", "T013"),
        (f"{{hosts: [10.0.0.1], {WHO}}}", "T013"),
        (f"{{hosts: ['*'], {WHO}}}", "T013"),
        (f"{{addresses: [10.0.0.1/8], {WHO}}}", "T013"),
        (f"{{from: yesterday, {WHO}}}", "T013"),
        (f"{{from: 2026-10-02, until: 2026-10-02, {WHO}}}", "T013"),
        (f"{{daily: {{time_zone: Nowhere/X, days: [mon], from: 1:00, until: 2:00}}, {WHO}}}", "T013"),
        (f"{{daily: {{time_zone: UTC, days: [someday], from: 1:00, until: 2:00}}, {WHO}}}", "T013"),
        (f"{{daily: {{time_zone: UTC, days: [mon], from: 25:00, until: 2:00}}, {WHO}}}", "T013"),
        (f"{{daily: {{time_zone: UTC, days: [mon], from: 1:00}}, {WHO}}}", "T012"),
        (f"{{daily: 22:00, {WHO}}}", "T013"),
        (f"{{rules: ['{'x' * 10}'], owner: {'o' * 1001}, reason: b, expires: 2027-05-31}}", "T013"),
        ("text", "T013"),
    ],
)
def test_each_mistake_has_its_code_and_line(entry: str, code: str) -> None:
    """A wrong entry is one problem, at its line."""
    assert problems(f"suppress:\n  - {{rules: [a], {WHO}}}\n  - {entry}\n") == [(code, 3)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("suppress: [", "T010"),
        ("", "T010"),
        ("suppress: []\n---\nlevel: []\n", "T010"),
        ("{}", "T012"),
        ("suppress: {rules: a}", "T013"),
        ("[a]", "T013"),
        ("supress: []", "T011"),
        (f"level:\n  - {{rules: [a], {WHO}}}", "T012"),
        (f"level:\n  - {{rules: [a], to: urgent, {WHO}}}", "T013"),
    ],
)
def test_a_file_of_another_form(text: str, code: str) -> None:
    """What is no tuning file at all is told, never read as one without entries."""
    assert [found for found, _ in problems(text)] == [code]


def test_a_scan_stops_at_the_first_problem(tmp_path: Path) -> None:
    """The first is raised with the number of the others."""
    path = tmp_path / "t.yml"
    path.write_text("suppress:\n  - {rules: [a]}\n")
    with pytest.raises(TuningError) as raised:
        load_tuning(path)
    assert raised.value.code == "T012"
    assert "lists all 3 problems" in raised.value.hint


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_KEYS = [
    "title",
    "rules",
    "hosts",
    "assets",
    "zones",
    "addresses",
    "from",
    "until",
    "daily",
    "owner",
    "reason",
    "expires",
    "to",
]


@given(st.dictionaries(st.sampled_from(["suppress", "level"]), st.lists(st.dictionaries(st.sampled_from(_KEYS), _VALUES))))
def test_any_values_are_read_or_told(body: dict[str, object]) -> None:
    """Whatever stands in the file, it becomes entries that have who, why and until when, or a problem."""
    found, told = parse_tuning(json.dumps(body).encode(), "t.yml")
    if not told:
        assert found
        assert all(item.owner and item.reason and item.expires for item in found)
