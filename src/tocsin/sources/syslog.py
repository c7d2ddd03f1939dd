"""Syslog lines: RFC 3164, RFC 5424, and what rsyslog writes with RFC 3339 times.

The year of an RFC 3164 time. Such a time has no year, and one taken from the clock would make two runs differ. So a
line's year is the one that it states, or that `SyslogSource(year_hint)` states for the first line, or that follows from
a full date in the first 64 KiB which stands in a line of the same month and day, such as a boot message with the date.
From there it goes on with the turns of the year. Without any of these it is the newest year in which the line is not
later than a day after the file, or member of an archive, was last changed; a copy must keep that time to tell the right
year. Where that is not known either, as on standard input, the event has no time. The zone is taken as UTC.

Network devices. A line of Cisco, Huawei, Juniper or PAN-OS has a gate of that product (`devices`), also with the header that a
device writes into its own buffer or file. An event of CEF or LEEF, key=value pairs without a program, and Sysmon's XML are
read as what they are. What a line of a daemon states, such as a query or a packet, is an event more that does not count
(`daemons`).

A line of another shape goes on with the message before it: it is an event of its own, without a program, with the time
and host of the line before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from tocsin.errors import SourceError
from tocsin.events import Event, Gate
from tocsin.events.time import format_time, normal_time
from tocsin.sources import cef, keyvalue
from tocsin.sources.daemons import looks
from tocsin.sources.devices import device, panos
from tocsin.sources.interface import Loss, Records, Stream
from tocsin.sources.text import Line, Losses, Sized, grouped, head_lines, read_lines
from tocsin.sources.xml import parse_event

_FACILITIES: Final = (
    "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp security console solaris-cron"  # noqa: SIM905
    " local0 local1 local2 local3 local4 local5 local6 local7".split()
)
_SEVERITIES: Final = "emerg alert crit err warning notice info debug".split()  # noqa: SIM905
_MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()  # noqa: SIM905

_PRI: Final = r"(?:<(?P<pri>\d{1,3})>)"
_ISO: Final = r"(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)"
_MONTH_AND_DAY: Final = rf"(?P<month>{'|'.join(_MONTHS)}) {{1,2}}(?P<day>\d{{1,2}})"
_CLOCK: Final = r"(?P<clock>\d\d:\d\d:\d\d(?:\.\d{1,9})?)"
_OLD: Final = _MONTH_AND_DAY + r" (?:(?P<year>\d{4}) )?" + _CLOCK
_NAMES: Final = r"(?P<host>\S{1,255}) (?P<program>\S{1,128}) (?P<pid>\S{1,128}) (?P<msgid>\S{1,64})"
_RFC5424: Final = re.compile(rf"{_PRI}\d{{1,2}} (?:-|{_ISO}) {_NAMES} (?P<rest>[-\[].*)", re.ASCII | re.DOTALL)
_STAMPED: Final = re.compile(
    _PRI + rf"?(?:{_ISO}|{_OLD}) (?:(?P<host>[^\s\[\]]{{0,254}}[^\s\[\]:]) +)?(?P<rest>.*)", re.ASCII | re.DOTALL
)
_TAG: Final = re.compile(
    r"(?P<program>[^\s:\[\]]{1,128})\]?(?:\[(?P<pid>[^\]\s]{0,64})\]:?|:(?= |$)) ?(?P<message>.*)", re.ASCII | re.DOTALL
)
_DEVICE: Final = re.compile(
    _PRI + rf"?(?:\d{{1,12}}: +)?(?:(?P<host>[\w.-]{{1,255}}): +)?(?:[*.!]?{_OLD}(?: [A-Z]{{2,5}})?: +)?"
    r"(?P<rest>%[A-Z][A-Z0-9_-]{1,200}-[0-7]-\w{1,64} ?:.*)",
    re.ASCII | re.DOTALL,
)
"""What a device of Cisco writes where no server of syslog put its header before it."""
_NEXUS: Final = re.compile(
    _PRI + rf"?(?:: +)?(?P<year>\d{{4}}) {_MONTH_AND_DAY} {_CLOCK}(?: [A-Z]{{2,5}})?(?:: +| (?P<host>[\w.-]{{1,255}}):? +)"
    r"(?:%\$ VDC-\d{1,4} %\$ +)?(?P<rest>%[A-Z][A-Z0-9_-]{1,200}-[0-7]-\w{1,64} ?:.*)",
    re.ASCII | re.DOTALL,
)
"""The same of NX-OS, where the year goes first."""
_DATED: Final = re.compile(
    r"(?P<iso>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:[+-]\d\d:\d\d)?) (?P<host>[\w.-]{1,255}) (?P<rest>%%\d\d.*)",
    re.ASCII | re.DOTALL,
)
"""What a device of Huawei writes into its own file."""
_ACCOUNTED: Final = re.compile(
    rf"(?:{_OLD}|(?P<iso>\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{{4}}))\t(?P<host>\S{{1,255}})"
    r"\t(?P<rest>.*\t(?:start|stop|update)\t.*)",
    re.ASCII | re.DOTALL,
)
"""What a server of TACACS+ writes of the commands that it accounts for."""
_ACCOUNTED_BY_DAY: Final = re.compile(
    rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) {_MONTH_AND_DAY} {_CLOCK} (?P<year>\d{{4}})\t(?P<host>\S{{1,255}})"
    r"\t(?P<rest>.*\t(?:start|stop|update)\t.*)",
    re.ASCII | re.DOTALL,
)
"""The same with the day of the week."""
_ELEMENT: Final = re.compile(r'\[(?P<id>[^\s=\]"]{1,128})(?P<params>(?: +[^\s=\]"]{1,128}="[^"\\]*+(?:\\.[^"\\]*+)*+")*) *\]')
_PARAM: Final = re.compile(r'([^\s=\]"]{1,128})="([^"\\]*+(?:\\.[^"\\]*+)*+)"')
_ESCAPED: Final = re.compile(r'\\(["\\\]])')
_FULL_DATE: Final = re.compile(r"(?<!\d)(\d{4})-(\d\d)-(\d\d)(?!\d)", re.ASCII)
_HALF_A_YEAR: Final = 6  # months
_HEAD_LINES: Final = 2000
_PAIR_CHARS: Final = 64
_AUDIT: Final = "msg=audit("
_ANY_YEAR: Final = 2000
_LEAP_YEARS: Final = 9  # so many years hold a 29 February


@dataclass(slots=True)
class _Years:
    """The year of times that do not state one, in reading order; `latest` is what no time may be later than, or empty."""

    year: int
    latest: str = ""
    month: int = 0

    def time(self, found: Mapping[str, str]) -> str:
        """Return the time of an RFC 3164 stamp, empty when no year is known."""
        month = _MONTHS.index(found["month"]) + 1
        if found["year"]:
            self.year = int(found["year"])
        elif not self.year:
            return self._newest(found)
        elif self.month - month > _HALF_A_YEAR:
            self.year += 1
        elif self.month and month - self.month > _HALF_A_YEAR:
            self.year -= 1
        self.month = month
        return _time(self.year, found)

    def _newest(self, found: Mapping[str, str]) -> str:
        """Return the time in the newest year in which there is such a day that is not too late, or an empty text."""
        last = int(self.latest[:4] or 0)
        times = (_time(year, found) for year in range(last, max(0, last - _LEAP_YEARS), -1))
        return next((time for time in times if time and time <= self.latest), "")


def _time(year: int, found: Mapping[str, str]) -> str:
    month = _MONTHS.index(found["month"]) + 1
    return normal_time(f"{year:04d}-{month:02d}-{int(found['day']):02d}T{found['clock']}")


def _latest(modified: float) -> str:
    """Return what a time in a file may at most be: a day after the file was changed; empty when that is not known."""
    try:
        return format_time(datetime.fromtimestamp(modified, UTC) + timedelta(days=1)) if modified > 0 else ""
    except (ValueError, OverflowError, OSError):
        return ""


def _first_year(head: bytes) -> int:
    """Return the year of the first stamped line, told from full dates in the first lines; 0 when none tells it."""
    found, turns = 0, _Years(_ANY_YEAR)
    for text in head_lines(head, _HEAD_LINES, len(head)):
        line = _STAMPED.match(text)
        if not line or not line["month"] or line["year"]:
            continue
        turns.time(line.groupdict())
        date = (_MONTHS.index(line["month"]) + 1, int(line["day"]))
        years = [int(year) for year, *rest in _FULL_DATE.findall(line["rest"]) if tuple(map(int, rest)) == date]
        found = max([found, *(year - (turns.year - _ANY_YEAR) for year in years)])
    return found


@dataclass(slots=True)
class _Reader:
    """Understands lines in their order."""

    years: _Years
    time: str = ""
    host: str = ""

    def event(self, line: Line) -> Event:
        """Return the event of a line that is not blank."""
        text = line.text.lstrip("\0")
        at = cef.find_event(text) if "EF:" in text else -1
        if at >= 0:
            self._header(f"{text[:at]}-")
            found = cef.line_event(Line(line.number, text, line.size_bytes), at, self.time, self.host)
            if found:
                return found
        parts = self._header(text)
        if parts is None:
            fields = {"message": text, "program": ""}
            return Event(Gate("linux", "syslog", ""), fields, fields, self.time, self.host, line.number, line.text)
        fields = _modern(parts) if "msgid" in parts else _traditional(parts)
        gate = Gate("linux", "syslog", _gate_name(str(fields["program"])))
        return self._foreign(line, parts["rest"], fields, gate) or Event(
            gate, fields, fields, self.time, self.host, line.number, line.text
        )

    def _header(self, text: str) -> dict[str, str] | None:
        """Understand the header of a line, and keep its time and host; None when it has none."""
        found = _RFC5424.match(text) or _STAMPED.match(text) or _device_header(text)
        if not found:
            return None
        parts = found.groupdict(default="")
        if "=" in parts["host"]:  # the first pair of a line that names no host
            parts |= {"host": "", "rest": f"{parts['host']} {parts['rest']}"}
        self.host = "" if parts["host"] == "-" else parts["host"]
        self.time = self.years.time(parts) if parts.get("month") else normal_time(parts.get("iso"))
        return parts

    def _foreign(self, line: Line, rest: str, fields: dict[str, Any], gate: Gate) -> Event | None:
        """Return the event of a line that no program of Linux wrote, or None."""
        found: tuple[Gate, Mapping[str, Any]] | None = device(rest, gate.event_id, fields)
        if found is None and not gate.event_id:
            message = str(fields["message"])
            if "=" in message[:_PAIR_CHARS] and _AUDIT not in message and keyvalue.is_pairs(message):
                return keyvalue.line_event(line, message, self.time, self.host)
            found = panos(message)
        if found is None:
            return None
        own = fields | dict(found[1])
        return Event(found[0], own, fields, self.time, self.host, line.number, line.text)


def _device_header(text: str) -> re.Match[str] | None:
    if not text[:1].isascii() or text[:1].islower():
        return None
    if "\t" in text:
        accounted = _ACCOUNTED.match(text) or _ACCOUNTED_BY_DAY.match(text)
        if accounted:
            return accounted
    return _DEVICE.match(text) or _NEXUS.match(text) or _DATED.match(text)


def line_event(line: Line) -> Event:
    """Return the event of one line that stands alone; it has no time when its stamp has no year."""
    return _Reader(_Years(0)).event(line)


def _traditional(parts: Mapping[str, str]) -> dict[str, Any]:
    tag = _TAG.match(parts["rest"])
    tagged = tag.groupdict(default="") if tag else {"program": "", "pid": "", "message": parts["rest"]}
    return _fields(parts.get("pri", ""), {**tagged, "host": parts["host"]})


def _modern(parts: Mapping[str, str]) -> dict[str, Any]:
    data, message = _structured(parts["rest"])
    named = {name: "" if parts[name] == "-" else parts[name] for name in ("program", "pid", "host", "msgid")}
    return {**data, **_fields(parts["pri"], {"message": message.removeprefix("\ufeff"), **named})}


def _fields(pri: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a line; what it does not state is left out, save for message and program."""
    fields = {name: text for name, text in texts.items() if text or name in ("message", "program")}
    facility, severity = divmod(int(pri or 0), len(_SEVERITIES))
    if pri and facility < len(_FACILITIES):
        fields |= {"facility": _FACILITIES[facility], "severity": _SEVERITIES[severity]}
    return fields


def _structured(rest: str) -> tuple[dict[str, dict[str, str]], str]:
    """Return the structured data by element, and the message after it."""
    data: dict[str, dict[str, str]] = {}
    at = 1 if rest.startswith("-") else 0
    while not rest.startswith("-") and (element := _ELEMENT.match(rest, at)):
        params = _PARAM.findall(element["params"])
        data.setdefault(element["id"], {}).update((name, _ESCAPED.sub(r"\1", value)) for name, value in params)
        at = element.end()
    return data, rest[at:].removeprefix(" ")


def _gate_name(program: str) -> str:
    """Return the program as gates name it: `/USR/SBIN/CRON` is cron, `su(pam_unix)` is su."""
    name = program.rpartition("/")[2] if program.startswith("/") else program
    return name.partition("(")[0].lower()


class SyslogSource:
    """Syslog files. `year_hint` is the year of the first line, for a caller that knows it."""

    name: ClassVar[str] = "syslog"

    def __init__(self, year_hint: int = 0) -> None:
        self._year_hint = year_hint

    def recognise(self, head: bytes) -> bool:
        """Tell by the stamps of at least half of the first lines."""
        lines = head_lines(head, 20)
        return bool(lines) and 2 * sum(map(_is_stamped, lines)) >= len(lines)

    def read(self, stream: Stream) -> Iterator[Records | Loss]:
        """Yield each line, or the Sysmon event that it carries."""
        years = _Years(self._year_hint or _first_year(stream.head), _latest(stream.modified))
        return grouped(_events(stream, _Reader(years)))


def _is_stamped(text: str) -> bool:
    """Tell whether a line has a syslog header; with an RFC 3339 time, which many logs have, it also needs a tag."""
    text = text.lstrip("\0")
    found = _STAMPED.match(text)
    if not found:
        return bool(_RFC5424.match(text) or _device_header(text))
    return bool(found["month"] or found["pri"] or (found["host"] and _TAG.match(found["rest"])))


def _events(stream: Stream, reader: _Reader) -> Iterator[Sized | Loss]:
    losses = Losses()
    for line in read_lines(stream, losses):
        if isinstance(line, Loss):
            yield line
        elif line.text.strip("\0 \t\r"):
            event = reader.event(line)
            try:
                carried = _carried(event)
            except SourceError as error:
                yield from losses.add(error.code, error.message, line.number)
                carried = event
            yield Sized(carried, line.size_bytes)
            yield from (Sized(look, 0, False) for look in _looks(carried))
    yield from losses.close()


def _looks(event: Event) -> Iterator[Event]:
    """Yield what a line states beside being one of syslog."""
    if event.gate.product == "linux" and event.gate.channel == "syslog":
        yield from looks(event)
    else:
        look = keyvalue.forti_look(event)
        if look:
            yield look


def _carried(event: Event) -> Event:
    """Return the Sysmon event that a line carries as its message, else the line's own.

    Raises: SourceError F006 when the event is damaged.
    """
    message = event.fields.get("message", "")
    if event.gate.product != "linux" or not message.startswith(("<Event>", "<Event ")):
        return event
    found = parse_event(message, event.record, event.text)
    return replace(found, time=found.time or event.time, host=found.host or event.host)


__all__ = ["SyslogSource", "line_event"]
