"""Statistics over all events of a scan: each worker counts, and what they counted is joined."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tocsin.events import Event, Gate
from tocsin.findings import Coverage
from tocsin.inquiries.statistics import Statistics
from tocsin.runs.batches import Origin
from tocsin.runs.inquiry import Collector, Take


class StatisticsInquiry:
    """Statistics as an inquiry: every event is counted, nothing is found."""

    fast_formats: frozenset[str] = frozenset()

    def prepare(self, fast: bool) -> None:
        """Do nothing."""

    def collector(self, take: Take) -> Collector:
        """Return what counts the events of one worker."""
        return _Counting(take)

    def answer(self, collector: Any) -> Statistics:
        """Return what was counted since the last time."""
        found: Statistics = collector.statistics
        collector.statistics = Statistics()
        return found

    def cover(self, coverage: Coverage, failed: Counter[tuple[int, str]]) -> None:
        """Add nothing: what could not be read is told already."""


class _Counting(Collector):
    """Counts the events of one worker; second views of an event are not counted again."""

    def __init__(self, take: Take) -> None:
        super().__init__(take)
        self.statistics = Statistics()

    def wants(self, gate: Gate, counted: bool) -> bool:
        """Leave second views out."""
        return counted

    def look(self, event: Event, origin: Origin, record: int) -> None:
        """Count an event."""
        self.statistics.add(event)


def joined(answers: list[Any]) -> Statistics:
    """Return what all workers counted together."""
    whole = Statistics()
    for answer in answers:
        whole.merge(answer)
    return whole


__all__ = ["StatisticsInquiry", "joined"]
