"""Query logs of DNS servers in files of their own: BIND, Unbound, and the debug log of Windows DNS servers.

The dates of the Windows log follow the settings of its machine: day and month are told apart by the first lines in which one
is above 12, else a date with slashes and AM or PM is read as American. Names in it (`(3)www(7)example(3)com(0)`) are given
with dots. All times are read as UTC where they state no zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from tocsin.events import Event, Gate
from tocsin.events.time import normal_time
from tocsin.sources import daemons
from tocsin.sources.interface import HEAD_BYTES, Loss, Records, Stream
from tocsin.sources.text import Line, Losses, Sized, grouped, head_lines, read_lines

_WINDOWS: Final = Gate("windows_dns", "query", "")
_OTHER: Final = Gate("", "dns_log", "")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_BIND: Final = re.compile(
    r"(?:(?P<day>\d\d)-(?P<month>[A-Z][a-z]{2})-(?P<year>\d{4}) (?P<clock>\d\d:\d\d:\d\d\.\d{3})"
    r"|(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z?)) (?P<rest>(?:queries: |info: |client ).*)",
    re.DOTALL,
)
_UNBOUND: Final = re.compile(r"\[(?P<epoch>\d{9,10})\] unbound\[\d{1,10}:[0-9a-f]{1,4}\] (?P<rest>info: .*)", re.DOTALL)
_PACKET: Final = re.compile(
    r"(?P<date>\d{1,4}[./-]\d{1,2}[./-]\d{1,4}) (?P<clock>\d{1,2}:\d\d:\d\d)(?: (?P<half>[AP]M))? +[0-9A-Fa-f]{3,8} PACKET +"
    r"[0-9A-Fa-f]{8,16} (?P<protocol>UDP|TCP) (?P<direction>Rcv|Snd) (?P<client>[0-9A-Fa-f.:]{2,45}) +(?P<xid>[0-9a-f]{4}) "
    r"(?P<response>[R ]) (?P<opcode>[QNU?]) \[(?P<flags>[^\]]{0,40})\] (?P<record_type>\S{1,12}) +(?P<name>\(\d.*)"
)
_WINDOWS_PRELUDE: Final = ("DNS Server log file creation at", "Message logging key")
_LABEL: Final = re.compile(r"\(\d{1,3}\)")
_DATE: Final = re.compile(r"(\d{1,4})[./-](\d{1,2})[./-](\d{1,4})")
_MOST_MONTHS: Final = 12
_NOON: Final = 12


def _bind_time(found: Mapping[str, str | None]) -> str:
    if found["iso"]:
        return normal_time(found["iso"])
    month = (found["month"] or "").lower()
    if month not in _MONTHS:
        return ""
    return normal_time(f"{found['year']}-{_MONTHS.index(month) + 1:02d}-{found['day']}T{found['clock']}")


def month_first(head: bytes) -> bool:
    """Tell whether dates of a Windows log have the month first, from the first lines; in doubt, with AM or PM and slashes."""
    american = False
    for line in head_lines(head, 2000, HEAD_BYTES):
        found = _PACKET.match(line)
        if not found:
            continue
        first, second, _ = map(int, _DATE.match(found["date"]).groups())  # type: ignore[union-attr]
        if first > _MOST_MONTHS or second > _MOST_MONTHS:
            return second > _MOST_MONTHS
        american = american or (bool(found["half"]) and "/" in found["date"])
    return american


def _windows_time(found: Mapping[str, str], american: bool) -> str:
    date = _DATE.match(found["date"])
    if date is None:
        return ""
    first, second, third = date.groups()
    if len(first) == len("2026"):
        year, month, day = first, second, third
    else:
        year, month, day = (third, first, second) if american else (third, second, first)
    hour, _, rest = found["clock"].partition(":")
    if found["half"]:
        hour = str(int(hour) % _NOON + (_NOON if found["half"] == "PM" else 0))
    return normal_time(f"{int(year):04d}-{int(month):02d}-{int(day):02d}T{int(hour):02d}:{rest}")


def _windows_event(line: Line, american: bool) -> Event | None:
    found = _PACKET.match(line.text)
    if not found:
        return None
    parts = found.groupdict(default="")
    fields: dict[str, Any] = {name: parts[name] for name in ("client", "protocol", "direction", "record_type", "flags", "xid")}
    fields["query"] = _LABEL.sub(".", parts["name"].strip()).strip(".") or "."
    fields["kind"] = "response" if parts["response"] == "R" else "query"
    return Event(_WINDOWS, fields, fields, _windows_time(parts, american), "", line.number, line.text)


def parse_line(line: Line, american: bool = False) -> Event | None:
    """Return the event of a line that states a query, or None."""
    found = _BIND.fullmatch(line.text)
    if found:
        stated, time = daemons.bind(found["rest"]), _bind_time(found.groupdict())
    else:
        found = _UNBOUND.fullmatch(line.text)
        if not found:
            return _windows_event(line, american)
        stated, time = daemons.unbound(found["rest"]), normal_time(found["epoch"])
    if not stated:
        fields: dict[str, Any] = {"message": found["rest"]}
        return Event(_OTHER, fields, fields, time, "", line.number, line.text)
    gate, fields = stated
    return Event(gate, fields, fields, time, "", line.number, line.text)


class DnsLogSource:
    """Query logs of BIND and Unbound in files of their own, and the debug log of Windows DNS servers."""

    name: ClassVar[str] = "dns_log"

    def recognise(self, head: bytes) -> bool:
        """Tell by how the log of Windows begins, or at least half of the first lines."""
        lines = [line.lstrip("\0") for line in head_lines(head, 60)]
        if any(line.startswith(_WINDOWS_PRELUDE) for line in lines[:5]):
            return True
        lines = lines[:20]
        return bool(lines) and 2 * sum(_is_query(line) for line in lines) >= len(lines)

    def read(self, stream: Stream) -> Iterator[Records | Loss]:
        """Yield the queries."""
        return grouped(_events(stream, month_first(stream.head)))


def _is_query(text: str) -> bool:
    return bool(_PACKET.match(text) or _BIND.fullmatch(text) or _UNBOUND.fullmatch(text))


def _events(stream: Stream, american: bool) -> Iterator[Sized | Loss]:
    losses = Losses()
    time = ""
    for line in read_lines(stream, losses):
        if isinstance(line, Loss):
            yield line
        elif line.text.strip("\0 \t\r"):
            event = parse_line(line, american)
            if event is None:
                fields: dict[str, Any] = {"message": line.text}
                event = Event(_OTHER, fields, fields, time, "", line.number, line.text)
            time = event.time
            yield Sized(event, line.size_bytes)
    yield from losses.close()


__all__ = ["DnsLogSource", "month_first", "parse_line"]
