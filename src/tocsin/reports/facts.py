"""What the first reading of the findings tells: counts, times, hosts, accounts, techniques and conversations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, TypeVar

from tocsin.findings import Finding, FoundAsset, FoundRule
from tocsin.reports.event_rows import ends_of, event_rows, users_of
from tocsin.rules.rule import LEVELS
from tocsin.sites.names import Names

MOST_KEYS: Final = 20_000
"""Hosts, accounts or conversations that are told apart; those beyond are counted together."""
_MOST_BUCKETS: Final = 256
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
K = TypeVar("K")


def milliseconds(time: str) -> int | None:
    """Return a time in milliseconds since 1970, None for one that is empty or none."""
    try:
        return (datetime.fromisoformat(time) - _EPOCH) // _MILLISECOND
    except (ValueError, TypeError):
        return None


def rank(level: str) -> int:
    """Return the place of a level among all, the lowest for one that is none."""
    return LEVELS.index(level) if level in LEVELS else 0


@dataclass(slots=True)
class Histogram:
    """Counts by level over time, in at most 256 buckets whose width doubles when more are needed."""

    width: int = 1
    buckets: dict[int, list[int]] = field(default_factory=dict)

    def add(self, at: int, level: int) -> None:
        """Count one finding at a time in milliseconds."""
        self.buckets.setdefault(at // self.width, [0] * len(LEVELS))[level] += 1
        while len(self.buckets) > _MOST_BUCKETS:
            self._widen()

    def _widen(self) -> None:
        self.width *= 2
        merged: dict[int, list[int]] = {}
        for at, counts in self.buckets.items():
            into = merged.setdefault(at // 2, [0] * len(LEVELS))
            for level, count in enumerate(counts):
                into[level] += count
        self.buckets = merged

    def bars(self) -> Iterator[tuple[int, list[int]]]:
        """Yield the begin of each bucket in milliseconds, and its counts by level, in the order of time."""
        for at in sorted(self.buckets):
            yield at * self.width, self.buckets[at]


@dataclass(slots=True)
class Entry:
    """What findings that share something tell: how many of each level, when, and with which others."""

    label: str = ""
    levels: list[int] = field(default_factory=lambda: [0] * len(LEVELS))
    first: str = ""
    last: str = ""
    others: Counter[str] = field(default_factory=Counter)
    histogram: Histogram | None = None

    @property
    def count(self) -> int:
        """Return how many findings there are."""
        return sum(self.levels)

    @property
    def weight(self) -> tuple[int, ...]:
        """Return what puts the most serious first: the counts from the highest level down."""
        return tuple(-count for count in reversed(self.levels))

    @property
    def level(self) -> str:
        """Return the highest level."""
        return LEVELS[max((at for at, count in enumerate(self.levels) if count), default=0)]

    def add(self, finding: Finding, others: Iterable[str] = ()) -> None:
        """Count one finding."""
        self.levels[rank(finding.rule.level)] += 1
        if finding.time:
            self.first = min(self.first or finding.time, finding.time)
            self.last = max(self.last, finding.time)
        for other in others:
            if other and (other in self.others or len(self.others) < _MOST_BUCKETS):
                self.others[other] += 1


class Entries(Generic[K]):
    """Entries by key, in bounded number; `beyond` counts findings whose key came too late to be told apart."""

    def __init__(self) -> None:
        self.known: dict[K, Entry] = {}
        self.beyond = 0

    def at(self, key: K) -> Entry | None:
        """Return the entry of a key, made when there is room, else None."""
        found = self.known.get(key)
        if found is None and len(self.known) < MOST_KEYS:
            found = self.known[key] = Entry()
        if found is None:
            self.beyond += 1
        return found

    def ordered(self) -> list[tuple[K, Entry]]:
        """Return all entries, the most serious first."""
        return sorted(self.known.items(), key=lambda item: (item[1].weight, str(item[0])))

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self.known)


@dataclass(slots=True)
class Facts:
    """What is known of all findings.

    `rules` has each rule with its number; `assets` what the site knows of an address or host; `named` and `talks` have the
    name of an asset where the site knows it, else the address or host as the events name it.
    """

    total: Entry = field(default_factory=Entry)
    untimed: int = 0
    times: Histogram = field(default_factory=Histogram)
    rules: dict[FoundRule, int] = field(default_factory=dict)
    by_rule: list[Entry] = field(default_factory=list)
    hosts: Entries[str] = field(default_factory=Entries)
    users: Entries[str] = field(default_factory=Entries)
    techniques: Entries[str] = field(default_factory=Entries)
    tactics: Entries[str] = field(default_factory=Entries)
    talks: Entries[tuple[str, str]] = field(default_factory=Entries)
    named: Entries[str] = field(default_factory=Entries)
    assets: dict[str, FoundAsset] = field(default_factory=dict)
    names: Names | None = None

    def add(self, finding: Finding) -> None:
        """Take a finding into account."""
        rows = event_rows(finding.event).rows
        self.total.add(finding)
        self._add_rule(finding)
        users = users_of(rows)
        at = milliseconds(finding.time)
        if at is None:
            self.untimed += 1
        else:
            self.times.add(at, rank(finding.rule.level))
        if finding.host and (host := self.hosts.at(finding.host)):
            host.add(finding, users)
            _count(host, at, finding.rule.level)
        for user in users:
            if entry := self.users.at(user):
                entry.add(finding, (finding.host,))
        told = finding.assets if isinstance(finding.assets, dict) else {}
        ends = ends_of(rows, finding.host)
        named = [self._name(text, told) for text in (finding.host, *(ends or ()), *told)]
        for name in dict.fromkeys(filter(None, named)):
            if entry := self.named.at(name):
                entry.add(finding, (finding.rule.title,))
        if ends and named[1] != named[2] and (talk := self.talks.at((named[1], named[2]))):
            talk.add(finding, (finding.rule.title,))

    def _name(self, text: str, told: Mapping[str, FoundAsset]) -> str:
        """Return the asset of an address or host, else the text itself; what is known of it is kept."""
        found = self.assets.get(text) or told.get(text)
        if found is None and text and self.names:
            asset, zone = self.names.find(text)
            found = FoundAsset(asset.name if asset else "", asset.roles if asset else (), zone) if asset or zone else None
        if found is not None and len(self.assets) < MOST_KEYS:
            self.assets.setdefault(text, found)
        return (found.name if found else "") or text

    def label(self, text: str) -> str:
        """Return what the site knows of a host, empty when it knows nothing."""
        found = self.assets.get(text)
        return found.label if found else ""

    def _add_rule(self, finding: Finding) -> None:
        number = self.rules.setdefault(finding.rule, len(self.rules))
        if number == len(self.by_rule):
            self.by_rule.append(Entry())
        self.by_rule[number].add(finding, (finding.host,))
        for tag in dict.fromkeys(tag.lower() for tag in finding.rule.tags):
            name = tag.removeprefix("attack.")
            if name == tag:
                continue
            entries = self.techniques if is_technique(name) else self.tactics
            if entry := entries.at(name):
                entry.add(finding, (finding.host,))


def _count(entry: Entry, at: int | None, level: str) -> None:
    """Count a finding of an entry over time."""
    if at is not None:
        entry.histogram = entry.histogram or Histogram()
        entry.histogram.add(at, rank(level))


def is_technique(name: str) -> bool:
    """Tell whether a tag without `attack.` is the id of a technique, such as `t1059.001`."""
    return name[:1] == "t" and name[1:].replace(".", "", 1).isdecimal()


def gather(findings: Iterable[Finding], names: Names | None = None) -> Facts:
    """Return what the findings tell, in bounded memory; `names` has the assets of a site file."""
    facts = Facts(names=names)
    for finding in findings:
        facts.add(finding)
    return facts


__all__ = ["Entries", "Entry", "Facts", "Histogram", "gather", "is_technique", "milliseconds", "rank"]
