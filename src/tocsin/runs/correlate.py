"""The end of a scan: matched events become findings of correlations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from tocsin.correlations.link import serving
from tocsin.correlations.occurrence import Body, Occurrence, Texts, digest, spelled
from tocsin.correlations.plan import CorrelationPlan, condition_text
from tocsin.correlations.rows import RowFiles, Rows, RowSpool, Share
from tocsin.correlations.sweep import Runs, happenings, sweep
from tocsin.events.time import format_time
from tocsin.findings import Finding, FoundAsset, FoundLogsource, FoundRule, FoundSource
from tocsin.plans.expr import Plan
from tocsin.rules.rule import LEVELS
from tocsin.runs.batches import Origin
from tocsin.runs.collect import Left
from tocsin.runs.decisions import Deciding
from tocsin.runs.ruleset import RuleSet, Suppression
from tocsin.runs.spool import Spool, entry_of
from tocsin.sites.names import Names

SHOWN_EVENTS: Final = 100
"""Events that a finding of a correlation lists: the first and the last."""
SHOWN_VALUES: Final = 100
TELEMETRY: Final = "correlation"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EVICTED: Final = "events from {} on were left out, since one group has more than fit in memory [E004]"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a scan evaluates: rules, correlations over their numbers, and the rules that only serve correlations.

    `suppressions` are what filters take from these rules.
    """

    plans: list[Plan]
    correlations: list[CorrelationPlan]
    silent: frozenset[int]
    suppressions: tuple[Suppression, ...] = ()

    @property
    def matched(self) -> list[Plan]:
        """Return the plans that events are matched with: the rules, then what filters take from them."""
        return [*self.plans, *(item.plan for item in self.suppressions)]

    @property
    def taken(self) -> dict[int, tuple[int, int]]:
        """Return, by its number among these, the rule and the filter of what a filter takes."""
        return {len(self.plans) + at: (item.rule, item.filter) for at, item in enumerate(self.suppressions)}


def choose(rules: RuleSet, level: str) -> Chosen:
    """Return the rules and correlations at or above a level, and those that they need."""
    lowest = LEVELS.index(level)
    wanted = {number for number, plan in enumerate(rules.correlations) if LEVELS.index(plan.meta.level) >= lowest}
    for number in reversed(range(len(rules.correlations))):
        if number in wanted:
            wanted |= {item.correlation for item in rules.correlations[number].inputs if item.correlation >= 0}
    needed = {item.rule for number in wanted for item in rules.correlations[number].inputs if item.rule >= 0}
    serves = serving(rules.correlations)
    kept: list[int] = []
    silent: set[int] = set()
    for number, rule in enumerate(rules.plans):
        reports = LEVELS.index(rule.meta.level) >= lowest and serves.get(number, True)
        if reports or number in needed:
            silent |= set() if reports else {len(kept)}
            kept.append(number)
    correlations = _renumbered(rules.correlations, sorted(wanted), kept, lowest)
    places = {number: place for place, number in enumerate(kept)}
    taken = tuple(replace(item, rule=places[item.rule]) for item in rules.suppressions if item.rule in places)
    return Chosen([rules.plans[number] for number in kept], correlations, frozenset(silent), taken)


def only(rules: RuleSet, number: int) -> Chosen:
    """Return one correlation, as one that reports, and what it needs."""
    wanted = {number}
    for below in reversed(range(number + 1)):
        if below in wanted:
            wanted |= {item.correlation for item in rules.correlations[below].inputs if item.correlation >= 0}
    kept = sorted({item.rule for below in wanted for item in rules.correlations[below].inputs if item.rule >= 0})
    found = _renumbered(rules.correlations, sorted(wanted), kept, 0)
    found[-1] = replace(found[-1], reported=True)
    return Chosen([rules.plans[rule] for rule in kept], found, frozenset(range(len(kept))))


def _renumbered(
    plans: Sequence[CorrelationPlan], wanted: Sequence[int], kept: Sequence[int], lowest: int
) -> list[CorrelationPlan]:
    """Return the wanted correlations with the numbers that rules and correlations have among those that are kept."""
    rules = {number: place for place, number in enumerate(kept)} | {-1: -1}
    places = {number: place for place, number in enumerate(wanted)} | {-1: -1}
    found = []
    for plan in (plans[number] for number in wanted):
        inputs = tuple(replace(item, rule=rules[item.rule], correlation=places[item.correlation]) for item in plan.inputs)
        reported = plan.reported and LEVELS.index(plan.meta.level) >= lowest
        found.append(replace(plan, inputs=inputs, reported=reported))
    return found


@dataclass(slots=True)
class Correlating:
    """Correlates what workers kept.

    `paths` are their files, to which those of correlations are added that others name; `base` tells the number of records
    before the part of a file that a unit is. `failed` tells why a correlation could not be evaluated.
    """

    plans: Sequence[CorrelationPlan]
    folder: Path
    paths: list[Path]
    base: Callable[[int], int]
    since: str = ""
    until: str = ""
    names: Names | None = None
    left: Left = field(default_factory=Counter)
    deciding: Deciding = field(default_factory=Deciding)
    runs: list[Path] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)

    def run(self) -> None:
        """Write the findings of all correlations as sorted runs, whose paths are in `runs`."""
        files = RowFiles(self.paths)
        spool = Spool(self.folder, "run-correlations")
        try:
            for number, plan in enumerate(self.plans):
                try:
                    self._correlate(number, plan, files, spool)
                except OSError:
                    raise
                except Exception as error:  # noqa: BLE001 - one bad correlation must not take the others with it
                    self.failed[number] = f"failed: {type(error).__name__}: {error} [E002]"
        finally:
            files.close()
        _keep(self.runs, spool.write())

    def _correlate(self, number: int, plan: CorrelationPlan, files: RowFiles, spool: Spool) -> None:
        """Keep the findings of one correlation, and its rows for those that name it."""
        above = self._above(number)
        chained = RowSpool(self.folder, f"matched-by-{number:04d}")
        for share in files.shares(number):
            self._note(number, share)
            telling = _Telling(plan, sweep(plan, share.rows), files)
            self._report(telling, spool)
            for upper in above:
                self._chain(upper, telling, number, chained, files)
        _keep(files.paths, chained.write())

    def _above(self, number: int) -> list[tuple[int, int]]:
        """Return the correlations that name one, each with the number of the input."""
        return [
            (upper, place)
            for upper, plan in enumerate(self.plans)
            for place, item in enumerate(plan.inputs)
            if item.correlation == number
        ]

    def _note(self, number: int, share: Share) -> None:
        if share.left_out:
            self.left[number, _EVICTED.format(_time(share.since_us))] += share.left_out

    def _report(self, telling: _Telling, spool: Spool) -> None:
        if not telling.plan.reported:
            return
        for run in range(len(telling.found.first)):
            time = telling.last_time(run)
            if (self.since and time < self.since) or (self.until and time >= self.until):
                continue
            finding, last, texts = telling.finding(run, self.base, self.names)
            origin = Origin(last.unit, last.path, last.format, last.part)
            decided = self.deciding.decide(finding, -1, texts)
            spool.add(entry_of(decided.finding, origin, TELEMETRY, telling.key(run), "", decided.by, decided.changed))
            if spool.full:
                _keep(self.runs, spool.write())

    def _chain(self, upper: tuple[int, int], telling: _Telling, number: int, chained: RowSpool, files: RowFiles) -> None:
        """Give what a correlation found as matched events to one that names it."""
        outer, place = upper
        plan = self.plans[outer]
        seen: set[tuple[object, ...]] = set()
        for time, begin, end, run in happenings(telling.found):
            for row in telling.found.rows[begin:end]:
                body = telling.chain_body(run, row, plan, place)
                same: tuple[object, ...] = (run, body.groups, body.values, body.carried, time if plan.is_temporal else 0)
                if same in seen:
                    continue
                seen.add(same)
                key = digest((number, telling.key(run)))
                if not chained.add(outer, plan, Occurrence(place, time, key, body, key)):
                    self.left[outer, "matches of another correlation without a value of its group were left out"] += 1
                if chained.full:
                    _keep(files.paths, chained.write())


@dataclass(slots=True)
class _Telling:
    """Tells of the runs of a correlation."""

    plan: CorrelationPlan
    found: Runs
    files: RowFiles
    groups: dict[int, Texts] = field(default_factory=dict)
    extents: dict[int, tuple[str, int]] = field(default_factory=dict)

    def rows(self, run: int) -> Rows:
        return self.found.rows[self.found.first[run] : self.found.last[run]]

    def last_time(self, run: int) -> str:
        return _time(int(self.found.rows["time"][self.found.last[run] - 1]))

    def key(self, run: int) -> str:
        """Return a text that tells a run apart."""
        row = self.found.rows[self.found.first[run]]
        return f"{int(row['group']):016x}-{int(row['time'])}"

    def group(self, run: int) -> Texts:
        """Return the values of the group as its first event spells them."""
        if run not in self.groups:
            row = self.rows(run)[0]
            self.groups[run] = spelled(self.files.body(row), int(row["group"]))
        return self.groups[run]

    def extent(self, run: int) -> tuple[str, int]:
        """Return the time of a run's first event, and how many events it has."""
        if run not in self.extents:
            rows = self.rows(run)
            self.extents[run] = _time(int(rows["time"][0])), len(_firsts(rows))
        return self.extents[run]

    def chain_body(self, run: int, row: np.void, plan: CorrelationPlan, place: int) -> Body:
        """Return what an outer correlation sees of a row's event."""
        body = self.files.body(row)
        known: dict[str, Texts] = dict(zip(self.plan.carries, body.carried, strict=True))
        known |= {name: (text,) for name, text in zip(self.plan.group_by, self.group(run), strict=True)}
        item = plan.inputs[place]
        first, count = self.extent(run)
        return replace(
            body,
            groups=tuple(known[name] for name in item.groups),
            values=tuple(known[name] for name in item.values),
            carried=tuple(known[name] for name in plan.carries),
            first=first,
            count=count,
        )

    def finding(self, run: int, base: Callable[[int], int], names: Names | None) -> tuple[Finding, Body, Sequence[str]]:
        """Return the finding of a run, where its last event was read, and the texts of the run that may be addresses."""
        rows = self.rows(run)
        events = _firsts(rows)
        half = SHOWN_EVENTS // 2
        shown = events if len(events) <= SHOWN_EVENTS else np.concatenate((events[:half], events[-half:]))
        told = [(row, self.files.body(row)) for row in rows[shown]]
        latest = [body for row, body in told if row["time"] == rows["time"][-1]] or [self.files.body(rows[-1])]
        last = max(latest, key=lambda body: (body.path, body.part, body.record))
        meta, plan = self.plan.meta, self.plan
        hosts = {body.host for _, body in told} - {""}
        group = dict(zip(plan.group_by, self.group(run), strict=True))
        texts = {text: None for body in (body for _, body in told) for text in (*group.values(), body.host)}
        finding = Finding(
            rule=FoundRule(meta.id, meta.title, meta.level, meta.status, meta.tags, meta.author, meta.references, meta.path),
            time=self.last_time(run),
            host=hosts.pop() if len(hosts) == 1 else "",
            logsource=FoundLogsource("", "", ""),
            telemetry=TELEMETRY,
            twin=False,
            source=FoundSource(last.path, last.format, last.record),
            event=self._event(run, rows, told, len(events), group, base),
            matched=self._matched(run, group, told),
            assets=_assets(names, texts),
        )
        return finding, last, tuple(texts)

    def _event(
        self,
        run: int,
        rows: Rows,
        told: Sequence[tuple[np.void, Body]],
        events: int,
        group: Mapping[str, str],
        base: Callable[[int], int],
    ) -> dict[str, Any]:
        """Return what stands in the place of the event: the group, the measure, and where the events are."""
        inputs = self.plan.inputs
        ordered = sorted(told, key=lambda item: (int(item[0]["time"]), item[1].path, item[1].part, item[1].record))
        counts = {
            inputs[number].title: len(_firsts(rows[rows["input"] == number])) for number in np.unique(rows["input"]).tolist()
        }
        return {
            "type": self.plan.type,
            "condition": condition_text(self.plan),
            "group": group,
            "first": _time(int(rows["time"][0])),
            "last": _time(int(rows["time"][-1])),
            "count": events,
            "measure": _plain(float(self.found.peak[run])),
            "rules": counts,
            "events": [_told(inputs[int(row["input"])].title, row, body, base) for row, body in ordered],
            "not_listed": events - len(told),
        }

    def _matched(
        self, run: int, group: Mapping[str, str], told: Sequence[tuple[np.void, Body]]
    ) -> dict[str, dict[str, list[str]]]:
        found = {name: [text] for name, text in group.items()}
        for at, name in enumerate(self.plan.demand.fields):
            texts = sorted({text for _, body in told for text in body.values[at]})
            found.setdefault(name, texts[:SHOWN_VALUES])
        return {self.plan.type: found | {"measure": [str(_plain(float(self.found.peak[run])))]}}


def _told(title: str, row: np.void, body: Body, base: Callable[[int], int]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "rule": title,
        "time": _time(int(row["time"])),
        "host": body.host,
        "path": body.path,
        "record": base(body.unit) + body.record,
    }
    return told | ({"first": body.first, "count": body.count} if body.count else {})


def _firsts(rows: Rows) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the positions of the first row of each event, or match of a correlation, in order of time; rows are sorted."""
    _, places = np.unique(rows["place"], return_index=True)
    return np.sort(places)


def _assets(names: Names | None, texts: Mapping[str, None]) -> dict[str, FoundAsset] | UnsetType:
    if names is None:
        return UNSET
    found = {text: names.find(text) for text in texts if text}
    return {
        text: FoundAsset(asset.name if asset else "", asset.roles if asset else (), zone)
        for text, (asset, zone) in sorted(found.items())
        if asset or zone
    }


def _plain(number: float) -> int | float:
    return int(number) if number == int(number) else number


def _time(time_us: int) -> str:
    return format_time(_EPOCH + timedelta(microseconds=time_us))


def _keep(paths: list[Path], path: Path | None) -> None:
    if path:
        paths.append(path)


__all__ = ["SHOWN_EVENTS", "TELEMETRY", "Chosen", "Correlating", "choose", "only"]
