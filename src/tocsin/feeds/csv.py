"""Indicators of a CSV as STIX, and back. Columns of TLP, PAP and markings are read; what they leave open has the default."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_network
from typing import Final, TextIO

import msgspec

from tocsin.errors import UsageError
from tocsin.feeds.interface import LEFT_OUT, Incoming, Rejected, Terms
from tocsin.feeds.loose import as_text
from tocsin.feeds.made import UNDATED, Made, Told, dated, dates, of_tags, read_made
from tocsin.indicators.interface import ADDRESS, DOMAIN, FILE_NAME, HASH, NETWORK, URL
from tocsin.indicators.patterns import read_pattern
from tocsin.indicators.rows import Row, csv_rows, of_row
from tocsin.indicators.values import normal
from tocsin.sharing.markings import Tlp, is_marking_name, read_name

_ALGORITHMS: Final = {32: "MD5", 40: "SHA-1", 64: "SHA-256", 128: "SHA-512"}
_PATHS: Final = {DOMAIN: "domain-name:value", URL: "url:value", FILE_NAME: "file:name"}
_HEADS: Final = {ADDRESS: "ip", NETWORK: "cidr", FILE_NAME: "filename"}
_FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_BETWEEN: Final = re.compile(r"[\s,;|]+")
_SHOWN: Final = 100


def read_csv(text: str, label: str, terms: Terms, moment: str = UNDATED) -> list[Incoming | Rejected]:
    """Read the rows of a file. `moment` is when it was last changed: the version of what it holds.

    Raises: UsageError X002 for another text: it has no header, and most of its lines are no indicators.
    """
    rows = list(csv_rows(text) or ())
    if not rows:
        return [Rejected(label, "X033", "the file holds nothing but comments")]
    made = list(_indicators(rows, label, moment))
    wrong = [item for item in made if isinstance(item, Rejected) and item.code not in LEFT_OUT]
    if not rows[0].headed and 2 * len(wrong) > len(rows):
        hint = "a list of indicators has one on each line; else name the columns in a header, one of them 'value'"
        raise UsageError(
            "X002",
            f"{label}: {len(wrong):,} of {len(rows):,} lines are no indicators, as {wrong[0].place}: {wrong[0].why}",
            hint=hint,
        )
    return read_made(made, terms)


def _indicators(rows: Iterable[Row], label: str, moment: str) -> Iterator[Made | Rejected]:
    """Yield an indicator for each value, as restricted as the most restricted of its rows."""
    found: dict[tuple[str, str], tuple[Row, Told]] = {}
    for row in rows:
        try:
            key = of_row(row)
        except ValueError as error:
            yield Rejected(f"{label}:{row.number}", "X033", f"{(row.value or row.line)[:_SHOWN]!r}: {error}")
            continue
        first, told = found.get(key, (row, Told()))
        marks, strange = _told(row)
        found[key] = (first, told.join(marks))
        for word in strange:
            yield Rejected(f"{label}:{row.number}", "X035", f"{word[:_SHOWN]!r} is no marking, so the indicator is TLP:RED")
    for (kind, value), (row, told) in found.items():
        content = {
            "name": row.name or value[:_SHOWN],
            "pattern": f"[{_comparison(kind, value)}]",
            "pattern_type": "stix",
            "valid_from": moment,
            "indicator_types": ["unknown"],
        }
        yield Made(f"{label}:{row.number}", dated("indicator", f"csv {kind} {value}", dates(UNDATED, moment), told, content))


def _told(row: Row) -> tuple[Told, list[str]]:
    """Return what the columns of markings say, and the words that are no marking: each is TLP:RED."""
    told, strange = Told(), []
    for head, text in row.marks:
        for word in filter(None, _BETWEEN.split(text)):
            tag = word if is_marking_name(word) or head.startswith("marking") else f"{head[:3]}:{word}"
            told = told.join(of_tags([tag]) if is_marking_name(tag) else Told(Tlp.RED))
            strange += [] if read_name(tag) is not None else [word]
    return told, strange


def _comparison(kind: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    if kind == HASH:
        return f"file:hashes.'{_ALGORITHMS[len(value)]}' = '{escaped}'"
    if kind in {ADDRESS, NETWORK}:
        name = f"ipv{ip_network(value).version}-addr:value"
        return f"{name} {'ISSUBSET' if kind == NETWORK else '='} '{escaped}'"
    return f"{_PATHS[kind]} = '{escaped}'"


def write_csv(items: Iterable[Incoming], out: TextIO) -> list[Rejected]:
    """Write the values of indicators with their markings; return what has no place in a CSV.

    A cell that a spreadsheet could take for a formula begins with an apostrophe. What is kept to groups is told as TLP:RED.
    """
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("type", "value", "name", "tlp", "pap"))
    lost: list[Rejected] = []
    for item in items:
        try:
            values, name = _values(item)
        except ValueError as error:
            lost.append(Rejected(item.place or item.id, "X024", str(error), item.id))
            continue
        tlp = Tlp.RED if item.whole.named else item.whole.tlp
        for kind, value in values:
            writer.writerow([_cell(text) for text in (kind, value, name, tlp.label, item.whole.pap.label)])
    return lost


def _values(item: Incoming) -> tuple[list[tuple[str, str]], str]:
    """Return the values of an indicator by kind, and its name. Raises: ValueError when it has none."""
    content = msgspec.json.decode(item.body) if item.type == "indicator" else {}
    if content.get("pattern_type") != "stix" or content.get("revoked") is True:
        raise ValueError(f"an object of type {item.type} is no indicator of values that holds")
    kinds = [normal(kind, value) for kind, value in read_pattern(as_text(content.get("pattern")))]
    return [(_HEADS.get(kind, kind), value) for kind, value in kinds], as_text(content.get("name"))


def _cell(text: str) -> str:
    plain = " ".join(text.split())
    return f"'{plain}" if plain.startswith(_FORMULA) else plain


__all__ = ["read_csv", "write_csv"]
