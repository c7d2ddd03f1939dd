"""Tables with a header: exports of Windows events by any tool, and of other products.

A table is one of Windows events when it has a column for the channel and one for the event id, under any of their
names; those columns are then also known by Sigma's names. Other tables are told by `csv_tables`, or row by row, when their
columns are the keys of an audit log; no rule sees the rest. A row is read even when it has too few or too many cells; the
cells that have no column are the list `_extra`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, ClassVar, Final

import msgspec

from tocsin.errors import SourceError
from tocsin.events import Event, Gate
from tocsin.sources.csv_tables import CsvTable, known_table, normal_name, plain_names, table_time
from tocsin.sources.interface import HEAD_BYTES, RECORD_BYTES, Loss, Records, Stream
from tocsin.sources.json_audits import AUDIT_KEYS, audit_shape
from tocsin.sources.json_shapes import event_data, shaped_event
from tocsin.sources.text import Line, Losses, Sized, grouped, head_text, read_lines
from tocsin.sources.windows import add_spaceless, windows_event

_DELIMITERS: Final = ",;\t|"
_NAME: Final = re.compile(r"[^\W\d][^=<>{}\"\x00-\x1f]{0,127}|[@#%][^=<>{}\"\x00-\x1f]{1,127}")
_CLOCK: Final = re.compile(r"\d:\d\d")
_TYPE_LINE: Final = "#TYPE "  # what Export-Csv of Windows PowerShell writes first
_SHEET_LINE: Final = "sep="  # what tells Excel the delimiter

_SYSTEM: Final[dict[str, tuple[str, ...]]] = {
    "Channel": ("channel", "logname", "log"),
    "EventID": ("eventid", "id", "eventcode"),
    "Computer": ("computer", "computername", "hostname", "machinename"),
    "Provider_Name": ("provider_name", "provider", "providername", "sourcename", "source"),
    "TimeCreated": ("timecreated", "timecreated_systemtime", "dateandtime", "@timestamp", "eventtime", "utctime"),
    "EventRecordID": ("eventrecordid", "recordid", "recordnumber"),
}
"""Name of a System field in Sigma -> the columns that hold it, lower-case and without spaces, the best first."""
_PAYLOAD_SYSTEM: Final = {
    "ProcessId": "Execution_ProcessID",
    "ThreadId": "Execution_ThreadID",
    "UserId": "Security_UserID",
}
"""Columns of EvtxECmd, which has the event's own data in `Payload`, that are not what rules mean by these names."""
_PAYLOAD: Final = "Payload"
_TIMES: Final = (*_SYSTEM["TimeCreated"], "timestamp", "time", "datetime", "eventdatetime", "_time", "date", "creationdate")
_HOSTS: Final = (*_SYSTEM["Computer"], "host", "host.name", "_host")
_EXTRA: Final = "_extra"
_MOST_DEEP: Final = 64


@dataclass(frozen=True, slots=True)
class Table:
    """What the header of a table tells.

    `system` has the columns of System fields when it has Windows events; `known` says whose log it is, when that is known;
    `names` are plainer names of columns; `audit`: rows may be objects of an audit log.
    """

    delimiter: str
    columns: tuple[str, ...]
    system: Mapping[str, str]
    time: str
    host: str
    known: CsvTable | None
    names: Mapping[str, str]
    audit: bool

    @classmethod
    def of(cls, delimiter: str, columns: Sequence[str]) -> Table:
        """Make the table of a header."""
        known = _normal_names(columns)
        system = {name: column for name, names in _SYSTEM.items() if (column := _first(known, names))}
        if "Channel" not in system or "EventID" not in system:
            system = {}
        elif _PAYLOAD in columns:
            system |= {name: column for column, name in _PAYLOAD_SYSTEM.items() if column in columns}
        names = plain_names(columns)
        audit = not AUDIT_KEYS.isdisjoint(names.get(name, name) for name in columns)
        time, host = _first(known, _TIMES), _first(known, _HOSTS)
        return cls(delimiter, tuple(columns), system, time, host, None if system else known_table(columns), names, audit)

    def row(self, cells: Sequence[str]) -> dict[str, Any]:
        """Return the cells by column."""
        row: dict[str, Any] = dict(zip(self.columns, cells, strict=False))
        if len(cells) > len(self.columns):
            row[_EXTRA] = list(cells[len(self.columns) :])
        return row

    def event(self, row: Mapping[str, Any], spread: Mapping[str, Any], line: int) -> Event:
        """Return the event of a row and of the fields inside its cells."""
        if self.system:
            return self._windows_event(row, spread, line)
        event = self._known_event(row, line) if self.known or self.audit else None
        if event:
            return event
        fields = {**spread, **row}
        add_spaceless(fields)
        return Event(Gate("", "csv", ""), fields, row, self._time(row), row.get(self.host, ""), line)

    def _known_event(self, row: Mapping[str, Any], line: int) -> Event | None:
        """Return the event of a row of a product's table; None when the row is none of its events after all."""
        values = {self.names.get(name, name): _cell_value(cell) for name, cell in row.items()}
        if self.known is None:
            event = audit_shape(values, row, line)
        elif self.known.event:
            inner = next((value for name, value in values.items() if normal_name(name) == self.known.event), None)
            event = shaped_event(inner, line) if isinstance(inner, dict) else None
        else:
            event = Event(self.known.gate, self.known.fields(values), row, record=line)
        if event is None:
            return None
        return replace(event, original=row, time=event.time or self._time(row), host=event.host or row.get(self.host, ""))

    def _time(self, row: Mapping[str, Any]) -> str:
        told = (table_time(name, row.get(name)) for name in (self.time, *self.names))
        return (self.known.time(row) if self.known else "") or next(filter(None, told), "")

    def _windows_event(self, row: Mapping[str, Any], spread: Mapping[str, Any], line: int) -> Event:
        system = {name: row[column] for name, column in self.system.items() if column in row}
        moved = _PAYLOAD_SYSTEM if _PAYLOAD in self.columns else {}
        data = {name: value for name, value in row.items() if name not in system and name not in moved}
        return windows_event(system, {**data, **spread}, row, line)


def _normal_names(columns: Sequence[str]) -> dict[str, str]:
    """Return the columns by their names in lower case without spaces; of two alike the first counts."""
    return {normal_name(name): name for name in reversed(columns)}


def _first(known: Mapping[str, str], names: Sequence[str]) -> str:
    return next((known[name] for name in names if name in known), "")


def _spread(row: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return the fields inside the cells that hold a JSON object, and whether a payload is damaged."""
    found: dict[str, Any] = {}
    damaged = False
    for name, cell in row.items():
        if not isinstance(cell, str) or not cell.startswith("{"):
            continue
        value = _json_object(cell)
        if value is None:
            damaged = damaged or name == _PAYLOAD
        elif isinstance(value.get("EventData"), dict) or isinstance(value.get("UserData"), dict):
            found |= event_data(value)
        else:
            found |= value
    return found, damaged


def _json_object(text: str) -> dict[str, Any] | None:
    value = _cell_value(text)
    return value if isinstance(value, dict) else None


def _cell_value(cell: Any) -> Any:
    """Return what a cell holds as JSON, when that is an object or a list of objects; else the cell."""
    if not isinstance(cell, str) or not cell.startswith(("{", "[{")):
        return cell
    try:
        value = msgspec.json.decode(cell)
    except (ValueError, RecursionError):
        return cell
    return value if _is_shallow(value) else cell


def _is_shallow(value: object) -> bool:
    level: list[object] = [value]
    for _ in range(_MOST_DEEP):
        level = [item for part in level for item in _inside(part)]
        if not level:
            return True
    return False


def _inside(value: object) -> list[object]:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [item for item in items if isinstance(item, (dict, list))]


def find_table(lines: Sequence[str]) -> Table | None:
    """Return the table whose header and first row these lines begin with, or None when they are none.

    Conservative: at least two columns, each with a name of its own, and as many cells in the first row; without a row,
    only the columns of Windows events. Event Viewer leaves the name of its last column out; it is the message.
    """
    tables = [table for delimiter in _DELIMITERS if (table := _find_table(lines, delimiter))]
    return max(tables, key=lambda table: len(table.columns), default=None)


def _find_table(lines: Sequence[str], delimiter: str) -> Table | None:
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter)
    try:
        rows = list(islice(filter(None, reader), 2))
    except csv.Error:
        return None
    header = [cell.strip() for cell in rows[0]] if rows else []
    if not _is_header(header):
        return None
    if len(rows) == 1:
        table = Table.of(delimiter, header)
        return table if table.system else None
    missing = len(rows[1]) - len(header)
    if missing == 1 and {"Event ID", "Date and Time"} <= set(header):
        return Table.of(delimiter, [*header, "Message"])
    return Table.of(delimiter, header) if missing == 0 else None


def _is_header(cells: Sequence[str]) -> bool:
    named = all(_NAME.fullmatch(cell) and not _CLOCK.search(cell) for cell in cells)
    return len(cells) > 1 and named and len({cell.lower() for cell in cells}) == len(cells)


def _head_lines(head: bytes) -> list[str]:
    """Return the lines of the first bytes that are whole, without what tools write before the header."""
    lines = [line.removesuffix("\r") for line in head_text(head, HEAD_BYTES).split("\n")]
    whole = lines if len(head) < HEAD_BYTES else lines[:-1]
    return [line for number, line in enumerate(whole) if not _is_prelude(number, line)]


def _is_prelude(number: int, line: str) -> bool:
    return number == 0 and line.startswith((_TYPE_LINE, _SHEET_LINE))


class _Feed:
    """Gives the csv reader its lines, and knows which of them the row in hand has."""

    def __init__(self, lines: Iterator[Line | Loss]) -> None:
        self._lines = lines
        self._next: Line | None = None
        self.lost: list[Loss] = []
        self.begin()

    def begin(self) -> None:
        """Start a row."""
        self.first = self.last = self.size_bytes = 0
        self.too_long = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._next or self._take()
        self._next = None
        if self.size_bytes and self.size_bytes + line.size_bytes > RECORD_BYTES:
            self._next, self.too_long = line, True
            raise StopIteration
        self.first, self.last = self.first or line.number, line.number
        self.size_bytes += line.size_bytes
        return f"{line.text}\n"

    def _take(self) -> Line:
        for line in self._lines:
            if isinstance(line, Line):
                if not _is_prelude(line.number - 1, line.text):
                    return line
            else:
                self.lost.append(line)
        raise StopIteration


class CsvSource:
    """Tables with a header; `record` is the event record id, or else the line on which the row begins."""

    name: ClassVar[str] = "csv"

    def recognise(self, head: bytes) -> bool:
        """Tell by a header, and a first row that fits it."""
        return find_table(_head_lines(head)) is not None

    def read(self, stream: Stream) -> Iterator[Records | Loss]:
        """Yield each row. The csv module's limit for a field is raised, for the whole process."""
        csv.field_size_limit(max(csv.field_size_limit(), 2 * RECORD_BYTES))
        table = find_table(_head_lines(stream.head))
        if table is None:
            return iter((Loss(SourceError("F006", "line 1: no header of a table")),))
        return grouped(_events(stream, table))


def _events(stream: Stream, table: Table) -> Iterator[Sized | Loss]:
    losses = Losses()
    feed = _Feed(read_lines(stream, losses))
    reader = csv.reader(feed, delimiter=table.delimiter)
    header = True
    for cells in _rows(reader, feed, losses):
        if isinstance(cells, Loss):
            yield cells
            continue
        if not header:
            yield from _row_events(table, cells, feed, losses)
        header = False
    yield from losses.close()


def _row_events(table: Table, cells: list[str], feed: _Feed, losses: Losses) -> Iterator[Sized | Loss]:
    """Yield the event of a row, and what is wrong with the row."""
    row = table.row(cells)
    spread, damaged = _spread(row)
    if len(cells) != len(table.columns):
        reason = f"a row of {len(cells)} cells under {len(table.columns)} columns"
        yield from losses.add("F006", reason, feed.first, feed.last)
    if damaged and table.system:
        yield from losses.add("F006", f"no JSON in the column {_PAYLOAD}", feed.first, feed.last, row[_PAYLOAD])
    event = table.event(row, spread, feed.first)
    if table.known and table.known.event and not event.gate.product:
        yield from losses.add("F006", f"no known record in the column {table.known.event}", feed.first, feed.last)
    yield Sized(event, feed.size_bytes)


def _rows(reader: Iterator[list[str]], feed: _Feed, losses: Losses) -> Iterator[list[str] | Loss]:
    """Yield the rows that are not empty, and what was lost between them."""
    while True:
        feed.begin()
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield from losses.add("F006", f"no row of a table ({error})", feed.first, feed.last)
            continue
        yield from feed.lost
        feed.lost.clear()
        if cells is None:
            return
        if feed.too_long:
            yield from losses.add("F013", f"a row longer than {RECORD_BYTES} bytes", feed.first, feed.last)
        elif cells:
            yield cells


__all__ = ["CsvSource", "Table", "find_table"]
