"""Files of indicators: a STIX 2.1 bundle, MISP events as JSON, or a CSV; told apart by content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from tocsin.errors import UsageError
from tocsin.indicators.interface import Indicator, Indicators, Unusable
from tocsin.indicators.misp import attributes, is_misp, parts
from tocsin.indicators.patterns import read_pattern
from tocsin.indicators.rows import csv_rows, of_row
from tocsin.indicators.values import normal

FILE_BYTES: Final = 256 << 20
"""The largest file of indicators, in bytes."""
MOST: Final = 250_000
"""The most indicators of one hunt."""


def read_indicators(paths: Sequence[Path]) -> Indicators:
    """Read files of indicators; of a value that is given more than once the first is kept.

    Raises: UsageError I001 for a file that cannot be read, I002 for one of another form, I003 when there are too many.
    """
    into = Indicators()
    seen: set[tuple[str, str]] = set()
    for path in paths:
        for item in _read_file(path):
            if isinstance(item, Unusable):
                into.unusable.append(item)
            elif (item.kind, item.value) in seen:
                into.repeated += 1
            else:
                seen.add((item.kind, item.value))
                into.found.append(item)
            if len(into.found) > MOST:
                raise UsageError("I003", f"there are more than {MOST:,} indicators", hint="hunt with a part of them at a time")
    return into


def _read_file(path: Path) -> Iterator[Indicator | Unusable]:
    try:
        if path.stat().st_size > FILE_BYTES:
            raise UsageError("I001", f"{path}: is larger than {FILE_BYTES >> 20} MiB", hint="divide it")
        data = path.read_bytes()
    except OSError as error:
        raise UsageError("I001", f"{path}: cannot be read: {error.strerror}", hint="check path and rights") from error
    text = data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig", "replace")
    if text.lstrip()[:1] in ("{", "["):
        yield from _read_json(path, text)
    elif "\0" in text or not text.strip():
        raise _other_form(path, "it is empty" if not text.strip() else "it is no text")
    else:
        yield from _read_csv(path, text)


def _other_form(path: Path, why: str) -> UsageError:
    hint = "give a STIX 2.1 bundle, MISP events as JSON, or a CSV with the columns type,value or with one column"
    return UsageError("I002", f"{path}: {why}", hint=hint)


def _read_json(path: Path, text: str) -> Iterator[Indicator | Unusable]:
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _other_form(path, f"it is no valid JSON: {error}") from error
    if isinstance(document, dict) and document.get("type") == "bundle" and isinstance(document.get("objects"), list):
        yield from _read_stix(path, document["objects"])
    elif is_misp(document):
        yield from _read_misp(path, document)
    else:
        raise _other_form(path, "it is JSON, but neither a STIX bundle nor MISP events")


def _read_stix(path: Path, objects: list[Any]) -> Iterator[Indicator | Unusable]:
    for number, item in enumerate(objects):
        if not isinstance(item, dict) or item.get("type") != "indicator":
            continue
        own, name = str(item.get("id") or f"objects[{number}]"), str(item.get("name") or "")
        where = f"{path}: {own}"
        if item.get("revoked") is True:
            yield Unusable(name or own, where, "the indicator was revoked")
            continue
        language = str(item.get("pattern_type", "stix"))
        if language != "stix":
            yield Unusable(name or own, where, f"patterns of type {language} are not looked for")
            continue
        try:
            values = read_pattern(str(item.get("pattern") or ""))
        except ValueError as error:
            yield Unusable(name or own, where, str(error))
            continue
        yield from _made(((kind, value, own, name) for kind, value in values), path, where)


def _read_misp(path: Path, document: object) -> Iterator[Indicator | Unusable]:
    for attribute, about in attributes(document):
        where = f"{path}: attribute {attribute.get('uuid') or attribute.get('id') or '?'}"
        try:
            found = parts(attribute, about)
        except ValueError as error:
            yield Unusable(str(attribute.get("value") or ""), where, str(error))
            continue
        yield from _made(found, path, where)


def _made(values: Iterable[tuple[str, str, str, str]], path: Path, where: str) -> Iterator[Indicator | Unusable]:
    for kind, text, own, name in values:
        try:
            kind, value = normal(kind, text)
        except ValueError as error:
            yield Unusable(text, where, str(error))
        else:
            yield Indicator(kind, value, f"{own} {value}".strip(), name, str(path))


def _read_csv(path: Path, text: str) -> Iterator[Indicator | Unusable]:
    rows = csv_rows(text)
    if rows is None:
        raise _other_form(path, "it holds nothing but comments")
    for row in rows:
        try:
            kind, value = of_row(row)
        except ValueError as error:
            yield Unusable(row.value or row.line, f"{path}:{row.number}", str(error))
        else:
            yield Indicator(kind, value, f"{kind} {value}", row.name, str(path))


__all__ = ["FILE_BYTES", "MOST", "read_indicators"]
