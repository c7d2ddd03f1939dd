"""What the first reading gathers: nothing is lost in the counts, whatever is merged."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from report_samples import EXAMPLE, finding
from tocsin.findings import Finding
from tocsin.reports import facts as facts_module
from tocsin.reports.facts import Facts, Histogram, gather, milliseconds
from tocsin.sites.names import Names
from tocsin.sites.parse import load_site


def gathered(*items: dict[str, object], names: Names | None = None) -> Facts:
    """Return the facts of findings."""
    return gather([msgspec.convert(item, Finding) for item in items], names)


@given(st.lists(st.tuples(st.integers(0, 10**13), st.integers(0, 4)), max_size=700))
def test_histogram_counts_everything(marks: list[tuple[int, int]]) -> None:
    """However wide the buckets become, each mark is counted once, in the bucket that holds its time."""
    histogram = Histogram()
    for at, level in marks:
        histogram.add(at, level)
    bars = list(histogram.bars())
    assert len(bars) <= 256
    expected = Counter((at // histogram.width * histogram.width, level) for at, level in marks)
    assert Counter({(at, level): count for at, counts in bars for level, count in enumerate(counts) if count}) == expected


def test_counts() -> None:
    """Levels, hosts, accounts, techniques and findings without a time are counted."""
    found = gathered(
        finding({"User": "A\\m.keller"}),
        finding({"User": "m.keller"}, time="", host="PC-2", rule={"level": "low", "title": "Other"}),
        finding({}, host="", rule={"tags": ["attack.t0855", "cve.2020-1"]}),
    )
    assert found.total.levels == [0, 1, 0, 2, 0]
    assert found.untimed == 1
    assert [(name, entry.count) for name, entry in found.hosts.ordered()] == [("PC-1", 1), ("PC-2", 1)]
    assert found.users.known["m.keller"].count == 2
    assert {name: entry.count for name, entry in found.techniques.ordered()} == {"t1059.001": 2, "t0855": 1}
    assert len(found.rules) == 3


def test_assets_join_names_and_addresses() -> None:
    """The host and the address of an asset are one; an address that the site does not know stands for itself."""
    names = Names(load_site(EXAMPLE / "site.yml"))
    event = {"id.orig_h": "10.20.6.32", "id.resp_h": "10.20.8.13"}
    found = gathered(finding(event, host="ENG-WS-02"), finding({**event, "id.orig_h": "203.0.113.9"}, host=""), names=names)
    assert {ends: entry.count for ends, entry in found.talks.ordered()} == {
        ("ENG-WS-02", "WELL-2"): 1,
        ("203.0.113.9", "WELL-2"): 1,
    }
    assert {name: entry.count for name, entry in found.named.ordered()} == {"WELL-2": 2, "203.0.113.9": 1, "ENG-WS-02": 1}
    assert found.label("ENG-WS-02") == "ENG-WS-02 (engineering_station, zone control)"


def test_too_many_hosts_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the most that are told apart, findings are counted, not lost."""
    monkeypatch.setattr(facts_module, "MOST_KEYS", 2)
    found = gathered(*(finding({}, host=f"PC-{at}") for at in range(5)))
    assert (len(found.hosts), found.hosts.beyond) == (2, 3)
    assert found.total.count == 5


@pytest.mark.parametrize(
    ("text", "time"),
    [("1970-01-01T00:00:01.500000Z", 1500), ("1601-01-01T00:00:00Z", -11644473600000), ("", None), ("x", None)],
)
def test_milliseconds(text: str, time: int | None) -> None:
    """Times are milliseconds since 1970, also before; what is no time is none."""
    assert milliseconds(text) == time
