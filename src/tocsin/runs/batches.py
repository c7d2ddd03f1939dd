"""From records to findings: rows of one gate are gathered over files, matched together, and explained when they match."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import msgspec
import pyarrow as pa

from tocsin.engine.executor import FastEngine
from tocsin.engine.interface import Fault, Match, Matches
from tocsin.errors import OutputError, RegexTimeout, RuleError, TocsinError
from tocsin.events import KEYWORDS, Brief, Event, EventBatch, Gate, batch_of
from tocsin.events.values import NULL_CELL, scalar_text
from tocsin.findings import Finding, FoundLogsource, FoundRule, FoundSource
from tocsin.kernels.block import SLOW, Rows
from tocsin.kernels.store import is_checked
from tocsin.plans.explain import matched
from tocsin.plans.expr import Plan
from tocsin.rules.logsource import views
from tocsin.rules.twins import see
from tocsin.rules.view import View
from tocsin.runs.collect import MatchCollector, Place
from tocsin.runs.collect_batches import BatchCollector
from tocsin.runs.collect_rows import RowAnswer, RowCollector
from tocsin.runs.site import FOUND_LOGSOURCE, SiteWatch, found_rule
from tocsin.sites.names import texts_of
from tocsin.sources.interface import EVENTS, BlockSource, Decoder, Records

if TYPE_CHECKING:
    from tocsin.engine.coded import CodedEngine

BATCH_BYTES: Final = 12 << 20
"""What is gathered before it is matched, over all gates, in bytes of memory."""
_ROW_BYTES: Final = 500
_EVENT_BYTES: Final = 3000
_GATES: Final = 4096
_OTHERS: Final = "(other channels)"
_REASONS: Final = 20_000
_EVENTS_AT_ONCE: Final = 256
_NOTHING: Final[Mapping[int, tuple[int, int]]] = {}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where records come from: the unit of work, the label, the format, the part of a divided file."""

    unit: int
    label: str
    format: str
    part: int = 0


@dataclass(slots=True)
class _Pending:
    decoder: Decoder
    gate: Gate
    raws: list[Any] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    origins: list[tuple[int, Origin]] = field(default_factory=list)

    def parts(self) -> list[tuple[int, Place]]:
        """Return where rows come from: last row plus one, and place."""
        return [(end, _place(origin)) for end, origin in self.origins]

    def origin(self, row: int) -> Origin:
        """Return where a row comes from."""
        return next(origin for end, origin in self.origins if row < end)

    def place(self, row: int) -> tuple[str, int, int]:
        """Return the path, part and number of a row."""
        origin = self.origin(row)
        return origin.label, origin.part, self.numbers[row]


@dataclass(slots=True)
class GateSeen:
    """What was seen of a gate: its events, and the fields that occurred of those that rules read.

    `looks` are second views of events that were counted elsewhere.
    """

    events: int = 0
    looks: int = 0
    fields: set[str] = field(default_factory=set)


Reason = dict[str, dict[str, list[str]]]


class _Coded(NamedTuple):
    """A reader of blocks, the engine for them, and where the rows come from: last row plus one, origin."""

    reader: BlockSource
    engine: CodedEngine
    origins: list[tuple[int, Origin]]


Emit = Callable[[Finding, Origin, str, str, str, int, Sequence[str]], None]
"""Takes a finding, where it comes from, the channel and the EventRecordID of its event, and the key of what is new in it; then
the number of the filter that suppresses it, or -1, and the texts of the event that may be addresses, where they are wanted."""


class Batcher:
    """Gathers records by gate and decoder, and hands each finding to `emit`.

    `failed` counts the events on which a rule could not be decided, by rule number and reason. With a site, findings name its
    assets, and what is new there is found too. With a collector, it keeps what correlations need. `taken` has the plans that
    match what a filter takes from a rule, by number: those of rule and filter; `texts` tells that those of events are wanted.
    """

    def __init__(
        self,
        engine: FastEngine,
        plans: Sequence[Plan],
        emit: Emit,
        site: SiteWatch | None = None,
        collector: MatchCollector | None = None,
        taken: Mapping[int, tuple[int, int]] = _NOTHING,
        texts: bool = False,
    ) -> None:
        self._engine = engine
        self._plans = plans
        self._emit = emit
        self._site = site
        self._collector = collector
        self._taken = taken
        self._texts = texts
        self._rows = RowCollector(collector, self._views) if collector and collector.takes_columns else None
        self._coded: dict[str, _Coded] = {}
        self._pending: dict[tuple[int, Gate], _Pending] = {}
        self._size_bytes = 0
        self.seen: dict[Gate, GateSeen] = {}
        self.failed: Counter[tuple[int, str]] = Counter()
        self.lost: list[tuple[Origin, str]] = []
        self._unseen: Counter[Origin] = Counter()
        self._rules = [_found_rule(plan) for plan in plans]
        self._logsources = [_found_logsource(plan) for plan in plans]
        self._reasons: dict[tuple[object, ...], dict[str, dict[str, list[str]]]] = {}

    def use(self, reader: BlockSource, engine: CodedEngine) -> None:
        """Take rows from a reader of blocks from now on."""
        self._coded[reader.name] = _Coded(reader, engine, [])

    def add_rows(self, reader: BlockSource, rows: Rows, origin: Origin) -> None:
        """Take rows of a reader's block; match the block when it is full. Rows that nobody took are no events."""
        coded = self._coded[reader.name]
        first, last = rows
        known = coded.origins[-1][0] if coded.origins else 0
        reader.block.row_flags[known:first] |= SLOW  # those of a stream that failed before they were told
        coded.origins.append((last, origin))
        if reader.block.is_full:
            self._match_block(coded)

    def add(self, records: Records, origin: Origin) -> None:
        """Take records; match what is gathered when it is enough."""
        gate = records.gate
        seen = self._seen(gate)
        if records.counted:
            seen.events += len(records.raws)
        else:
            seen.looks += len(records.raws)
        if not views(gate):
            self._unseen[origin] += len(records.raws) if records.counted else 0
            return
        pending = self._pending.setdefault((id(records.decoder), gate), _Pending(records.decoder, gate))
        pending.raws += records.raws
        pending.numbers += records.numbers
        pending.origins.append((len(pending.raws), origin))
        row_bytes = _EVENT_BYTES if records.decoder is EVENTS else _ROW_BYTES
        self._size_bytes += records.size_bytes + row_bytes * len(records.raws)
        if self._size_bytes >= BATCH_BYTES:
            self._flush_pending()

    def _seen(self, gate: Gate) -> GateSeen:
        """Return what was seen of a gate; events of ever new channels are counted together when there are very many."""
        if gate not in self.seen and len(self.seen) >= _GATES:
            gate = Gate(gate.product, _OTHERS, "")
        return self.seen.setdefault(gate, GateSeen())

    def tell(self) -> tuple[dict[Gate, GateSeen], Counter[tuple[int, str]], list[tuple[Origin, str]]]:
        """Return what was seen, failed and lost since the last time, and begin anew. To be called after `flush`."""
        for coded in self._coded.values():
            for gate, fields in coded.engine.seen_fields():
                if fields:
                    self._seen(gate).fields.update(fields)
        told = self.seen, self.failed, self.lost
        self.seen, self.failed, self.lost = {}, Counter(), []
        return told

    def tell_unseen(self) -> Counter[Origin]:
        """Return how many events that no rule can see came from where since the last time; to be called after `flush`."""
        told, self._unseen = self._unseen, Counter()
        return told

    def flush(self) -> None:
        """Match everything that is gathered."""
        for coded in self._coded.values():
            self._match_block(coded)
        self._flush_pending()

    def _flush_pending(self) -> None:
        pending, self._pending, self._size_bytes = self._pending, {}, 0
        for item in pending.values():
            for step in (self._match, self._look) if self._site else (self._match,):
                try:
                    step(item)
                except OutputError:
                    raise
                except Exception as error:  # noqa: BLE001 - it becomes the outcome of the files that the records came from
                    self._lose(item.origins, item.gate.telemetry, error)

    def _lose(self, origins: list[tuple[int, Origin]], what: str, error: Exception) -> None:
        begin = 0
        for end, origin in origins:
            reason = f"{end - begin} events of {what} could not be evaluated: {type(error).__name__}: {error}"
            self.lost.append((origin, reason))
            begin = end

    def _match(self, item: _Pending) -> None:
        plan = self._engine.gate_plan(item.gate)
        if not plan.views:
            return
        columns = item.decoder.columns(item.gate, item.raws, plan.demand)
        seen = self._seen(item.gate).fields
        seen.update(name for name, column in columns.items() if name not in seen and _occurs(column))
        batch = batch_of(item.gate, columns, len(item.raws), lambda row: _decode(item, row))
        answer = match_isolated(self._engine, self._plans, batch)
        for fault in answer.faults:
            self._fail(fault.rule, fault.error)
        self._keep(item, answer)
        self._explain(item, batch, answer)

    def _look(self, item: _Pending) -> None:
        """Find what is new at the site."""
        if self._site is None or not self._site.wants(item.gate):
            return
        for new in self._site.look(item.decoder, item.gate, item.raws, item.place, self._seen(item.gate).fields):
            event, origin = _decode(item, new.row), item.origin(new.row)
            finding = Finding(
                rule=found_rule(new.check),
                time=event.time,
                host=event.host,
                logsource=FOUND_LOGSOURCE,
                telemetry=item.gate.telemetry,
                twin=False,
                source=FoundSource(origin.label, origin.format, event.record),
                event=_shown(_brief(event), event),
                matched=new.why,
                assets=self._site.assets(event),
            )
            self._emit(finding, origin, item.gate.channel, _brief(event).record_id, new.key, -1, self._texts_of(event))

    def _match_block(self, coded: _Coded) -> None:
        """Match the rows of a block and clear it; rows that only the slow way can tell go that way, with their origin."""
        block = coded.reader.block
        try:
            answer = coded.engine.match()
            slow = answer.slow
        except Exception as error:  # the slow way tells which rule is at fault, and loses only that one
            if isinstance(error, IndexError) and is_checked():
                raise
            coded.engine.forget()
            answer, slow = None, [row for row in range(block.rows) if not block.row_flags[row] & SLOW]
        try:
            for origin, rows in _by_origin(slow, coded.origins):
                for records in coded.reader.records(rows):
                    self.add(records, origin)
            if answer:
                for gate, count in answer.events.items():
                    self._seen(gate).events += count
                self._emit_rows(coded, answer.found)
        except OutputError:
            raise
        except Exception as error:  # noqa: BLE001 - it becomes the outcome of the files that the rows came from
            self._lose(coded.origins, "these files", error)
        coded.origins.clear()
        block.clear()

    def _views(self, gate: Gate) -> list[View]:
        return [view.view for view in self._engine.gate_plan(gate).views]

    def _emit_rows(self, coded: _Coded, found: list[RowAnswer]) -> None:
        kept: set[int] = set()
        if self._rows and found:
            parts = [(end, _place(origin)) for end, origin in coded.origins]
            kept, done = self._rows.keep(coded.reader, found, parts)
            found = [answer for answer in found if answer[0] not in done]
        origins = iter(coded.origins)
        end, origin = next(origins, (0, None))
        for answer, brief in _with_briefs(coded.reader, found, whole=self._site is not None or self._texts):
            while answer[0] >= end:
                end, origin = next(origins)
            collector = None if answer[0] in kept else self._collector
            self._emit_row(coded.reader, answer, brief, cast(Origin, origin), collector)

    def _emit_row(
        self, reader: BlockSource, answer: RowAnswer, brief: Brief | None, origin: Origin, collector: MatchCollector | None
    ) -> None:
        """Emit what was found in a row; a collector keeps it too."""
        row, gate, found = answer
        event = None if brief else reader.events([row])[0]
        for number, view in enumerate(self._engine.gate_plan(gate).views):
            rules, faults = found.answers[number]
            for rule in rules:
                if collector and collector.wants(rule):
                    event = event or reader.events([row])[0]
                    self._collect(collector, rule, see(event, view.view), origin)
                if self._collector and not self._collector.reports(rule):
                    continue
                reason = found.reasons.get((number, rule))
                if reason is None:
                    event = event or reader.events([row])[0]
                    reason = self._reason(rule, see(event, view.view))
                    if (number, rule) in found.decided:
                        found.reasons[number, rule] = reason
                told = brief or _brief(cast(Event, event))
                self._emit_match(rule, view.view, gate, told, event, reason, origin)
            for rule, error in faults:
                self._fail(rule, error)

    def _fail(self, rule: int, error: Exception) -> None:
        """Count an event on which a rule could not be decided, or not what a filter takes from it."""
        if rule in self._taken:
            self.failed[(self._taken[rule][0], f"what a filter suppresses was not counted: {error}")] += 1
        else:
            self.failed[(rule, str(error))] += 1

    def _keep(self, item: _Pending, answer: Matches) -> None:
        """Keep what correlations need of the rows that the engine told together."""
        if self._collector and answer.kept:
            batches = BatchCollector(self._collector, item.decoder, item.gate, self._views(item.gate))
            batches.keep(item.raws, item.numbers, answer.kept, item.parts(), lambda row: _decode(item, row))

    def _explain(self, item: _Pending, batch: EventBatch, answer: Matches) -> None:
        row, event = -1, None
        gate_views = self._views(item.gate)
        for match in answer.found:
            if match.row != row or event is None:
                row, event = match.row, batch.decode(match.row)
            view = gate_views[match.view]
            seen = see(event, view)
            collector = self._collector if self._collector and self._collector.wants(match.rule) else None
            if collector and not answer.keeps:
                self._collect(collector, match.rule, seen, item.origin(row))
            if collector and not collector.reports(match.rule):
                continue
            reason = self._reason(match.rule, seen)
            told = _brief(event)
            self._emit_match(match.rule, view, event.gate, told, event, reason, item.origin(row))

    @staticmethod
    def _collect(collector: MatchCollector, rule: int, event: Event, origin: Origin) -> None:
        """Keep a matched event for correlations."""
        collector.add(rule, event, _place(origin), event.record)

    def _emit_match(
        self, rule: int, view: View, gate: Gate, told: Brief, event: Event | None, reason: Reason, origin: Origin
    ) -> None:
        finding = Finding(
            rule=self._rules[rule],
            time=told.time,
            host=told.host,
            logsource=self._logsources[rule],
            telemetry=gate.telemetry,
            twin=view.twin,
            source=FoundSource(origin.label, origin.format, told.record),
            event=_shown(told, event),
            matched=reason,
            assets=self._site.assets(event) if self._site and event else msgspec.UNSET,
        )
        by = self._taken[rule][1] if rule in self._taken else -1
        self._emit(finding, origin, gate.channel, told.record_id, "", by, self._texts_of(event))

    def _texts_of(self, event: Event | None) -> Sequence[str]:
        return tuple(texts_of(event)) if self._texts and event else ()

    def _reason(self, rule: int, event: Event) -> dict[str, dict[str, list[str]]]:
        """Return why a rule matched; empty, and told as a failure of the rule, when a test of it is cut off."""
        try:
            return self._matched(rule, event)
        except RegexTimeout as error:
            self._fail(rule, error)
            return {}

    def _matched(self, rule: int, event: Event) -> dict[str, dict[str, list[str]]]:
        """Return why a rule matched; remembered for events that are the same in all fields that it reads."""
        plan = self._plans[rule]
        found = [event.fields.get(name) for name in plan.fields]
        nested = KEYWORDS in plan.fields or any("." in name for name in plan.fields)
        if nested or not all(value is None or type(value) is str for value in found):
            return matched(plan, event)
        key = (rule, *found)
        known = self._reasons.get(key)
        if known is None:
            if len(self._reasons) >= _REASONS:
                self._reasons.clear()
            known = self._reasons[key] = matched(plan, event)
        return known


def _with_briefs(reader: BlockSource, found: list[RowAnswer], whole: bool) -> Iterator[tuple[RowAnswer, Brief | None]]:
    """Yield what was found with what a finding needs of the event, which is made for a few rows at a time.

    With `whole` nothing is made: the whole event is needed, for the assets and addresses that it names.
    """
    if whole:
        yield from ((answer, None) for answer in found)
        return
    for at in range(0, len(found), _EVENTS_AT_ONCE):
        some = found[at : at + _EVENTS_AT_ONCE]
        yield from zip(some, reader.briefs([row for row, _, _ in some]), strict=True)


def _shown(told: Brief, event: Event | None) -> Any:
    return msgspec.Raw(told.json) if told.json or event is None else event.original


def _brief(event: Event) -> Brief:
    number = scalar_text(event.fields.get("EventRecordID")) or ""
    return Brief(event.time, event.host, event.record, number, event.json)


def _place(origin: Origin) -> Place:
    return Place(origin.unit, origin.label, origin.format, origin.part)


def _by_origin(rows: list[int], origins: list[tuple[int, Origin]]) -> Iterator[tuple[Origin, list[int]]]:
    """Yield each origin with its share of rows, which are in order."""
    begin = 0
    for end, origin in origins:
        last = bisect_left(rows, end, begin)
        if last > begin:
            yield origin, rows[begin:last]
        begin = last


def _occurs(column: pa.DictionaryArray) -> bool:
    """Tell whether some row has a value that is not null."""
    values = column.dictionary
    return len(values) > 1 or (len(values) == 1 and values[0].as_py() != NULL_CELL)


def _decode(item: _Pending, row: int) -> Event:
    return item.decoder.event(item.gate, item.raws[row], item.numbers[row])


def _found_rule(plan: Plan) -> FoundRule:
    meta = plan.meta
    return FoundRule(meta.id, meta.title, meta.level, meta.status, meta.tags, meta.author, meta.references, meta.path)


def _found_logsource(plan: Plan) -> FoundLogsource:
    return FoundLogsource(plan.logsource.product, plan.logsource.category, plan.logsource.service)


def match_isolated(engine: FastEngine, plans: Sequence[Plan], batch: EventBatch) -> Matches:
    """Match a batch; when a rule breaks the engine, match rule by rule so that only that one is lost, and named."""
    try:
        return engine.match(batch)
    except Exception:  # noqa: BLE001 - one bad rule must not take the others with it
        return _one_by_one(engine, plans, batch)


def _one_by_one(engine: FastEngine, plans: Sequence[Plan], batch: EventBatch) -> Matches:
    whole = Matches()
    places = {id(found.view): at for at, found in enumerate(engine.gate_plan(batch.gate).views)}
    for number, plan in enumerate(plans):
        single = FastEngine([plan])
        try:
            answer = single.match(batch)
        except Exception as error:  # noqa: BLE001 - it becomes the rule's outcome
            whole.faults.extend(Fault(row, number, _failure(plan, error)) for row in range(batch.rows))
            continue
        seen = [places[id(found.view)] for found in single.gate_plan(batch.gate).views]
        whole.found.extend(Match(match.row, number, seen[match.view]) for match in answer.found)
        whole.faults.extend(Fault(fault.row, number, fault.error) for fault in answer.faults)
    whole.found.sort()
    return whole


def _failure(plan: Plan, error: Exception) -> TocsinError:
    return RuleError("E002", f"rule {plan.meta.title!r} failed: {type(error).__name__}: {error}")


__all__ = ["BATCH_BYTES", "Batcher", "GateSeen", "Origin", "match_isolated"]
