"""The site of a scan: the assets that a finding names, and what is new in the records of network logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from tocsin.events import TIME, Event, Gate
from tocsin.findings import BaselineCheck, FoundAsset, FoundLogsource, FoundRule
from tocsin.rules.rule import LEVELS
from tocsin.runs.exchanges import exchanges, tells_exchanges, times_of
from tocsin.sites.baseline import CHECKS, OUT_OF_HOURS, Baseline, Check, Why, missing
from tocsin.sites.names import Names
from tocsin.sites.site import Site
from tocsin.sources.interface import Decoder

Place = tuple[str, int, int]
"""Where a record is: path, part, number."""
MOST_NEW: Final = 100_000
"""New things that one scan reports."""
_REMEMBERED: Final = 100_000
_NO_SITE: Final = "no site file was given (--site)"
_NO_EVENT: Final = "no event of a network log that tells of conversations was read"
_NO_TIME: Final = "no event of such a log has a time"


class New(NamedTuple):
    """Something new in a row: its check, its key over the whole scan, and what shows it."""

    row: int
    check: Check
    key: str
    why: Why


@dataclass(frozen=True, slots=True)
class SiteOptions:
    """What a worker needs to know to look for what is new. Times as those of a scan, the level likewise."""

    site: Site
    since: str = ""
    until: str = ""
    level: str = LEVELS[0]


class SiteWatch:
    """Names the assets of events, and finds what is new; each new thing may be found again when an earlier event shows it."""

    def __init__(self, options: SiteOptions) -> None:
        self._options = options
        self._names = Names(options.site)
        self._baseline = Baseline(options.site, self._names, checks_at(options.level))
        self._first: dict[tuple[str, str], tuple[str, str, int, int]] = {}

    def assets(self, event: Event) -> dict[str, FoundAsset]:
        """Return the assets that an event names, by the text that names them."""
        found = self._names.of_event(event)
        return {text: FoundAsset(asset.name, asset.roles, asset.zone) for text, asset in found.items()}

    def wants(self, gate: Gate) -> bool:
        """Tell whether something new may be in the records of a gate."""
        return tells_exchanges(gate)

    def look(
        self, decoder: Decoder, gate: Gate, raws: Sequence[Any], place: Callable[[int], Place], seen: set[str]
    ) -> Iterator[New]:
        """Yield what is new; `place` gives a row's place among those of one time. `seen` learns that times occur."""
        found = exchanges(decoder, gate, raws)
        lasting = [self._baseline.lasting(gate.channel, item) if item else () for item in found.distinct]
        timed = [item is not None and self._baseline.has_hours(item) for item in found.distinct]
        wanted = np.array([bool(new) or hours for new, hours in zip(lasting, timed, strict=True)], np.bool_)
        rows = np.flatnonzero(wanted[found.which]).tolist()
        times = times_of(decoder, gate, [raws[row] for row in rows or (0,)])
        if any(times):
            seen.add(TIME)
        for row, time in zip(rows, times, strict=False):
            at = int(found.which[row])
            exchange = found.distinct[at]
            if exchange is None or not self._is_in_range(time):
                continue
            for check, key, why in (*lasting[at], *(self._baseline.out_of_hours(exchange, time) if timed[at] else ())):
                if self._is_first((check.id, key), (time, *place(row))):
                    yield New(row, check, key, why)

    def _is_in_range(self, time: str) -> bool:
        """Tell whether a scan reports a time; no time is in any range."""
        since, until = self._options.since, self._options.until
        return not time or (time >= since and (not until or time < until))

    def _is_first(self, key: tuple[str, str], place: tuple[str, str, int, int]) -> bool:
        known = self._first.get(key)
        if known is not None and known <= place:
            return False
        if len(self._first) >= _REMEMBERED:
            self._first.clear()
        self._first[key] = place
        return True


def checks_at(level: str) -> tuple[Check, ...]:
    """Return the checks at or above a level."""
    lowest = LEVELS.index(level)
    return tuple(check for check in CHECKS if LEVELS.index(check.level) >= lowest)


def found_rule(check: Check) -> FoundRule:
    """Return a check as the rule of a finding."""
    return FoundRule(
        check.id,
        check.title,
        check.level,
        "test",
        check.tags,
        "Tocsin contributors",
        check.references,
        f"baseline/{check.name}",
    )


FOUND_LOGSOURCE: Final = FoundLogsource("zeek", "", "")
"""The logsource that findings of checks name."""


def baseline_checks(site: Site | None, level: str, seen: Mapping[Gate, Any], more: bool) -> list[BaselineCheck]:
    """Return what became of each check; `more` tells that there were more new things than are reported."""
    gates = [gate for gate, found in seen.items() if found.events and tells_exchanges(gate)]
    timed = any(TIME in seen[gate].fields for gate in gates)
    found = []
    for check in checks_at(level):
        reason = _NO_SITE if site is None else missing(site, check)
        if not reason and not gates:
            reason = _NO_EVENT
        if not reason and check is OUT_OF_HOURS and not timed:
            reason = _NO_TIME
        status = "not evaluable" if reason else "evaluated"
        if not reason and more:
            reason = f"there is more that is new: only the first {MOST_NEW:,} things are reported"
        found.append(BaselineCheck(check.id, check.title, status, reason))
    return found


__all__ = [
    "FOUND_LOGSOURCE",
    "MOST_NEW",
    "New",
    "SiteOptions",
    "SiteWatch",
    "baseline_checks",
    "checks_at",
    "found_rule",
]
