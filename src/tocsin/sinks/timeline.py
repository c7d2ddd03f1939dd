"""Forms of a timeline: a table for the screen, and CSV and JSON Lines as Timesketch imports them.

Source: Timesketch, "Import CSV or JSONL": the columns `message`, `datetime` and `timestamp_desc` are needed.
"""

from __future__ import annotations

from typing import BinaryIO, ClassVar, Final

from msgspec import Struct
from msgspec.json import Decoder

from tocsin.findings import Coverage
from tocsin.findings.text import safe_text
from tocsin.sinks.csv import cell, csv_line
from tocsin.sinks.interface import Sink
from tocsin.sinks.jsonl import JsonLinesSink

COLUMNS: Final = (
    "datetime",
    "timestamp_desc",
    "message",
    "kind",
    "host",
    "user",
    "decoded",
    "findings",
    "telemetry",
    "source",
    "record",
)
_HOST_WIDTH: Final = 12
_KIND_WIDTH: Final = 13
_SHOWN: Final = 1000
_LAYER: Final = "\n----\n"


class _Row(Struct):
    datetime: str
    timestamp_desc: str
    message: str
    kind: str
    host: str
    user: str
    decoded: list[str]
    findings: list[str]
    telemetry: str
    source: str
    record: int


_DECODER: Final = Decoder(_Row)


class TimelineCsvSink:
    """A row for each activity, after the names of the columns; no cell is a formula."""

    name: ClassVar[str] = "csv"

    def begin(self, out: BinaryIO) -> None:
        """Write the names of the columns."""
        out.write(csv_line(COLUMNS))

    def write(self, out: BinaryIO, line: bytes) -> None:
        """Write one row."""
        row = _DECODER.decode(line)
        head = (row.datetime, row.timestamp_desc, row.message, row.kind, row.host, row.user)
        tail = (_LAYER.join(row.decoded), "\n".join(row.findings), row.telemetry, row.source, str(row.record))
        out.write(csv_line([cell(text) for text in (*head, *tail)]))

    def end(self, out: BinaryIO, coverage: Coverage) -> None:
        """Write nothing."""


class TimelineTextSink:
    """A line for each activity, cut at `width` characters (0: not at all), and below what was found and decoded."""

    name: ClassVar[str] = "text"

    def __init__(self, width: int = 0) -> None:
        self._width = width

    def begin(self, out: BinaryIO) -> None:
        """Write nothing."""

    def write(self, out: BinaryIO, line: bytes) -> None:
        """Write one row."""
        row = _DECODER.decode(line)
        time = row.datetime[:19].replace("T", " ")
        parts = (
            time,
            f"{row.host or '-':{_HOST_WIDTH}}",
            f"{row.kind:{_KIND_WIDTH}}",
            row.message,
            f"[{row.source}:{row.record}]",
        )
        self._line(out, "  ".join(parts))
        for title in row.findings if row.message != "; ".join(row.findings) else ():
            self._line(out, f"{'':19}  found: {title}")
        for text in row.decoded:
            self._line(out, f"{'':19}  decoded: {text}")

    def _line(self, out: BinaryIO, text: str) -> None:
        text = safe_text(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
        if self._width and len(text) > self._width:
            text = f"{text[: self._width - 1]}…"
        out.write(text.encode() + b"\n")

    def end(self, out: BinaryIO, coverage: Coverage) -> None:
        """Write nothing."""


TIMELINE_SINKS: Final[dict[str, type[Sink]]] = {
    "text": TimelineTextSink,
    "csv": TimelineCsvSink,
    "jsonl": JsonLinesSink,
}
"""Every form of a timeline by its name."""

__all__ = ["COLUMNS", "TIMELINE_SINKS", "TimelineCsvSink", "TimelineTextSink"]
