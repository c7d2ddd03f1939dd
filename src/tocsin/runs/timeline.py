"""The timeline of a scan: every event that says that something happened becomes a row, rows are sorted as findings are."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tocsin.errors import UsageError
from tocsin.events import Event, Gate
from tocsin.events.values import scalar_text
from tocsin.findings import Coverage
from tocsin.findings.reading import FindingsFile
from tocsin.incidents import join
from tocsin.inquiries.activities import Activity, activity_of, tells
from tocsin.rules.yaml_maps import near
from tocsin.runs.batches import Origin
from tocsin.runs.inquiry import Collector, Take
from tocsin.runs.spool import Entry

FINDING: Final = "finding"
"""The kind of an event that a rule found and that tells of no activity by itself."""
_LISTED: Final = 5
_LOGGED: Final = "Event Logged"
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Around:
    """An incident that a timeline is about: its hosts, its time, and what was found on which event, by path and record."""

    hosts: tuple[str, ...]
    first: str
    last: str
    found: Mapping[tuple[str, int], tuple[str, ...]]


def around_incident(findings: FindingsFile, wanted: str) -> Around:
    """Return what is known of an incident of a file of findings, by its id.

    Raises: UsageError U002 when there is none, or it has no time; SourceError when the findings cannot be read.
    """
    joined = join(findings).incidents
    incident = next((item for item in joined if item.id.casefold() == wanted.casefold()), None)
    if incident is None:
        listed = ", ".join(item.id for item in joined[:_LISTED]) or "no incident"
        hint = near(wanted, [item.id for item in joined]) or f"'tocsin incidents {findings.path}' lists them: {listed}"
        raise UsageError("U002", f"there is no incident {wanted} in {findings.path}", hint=hint)
    if not incident.first:
        raise UsageError("U002", f"nothing of the incident {incident.id} has a time", hint="give --around or --since")
    numbers = {member.number for member in incident.members}
    found: dict[tuple[str, int], tuple[str, ...]] = {}
    for number, item in enumerate(findings, 1):
        if number in numbers:
            place = item.source.path, item.source.record
            found[place] = (*found.get(place, ()), item.rule.title)
    return Around(incident.hosts, incident.first, incident.last, found)


class TimelineInquiry:
    """A timeline as an inquiry. `hosts` and `kinds` limit it; empty: all of them.

    `found` holds titles of findings by path and record: their events are told whatever their host and kind.
    """

    fast_formats: frozenset[str] = frozenset()

    def __init__(
        self,
        hosts: Sequence[str] = (),
        kinds: Sequence[str] = (),
        found: Mapping[tuple[str, int], tuple[str, ...]] | None = None,
    ) -> None:
        self._hosts = frozenset(host.casefold() for host in hosts)
        self._kinds = frozenset(kinds)
        self._found = found or {}

    def prepare(self, fast: bool) -> None:
        """Do nothing."""

    def collector(self, take: Take) -> Collector:
        """Return what looks at the events of one worker."""
        return _Teller(take, self._hosts, self._kinds, self._found)

    def answer(self, collector: Any) -> int:
        """Return how many activities have no time since the last time this was asked."""
        found: int = collector.untimed
        collector.untimed = 0
        return found

    def cover(self, coverage: Coverage, failed: Counter[tuple[int, str]]) -> None:
        """Add nothing: what could not be read is told already."""


class _Teller(Collector):
    """Makes the rows of one worker."""

    def __init__(
        self,
        take: Take,
        hosts: frozenset[str],
        kinds: frozenset[str],
        found: Mapping[tuple[str, int], tuple[str, ...]],
    ) -> None:
        super().__init__(take)
        self._hosts = hosts
        self._kinds = kinds
        self._found = found
        self.untimed = 0

    def wants(self, gate: Gate, counted: bool) -> bool:
        """Leave out what tells of nothing."""
        return tells(gate) or bool(self._found)

    def look(self, event: Event, origin: Origin, record: int) -> None:
        """Hand on the row of an event."""
        titles = self._found.get((origin.label, record), ())
        if not titles and self._hosts and not self._hosts & {event.host.casefold(), event.host.casefold().partition(".")[0]}:
            return
        found = activity_of(event) or (Activity(FINDING, "; ".join(titles), "") if titles else None)
        if found is None or (self._kinds and found.kind not in self._kinds and not titles):
            return
        if not event.time:
            self.untimed += 1
            return
        self.take(_entry(found, titles, event, origin, record))


def _entry(found: Activity, titles: Sequence[str], event: Event, origin: Origin, record: int) -> Entry:
    """Return the row as an entry: the JSON of a row in the form that Timesketch imports, in two halves."""
    row = {
        "datetime": event.time.replace("Z", "+00:00"),
        "timestamp_desc": _LOGGED,
        "message": found.what,
        "kind": found.kind,
        "host": event.host,
        "user": found.user,
        "decoded": list(found.decoded),
        "findings": list(titles),
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


__all__ = ["FINDING", "Around", "TimelineInquiry", "around_incident"]
