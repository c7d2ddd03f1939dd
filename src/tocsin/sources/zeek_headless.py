"""Rows of Zeek logs whose header was lost, as a search or a cut leaves them: what the columns are, as far as that is sure.

The first six columns of a log of connections are always the same. The log is told by the name of its file, and the other
columns by the log, when their number is one that it is known to have (`zeek_columns.yml`).
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from tocsin.sources.zeek_layout import Layout

_TABLE: Final = Path(__file__).with_name("zeek_columns.yml")
_ADDRESS: Final = r"[0-9a-fA-F.:]{3,45}"
_ROW: Final = re.compile(
    rf"[0-9X]{{9,10}}\.[0-9X]{{1,9}}\t[A-Za-z0-9]{{9,24}}\t{_ADDRESS}\t[0-9]{{1,5}}\t{_ADDRESS}\t[0-9]{{1,5}}(?:\t|$)"
)
"""A row of a connection; published samples have `X` for the digits of its time."""
_FIRST: Final = (
    ("ts", "time"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
)
_SIDES: Final = "is_orig:bool source_h:addr source_p:port destination_h:addr destination_p:port"


def is_row(line: str) -> bool:
    """Tell whether a line is surely a row of a log of connections."""
    return _ROW.match(line) is not None


def layout_of(label: str, row: str) -> tuple[Layout, bool]:
    """Return the layout of rows like this one in a file, and whether all columns are known; others are `column_7` and so on."""
    log = re.split(r"[/\\]", label)[-1].partition(".")[0]
    width = row.count("\t") + 1
    known = _layouts().get(log, {}).get(width)
    if known:
        return known, True
    names = [name for name, _ in _FIRST] + [f"column_{at}" for at in range(len(_FIRST) + 1, width + 1)]
    return Layout(tuple(names), tuple(kind for _, kind in _FIRST), log if log in _layouts() else ""), False


@cache
def _layouts() -> dict[str, dict[int, Layout]]:
    """Return log -> number of columns -> layout."""
    found: dict[str, dict[int, Layout]] = {}
    for log, variants in yaml.load(_TABLE.read_text("utf-8"), yaml.CSafeLoader).items():
        for text in variants:
            words = text.replace("SIDES", _SIDES).split()
            for kept in (words, [word for word in words if not word.startswith("?")]):
                columns = [*_FIRST, *(_column(word) for word in kept)]
                names, kinds = zip(*columns, strict=True)
                found.setdefault(log, {})[len(columns)] = Layout(names, kinds, log)
    return found


def _column(word: str) -> tuple[str, str]:
    name, _, kind = word.removeprefix("?").partition(":")
    return name, kind or "string"


__all__ = ["is_row", "layout_of"]
