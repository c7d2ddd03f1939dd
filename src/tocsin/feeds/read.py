"""Read a file of another tool, its format told by its content."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from tocsin.errors import UsageError
from tocsin.feeds.carried import narrowed, read_carried
from tocsin.feeds.csaf import is_csaf, read_csaf
from tocsin.feeds.csv import read_csv
from tocsin.feeds.interface import Incoming, Rejected, Terms
from tocsin.feeds.kev import is_kev, read_kev
from tocsin.feeds.made import UNDATED
from tocsin.feeds.misp import read_misp
from tocsin.feeds.misp_feed import MANIFEST, is_feed, read_feed
from tocsin.feeds.sigma import is_sigma, read_sigma
from tocsin.feeds.stix import read_bundle
from tocsin.indicators.misp import is_misp
from tocsin.sharing.moments import moment_text

FILE_BYTES: Final = 256 << 20
"""The largest file, in bytes: a package is held whole."""
_SHOWN: Final = 100
_FORMATS: Final = (
    "STIX 2, MISP events or a MISP feed, CSAF 2, KEV, Sigma rules, CSV of indicators, and findings of a scan are read"
)
_JSON: Final = re.compile(r"\s*(?:\{\s*[\"}]|\[\s*(?:[\"{\[\]\d-]|true|false|null))")
"""How JSON begins, and no other text, such as TOML."""


def read_package(source: Path | bytes, label: str, terms: Terms) -> Iterator[Incoming | Rejected]:
    """Read a file, the content of one, or the folder of a MISP feed. `label` names it in places.

    Raises: UsageError X001 when it cannot be read, X002 when its format is not recognised, X003 when it is too large,
    X004 when it is damaged.
    """
    if isinstance(source, bytes):
        return _read(source, label, terms, UNDATED)
    if is_feed(source):
        return read_feed(source, label, terms)
    if source.is_dir():
        raise _unknown(label, f"it is a folder without {MANIFEST}, so no MISP feed")
    try:
        status = source.stat()
        if status.st_size > FILE_BYTES:
            raise _too_large(label)
        return _read(source.read_bytes(), label, terms, moment_text(status.st_mtime_ns // 1_000_000 * 1000))
    except OSError as error:
        raise UsageError("X001", f"{label}: cannot be read: {error.strerror}", hint="check path and rights") from error


def _read(data: bytes, label: str, terms: Terms, moment: str) -> Iterator[Incoming | Rejected]:
    if len(data) > FILE_BYTES:
        raise _too_large(label)
    text = data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig", "replace")
    if _JSON.match(text):
        return _read_json(data if data[:1] not in (b"\xff", b"\xfe") else text.encode(), label, terms)
    if "\0" in text or "\ufffd" in text or not text.strip():
        raise _unknown(label, "it is empty" if not text.strip() else "it is no text in UTF-8")
    return iter(read_sigma(text, label, terms) if is_sigma(text) else read_csv(text, label, terms, moment))


class _Peek(msgspec.Struct):
    """What tells a package of STIX without decoding it."""

    objects: msgspec.Raw


def _read_json(data: bytes, label: str, terms: Terms) -> Iterator[Incoming | Rejected]:
    data = data.removeprefix(b"\xef\xbb\xbf")
    if _is_package(data):
        read, beside = read_bundle(data, label, terms), read_carried(data, label)
        return iter(read if beside is None else narrowed(read, beside, terms, label))
    try:
        document = msgspec.json.decode(data)
    except (ValueError, RecursionError) as error:
        why = str(error)[:_SHOWN] or "it is nested too deep"
        raise UsageError("X004", f"{label}: it is no JSON: {why}", hint="fetch it again") from error
    if is_csaf(document):
        return iter(read_csaf(document, label, terms))
    if is_kev(document):
        return iter(read_kev(document, label, terms))
    if is_misp(document):
        return read_misp(document, label, terms)
    if isinstance(document, list) and any(isinstance(item, dict) and "--" in str(item.get("id")) for item in document):
        return iter(read_bundle(data, label, terms))
    raise _unknown(label, "it is JSON of another form")


def _is_package(data: bytes) -> bool:
    try:
        return bytes(msgspec.json.decode(data, type=_Peek).objects)[:1] == b"["
    except (ValueError, RecursionError):
        return False


def _too_large(label: str) -> UsageError:
    return UsageError("X003", f"{label}: is larger than {FILE_BYTES >> 20} MiB", hint="divide it")


def _unknown(label: str, why: str) -> UsageError:
    return UsageError("X002", f"{label}: {why}", hint=_FORMATS)


__all__ = ["FILE_BYTES", "read_package"]
