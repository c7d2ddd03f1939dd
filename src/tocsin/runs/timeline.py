"""The timeline of a scan: every event that says that something happened becomes a row, rows are sorted as findings are."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tocsin.events import Event, Gate
from tocsin.events.values import scalar_text
from tocsin.findings import Coverage
from tocsin.inquiries.activities import Activity, activity_of, tells
from tocsin.runs.batches import Origin
from tocsin.runs.inquiry import Collector, Take
from tocsin.runs.spool import Entry

_LOGGED: Final = "Event Logged"
_encode: Final = msgspec.json.Encoder().encode


class TimelineInquiry:
    """A timeline as an inquiry. `hosts` and `kinds` limit it; empty: all of them."""

    fast_formats: frozenset[str] = frozenset()

    def __init__(self, hosts: Sequence[str] = (), kinds: Sequence[str] = ()) -> None:
        self._hosts = frozenset(host.casefold() for host in hosts)
        self._kinds = frozenset(kinds)

    def prepare(self, fast: bool) -> None:
        """Do nothing."""

    def collector(self, take: Take) -> Collector:
        """Return what looks at the events of one worker."""
        return _Teller(take, self._hosts, self._kinds)

    def answer(self, collector: Any) -> int:
        """Return how many activities have no time since the last time this was asked."""
        found: int = collector.untimed
        collector.untimed = 0
        return found

    def cover(self, coverage: Coverage, failed: Counter[tuple[int, str]]) -> None:
        """Add nothing: what could not be read is told already."""


class _Teller(Collector):
    """Makes the rows of one worker."""

    def __init__(self, take: Take, hosts: frozenset[str], kinds: frozenset[str]) -> None:
        super().__init__(take)
        self._hosts = hosts
        self._kinds = kinds
        self.untimed = 0

    def wants(self, gate: Gate, counted: bool) -> bool:
        """Leave out what tells of nothing."""
        return tells(gate)

    def look(self, event: Event, origin: Origin, record: int) -> None:
        """Hand on the row of an event."""
        if self._hosts and not self._hosts & {event.host.casefold(), event.host.casefold().partition(".")[0]}:
            return
        found = activity_of(event)
        if found is None or (self._kinds and found.kind not in self._kinds):
            return
        if not event.time:
            self.untimed += 1
            return
        self.take(_entry(found, event, origin, record))


def _entry(found: Activity, event: Event, origin: Origin, record: int) -> Entry:
    """Return the row as an entry: the JSON of a row in the form that Timesketch imports, in two halves."""
    row = {
        "datetime": event.time.replace("Z", "+00:00"),
        "timestamp_desc": _LOGGED,
        "message": found.what,
        "kind": found.kind,
        "host": event.host,
        "user": found.user,
        "decoded": list(found.decoded),
        "telemetry": event.gate.telemetry,
        "source": origin.label,
    }
    head = _encode(row)[:-1] + b',"record":'
    own = scalar_text(event.fields.get("EventRecordID")) or hashlib.blake2b(head, digest_size=16).hexdigest()
    return Entry(
        time=event.time,
        path=origin.label,
        part=origin.part,
        record=record,
        rule_id=found.kind,
        head=head,
        tail=b"}",
        unit=origin.unit,
        level="informational",
        title=found.kind,
        host=event.host,
        tags=(),
        same=(found.kind, event.host, event.gate.channel, own),
    )


__all__ = ["TimelineInquiry"]
