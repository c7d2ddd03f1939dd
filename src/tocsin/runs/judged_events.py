"""The events of findings, evaluated again: as a finding keeps them, or read once more from the evidence.

A finding keeps an event as it was read. Events of Windows, of JSON and of Zeek are understood from that alone; those of text
logs are not, since their line is not kept, and are read from the evidence. Either way the rule must match what was got:
otherwise it is not the event of the finding.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from tocsin.engine import reference
from tocsin.engine.executor import FastEngine
from tocsin.errors import RuleError, SourceError, TuningError, UsageError
from tocsin.events import Event, batch_of
from tocsin.events.time import today
from tocsin.plans.explain import holds
from tocsin.plans.expr import Plan
from tocsin.rules.filters import has_expired
from tocsin.rules.logsource import admits, views
from tocsin.rules.parse import parse_text
from tocsin.rules.rule import Filter, Rule
from tocsin.rules.twins import see
from tocsin.runs.evidence import WINDOW, stream_events
from tocsin.runs.marks import Judged, Place
from tocsin.runs.ruleset import RuleFile, load_rules
from tocsin.sources.containers import Limits, open_streams
from tocsin.sources.interface import EVENTS, Loss, Stream
from tocsin.tuning import Sample, sample_of

_MEMBER = "!/"


class Judge:
    """A rule as both engines evaluate it, with the filters that are loaded beside it.

    Raises: TuningError T003 when the rule cannot be used.
    """

    def __init__(self, rule_id: str, files: Sequence[RuleFile], placeholders: Mapping[str, Sequence[str]]) -> None:
        self._files = files
        self._id = rule_id
        self._placeholders = placeholders
        loaded = load_rules(files, placeholders)
        plans = [plan for plan in loaded.plans if plan.meta.id == rule_id]
        if not plans:
            reason = next((item.note.reason for item in loaded.rejected if item.note.id == rule_id), "")
            raise TuningError("T003", f"rule {rule_id} cannot be used: {reason or 'it is not among the rules'}")
        self.plan: Plan = plans[0]
        parsed = [item for file in files for _, item in parse_text(file.text, file.label)]
        self._rule = next(item for item in parsed if isinstance(item, Rule) and item.meta.id == rule_id)
        self._filters = [item for item in parsed if isinstance(item, Filter) and not has_expired(item.expires, today())]
        self._engine = FastEngine([self.plan])

    def with_filter(self, file: RuleFile) -> Judge:
        """Return the same rule with one filter more. Raises: TuningError T006 when the filter is none."""
        rejected = [
            item for item in load_rules([*self._files, file], self._placeholders).rejected if item.note.path == file.label
        ]
        if rejected:
            raise TuningError("T006", f"the filter cannot be used: {rejected[0].note.reason}")
        try:
            return Judge(self._id, [*self._files, file], self._placeholders)
        except TuningError as error:
            raise TuningError("T006", f"with the filter, {error.message}") from error

    def matches(self, event: Event) -> bool:
        """Tell whether the rule matches an event. Raises: TuningError T006 when the engines do not agree."""
        columns = EVENTS.columns(event.gate, [event], self._engine.gate_plan(event.gate).demand)
        answer = self._engine.match(batch_of(event.gate, columns, 1, partial(_itself, event)))
        if answer.faults:
            raise TuningError("T006", f"rule {self._id} could not be decided: {answer.faults[0].error}")
        slow = reference.matches(self._rule, event, self._placeholders, self._filters)
        if slow != bool(answer.found):
            raise TuningError("T006", f"the engines do not agree on rule {self._id}", hint="report it as a fault of Tocsin")
        return slow

    def samples(self, event: Event) -> list[Sample]:
        """Return the event as each view shows it in which the rule matches."""
        seen = [see(event, view) for view in views(event.gate) if admits(view, self.plan.logsource)]
        return [sample_of(shown) for shown in seen if holds(self.plan, shown)]


def _itself(event: Event, row: int) -> Event:
    return event


def kept_events(finding: Judged) -> list[Event]:
    """Return what can be understood of the event that a finding keeps: events of the finding's telemetry."""
    try:
        found = list(stream_events(Stream(io.BytesIO(bytes(finding.event) + b"\n"), finding.source.path)))
    except SourceError:
        return []
    return [event for event in found if isinstance(event, Event) and event.gate.telemetry == finding.telemetry]


def file_of(path: str) -> Path:
    """Return the file in which the source of a finding lies: for a member of an archive, the archive."""
    return Path(path if Path(path).is_file() else path.partition(_MEMBER)[0])


def evidence_events(places: Iterable[Place], passwords: Sequence[str]) -> Iterator[tuple[str, Event]]:
    """Yield the events of the evidence that have one of the places, each with the path of its source."""
    wanted: dict[Path, dict[str, set[int]]] = {}
    for place in places:
        wanted.setdefault(file_of(place.path), {}).setdefault(place.path, set()).add(place.record)
    for file, sources in sorted(wanted.items()):
        if not file.is_file():
            continue
        for stream in open_streams(file, str(file), Limits(), passwords):
            if isinstance(stream, Loss) or stream.label not in sources:
                continue
            try:
                yield from ((stream.label, event) for event in _of_records(stream, sources[stream.label]))
            except (SourceError, RuleError, UsageError):
                continue  # what is missing is told by whoever asked


def _of_records(stream: Stream, records: set[int]) -> Iterator[Event]:
    """Yield the events of a stream with some records; what lies far behind the last of them is not read."""
    left, end = set(records), max(records) + 2 * WINDOW
    for item in stream_events(stream):
        if isinstance(item, Event):
            if item.record in records:
                left.discard(item.record)
                yield item
            elif not left and item.record > end:
                return


__all__ = ["Judge", "evidence_events", "file_of", "kept_events"]
