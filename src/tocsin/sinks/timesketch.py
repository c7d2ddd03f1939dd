"""JSON Lines for Timesketch: `message`, `datetime`, `timestamp_desc`, and flat fields beside them.

Source: Timesketch, "Create timeline from JSON/JSONL/CSV file"; "Not a time" is how Plaso calls the time of an event that
has none.
"""

from __future__ import annotations

from functools import lru_cache
from typing import BinaryIO, ClassVar, Final

from msgspec import Raw
from msgspec.json import encode

from tocsin.findings import Coverage
from tocsin.findings.text import safe_json
from tocsin.sinks.found import (
    EPOCH,
    Found,
    cut,
    event_text,
    matched_object,
    message,
    microseconds,
    read_finding,
    rule_parts,
)
from tocsin.sinks.observables import observables

_FIELDS: Final = {
    "process.path": "process_path",
    "process.command": "command_line",
    "process.pid": "pid",
    "parent.path": "parent_process_path",
    "user": "username",
    "target.user": "target_username",
    "src.ip": "src_ip",
    "src.port": "src_port",
    "dst.ip": "dst_ip",
    "dst.port": "dst_port",
    "dst.host": "dst_host",
    "query": "dns_query",
    "file.path": "filename",
    "registry.key": "key_path",
    "hashes": "hashes",
}


class TimesketchSink:
    """A flat object a line. An event without a time is at 1970 with `timestamp_desc` "Not a time", and so not lost."""

    name: ClassVar[str] = "timesketch"

    def begin(self, out: BinaryIO) -> None:
        """Write nothing."""

    def write(self, out: BinaryIO, line: bytes) -> None:
        """Write one finding."""
        out.write(safe_json(encode(_row(read_finding(line)))) + b"\n")

    def end(self, out: BinaryIO, coverage: Coverage) -> None:
        """Write nothing: the form has no place for what was looked at, which `--coverage` tells."""


def _row(found: Found) -> dict[str, object]:
    raw = bytes(found.rule)
    source = found.source
    row: dict[str, object] = {
        "message": message(found, rule_parts(raw).rule),
        "datetime": f"{(found.time or EPOCH)[:-1]}+00:00",
        "timestamp": microseconds(found.time) or 0,
        "timestamp_desc": "Event Time" if found.time else "Not a time",
        "data_type": "tocsin:finding",
        **_rule(raw),
        "hostname": cut(found.host),
        "telemetry": cut(found.telemetry),
        "source_path": cut(source.path),
        "source_format": source.format,
        "record": source.record,
        "matched": bytes(matched_object(found)).decode("utf-8", "replace"),
        "event": event_text(found),
    }
    for kind, text in observables(found).items():
        if kind in _FIELDS:
            row[_FIELDS[kind]] = text
    if found.assets:
        row["assets"] = "; ".join(f"{cut(text)} = {cut(asset.label)}" for text, asset in found.assets.items())
    return row


@lru_cache(maxsize=4096)
def _rule(raw: bytes) -> dict[str, Raw]:
    """Return the fields that follow from the rule."""
    parts = rule_parts(raw)
    fields = {
        "rule_title": parts.rule.title,
        "rule_id": parts.rule.id,
        "level": parts.rule.level,
        "tag": parts.rule.tags,
        "tactics": ", ".join(parts.tactics),
        "techniques": ", ".join(parts.techniques),
    }
    return {name: Raw(encode(value)) for name, value in fields.items()}


__all__ = ["TimesketchSink"]
