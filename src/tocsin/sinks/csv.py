"""CSV (RFC 4180) for spreadsheets, in which no cell is a formula.

Source of the rule for formulas: OWASP, "CSV Injection".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
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
_FORMULA: Final = re.compile(r"\s*[=+\-@＝＋－＠]")
_QUOTED_FORMULA: Final = re.compile(r"[\"'][=+\-@＝＋－＠]")
_TEXT_FORMULA: Final = re.compile('"([=+\\-@]|＝|＋|－|＠)'.encode())
"""A text of JSON that begins like a formula."""
_APOSTROPHE_FORMULA: Final = re.compile("'(?:[=+\\-@]|＝|＋|－|＠)".encode())
_SPECIAL: Final = re.compile(r'[",\r\n]')
_NO_CONTROLS: Final = bytes(range(0x20, 0x100))
_TACTIC: Final = re.compile(r"attack\.([a-z][a-z_-]+)")
_TECHNIQUE: Final = re.compile(r"attack\.(t\d+(?:\.\d+)?)")


class _Row(Struct):
    """The parts of a finding that have a column; the rule, `matched` and `event` stay JSON."""

    rule: Raw
    time: str
    host: str
    telemetry: str
    twin: bool
    source: FoundSource
    matched: Raw
    event: Raw
    assets: dict[str, FoundAsset] = {}


_DECODER: Final = Decoder(_Row)
_decode_rule: Final = Decoder(FoundRule).decode


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
        source = row.source
        level, title, *rest = _rule_cells(bytes(row.rule))
        places = (source.path, source.format, str(source.record))
        texts = [cell(row.time), level, title, cell(row.host), cell(row.telemetry), "true" if row.twin else "false", *rest]
        start = ",".join(map(_quoted, [*texts, *map(cell, places)])).encode()
        assets = b""
        if self._assets:
            named = "; ".join(f"{text} = {asset.label}" for text, asset in row.assets.items())
            assets = b"," + _quoted(cell(named)).encode()
        out.write(b"%b,%b,%b%b\r\n" % (start, _json_cell(row.matched), _json_cell(row.event), assets))

    def end(self, out: BinaryIO, coverage: Coverage) -> None:
        """Write nothing: the form has no place for what was looked at, which `--coverage` tells."""


@lru_cache(maxsize=4096)
def _rule_cells(raw: bytes) -> tuple[str, ...]:
    """Return level, title, id, tactics and techniques of a rule as cells, remembered for the findings that share it."""
    rule = _decode_rule(raw)
    tactics = " ".join(name.replace("_", "-") for name in _tags(_TACTIC, rule.tags))
    techniques = " ".join(name.upper() for name in _tags(_TECHNIQUE, rule.tags))
    return tuple(map(cell, (rule.level, rule.title, rule.id, tactics, techniques)))


def _tags(form: re.Pattern[str], tags: Sequence[str]) -> Iterable[str]:
    return (found[1] for tag in tags if (found := form.fullmatch(tag.lower())))


def cell(text: str) -> str:
    """Return a text as a cell: one line, nothing that a terminal obeys, no formula."""
    text = safe_text(text)
    return f"'{text}" if _FORMULA.match(text) or _QUOTED_FORMULA.search(text) else text


def _json_cell(value: Raw) -> bytes:
    """Return JSON as a cell in its quotes."""
    text = _TEXT_FORMULA.sub(_escaped, safe_json(bytes(value)))
    plain = text.startswith((b"{", b"[")) and not text.translate(None, _NO_CONTROLS)
    if plain and not _APOSTROPHE_FORMULA.search(text):
        return b'"%b"' % text.replace(b'"', b'""') if b'"' in text or b"," in text else text
    return _quoted(cell(text.decode())).encode()


def _escaped(found: re.Match[bytes]) -> bytes:
    return b'"\\u%04x' % ord(found[1].decode())


def csv_line(cells: Sequence[str]) -> bytes:
    """Return cells as a row."""
    return (",".join(map(_quoted, cells)) + "\r\n").encode()


def _quoted(text: str) -> str:
    """Return a cell in quotes where it needs them."""
    return '"{}"'.format(text.replace('"', '""')) if _SPECIAL.search(text) else text


__all__ = ["ASSETS", "COLUMNS", "CsvSink", "cell", "csv_line"]
