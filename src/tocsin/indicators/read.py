"""Files of indicators: a STIX 2.1 bundle, MISP events as JSON, or a CSV; told apart by content."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from tocsin.errors import UsageError
from tocsin.indicators.interface import ADDRESS, DOMAIN, FILE_NAME, HASH, NETWORK, URL, Indicator, Indicators, Unusable
from tocsin.indicators.misp import attributes, is_misp, parts
from tocsin.indicators.patterns import read_pattern
from tocsin.indicators.values import guess, normal

FILE_BYTES: Final = 256 << 20
"""The largest file of indicators, in bytes."""
MOST: Final = 250_000
"""The most indicators of one hunt."""
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
_SNIFFED: Final = 20


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
    lines = text.splitlines()
    kept = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    delimiter = next((mark for mark in "\t;," if _divides(kept[:_SNIFFED], mark)), "\0")
    if not kept:
        raise _other_form(path, "it holds nothing but comments")
    head = [cell.strip().casefold() for cell in _cells(kept[0], delimiter)]
    columns = _columns(head)
    at_type, at_value, at_name = columns or ((0, 1, -1) if delimiter != "\0" else (-1, 0, -1))
    headed = bool(columns)
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if headed:
            headed = False
            continue
        cells = [cell.strip() for cell in _cells(line, delimiter)]
        value = cells[at_value] if len(cells) > at_value else ""
        name = cells[at_name] if 0 <= at_name < len(cells) else ""
        kind = cells[at_type].casefold() if 0 <= at_type < len(cells) else ""
        try:
            kind, value = _of_row(kind, value)
        except ValueError as error:
            yield Unusable(value or line, f"{path}:{number}", str(error))
        else:
            yield Indicator(kind, value, f"{kind} {value}", name, str(path))


def _of_row(kind: str, value: str) -> tuple[str, str]:
    if not kind:
        return guess(value)
    if kind not in _TYPE_NAMES:
        raise ValueError(f"indicators of type {kind!r} are not looked for")
    return normal(_TYPE_NAMES[kind], value)


def _divides(lines: Sequence[str], delimiter: str) -> bool:
    """Tell whether every line has such a delimiter, so often as the first line."""
    counts = {len(_cells(line, delimiter)) for line in lines}
    return len(counts) == 1 and counts != {1}


def _columns(head: list[str]) -> tuple[int, int, int] | None:
    """Return the columns of type, value and name of a header, -1 for one that is missing; None when it is no header."""
    value = next((at for at, cell in enumerate(head) if cell in _VALUE_HEADS), None)
    if value is None and len(head) == 1 and head[0] in _TYPE_NAMES:
        value = 0
    if value is None:
        return None
    of_type = next((at for at, cell in enumerate(head) if cell in _TYPE_HEADS), -1)
    return of_type, value, next((at for at, cell in enumerate(head) if cell in _NAME_HEADS), -1)


def _cells(line: str, delimiter: str) -> list[str]:
    if delimiter == "\0":
        return [line.strip().strip('"')]
    return next(csv.reader(io.StringIO(line), delimiter=delimiter), [""])


__all__ = ["FILE_BYTES", "MOST", "read_indicators"]
