"""Splunk's HTTP Event Collector: an object with metadata and the finding a line, for `/services/collector/event`.

Source: Splunk, "Format events for HTTP Event Collector". Without `time`, the index takes the time of its arrival.
"""

from __future__ import annotations

from typing import BinaryIO, ClassVar

from msgspec import Raw
from msgspec.json import encode

from tocsin.findings import Coverage
from tocsin.findings.text import safe_json
from tocsin.sinks.found import Found, cut, event_object, matched_object, microseconds, read_finding, rule_parts


class SplunkSink:
    """An event a line, of sourcetype `tocsin:finding`; without a time it has no `time`, and the field `time_unknown`."""

    name: ClassVar[str] = "splunk"

    def begin(self, out: BinaryIO) -> None:
        """Write nothing."""

    def write(self, out: BinaryIO, line: bytes) -> None:
        """Write one finding."""
        out.write(safe_json(encode(_event(read_finding(line), line))) + b"\n")

    def end(self, out: BinaryIO, coverage: Coverage) -> None:
        """Write nothing: the form has no place for what was looked at, which `--coverage` tells."""


def _event(found: Found, line: bytes) -> dict[str, object]:
    parts = rule_parts(bytes(found.rule))
    fields: dict[str, object] = {"level": parts.rule.level, "rule_id": parts.rule.id}
    if parts.techniques:
        fields["technique"] = list(parts.techniques)
    event: dict[str, object] = {}
    micros = microseconds(found.time)
    if micros is None:
        fields["time_unknown"] = "true"
    else:
        event["time"] = Raw(f"{micros / 1e6:.6f}".encode())
    if found.host:
        event["host"] = cut(found.host)
    event["source"] = cut(found.source.path)
    event["sourcetype"] = "tocsin:finding"
    event["fields"] = fields
    event["event"] = _finding(found, line)
    return event


def _finding(found: Found, line: bytes) -> object:
    """Return the finding as it is, or with what is huge or nested too deep cut."""
    event, matched = event_object(found), matched_object(found)
    if event is found.event and matched is found.matched:
        return Raw(line)
    found.event, found.matched = event, matched
    return found


__all__ = ["SplunkSink"]
