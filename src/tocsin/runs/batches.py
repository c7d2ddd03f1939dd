"""From records to findings: rows of one gate are gathered over files, matched together, and explained when they match."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tocsin.engine.executor import FastEngine
from tocsin.engine.interface import Fault, Match, Matches
from tocsin.errors import OutputError, RegexTimeout, RuleError, TocsinError
from tocsin.events import KEYWORDS, Event, EventBatch, Gate, batch_of
from tocsin.findings import Finding, FoundLogsource, FoundRule, FoundSource
from tocsin.plans.explain import matched
from tocsin.plans.expr import Plan
from tocsin.rules.logsource import views
from tocsin.rules.twins import see
from tocsin.sources.interface import EVENTS, Decoder, Records

BATCH_BYTES: Final = 12 << 20
"""What is gathered before it is matched, over all gates, in bytes of memory."""
_ROW_BYTES: Final = 500
_EVENT_BYTES: Final = 3000
_GATES: Final = 4096
_OTHERS: Final = "(other channels)"
_REASONS: Final = 20_000


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

    def origin(self, row: int) -> Origin:
        """Return where a row comes from."""
        return next(origin for end, origin in self.origins if row < end)


@dataclass(slots=True)
class GateSeen:
    """What was seen of a gate: its events, and the fields that occurred of those that rules read."""

    events: int = 0
    fields: set[str] = field(default_factory=set)


Emit = Callable[[Finding, Origin, Event], None]


class Batcher:
    """Gathers records by gate and decoder, and hands each finding to `emit`.

    `failed` counts the events on which a rule could not be decided, by rule number and reason.
    """

    def __init__(self, engine: FastEngine, plans: Sequence[Plan], emit: Emit) -> None:
        self._engine = engine
        self._plans = plans
        self._emit = emit
        self._pending: dict[tuple[int, Gate], _Pending] = {}
        self._size_bytes = 0
        self.seen: dict[Gate, GateSeen] = {}
        self.failed: Counter[tuple[int, str]] = Counter()
        self.lost: list[tuple[Origin, str]] = []
        self._rules = [_found_rule(plan) for plan in plans]
        self._logsources = [_found_logsource(plan) for plan in plans]
        self._reasons: dict[tuple[object, ...], dict[str, dict[str, list[str]]]] = {}

    def add(self, records: Records, origin: Origin) -> None:
        """Take records; match what is gathered when it is enough."""
        gate = records.gate
        if records.counted:
            self._seen(gate).events += len(records.raws)
        if not views(gate):
            return
        pending = self._pending.setdefault((id(records.decoder), gate), _Pending(records.decoder, gate))
        pending.raws += records.raws
        pending.numbers += records.numbers
        pending.origins.append((len(pending.raws), origin))
        row_bytes = _EVENT_BYTES if records.decoder is EVENTS else _ROW_BYTES
        self._size_bytes += records.size_bytes + row_bytes * len(records.raws)
        if self._size_bytes >= BATCH_BYTES:
            self.flush()

    def _seen(self, gate: Gate) -> GateSeen:
        """Return what was seen of a gate; events of ever new channels are counted together when there are very many."""
        if gate not in self.seen and len(self.seen) >= _GATES:
            gate = Gate(gate.product, _OTHERS, "")
        return self.seen.setdefault(gate, GateSeen())

    def tell(self) -> tuple[dict[Gate, GateSeen], Counter[tuple[int, str]], list[tuple[Origin, str]]]:
        """Return what was seen, failed and lost since the last time, and begin anew. To be called after `flush`."""
        told = self.seen, self.failed, self.lost
        self.seen, self.failed, self.lost = {}, Counter(), []
        return told

    def flush(self) -> None:
        """Match everything that is gathered."""
        pending, self._pending, self._size_bytes = self._pending, {}, 0
        for item in pending.values():
            try:
                self._match(item)
            except OutputError:
                raise
            except Exception as error:  # noqa: BLE001 - it becomes the outcome of the files that the records came from
                self._lose(item, error)

    def _lose(self, item: _Pending, error: Exception) -> None:
        begin = 0
        for end, origin in item.origins:
            reason = f"{end - begin} events of {item.gate.telemetry} could not be evaluated: {type(error).__name__}: {error}"
            self.lost.append((origin, reason))
            begin = end

    def _match(self, item: _Pending) -> None:
        plan = self._engine.gate_plan(item.gate)
        if not plan.views:
            return
        columns = item.decoder.columns(item.gate, item.raws, plan.demand)
        seen = self._seen(item.gate).fields
        seen.update(name for name, column in columns.items() if name not in seen and column.null_count < len(column))
        batch = batch_of(item.gate, columns, len(item.raws), lambda row: _decode(item, row))
        answer = match_isolated(self._engine, self._plans, batch)
        for fault in answer.faults:
            self.failed[(fault.rule, str(fault.error))] += 1
        self._explain(item, batch, answer)

    def _explain(self, item: _Pending, batch: EventBatch, answer: Matches) -> None:
        row, event = -1, None
        gate_views = [view.view for view in self._engine.gate_plan(item.gate).views]
        for match in answer.found:
            if match.row != row or event is None:
                row, event = match.row, batch.decode(match.row)
            origin = item.origin(row)
            view = gate_views[match.view]
            finding = Finding(
                rule=self._rules[match.rule],
                time=event.time,
                host=event.host,
                logsource=self._logsources[match.rule],
                telemetry=event.gate.telemetry,
                twin=view.twin,
                source=FoundSource(origin.label, origin.format, event.record),
                event=msgspec.Raw(event.json) if event.json else event.original,
                matched=self._reason(match.rule, see(event, view)),
            )
            self._emit(finding, origin, event)

    def _reason(self, rule: int, event: Event) -> dict[str, dict[str, list[str]]]:
        """Return why a rule matched; empty, and told as a failure of the rule, when a test of it is cut off."""
        try:
            return self._matched(rule, event)
        except RegexTimeout as error:
            self.failed[(rule, str(error))] += 1
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
