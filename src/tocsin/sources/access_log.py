r"""Access logs of web servers: the common and the combined format of Apache, nginx and whatever writes the same.

A name of the virtual host may stand first (`vhost_combined`), other fields may follow (`extra`). Apache and nginx cannot be
told apart here. A line that ends in a result code of Squid (`TCP_MISS:HIER_DIRECT`) is a proxy's. A hyphen is absent. What
the server escaped (`\"`, `\x22`) is given back; the encoding of URLs is the client's own, and stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

from tocsin.events import Gate
from tocsin.events.time import normal_time
from tocsin.sources.interface import Loss, Records, Stream
from tocsin.sources.rows import Cells, Layout, RowDecoder, grouped_rows, rows_of_lines
from tocsin.sources.text import head_lines

_APACHE: Final = Gate("apache", "access", "")
_SQUID: Final = Gate("squid", "access", "")
_NAMES: Final = (
    *("host", "port", "client", "ident", "user", "time", "method", "url", "protocol", "request"),
    *("status", "bytes", "referer", "user_agent", "extra"),
)
_METHOD, _REQUEST, _EXTRA = (_NAMES.index(name) for name in ("method", "request", "extra"))

_WHO: Final = (
    r'(?:([^\s"\[\]:]{1,255})(?::(\d{1,5}))? (?=[^\s-]\S{0,255} \S{1,255} \S{1,255} \[))?'
    r"([^\s\[\"]{1,255}) (\S{1,255}) ([^\"\n]{1,255}?) \[([^\]\n]{1,64})\] "
)
_QUOTED: Final = r'[^"\\]*+(?:\\.[^"\\]*+)*+'
_TARGET: Final = r'[^" \\]*+(?:\\.[^" \\]*+)*+'
_LINE: Final = re.compile(
    _WHO
    + rf'"(?:([A-Za-z_-]{{1,32}}) ({_TARGET}) (HTTP/[\d.]{{1,8}})|({_QUOTED}))"'
    + rf' (\d{{3}}|-) (\d{{1,20}}|-)(?: "({_QUOTED})" "({_QUOTED})")?(?: (.*))?',
    re.ASCII,
)
_UNESCAPED: Final = re.compile(
    _WHO + r'"(.*?)" (\d{3}|-) (\d{1,20}|-)(?: "(.*?)" "(.*)"(?: ([^"]*))?|(?: (.*))?)', re.ASCII | re.DOTALL
)
"""A line of a server that does not escape quotes: the status tells where the request ends."""
_VERSION: Final = re.compile(r"HTTP/[\d.]{1,8}", re.ASCII)
_WORD: Final = re.compile(r"[A-Za-z_-]{1,32}")
_SQUID_RESULT: Final = re.compile(r"(?:TCP|UDP|NONE)[A-Z_]{0,40}:[A-Z_]{1,40}(?: .*)?", re.DOTALL)
_TIME: Final = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d:\d\d:\d\d(?:\.\d{1,9})?)(?: ([+-]\d{4}))?", re.ASCII)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ESCAPE: Final = re.compile(r"(?:\\x[0-9A-Fa-f]{2})+|\\.", re.DOTALL)
_CONTROLS: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "v": "\v", "f": "\f"}


def log_time(text: str) -> str:
    """Return the time of `10/Oct/2000:13:55:36 -0700`, or of RFC 3339; empty when it is neither."""
    found = _TIME.fullmatch(text)
    if not found:
        return normal_time(text)
    day, month, year, clock, zone = found.groups(default="")
    if month not in _MONTHS:
        return ""
    return normal_time(f"{year}-{_MONTHS.index(month) + 1:02d}-{day}T{clock}{zone}")


def unescaped(text: str) -> str:
    """Return what the client sent, of which the server wrote quotes, backslashes and bytes beyond ASCII as escapes."""
    return _ESCAPE.sub(_unescape, text) if "\\" in text else text


def _unescape(match: re.Match[str]) -> str:
    found = match[0]
    if len(found) == 2:
        return _CONTROLS.get(found[1], found[1] if found[1] in "\"\\'" else found)
    data = bytes.fromhex(found.replace("\\x", ""))
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _value(cell: str) -> str | None:
    return None if cell == "-" else unescaped(cell)


def _time(fields: Mapping[str, str]) -> str:
    return log_time(fields.get("time", ""))


ACCESS: Final = RowDecoder(Layout(_NAMES, _value, {}, _time))
"""The decoder of access logs."""


def parse_line(text: str) -> Cells | None:
    """Return the cells of a line, or None when it is none of an access log."""
    found = _LINE.fullmatch(text)
    if found is None:
        return _parse_unescaped(text)
    cells = found.groups()
    return (*cells, text) if cells[_REQUEST] is None else (*_with_request(list(cells)), text)


def _parse_unescaped(text: str) -> Cells | None:
    found = _UNESCAPED.fullmatch(text)
    if found is None:
        return None
    *who, request, status, size, referer, agent, after, alone = found.groups()
    cells = [*who, None, None, None, request, status, size, referer, agent, after or alone]
    return (*_with_request(cells), text)


def _with_request(cells: list[str | None]) -> list[str | None]:
    """Return the cells of a line whose request has spaces in it, or is none of HTTP."""
    request = cells[_REQUEST] or ""
    method, gap, rest = request.partition(" ")
    if not gap or not _WORD.fullmatch(method):
        return cells
    target, _, version = rest.rpartition(" ")
    known = target and _VERSION.fullmatch(version)
    cells[_METHOD:_REQUEST] = [method, target, version] if known else [method, rest, None]
    return cells


def gate_of(cells: Cells) -> Gate:
    """Return the gate of a line: that of a proxy when it ends as Squid ends its lines."""
    extra = cells[_EXTRA]
    return _SQUID if extra and _SQUID_RESULT.fullmatch(extra) else _APACHE


class AccessLogSource:
    """Access logs in the common or combined format."""

    name: ClassVar[str] = "access_log"

    def recognise(self, head: bytes) -> bool:
        """Tell by at least half of the first lines."""
        lines = head_lines(head, 20)
        return bool(lines) and 2 * sum(_LINE.fullmatch(line.lstrip("\0")) is not None for line in lines) >= len(lines)

    def read(self, stream: Stream) -> Iterator[Records | Loss]:
        """Yield the requests."""
        return grouped_rows(ACCESS, rows_of_lines(stream, parse_line, gate_of, "no line of an access log"))


__all__ = ["ACCESS", "AccessLogSource", "gate_of", "log_time", "parse_line", "unescaped"]
