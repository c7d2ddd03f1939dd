"""The native access.log of Squid: epoch time, elapsed, client, result, size, method, URL, user, hierarchy, content type.

A header of the request and one of the reply may follow in brackets (`log_mime_hdrs`). A hyphen is absent.
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

_ACCESS: Final = Gate("squid", "access", "")
_NAMES: Final = (
    *("time", "elapsed_ms", "client", "result", "status", "bytes", "method", "url", "user"),
    *("hierarchy", "peer", "content_type", "extra"),
)
_LINE: Final = re.compile(
    r"(\d{9,10}(?:\.\d{1,6})?) +(-?\d{1,12}) (\S{1,255}) ([A-Z_]{3,80})/(\d{1,3}|-) (-?\d{1,20}|-) (\S{1,64}) (\S+|\S.*?)"
    r" (\S{1,255}) ([A-Z_]{3,80})/(\S{1,255})(?: (\S{1,255}))?(?: (.*))?",
    re.ASCII,
)
_AGENT: Final = re.compile(r"User-Agent: ?([^\r\n]*?)(?:%0D%0A|\\r\\n|\r|\n|\])", re.IGNORECASE)


def _value(cell: str) -> str | None:
    return None if cell == "-" else cell


def _agent(extra: str | None) -> str | None:
    """Return the user agent from the headers that `log_mime_hdrs` adds."""
    found = _AGENT.search(extra) if extra else None
    return found[1].replace("%20", " ") if found else None


def _time(fields: Mapping[str, str]) -> str:
    return normal_time(fields.get("time", ""))


SQUID: Final = RowDecoder(Layout(_NAMES, _value, {"user_agent": (("extra",), _agent)}, _time))
"""The decoder of Squid's own format."""


def parse_line(text: str) -> Cells | None:
    """Return the cells of a line, or None when it is none of Squid's."""
    found = _LINE.fullmatch(text)
    return (*found.groups(), text) if found else None


class SquidSource:
    """The native access.log of Squid."""

    name: ClassVar[str] = "squid"

    def recognise(self, head: bytes) -> bool:
        """Tell by at least half of the first lines."""
        lines = head_lines(head, 20)
        return bool(lines) and 2 * sum(_LINE.fullmatch(line) is not None for line in lines) >= len(lines)

    def read(self, stream: Stream) -> Iterator[Records | Loss]:
        """Yield the requests."""
        return grouped_rows(SQUID, rows_of_lines(stream, parse_line, lambda _: _ACCESS, "no line of Squid"))


__all__ = ["SQUID", "SquidSource", "parse_line"]
