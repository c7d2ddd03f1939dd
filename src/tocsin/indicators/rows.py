"""Rows of a CSV of indicators: the columns told by their names, or by their order."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.indicators.interface import ADDRESS, DOMAIN, FILE_NAME, HASH, NETWORK, URL
from tocsin.indicators.values import guess, normal

_TYPE_NAMES: Final = {
    **dict.fromkeys(("hash", "md5", "sha1", "sha-1", "sha256", "sha-256", "sha512", "filehash", "file_hash", "imphash"), HASH),
    **dict.fromkeys(("ip", "ipv4", "ipv6", "address", "ip-src", "ip-dst", "ipv4-addr", "ipv6-addr", "ip_address"), ADDRESS),
    **dict.fromkeys(("cidr", "network", "subnet"), NETWORK),
    **dict.fromkeys(("domain", "hostname", "fqdn", "domain-name", "host"), DOMAIN),
    **dict.fromkeys(("url", "uri"), URL),
    **dict.fromkeys(("filename", "file name", "file_name", "file", "path", "file-name"), FILE_NAME),
}
_VALUE_HEADS: Final = frozenset({"value", "indicator", "ioc", "observable", "indicator_value", "ioc_value"})
_TYPE_HEADS: Final = frozenset({"type", "kind", "indicator_type", "ioc_type"})
_NAME_HEADS: Final = frozenset({"name", "description", "comment", "title", "threat", "malware"})
_MARKING_HEADS: Final = ("tlp", "pap", "marking")
"""How heads of columns of markings begin."""
_SNIFFED: Final = 20
_LONGEST_LINE: Final = 131_072
"""Characters of a line that is divided: as many as the module `csv` takes in one field unless somebody told it otherwise."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its number from 1, its line, what its columns say. `marks` holds what those of markings say, by their heads.

    `headed` tells that the columns have names.
    """

    number: int
    line: str
    kind: str
    value: str
    name: str
    marks: tuple[tuple[str, str], ...]
    headed: bool


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where the columns stand, -1 for one that is missing."""

    kind: int
    value: int
    name: int
    marks: tuple[tuple[str, int], ...] = ()


def csv_rows(text: str) -> Iterator[Row] | None:
    """Return the rows of a text, comments and the header left out; None when there is nothing but comments."""
    lines = text.splitlines()
    kept = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return _rows(lines, kept) if kept else None


def _rows(lines: Sequence[str], kept: Sequence[str]) -> Iterator[Row]:
    delimiter = next((mark for mark in "\t;," if _divides(kept[:_SNIFFED], mark)), "\0")
    columns = _columns([cell.strip().casefold() for cell in _cells(kept[0], delimiter)])
    headed = skipped = columns is not None
    columns = columns or (_Columns(0, 1, -1) if delimiter != "\0" else _Columns(-1, 0, -1))
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if skipped:
            skipped = False
            continue
        cells = [cell.strip() for cell in _cells(line, delimiter)]
        kind, value, name = (_cell(cells, at) for at in (columns.kind, columns.value, columns.name))
        marks = tuple((head, _cell(cells, at)) for head, at in columns.marks)
        yield Row(number, line, kind.casefold(), value, name, marks, headed)


def _cell(cells: Sequence[str], at: int) -> str:
    return cells[at] if 0 <= at < len(cells) else ""


def of_row(row: Row) -> tuple[str, str]:
    """Return the kind and normal form of a row's value. Raises: ValueError that says what is wrong with it."""
    if not row.kind:
        return guess(row.value)
    if row.kind not in _TYPE_NAMES:
        raise ValueError(f"indicators of type {row.kind!r} are not looked for")
    return normal(_TYPE_NAMES[row.kind], row.value)


def _divides(lines: Sequence[str], delimiter: str) -> bool:
    """Tell whether every line has such a delimiter, so often as the first line."""
    counts = {len(_cells(line, delimiter)) for line in lines}
    return len(counts) == 1 and counts != {1}


def _columns(head: list[str]) -> _Columns | None:
    """Return the columns of a header, None when it is no header."""
    value = next((at for at, cell in enumerate(head) if cell in _VALUE_HEADS), None)
    if value is None and len(head) == 1 and head[0] in _TYPE_NAMES:
        value = 0
    if value is None:
        return None
    of_type = next((at for at, cell in enumerate(head) if cell in _TYPE_HEADS), -1)
    name = next((at for at, cell in enumerate(head) if cell in _NAME_HEADS), -1)
    return _Columns(of_type, value, name, tuple((cell, at) for at, cell in enumerate(head) if cell.startswith(_MARKING_HEADS)))


def _cells(line: str, delimiter: str) -> list[str]:
    if delimiter == "\0" or len(line) > _LONGEST_LINE:
        return [line.strip().strip('"')]
    return next(csv.reader(io.StringIO(line), delimiter=delimiter), [""])


__all__ = ["Row", "csv_rows", "of_row"]
