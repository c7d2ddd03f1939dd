"""One event, fully decoded: what a finding shows and what the reference matcher reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tocsin.events.gate import Gate
from tocsin.events.values import find, walk_scalars


class Brief(NamedTuple):
    """What a finding needs of an event beside why it matched.

    `time`, `host` and `record` are those of the event, `record_id` the text of its EventRecordID, `json` the event as read,
    as one line of JSON.
    """

    time: str
    host: str
    record: int
    record_id: str
    json: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """An event under the field names that rules use.

    `fields` has Sigma's names (System's, EventData's, XML attributes joined with `_`); `original` is the event as read;
    `text` the raw line of a text log, else empty; `json` the original as one line of JSON where the source has it so;
    `time` RFC 3339 in UTC, empty when unknown; `record` the event record
    id of EVTX, otherwise the 1-based line or row. `native` are the fields of the event itself where `fields` are those that a
    view shows.
    """

    gate: Gate
    fields: Mapping[str, Any]
    original: Mapping[str, Any]
    time: str = ""
    host: str = ""
    record: int = 0
    text: str = ""
    json: bytes = b""
    native: Mapping[str, Any] | None = None

    def find(self, name: str) -> tuple[bool, object]:
        """Return whether a field is present, and its value (semantics 21)."""
        return find(self.fields, name)

    def values(self) -> Iterator[str]:
        """Yield every value of the event itself, and the raw line of a text log: what keywords search (semantics 8)."""
        yield from walk_scalars(self.fields if self.native is None else self.native)
        if self.text:
            yield self.text


__all__ = ["Brief", "Event"]
