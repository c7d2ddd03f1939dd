"""Logs of database servers that hold statements or errors: PostgreSQL, and the general and error logs of MySQL and MariaDB.

A statement is a `query` of the product `sql`, an error an `error`. Lines below that go on with a statement belong to it. A zone
that is no offset is read as UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from tocsin.events import Event, Gate
from tocsin.events.time import normal_time
from tocsin.sources.interface import Loss, Records, Stream
from tocsin.sources.text import Line, Losses, Sized, grouped, head_lines, read_lines

_POSTGRES: Final = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?) (?:[A-Z]{2,5}|[+-]\d\d(?::?\d\d)?) (?P<who>[^\n]{0,255}?)"
    r"(?P<level>DEBUG\d?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|STATEMENT|DETAIL|HINT|CONTEXT|QUERY): {1,2}(?P<message>.*)",
    re.DOTALL,
)
_STATEMENT: Final = re.compile(
    r"(?:duration: [\d.]{1,20} ms {1,2})?(?:statement|execute [^:]{0,255}|parse [^:]{0,255}): ", re.DOTALL
)
_MYSQL: Final = re.compile(
    r"(?:(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(?:Z|[+-]\d\d:\d\d))|(?P<old>\d{6} {1,2}\d{1,2}:\d\d:\d\d)|\t)"
    r"\t? {0,8}(?P<id>\d{1,12}) "
    r"(?P<level>Query|Prepare|Execute|Connect|Quit|Init DB|Field List|Statistics|Ping|Close stmt|Reset stmt)\t?(?P<message>.*)",
    re.DOTALL,
)
_MYSQL_ERROR: Final = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d[T ][ \d]?\d:\d\d:\d\d(?:\.\d{6})?(?:Z|[+-]\d\d:\d\d)?) (?P<id>\d{1,20})"
    r" \[(?P<level>[A-Z][A-Za-z]{1,10})\] (?P<message>.*)",
    re.DOTALL,
)
_STATES: Final = frozenset({"STATEMENT", "QUERY", "Query", "Prepare", "Execute"})
_MOST_LINES: Final = 2000
_MOST_BYTES: Final = 1 << 20
Parsed = tuple[str, str, dict[str, Any]]


def _parse(text: str) -> Parsed | None:
    """Return channel, time and fields of a line that begins an event, or None."""
    found = _POSTGRES.match(text) or _MYSQL.match(text) or _MYSQL_ERROR.match(text)
    if not found:
        return None
    parts = found.groupdict()
    time, old = parts.pop("time"), parts.pop("old", None)
    if old:
        date, _, clock = old.partition(" ")
        time = f"20{date[:2]}-{date[2:4]}-{date[4:]}T{clock.strip():0>8}"
    fields = {name: value.strip() if name == "who" else value for name, value in parts.items() if value}
    stated = _STATEMENT.match(fields.get("message", ""))
    if stated:
        fields["query"] = fields["message"][stated.end() :]
    elif fields["level"] in _STATES:
        fields["query"] = fields.get("message", "")
    return "query" if "query" in fields else "error", normal_time(time or ""), fields


class SqlLogSource:
    """Logs of PostgreSQL, MySQL and MariaDB."""

    name: ClassVar[str] = "sql_log"

    def recognise(self, head: bytes) -> bool:
        """Tell by one of the first lines, and at least a quarter of them."""
        lines = [line.lstrip("\0") for line in head_lines(head, 20)]
        told = [_parse(line) is not None for line in lines]
        return any(told[:5]) and 4 * sum(told) >= len(told)

    def read(self, stream: Stream) -> Iterator[Records | Loss]:
        """Yield statements and messages."""
        return grouped(_events(stream))


def _events(stream: Stream) -> Iterator[Sized | Loss]:
    losses = Losses()
    parsed: Parsed = ("error", "", {})
    lines: list[Line] = []
    time, held = "", 0
    for line in read_lines(stream, losses):
        if isinstance(line, Loss):
            yield line
            continue
        if not line.text.strip("\0 \t\r"):
            continue
        begun = _parse(line.text)
        if lines and (begun or len(lines) >= _MOST_LINES or held >= _MOST_BYTES):
            yield _event(parsed, lines)
            lines, held = [], 0
            parsed = ("error", time, {})
        if begun:
            time = begun[1] or time
            parsed = (begun[0], time, begun[2])
        lines.append(line)
        held += line.size_bytes
    if lines:
        yield _event(parsed, lines)
    yield from losses.close()


def _event(parsed: Parsed, lines: list[Line]) -> Sized:
    channel, time, fields = parsed
    more = "".join(f"\n{line.text}" for line in lines[1:])
    own = dict(fields) or {"message": lines[0].text}
    for name in ("message", "query"):
        if more and name in own:
            own[name] += more
    text = "\n".join(line.text for line in lines)
    event = Event(Gate("sql", channel, ""), own, own, time, "", lines[0].number, text)
    return Sized(event, sum(line.size_bytes for line in lines))


__all__ = ["SqlLogSource"]
