"""Layers of the ATT&CK Navigator: techniques with the number of findings as their score, one layer a file.

Source: MITRE, "ATT&CK Navigator Layer File Format Definition", version 4.5. ICS has the techniques T0800 to T0999; all
others are taken for Enterprise.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import BinaryIO, ClassVar, Final

from msgspec.json import encode, format  # noqa: A004 - what msgspec calls it

from tocsin.findings import Coverage
from tocsin.findings.text import safe_json, safe_text
from tocsin.sinks.found import read_finding, rule_parts

_ATTACK: Final = "18"
_ICS: Final = "T0"
_SHOWN_RULES: Final = 10


@dataclass(slots=True)
class _Technique:
    """The findings of one technique. Rules are counted by title; both they and techniques come from rules, not events."""

    count: int = 0
    first: str = ""
    last: str = ""
    rules: Counter[str] = field(default_factory=Counter)


class NavigatorSink:
    """The layer of Enterprise."""

    name: ClassVar[str] = "navigator"
    _domain: ClassVar[str] = "enterprise-attack"
    _matrix: ClassVar[str] = "Enterprise"

    def __init__(self) -> None:
        self._techniques: dict[str, _Technique] = {}
        self._findings = self._others = 0

    def begin(self, out: BinaryIO) -> None:
        """Write nothing: the form has no place for findings one by one."""
        self._techniques = {}
        self._findings = self._others = 0

    def write(self, out: BinaryIO, line: bytes) -> None:
        """Count one finding."""
        found = read_finding(line)
        parts = rule_parts(bytes(found.rule))
        own = [name for name in parts.techniques if name.startswith(_ICS) == self._is_ics]
        self._findings += 1
        self._others += not own
        for name in own:
            technique = self._techniques.setdefault(name, _Technique())
            technique.count += 1
            technique.first = technique.first or found.time
            technique.last = found.time or technique.last
            technique.rules[parts.rule.title] += 1

    def end(self, out: BinaryIO, coverage: Coverage) -> None:
        """Write the layer."""
        told = [f"{self._findings} findings, {self._others} of them without a technique of this matrix."]
        if not coverage.complete:
            told.append("Not all of the evidence was read.")
        layer = {
            "name": f"Tocsin: {self._matrix}",
            "versions": {"attack": _ATTACK, "navigator": "5.1.0", "layer": "4.5"},
            "domain": self._domain,
            "description": " ".join(told),
            "sorting": 3,
            "hideDisabled": False,
            "techniques": self._entries(),
            "gradient": {"colors": ["#fff3bf", "#f76707"], "minValue": 0, "maxValue": self._highest()},
            "showTacticRowBackground": False,
            "selectTechniquesAcrossTactics": True,
            "selectSubtechniquesWithParent": False,
        }
        out.write(safe_json(format(encode(layer), indent=2)) + b"\n")

    @property
    def _is_ics(self) -> bool:
        return self._domain == "ics-attack"

    def _highest(self) -> int:
        return max((technique.count for technique in self._techniques.values()), default=1)

    def _entries(self) -> list[dict[str, object]]:
        """Return the techniques by id; one of which only a sub-technique was found is opened to show that."""
        parents = {name.partition(".")[0] for name in self._techniques if "." in name}
        return [self._entry(name, name in parents) for name in sorted(parents | set(self._techniques))]

    def _entry(self, name: str, opened: bool) -> dict[str, object]:
        entry: dict[str, object] = {"techniqueID": name, "enabled": True, "showSubtechniques": opened}
        technique = self._techniques.get(name)
        if technique:
            rules = sorted(technique.rules.items(), key=lambda item: (-item[1], item[0]))
            lines = [f"{count} {safe_text(title)}" for title, count in rules[:_SHOWN_RULES]]
            lines += [f"{len(rules) - _SHOWN_RULES} more rules"] if len(rules) > _SHOWN_RULES else []
            entry["score"] = technique.count
            entry["comment"] = "\n".join(lines)
            entry["metadata"] = [
                {"name": "first", "value": technique.first or "unknown"},
                {"name": "last", "value": technique.last or "unknown"},
            ]
        return entry


class NavigatorIcsSink(NavigatorSink):
    """The layer of ICS."""

    name: ClassVar[str] = "navigator-ics"
    _domain: ClassVar[str] = "ics-attack"
    _matrix: ClassVar[str] = "ICS"


__all__ = ["NavigatorIcsSink", "NavigatorSink"]
