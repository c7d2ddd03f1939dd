"""What clamscan prints, and the log of clamd that does not go through syslog.

A file that is infected is looked at twice: as a line of the product's log, for the keyword rules of Linux, and as the find of a
scanner. The second look does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from tocsin.events import Event, Gate
from tocsin.events.time import normal_time
from tocsin.sources.daemons import virus
from tocsin.sources.interface import Loss, Records, Stream
from tocsin.sources.text import Line, Losses, Sized, grouped, head_lines, read_lines

_GATE: Final = Gate("linux", "syslog", "clamd")
_STAMPED: Final = re.compile(
    r"[A-Z][a-z]{2} (?P<month>[A-Z][a-z]{2}) {1,2}(?P<day>\d{1,2}) (?P<clock>\d\d:\d\d:\d\d) (?P<year>\d{4})"
    r" -> (?P<message>.*)",
    re.DOTALL,
)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_RESULT: Final = re.compile(r"(?:/|[A-Za-z]:\\).*: (?:OK|\S+ FOUND|Empty file|Excluded|Symbolic link|[^:]{1,80} ERROR)")
_SUMMARY: Final = "----------- SCAN SUMMARY -----------"


class ClamavSource:
    """Logs of clamd and output of clamscan."""

    name: ClassVar[str] = "clamav"

    def recognise(self, head: bytes) -> bool:
        """Tell by at least half of the first lines, or by the summary."""
        lines = [line.lstrip("\0") for line in head_lines(head, 20)]
        told = sum(bool(_STAMPED.fullmatch(line) or _RESULT.fullmatch(line)) for line in lines)
        return bool(lines) and (2 * told >= len(lines) or (told > 0 and _SUMMARY in lines))

    def read(self, stream: Stream) -> Iterator[Records | Loss]:
        """Yield each line, and what it found."""
        return grouped(_events(stream))


def _event(line: Line) -> Event:
    found = _STAMPED.fullmatch(line.text)
    message, time = line.text, ""
    if found:
        message = found["message"]
        month = found["month"]
        if month in _MONTHS:
            time = normal_time(f"{found['year']}-{_MONTHS.index(month) + 1:02d}-{int(found['day']):02d}T{found['clock']}")
    fields: dict[str, Any] = {"message": message, "program": "clamd"}
    return Event(_GATE, fields, fields, time, "", line.number, line.text)


def _events(stream: Stream) -> Iterator[Sized | Loss]:
    losses = Losses()
    for line in read_lines(stream, losses):
        if isinstance(line, Loss):
            yield line
        elif line.text.strip("\0 \t\r"):
            event = _event(line)
            yield Sized(event, line.size_bytes)
            stated = virus(event.fields["message"])
            if stated:
                gate, fields = stated
                yield Sized(Event(gate, fields, fields, event.time, "", event.record, event.text), 0, False)
    yield from losses.close()


__all__ = ["ClamavSource"]
