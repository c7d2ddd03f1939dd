"""The hunt: a search over all events of a scan, raw records screened for its needles before anything is decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import hyperscan
import msgspec
import numpy as np

from tocsin.errors import RegexTimeout
from tocsin.events import KEYWORDS, Demand, Event, Gate
from tocsin.events.values import decode, scalar_text
from tocsin.findings import Coverage, Finding, FoundLogsource, FoundRule, FoundSource, RuleNote
from tocsin.indicators import Indicators
from tocsin.inquiries.search import Hit, Search
from tocsin.runs.batches import Origin
from tocsin.runs.inquiry import Collector, Take
from tocsin.runs.spool import entry_of
from tocsin.sources.interface import EVENTS, BlockSource, Records
from tocsin.sources.json_blocks import block_database
from tocsin.sources.json_events import UNKNOWN
from tocsin.sources.screen import KeywordScreen

_MOST_TIMEOUTS: Final = 10
"""How often an expression may be cut off before it is no longer tried; events then count as undecided at once."""
_NO_LOGSOURCE: Final = FoundLogsource("", "", "")
SEARCH: Final = FoundRule("search", "Search", "informational", "", (), "", (), "")
"""What findings of a search without indicators name as their rule."""


class Hunt:
    """A hunt as an inquiry; every hit becomes a finding that names its indicator."""

    def __init__(self, search: Search, indicators: Indicators | None = None) -> None:
        self._search = search
        self._indicators = indicators or Indicators()
        self._rules = [_rule(number, search) for number in range(len(search.indicators))]
        self.fast_formats = frozenset({"json"}) if search.needles else frozenset()

    def prepare(self, fast: bool) -> None:
        """Compile what finds needles."""
        if not self._search.needles:
            return
        if fast:
            database = block_database(self._search.needles)
            self._search.use(lambda data: _found_by(database, data))
        else:
            self._search.use(KeywordScreen(self._search.needles).needles)

    def collector(self, take: Take) -> Collector:
        """Return what searches the events of one worker."""
        return _Hunter(take, self._search, self._rules)

    def answer(self, collector: Any) -> Any:
        """Return None: a hunt tells findings only."""
        return

    def cover(self, coverage: Coverage, failed: Counter[tuple[int, str]]) -> None:
        """Tell what was looked for: indicators by file and kind, and every one that could not be."""
        found = Counter((item.origin, item.kind) for item in self._search.indicators)
        rules = coverage.rules
        searched = [RuleNote(SEARCH.id, SEARCH.title, self._search.told)] if self._search.told or not found else []
        rules.compiled = searched + [
            RuleNote(f"{path} {kind}", path, f"{count:,} of kind {kind}", path) for (path, kind), count in sorted(found.items())
        ]
        rules.unsupported = [RuleNote(item.where, item.what, item.reason, item.where) for item in self._indicators.unusable]
        for (_, reason), count in sorted(failed.items()):
            rules.failed.append(RuleNote(SEARCH.id, SEARCH.title, f"{reason} (on {count} event{'s' if count > 1 else ''})"))


def _found_by(database: hyperscan.Database, data: bytes) -> set[int]:
    hits: set[int] = set()
    database.scan(data, match_event_handler=lambda number, start, end, flags, context: hits.add(number))
    return hits


def _rule(number: int, search: Search) -> FoundRule:
    item = search.indicators[number]
    title = f"Indicator: {item.kind} {item.value}" + (f" ({item.name})" if item.name else "")
    return FoundRule(item.id, title, "high", "", (), "", (), item.origin)


class _Hunter(Collector):
    """Searches the events of one worker."""

    def __init__(self, take: Take, search: Search, rules: Sequence[FoundRule]) -> None:
        super().__init__(take)
        self._search = search
        self._rules = rules
        needles = search.needles
        self._demand = Demand((KEYWORDS,), needles, frozenset(), needles)
        self._screen: KeywordScreen | None = None
        self._cut_off, self._why = 0, ""

    def wants(self, gate: Gate, counted: bool) -> bool:
        """Leave out gates at which nothing may be found."""
        return self._search.may_see(gate)

    def look_at(self, records: Records, origin: Origin) -> None:
        """Search records: those that cannot hold a needle are never decoded."""
        rows: Sequence[int] = range(len(records.raws))
        if self._search.needles and records.decoder is not EVENTS:
            try:
                rows = self._suspects(records)
            except Exception as error:  # noqa: BLE001 - it becomes the outcome of the file that the records come from
                self.lose(origin, error, len(records.raws))
                return
        some = [records.raws[row] for row in rows], [records.numbers[row] for row in rows]
        super().look_at(Records(records.decoder, records.gate, *some, 0), origin)

    def _suspects(self, records: Records) -> list[int]:
        """Return the rows that may hold a needle."""
        if records.decoder is UNKNOWN:
            if not all(isinstance(raw, (bytes, str, memoryview)) for raw in records.raws):
                return list(range(len(records.raws)))
            self._screen = self._screen or KeywordScreen(self._search.needles)
            return sorted(self._screen.rows(records.raws))
        column = records.decoder.columns(records.gate, records.raws, self._demand).get(KEYWORDS)
        if column is None:
            return []
        held = [self._search.may_hold(decode(cell)) for cell in column.dictionary.to_pylist()]
        codes = column.indices.to_pylist()
        return [row for row, code in enumerate(codes) if code is not None and held[code]]

    def rows(self, reader: BlockSource) -> list[int]:
        """Return the rows of a block that may hold a needle."""
        found: list[int] = np.flatnonzero(reader.suspects(self._search.needles)).tolist()
        return found

    def look(self, event: Event, origin: Origin, record: int) -> None:
        """Search an event, and hand on every hit."""
        if self._cut_off >= _MOST_TIMEOUTS:
            self.failed[0, self._why] += 1
            return
        try:
            hits = self._search.hits(event)
        except RegexTimeout as error:
            self._cut_off, self._why = self._cut_off + 1, str(error)
            self.failed[0, self._why] += 1
            return
        for hit in hits:
            self._emit(hit, event, origin, record)

    def _emit(self, hit: Hit, event: Event, origin: Origin, record: int) -> None:
        gate: Gate = event.gate
        finding = Finding(
            rule=SEARCH if hit.indicator < 0 else self._rules[hit.indicator],
            time=event.time,
            host=event.host,
            logsource=_NO_LOGSOURCE,
            telemetry=gate.telemetry,
            twin=False,
            source=FoundSource(origin.label, origin.format, record),
            event=_shown(event),
            matched=hit.matched,
        )
        self.take(entry_of(finding, origin, gate.channel, scalar_text(event.fields.get("EventRecordID")) or ""))


def _shown(event: Event) -> Any:
    return msgspec.Raw(event.json) if event.json else event.original


__all__ = ["SEARCH", "Hunt"]
