"""Loads the conformance cases and turns their events into what the matchers read."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tocsin.errors import RuleError, UnsupportedRule
from tocsin.events import Event
from tocsin.rules.parse import parse_document
from tocsin.rules.rule import Filter, Rule
from tocsin.sources import recognise
from tocsin.sources.interface import Records, Stream

CASES = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Case:
    """One case: a rule, its configuration, and events with what is expected of them."""

    name: str
    body: dict[str, Any]

    @property
    def outcome(self) -> str:
        """Return what compiling must end in."""
        return self.body.get("outcome", "compiled")

    @property
    def placeholders(self) -> dict[str, list[str]]:
        """Return the configured placeholders."""
        return self.body.get("placeholders", {})

    def rule(self) -> Rule:
        """Parse the rule; what the case leaves out is filled in."""
        parsed = parse_document({"title": self.name, "level": "medium", **self.body["rule"]}, self.name)
        assert isinstance(parsed, Rule)
        return parsed

    def filters(self) -> tuple[Filter, ...]:
        """Parse the filters that apply."""
        found = []
        for body in self.body.get("filters", []):
            parsed = parse_document({"title": "filter", **body}, self.name)
            assert isinstance(parsed, Filter)
            found.append(parsed)
        return tuple(found)

    def events(self) -> Iterator[tuple[bool, bytes]]:
        """Yield what is expected of each evidence, and its bytes."""
        for entry in self.body.get("events", []):
            text = entry["text"] if "text" in entry else json.dumps(entry["event"])
            yield entry["match"], text.encode()


def load_cases() -> list[Case]:
    """Return every case of the suite, sorted by file and place."""
    bodies = [body for path in sorted(CASES.glob("*.yml")) for body in yaml.load(path.read_bytes(), yaml.CSafeLoader)]
    return [Case(body["name"], body) for body in bodies]


def read(evidence: bytes) -> list[tuple[Records, list[Event]]]:
    """Read evidence as a scan does: records by gate, each with its decoded events."""
    stream = Stream(io.BytesIO(evidence), "case")
    source = recognise(stream.head)
    assert source is not None, evidence[:200]
    found = []
    for records in source.read(stream):
        assert isinstance(records, Records), records
        pairs = zip(records.raws, records.numbers, strict=True)
        found.append((records, [records.decoder.event(records.gate, raw, number) for raw, number in pairs]))
    return found


__all__ = ["Case", "RuleError", "UnsupportedRule", "load_cases", "read"]
