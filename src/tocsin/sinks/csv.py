"""CSV (RFC 4180) for spreadsheets, in which no cell is a formula.

Source of the rule for formulas: OWASP, "CSV Injection".
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import BinaryIO, ClassVar, Final

from msgspec import Raw, Struct
from msgspec.json import Decoder

from tocsin.findings import Coverage, FoundAsset, FoundRule, FoundSource
from tocsin.findings.text import safe_json, safe_text
from tocsin.sinks.found import read_line

COLUMNS: Final = (
    "time",
    "level",
    "title",
    "host",
    "telemetry",
    "twin",
    "rule_id",
    "tactics",
    "techniques",
    "source_path",
    "format",
    "record",
    "matched",
    "event",
)
ASSETS: Final = "assets"
"""The column that a site file adds."""
_FORMULA: Final = re.compile(r"\s*[=+\-@＝＋－＠]|.*[\"'][=+\-@＝＋－＠]", re.DOTALL)
_FORMULA_IN_JSON: Final = re.compile(r'(?<=")[=+\-@＝＋－＠]')
_TACTIC: Final = re.compile(r"attack\.([a-z][a-z_-]+)")
_TECHNIQUE: Final = re.compile(r"attack\.(t\d+(?:\.\d+)?)")


class _Row(Struct):
    """The parts of a finding that have a column; `matched` and `event` stay JSON."""

    rule: FoundRule
    time: str
    host: str
    telemetry: str
    twin: bool
    source: FoundSource
    matched: Raw
    event: Raw
    assets: dict[str, FoundAsset] = {}


_DECODER: Final = Decoder(_Row)


class CsvSink:
    """A row for each finding, in UTF-8, after a row with the names of the columns.

    Control characters are written as visible escapes. A cell that a spreadsheet could take for a formula begins with an
    apostrophe, except in the columns of JSON, where the character itself is escaped and the cell stays valid JSON. With
    `assets` there is one more column, the last: the assets of the site file that the event names.
    """

    name: ClassVar[str] = "csv"

    def __init__(self, assets: bool = False) -> None:
        self._assets = assets

    def begin(self, out: BinaryIO) -> None:
        """Write the names of the columns."""
        out.write(csv_line((*COLUMNS, *((ASSETS,) if self._assets else ()))))

    def write(self, out: BinaryIO, line: bytes) -> None:
        """Write one finding."""
        row = read_line(_DECODER, line)
        rule, source = row.rule, row.source
        texts = (row.time, rule.level, rule.title, row.host, row.telemetry, str(row.twin).lower(), rule.id)
        tactics = " ".join(name.replace("_", "-") for name in _tags(_TACTIC, rule.tags))
        techniques = " ".join(name.upper() for name in _tags(_TECHNIQUE, rule.tags))
        places = (source.path, source.format, str(source.record))
        cells = [*map(cell, (*texts, tactics, techniques, *places)), *map(_json_cell, (row.matched, row.event))]
        if self._assets:
            cells.append(cell("; ".join(f"{text} = {asset.label}" for text, asset in row.assets.items())))
        out.write(csv_line(cells))

    def end(self, out: BinaryIO, coverage: Coverage) -> None:
        """Write nothing: the form has no place for what was looked at, which `--coverage` tells."""


def _tags(form: re.Pattern[str], tags: Sequence[str]) -> Iterable[str]:
    return (found[1] for tag in tags if (found := form.fullmatch(tag.lower())))


def cell(text: str) -> str:
    """Return a text as a cell: one line, nothing that a terminal obeys, no formula."""
    text = safe_text(text)
    return f"'{text}" if _FORMULA.match(text) else text


def _json_cell(value: Raw) -> str:
    text = safe_json(bytes(value)).decode()
    return cell(_FORMULA_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def csv_line(cells: Sequence[str]) -> bytes:
    """Return cells as a row."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue().encode()


__all__ = ["ASSETS", "COLUMNS", "CsvSink", "cell", "csv_line"]
