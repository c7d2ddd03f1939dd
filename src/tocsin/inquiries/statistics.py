"""What is in the logs: events by log and id, computers, logons, and gaps; in bounded memory, limits told when exceeded."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec import field as value

from tocsin.events import Event
from tocsin.events.time import format_time
from tocsin.inquiries.logons import FAILURE, Logon, logon_of, text_of
from tocsin.inquiries.tracks import CLOCK_S, RECORD_BLOCK, Track

MOST_KINDS: Final = 20_000
"""The most pairs of log and event id that are told apart."""
MOST_HOSTS: Final = 20_000
MOST_LOGONS: Final = 50_000
MOST_TRACKS: Final = 1000
"""The most logs of hosts in which gaps are looked for."""
MOST_RECORD_BLOCKS: Final = 32_768
"""The most blocks of 4,096 record numbers that are kept, over all logs."""
_WORST: Final = 100
_HIGHEST_RECORD: Final = 1 << 53
_SELECTION: Final = 0.5
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO: Final = timedelta(microseconds=1)


class Count(Struct):
    """How many events, the first and the last of those with a time."""

    events: int = 0
    first: str = ""
    last: str = ""

    def add(self, time: str, events: int = 1) -> None:
        """Count events of a time, which may be empty."""
        self.events += events
        if time:
            self.first = min(self.first or time, time)
            self.last = max(self.last, time)

    def merge(self, other: Count) -> None:
        """Take what another one counted."""
        self.add(other.first, 0)
        self.add(other.last, other.events)


@dataclass(slots=True)
class Table:
    """Counts by key; of more than `most` keys the later ones are only counted together."""

    most: int
    counts: dict[tuple[str, ...], Count] = field(default_factory=dict)
    others: Count = field(default_factory=Count)

    def count(self, key: tuple[str, ...]) -> Count:
        """Return the count of a key."""
        found = self.counts.get(key)
        if found is None:
            if len(self.counts) >= self.most:
                return self.others
            found = self.counts[key] = Count()
        return found

    def merge(self, other: Table) -> None:
        """Take what another one counted."""
        for key, count in other.counts.items():
            self.count(key).merge(count)
        self.others.merge(other.others)


@dataclass(slots=True)
class Statistics:
    """What one worker, or all of them, saw."""

    kinds: Table = field(default_factory=lambda: Table(MOST_KINDS))
    hosts: Table = field(default_factory=lambda: Table(MOST_HOSTS))
    logons: Table = field(default_factory=lambda: Table(MOST_LOGONS))
    tracks: dict[tuple[str, str], Track] = field(default_factory=dict)
    untracked: int = 0
    unnumbered: int = 0
    untimed: int = 0
    _blocks: int = 0

    def add(self, event: Event) -> None:
        """Count an event."""
        gate, time = event.gate, event.time
        log = gate.channel if gate.product == "windows" else "/".join(filter(None, (gate.product, gate.channel)))
        self.kinds.count((log or "(unknown)", gate.event_id)).add(time)
        self.hosts.count((event.host,)).add(time)
        self.untimed += not time
        logon = logon_of(event)
        if logon:
            self.logons.count((event.host, *logon)).add(time)
        self._track(event, log)

    def _track(self, event: Event, log: str) -> None:
        key = (event.host, log)
        track = self.tracks.get(key)
        if track is None:
            if len(self.tracks) >= MOST_TRACKS:
                self.untracked += 1
                return
            track = self.tracks[key] = Track()
        track.events += 1
        micros = -1
        if event.time:
            micros = (datetime.fromisoformat(event.time) - _EPOCH) // _MICRO
            track.times.add(micros, micros)
        number = text_of(event, "EventRecordID") if event.gate.product == "windows" else ""
        if number.isdecimal() and number.isascii() and len(number) < 17 and int(number) < _HIGHEST_RECORD:
            self._number(track, int(number), micros)

    def _number(self, track: Track, record: int, micros: int) -> None:
        if micros >= 0:
            track.clock.add(record, micros)
        if record // RECORD_BLOCK not in track.records.blocks:
            if self._blocks >= MOST_RECORD_BLOCKS:
                self.unnumbered += 1
                return
            self._blocks += 1
        track.records.add(record)

    def merge(self, other: Statistics) -> None:
        """Take what another one saw."""
        self.kinds.merge(other.kinds)
        self.hosts.merge(other.hosts)
        self.logons.merge(other.logons)
        self.untracked += other.untracked
        self.unnumbered += other.unnumbered
        self.untimed += other.untimed
        for key, track in other.tracks.items():
            known = self.tracks.get(key)
            if known:
                known.merge(track)
            elif len(self.tracks) < MOST_TRACKS:
                self.tracks[key] = track
            else:
                self.untracked += track.events

    def summary(self, shortest_gap_s: int) -> Summary:
        """Return what is told, in an order that depends on the events alone."""
        found = Summary(untimed=self.untimed)
        found.kinds = [KindCount(log, own, *_values(count)) for (log, own), count in _ordered(self.kinds)]
        found.hosts = [HostCount(host, *_values(count)) for (host,), count in _ordered(self.hosts)]
        found.logons = [LogonCount(key[0], *Logon(*key[1:]), *_values(count)) for key, count in _ordered(self.logons)]
        for (host, log), track in sorted(self.tracks.items()):
            _tell_track(found, host, log, track, shortest_gap_s)
        found.gaps.sort(key=lambda gap: (-gap.seconds, gap.host, gap.log, gap.begin))
        found.missing_records.sort(key=lambda item: (item.selection, -item.missing, item.host, item.log))
        found.clock_steps.sort(key=lambda step: (-step.seconds, step.host, step.log, step.record))
        for name, table in (("log and event id", self.kinds), ("computer", self.hosts), ("logon", self.logons)):
            if table.others.events:
                found.limits.append(
                    f"{table.others.events:,} events beyond the first {table.most:,} kinds of {name} are left out"
                )
        if self.untracked:
            found.limits.append(
                f"{self.untracked:,} events of logs beyond the first {MOST_TRACKS:,} are not looked at for gaps"
            )
        if self.unnumbered:
            found.limits.append(f"{self.unnumbered:,} record numbers are too far apart to be looked at for missing ones")
        return found


class KindCount(Struct):
    """Events of one id in one log."""

    log: str
    event_id: str
    events: int
    first: str
    last: str


class HostCount(Struct):
    """Events of one computer; an empty name stands for events that name none."""

    host: str
    events: int
    first: str
    last: str


class LogonCount(Struct):
    """Logons of one user to one computer, in one way, from one source."""

    host: str
    outcome: str
    user: str
    kind: str
    source: str
    events: int
    first: str
    last: str


class GapFound(Struct):
    """A span without events that stands out in a log."""

    host: str
    log: str
    begin: str
    end: str
    seconds: float


class MissingRecords(Struct):
    """Record numbers that are missing in a log; `selection`: so many that the log is a selection of another one.

    `stretches` are the longest ones, first and last number.
    """

    host: str
    log: str
    first: int
    last: int
    present: int
    missing: int
    selection: bool
    stretches: list[tuple[int, int]]


class ClockStep(Struct):
    """A record whose time lies before that of an earlier one."""

    host: str
    log: str
    record: int
    time: str
    earlier_record: int
    earlier_time: str
    seconds: float


class Summary(Struct):
    """The answer of `tocsin stats`. `limits` says what was left out and why."""

    events: int = 0
    complete: bool = False
    untimed: int = 0
    kinds: list[KindCount] = value(default_factory=list)
    hosts: list[HostCount] = value(default_factory=list)
    logons: list[LogonCount] = value(default_factory=list)
    gaps: list[GapFound] = value(default_factory=list)
    missing_records: list[MissingRecords] = value(default_factory=list)
    clock_steps: list[ClockStep] = value(default_factory=list)
    limits: list[str] = value(default_factory=list)

    @property
    def failures(self) -> list[LogonCount]:
        """Return the logons that failed."""
        return [item for item in self.logons if item.outcome == FAILURE]


def _values(count: Count) -> tuple[int, str, str]:
    return count.events, count.first, count.last


def _ordered(table: Table) -> list[tuple[tuple[str, ...], Count]]:
    return sorted(table.counts.items(), key=lambda item: (-item[1].events, item[0]))


def _time(micros: int) -> str:
    return format_time(_EPOCH + micros * _MICRO)


def _tell_track(found: Summary, host: str, log: str, track: Track, shortest_gap_s: int) -> None:
    for gap in track.gaps(shortest_gap_s)[:_WORST]:
        found.gaps.append(GapFound(host, log, _time(gap.begin), _time(gap.end), (gap.end - gap.begin) / 1e6))
    for step in track.steps_back()[:_WORST]:
        seconds = (step.time_before - step.time_after) / 1e6
        times = _time(step.time_after), step.before, _time(step.time_before)
        found.clock_steps.append(ClockStep(host, log, step.after, *times, seconds))
    missing = [(stretch.first, stretch.last) for stretch in track.records.missing()]
    if missing:
        present, gone = track.records.count, sum(last - first + 1 for first, last in missing)
        is_selection = gone > _SELECTION * (present + gone)
        longest = sorted(missing, key=lambda it: (it[0] - it[1], it[0]))[: 0 if is_selection else _WORST]
        found.missing_records.append(MissingRecords(host, log, *track.records.ends, present, gone, is_selection, longest))


__all__ = ["CLOCK_S", "Count", "Statistics", "Summary", "Table"]
