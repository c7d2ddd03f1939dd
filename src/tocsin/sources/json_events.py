"""The events that one JSON object tells: one, as many as its list holds, or the one that Splunk wraps as raw text.

An object of a known shape is one event. Otherwise it may be a container, such as the answer of a search or an export:
`{"results": [...]}`, `{"hits": {"hits": [...]}}`, `{"Records": [...]}`; every element is then an event with the line of
the container. Or it has the original in `_raw`: an XML event of Windows, or a line of syslog or auditd where
`sourcetype` says so. Or a collector put it into a key such as `message`, as an object or as its JSON text. All others are
plain events.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import pyarrow as pa

from tocsin.errors import SourceError
from tocsin.events import Demand, Event, Gate
from tocsin.events.time import normal_time
from tocsin.events.values import scalar_text
from tocsin.sources.auditd import parse_record
from tocsin.sources.json_audits import audit_shape
from tocsin.sources.json_macos import macos_shape
from tocsin.sources.json_shapes import SHAPE_KEYS, WRAPPERS, Object, plain_event, shaped_event, unwrap
from tocsin.sources.json_text import load_object
from tocsin.sources.syslog import line_event
from tocsin.sources.text import Line
from tocsin.sources.xml import parse_event

_CONTAINERS: Final = ("results", "hits", "Records", "Events")
"""Keys whose list is always one of events."""
_MAYBE_CONTAINERS: Final = ("records", "events", "value", "items", "logs", "entries", "data", "logEvents")
"""Keys whose list is one of events when one of its first elements has a known shape."""
_TABLES: Final = "tables"
"""The key of an answer of Log Analytics: its tables have the names of columns apart from the rows."""
_CARRIERS: Final = ("message", "@message", "_raw", "detail", "CloudTrailEvent", "AuditData", "eventMessage", "log", "RawData")
"""Keys under which collectors put the object or the JSON text of an event: queues, log groups, answers of an interface."""
_CARRIER_KEYS: Final = frozenset(_CARRIERS)
_LOOKED_AT: Final = 8
_HOLDERS: Final = frozenset((*_CONTAINERS, *_MAYBE_CONTAINERS, _TABLES, "_raw", *WRAPPERS))
_TELLING: Final = SHAPE_KEYS | _HOLDERS
_AUDITD: Final = frozenset({"linux_audit", "linux:audit", "auditd"})
_SYSLOG: Final = frozenset({"syslog", "linux_secure", "linux_messages_syslog", "linux:syslog"})


def json_events(found: Object, number: int, own_record: bool = False) -> Iterator[Event | Object | SourceError]:
    """Yield the events of one JSON object, and what cannot be read of it; a plain event as the object that it is.

    Their record is `number`, the 1-based line; with `own_record` the EventRecordID where there is one.
    """
    event = shaped_event(found, number, own_record) or _carried(found, number)
    if event:
        yield event
        return
    if _HOLDERS.isdisjoint(found):
        yield found
        return
    name, elements = _contained(found)
    if not name:
        yield from _single(found, number)
        return
    for place, element in enumerate(elements, 1):
        if isinstance(element, dict):
            event = shaped_event(element, number, own_record) or _carried(element, number)
            yield from (event,) if event else _single(element, number)
        else:
            yield SourceError("F006", f"element {place} of {name!r} is no object but {type(element).__name__}")


def is_unknown(found: Object) -> bool:
    """Tell from the keys alone that an object is one plain event; False when it takes more to know."""
    if not _TELLING.isdisjoint(found):
        return False
    return _CARRIER_KEYS.isdisjoint(found) or not any(_carries(found.get(name)) for name in _CARRIERS)


def _carries(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, str) and value.startswith("{"))


def _carried(found: Object, number: int) -> Event | None:
    """Return the event of an audit log or of macOS that an object carries; what a finding shows is the object."""
    inner = unwrap(found)
    if "event" not in inner and _CARRIER_KEYS.isdisjoint(inner):
        return None
    ecs = inner.get("event")
    texts = [*(inner.get(name) for name in _CARRIERS), ecs.get("original") if isinstance(ecs, dict) else None]
    for carried in map(_object_in, texts):
        event = (audit_shape(carried, found, number) or macos_shape(carried, found, number)) if carried else None
        if event:
            time = event.time or next((time for key in _CARRIER_TIMES if (time := normal_time(inner.get(key)))), "")
            return replace(event, time=time)
    return None


def _object_in(value: object) -> Object | None:
    if isinstance(value, dict):
        return value
    if not isinstance(value, str) or not value.startswith("{"):
        return None
    try:
        return load_object(value)
    except ValueError:
        return None


_CARRIER_TIMES: Final = ("@timestamp", "timestamp", "time", "EventTime", "CreationDate")


def _contained(found: Object) -> tuple[str, Sequence[Any]]:
    """Return the key and the list of events of a container; an empty key when the object is none."""
    hits = found.get("hits")
    if isinstance(hits, dict):
        found = hits
    for name in _CONTAINERS:
        elements = found.get(name)
        if isinstance(elements, list) and any(isinstance(element, dict) for element in elements):
            return name, elements
    for name in _MAYBE_CONTAINERS:
        elements = found.get(name)
        if isinstance(elements, list) and any(isinstance(item, dict) and _is_event(item) for item in elements[:_LOOKED_AT]):
            return name, elements
    rows = list(_table_rows(found.get(_TABLES)))
    return (_TABLES, rows) if any(_is_event(row) for row in rows[:_LOOKED_AT]) else ("", ())


def _table_rows(tables: object) -> Iterator[Object]:
    """Yield the rows of tables as objects."""
    for table in tables if isinstance(tables, list) else ():
        columns, rows = (table.get("columns"), table.get("rows")) if isinstance(table, dict) else (None, None)
        if isinstance(columns, list) and isinstance(rows, list):
            names = [scalar_text(column.get("name")) if isinstance(column, dict) else None for column in columns]
            for row in rows:
                cells = row if isinstance(row, list) else []
                yield {name: value for name, value in zip(names, cells, strict=False) if name}


def _is_event(element: Object) -> bool:
    return shaped_event(element, 0) is not None or _carried(element, 0) is not None or _wants_raw(unwrap(element))


def _wants_raw(inner: Object) -> bool:
    raw = inner.get("_raw")
    return isinstance(raw, str) and (_is_xml(raw) or scalar_text(inner.get("sourcetype")) in _AUDITD | _SYSLOG)


def _is_xml(raw: str) -> bool:
    return raw.lstrip().startswith(("<Event>", "<Event "))


def _single(found: Object, number: int) -> Iterator[Event | Object | SourceError]:
    """Yield the event of an object without a shape: that of its raw text, or the object."""
    inner = unwrap(found)
    if not _wants_raw(inner):
        yield found
        return
    raw = inner["_raw"]
    if _is_xml(raw):
        try:
            yield replace(parse_event(raw.strip(), number), record=number)
        except SourceError as error:
            yield SourceError(error.code, f"_raw: {error.message}")
        return
    lines = [line for line in raw.splitlines() if line.strip()] if inner.get("sourcetype") in _AUDITD else [raw]
    for line in lines:
        yield _text_event(inner, Line(number, line, len(line)))


def _text_event(inner: Object, line: Line) -> Event:
    """Return the event of a raw line; Splunk's time and host stand in where the line has none."""
    record = parse_record(line) if inner["sourcetype"] in _AUDITD else None
    event = record.event() if record else line_event(line)
    time = event.time or normal_time(inner.get("_time"))
    return replace(event, time=time, host=event.host or scalar_text(inner.get("host")) or "")


class UnknownDecoder:
    """The decoder of objects of no known shape, parsed or not, which are counted and seldom looked at."""

    def columns(self, gate: Gate, raws: Sequence[Any], demand: Demand) -> dict[str, pa.DictionaryArray]:
        """Return nothing: no rule sees these events."""
        return {}

    def event(self, gate: Gate, raw: Any, number: int) -> Event:
        """Return the whole event of one raw record."""
        return plain_event(raw if isinstance(raw, dict) else load_object(raw), number)


UNKNOWN: Final = UnknownDecoder()
"""The one instance of `UnknownDecoder`."""

__all__ = ["UNKNOWN", "UnknownDecoder", "is_unknown", "json_events"]
