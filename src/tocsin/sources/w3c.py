"""W3C extended logs: each line has the fields that the last `#Fields:` directive names.

IIS, HTTP.SYS, Exchange's front end, CloudFront, proxies as ELFF (Blue Coat ProxySG, ISA and TMG) and the firewall of Windows
write them. Directives recur; a hyphen is absent; a value with spaces stands in quotes, with tabs between fields it needs none.
Times are UTC where the log does not say that they are local. The URL as a whole, `cs-uri`, is put together from its parts
where the log has only these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final

from tocsin.events import Gate
from tocsin.events.time import normal_time
from tocsin.sources.interface import Loss, Records, Stream
from tocsin.sources.rows import Layout, Row, RowDecoder, grouped_rows
from tocsin.sources.text import Line, Losses, head_lines, read_lines

_FIELDS: Final = "#fields:"
_SOFTWARE: Final = "#software:"
_DATE: Final = "#date:"
_MOST_FIELDS: Final = 512
_MOST_LAYOUTS: Final = 256
_GROUP: Final = 2000
_CELL: Final = re.compile(r' *(?:"([^"]*+)"(?= |$)|(\S+))')
_FTP: Final = ("MSFTPSVC", "SMTPSVC", "NNTPSVC", "POP3SVC")
_BLOCKED: Final = {"DROP": "true", "DROP-ICMP": "true", "ALLOW": "false", "OPEN": "false", "OPEN-INBOUND": "false"}

_SOFTWARES: Final = (
    ("internet information services", Gate("iis", "access", "")),
    ("microsoft http api", Gate("iis", "access", "")),
    ("sgos", Gate("bluecoat", "access", "")),
    ("blue coat", Gate("bluecoat", "access", "")),
    ("internet security and acceleration", Gate("isa", "access", "")),
    ("threat management gateway", Gate("isa", "access", "")),
    ("microsoft windows firewall", Gate("pfirewall", "firewall", "")),
)
"""What `#Software:` has in it -> the gate."""
_TELLING: Final = (
    (frozenset({"x-session", "x-fullpath"}), Gate("iis", "ftp", "")),
    (frozenset({"x-edge-location"}), Gate("cloudfront", "access", "")),
    (frozenset({"s-sitename", "s-computername", "sc-win32-status", "sc-substatus", "s-siteid"}), Gate("iis", "access", "")),
    (frozenset({"sc-filter-result", "cs-categories", "s-hierarchy", "cs-uri-scheme", "s-supplier-name"}),
     Gate("bluecoat", "access", "")),
    (frozenset({"src-ip", "dst-port", "tcpflags"}), Gate("pfirewall", "firewall", "")),
    (frozenset({"cs-uri-stem", "cs-uri", "cs(User-Agent)"}), Gate("iis", "access", "")),
)  # fmt: skip
"""Fields of which one tells the gate, in order, where the software does not."""
_UNKNOWN: Final = Gate("w3c", "log", "")


def _value(cell: str) -> str | None:
    return None if cell in ("-", "") else cell


def _url(host: str | None, scheme: str | None, port: str | None, *rest: str | None) -> str | None:
    """Return the URL of its parts: absolute where the log has a scheme, else as it was requested."""
    stem, path, query = rest
    path = stem or path
    if path is None and host is None:
        return None
    mark = "" if not query or query.startswith("?") else "?"
    target = f"{path or ''}{mark}{query or ''}"
    if not host or not scheme:
        return target or None
    usual = port in (None, {"http": "80", "https": "443", "ftp": "21"}.get(scheme))
    return f"{scheme}://{host}{target}" if usual else f"{scheme}://{host}:{port}{target}"


def _blocked(action: str | None) -> str | None:
    return _BLOCKED.get(action or "")


_DERIVED: Final[Mapping[str, tuple[tuple[str, ...], Callable[..., str | None]]]] = {
    "cs-uri": (("cs-host", "cs-uri-scheme", "cs-uri-port", "cs-uri-stem", "cs-uri-path", "cs-uri-query"), _url),
    "blocked": (("action",), _blocked),
}


def _time(fields: Mapping[str, str]) -> str:
    date, clock = fields.get("date", ""), fields.get("time", "")
    if date and clock:
        return normal_time(f"{date}T{clock}")
    return normal_time(fields.get("date-time", fields.get("timestamp", fields.get("x-timestamp", ""))))


def _host(fields: Mapping[str, str]) -> str:
    return fields.get("s-computername", "")


@lru_cache(maxsize=_MOST_LAYOUTS)
def _decoder(names: tuple[str, ...]) -> RowDecoder:
    """Return the one decoder of a list of fields, so that records of many files share batches."""
    return RowDecoder(Layout(names, _value, _DERIVED, _time, _host))


@dataclass(slots=True)
class _Header:
    """What the directives say of the lines that follow."""

    software: str = ""
    date: str = ""
    names: tuple[str, ...] = ()
    delimiter: str = " "
    gate: Gate = _UNKNOWN
    site: int = -1

    def take(self, line: str) -> None:
        """Understand a directive."""
        lowered = line[:16].lower()
        if lowered.startswith(_SOFTWARE):
            self.software = line[len(_SOFTWARE) :].strip().lower()
        elif lowered.startswith(_DATE):
            self.date = line[len(_DATE) :].strip()[:10]
        elif lowered.startswith(_FIELDS):
            self._set_fields(line[len(_FIELDS) :].strip())

    def _set_fields(self, text: str) -> None:
        self.delimiter = "\t" if "\t" in text else "," if "," in text and " " not in text else ""
        names = [name.strip() for name in (text.split(self.delimiter) if self.delimiter else text.split())][:_MOST_FIELDS]
        undated = "time" in names and "date" not in names
        self.names = (*names, "date") if undated and self.date else tuple(names)
        self.gate = self._gate(frozenset(names))
        self.site = names.index("s-sitename") if "s-sitename" in names and self.gate.product == "iis" else -1

    def _gate(self, names: frozenset[str]) -> Gate:
        if not _TELLING[0][0].isdisjoint(names):
            return _TELLING[0][1]
        named = next((gate for text, gate in _SOFTWARES if text in self.software), None)
        if named or (self.software and self.delimiter == ","):
            return named or _UNKNOWN
        return next((gate for telling, gate in _TELLING if not telling.isdisjoint(names)), _UNKNOWN)

    @property
    def decoder(self) -> RowDecoder:
        """Return the decoder of the lines."""
        return _decoder(self.names)

    def row(self, line: Line) -> Row | None:
        """Return the row of a line, or None when it does not have these fields."""
        text = line.text.rstrip(" ") if not self.delimiter else line.text
        cells = _split(text, self.delimiter)
        own = len(self.names)
        if self.date and own and self.names[-1] == "date" and len(cells) == own - 1:
            cells.append(self.date)
        if len(cells) != own:
            return None
        gate = self.gate
        if self.site >= 0 and cells[self.site].startswith(_FTP):
            gate = Gate("iis", "ftp", "")
        return Row(gate, (*cells, line.text), line.number, line.size_bytes)


def _split(text: str, delimiter: str) -> list[str]:
    if delimiter:
        return text.split(delimiter)
    if '"' not in text:
        return text.split()
    return [plain or quoted for quoted, plain in _CELL.findall(text)]


class W3cSource:
    """W3C extended logs."""

    name: ClassVar[str] = "w3c"

    def recognise(self, head: bytes) -> bool:
        """Tell by the directive that names the fields, among the first lines."""
        lines = head_lines(head, 20)
        if not lines or not lines[0].startswith("#"):
            return False
        named = [line for line in lines if line[: len(_FIELDS)].lower() == _FIELDS]
        return bool(named) and bool(named[0][len(_FIELDS) :].strip())

    def read(self, stream: Stream) -> Iterator[Records | Loss]:
        """Yield the lines under their fields."""
        losses = Losses()
        header = _Header()
        rows: list[Row | Loss] = []
        for line in read_lines(stream, losses):
            if isinstance(line, Loss):
                yield line
            elif line.text.startswith("#"):
                yield from grouped_rows(header.decoder, rows)
                rows = []
                header.take(line.text)
            elif line.text.strip("\0 \t\r"):
                row = header.row(line)
                rows += [row] if row else losses.add("F006", f"not the {len(header.names)} fields", line.number, 0, line.text)
            if len(rows) >= _GROUP:
                yield from grouped_rows(header.decoder, rows)
                rows = []
        yield from grouped_rows(header.decoder, rows)
        yield from losses.close()


__all__ = ["W3cSource"]
