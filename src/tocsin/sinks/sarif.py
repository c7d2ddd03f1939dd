"""SARIF 2.1.0: a log of one run, with the rules that matched after the results, when they are known.

Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0 Plus Errata 01".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import BinaryIO, ClassVar, Final
from urllib.parse import quote

from msgspec.json import encode

import tocsin
from tocsin.findings import Coverage, RuleNote
from tocsin.findings.text import safe_json, safe_text
from tocsin.sinks.found import Found, RuleParts, cut, event_text, matched_object, message, read_finding, rule_parts

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final = {"informational": "note", "low": "note", "medium": "warning", "high": "error", "critical": "error"}
_SCORES: Final = {"informational": "0.0", "low": "3.0", "medium": "5.5", "high": "8.0", "critical": "9.5"}
_WITHOUT_LINES: Final = frozenset({"evtx", "xml", "csv", "capture"})
"""Formats whose `record` is no line."""
_MOST_NOTES: Final = 1000


class SarifSink:
    """A result for each finding, `error` for high and critical, and notifications for what could not be looked at."""

    name: ClassVar[str] = "sarif"

    def __init__(self) -> None:
        self._rules: dict[bytes, int] = {}
        self._before = b"\n"

    def begin(self, out: BinaryIO) -> None:
        """Open the log and its results."""
        self._rules = {}
        self._before = b"\n"
        out.write(b'{"$schema":%b,"version":"2.1.0","runs":[{"results":[' % encode(_SCHEMA))

    def write(self, out: BinaryIO, line: bytes) -> None:
        """Write one finding."""
        found = read_finding(line)
        raw = bytes(found.rule)
        index = self._rules.setdefault(raw, len(self._rules))
        out.write(self._before + safe_json(encode(_result(found, rule_parts(raw), index, line))))
        self._before = b",\n"

    def end(self, out: BinaryIO, coverage: Coverage) -> None:
        """Close the results and write the rules that matched and what could not be looked at."""
        driver = {"name": "Tocsin", "version": tocsin.__version__, "rules": [_rule(rule_parts(raw)) for raw in self._rules]}
        invocation = {
            "executionSuccessful": not coverage.interrupted,
            "toolExecutionNotifications": _capped(list(_files(coverage))),
            "toolConfigurationNotifications": _capped(list(_unusable(coverage))),
        }
        rest = {"tool": {"driver": driver}, "invocations": [invocation], "columnKind": "unicodeCodePoints"}
        out.write(b"\n]," + safe_json(encode(rest))[1:] + b"]}\n")


def _result(found: Found, parts: RuleParts, index: int, line: bytes) -> dict[str, object]:
    place: dict[str, object] = {"artifactLocation": {"uri": _uri(found.source.path)}}
    if found.source.format not in _WITHOUT_LINES and found.source.record > 0:
        place["region"] = {"startLine": found.source.record}
    location: dict[str, object] = {"physicalLocation": place}
    if found.host:
        location["logicalLocations"] = [{"name": cut(found.host), "kind": "host"}]
    properties = {
        "time": found.time or "unknown",
        "level": parts.rule.level,
        "telemetry": cut(found.telemetry),
        "format": found.source.format,
        "record": found.source.record,
        "twin": found.twin,
        "matched": bytes(matched_object(found)).decode("utf-8", "replace"),
        "event": event_text(found),
    }
    if found.assets:
        properties["assets"] = sorted({cut(asset.label) for asset in found.assets.values()})
    return {
        "ruleId": parts.key,
        "ruleIndex": index,
        "level": _LEVELS.get(parts.rule.level, "warning"),
        "message": {"text": message(found, parts.rule)},
        "locations": [location],
        "partialFingerprints": {"tocsin/v1": hashlib.blake2b(line, digest_size=16).hexdigest()},
        "properties": properties,
    }


@lru_cache(maxsize=4096)
def _uri(path: str) -> str:
    """Return the path as a reference of RFC 3986."""
    return ("file://" if path.startswith("/") else "") + quote(cut(path), safe="/!")


def _rule(parts: RuleParts) -> dict[str, object]:
    rule = parts.rule
    told: dict[str, object] = {
        "id": parts.key,
        "name": rule.title,
        "shortDescription": {"text": rule.title},
        "defaultConfiguration": {"level": _LEVELS.get(rule.level, "warning")},
        "properties": {
            "tags": list(dict.fromkeys(("security", *rule.tags))),
            "security-severity": _SCORES.get(rule.level, "5.5"),
            "path": rule.path,
        },
    }
    if rule.references:
        told["help"] = {"text": "\n".join(rule.references)}
    return told


def _files(coverage: Coverage) -> Iterator[dict[str, object]]:
    """Yield the files of which something was not read."""
    for file in coverage.files:
        if file.status != "read":
            level = "error" if file.status == "skipped" else "warning"
            location = {"physicalLocation": {"artifactLocation": {"uri": _uri(file.path)}}}
            told = f"{file.status}: {cut(file.reason) or 'no reason is known'}"
            yield {"message": {"text": safe_text(told)}, "level": level, "locations": [location]}


def _unusable(coverage: Coverage) -> Iterator[dict[str, object]]:
    """Yield the rules that could not be evaluated, or that this evidence cannot show."""
    rules = coverage.rules
    kinds: tuple[tuple[str, str, Sequence[RuleNote]], ...] = (
        ("invalid", "error", rules.invalid),
        ("unsupported", "warning", rules.unsupported),
        ("failed on some event", "warning", rules.failed),
        ("cannot be shown by this evidence", "note", rules.not_evaluable),
    )
    for kind, level, notes in kinds:
        for note in notes:
            yield {"message": {"text": safe_text(f"{note.title or note.id}: {kind}: {cut(note.reason)}")}, "level": level}


def _capped(notes: list[dict[str, object]]) -> list[dict[str, object]]:
    more = len(notes) - _MOST_NOTES
    rest = {"message": {"text": f"[cut: {more} more notifications]"}, "level": "note"}
    return [*notes[:_MOST_NOTES], *((rest,) if more > 0 else ())]


__all__ = ["SarifSink"]
