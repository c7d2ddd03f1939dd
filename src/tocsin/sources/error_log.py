"""Error logs of Apache httpd and nginx.

A line without a header, such as an assertion of a library that failed, goes on with the message before it: it is an event of
its own with the time of the line before. Times state no zone and are read as UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from tocsin.events import Event, Gate
from tocsin.events.time import normal_time
from tocsin.sources.interface import Loss, Records, Stream
from tocsin.sources.text import Line, Losses, Sized, grouped, head_lines, read_lines

_APACHE_GATE: Final = Gate("apache", "error", "")
_NGINX_GATE: Final = Gate("nginx", "error", "")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_APACHE: Final = re.compile(
    r"\[[A-Z][a-z]{2} (?P<month>[A-Z][a-z]{2}) {1,2}(?P<day>\d{1,2}) (?P<clock>\d\d:\d\d:\d\d(?:\.\d{1,9})?) (?P<year>\d{4})\]"
    r"(?: \[(?:(?P<module>[\w-]{1,64}):)?(?P<level>[a-z]{1,16}\d?)\])?"
    r"(?: \[pid (?P<pid>\d{1,10})(?::tid (?P<tid>\d{1,20}))?\])?"
    r"(?P<rest> .*)?",
    re.ASCII | re.DOTALL,
)
_CLIENT: Final = re.compile(r"\[(?:client|remote) ([^\]\s]{1,255}?)(?::(\d{1,5}))?\] ?")
_NGINX: Final = re.compile(
    r"(?P<date>\d{4}/\d\d/\d\d) (?P<clock>\d\d:\d\d:\d\d) \[(?P<level>[a-z]{1,16})\] (?P<pid>\d{1,10})#(?P<tid>\d{1,20}):"
    r" (?:\*(?P<connection>\d{1,20}) )?(?P<message>.*)",
    re.ASCII | re.DOTALL,
)
_PAIR: Final = re.compile(r', (client|server|request|upstream|host|referrer): (?:"([^"]*+)"|([^",\s]++))')


def _apache_fields(found: re.Match[str]) -> dict[str, Any]:
    parts = found.groupdict()
    rest = (parts.pop("rest") or "")[1:]
    client = _CLIENT.search(rest[:512])
    if client and (not client.start() or rest[: client.start()].startswith("(")):
        parts |= {"client": client[1], "client_port": client[2]}
        rest = rest[: client.start()] + rest[client.end() :]
    parts["message"] = rest
    return parts


def _apache_time(parts: dict[str, Any]) -> str:
    month = parts.pop("month")
    day, clock, year = (parts.pop(name) for name in ("day", "clock", "year"))
    return normal_time(f"{year}-{_MONTHS.index(month) + 1:02d}-{int(day):02d}T{clock}") if month in _MONTHS else ""


def _nginx_fields(found: re.Match[str]) -> dict[str, Any]:
    parts = found.groupdict()
    parts |= {name: quoted or plain for name, quoted, plain in _PAIR.findall(parts["message"])}
    return parts


def parse_line(line: Line) -> Event | None:
    """Return the event of a line that has a header, or None."""
    found = _APACHE.fullmatch(line.text)
    if found:
        parts = _apache_fields(found)
        gate, time = _APACHE_GATE, _apache_time(parts)
    else:
        found = _NGINX.fullmatch(line.text)
        if not found:
            return None
        parts = _nginx_fields(found)
        gate, time = _NGINX_GATE, normal_time(f"{parts.pop('date').replace('/', '-')}T{parts.pop('clock')}")
    fields = {name: value for name, value in parts.items() if value is not None}
    return Event(gate, fields, fields, time, "", line.number, line.text)


class ErrorLogSource:
    """Error logs of Apache httpd and nginx."""

    name: ClassVar[str] = "error_log"

    def recognise(self, head: bytes) -> bool:
        """Tell by the first line with a header, and a quarter of the first lines with one."""
        lines = head_lines(head, 20)
        told = [bool(_NGINX.match(line) or _is_apache(line)) for line in lines]
        return any(told[:2]) and 4 * sum(told) >= len(told)

    def read(self, stream: Stream) -> Iterator[Records | Loss]:
        """Yield each line."""
        return grouped(_events(stream))


def _is_apache(line: str) -> bool:
    found = _APACHE.fullmatch(line)
    return bool(found and (found["level"] or found["pid"] or "[client " in line))


def _events(stream: Stream) -> Iterator[Sized | Loss]:
    losses = Losses()
    gate, time = Gate("", "error_log", ""), ""
    for line in read_lines(stream, losses):
        if isinstance(line, Loss):
            yield line
        elif line.text.strip("\0 \t\r"):
            event = parse_line(line)
            if event is None:
                fields = {"message": line.text}
                event = Event(gate, fields, fields, time, "", line.number, line.text)
            gate, time = event.gate, event.time
            yield Sized(event, line.size_bytes)
    yield from losses.close()


__all__ = ["ErrorLogSource", "parse_line"]
