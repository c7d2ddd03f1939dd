"""Loads the cases of correlations; `test_correlations.py` runs them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

CASES = Path(__file__).parent / "correlations"
START = datetime(2026, 10, 3, 6, tzinfo=UTC)


@dataclass(frozen=True)
class CorrelationCase:
    """One case: documents, events with their seconds, and the findings that are expected of the correlations."""

    name: str
    body: dict[str, Any]

    @property
    def outcome(self) -> str:
        """Return what becomes of the correlations."""
        return self.body.get("outcome", "compiled")

    def documents(self) -> list[dict[str, Any]]:
        """Return the documents; what the case leaves out is filled in."""
        found = []
        for document in self.body["rules"]:
            filled = {"title": document.get("name", self.name), "level": "medium", **document}
            if "correlation" not in document:
                filled.setdefault("logsource", {"product": "windows", "service": "security"})
            found.append(filled)
        return found

    def events(self) -> list[dict[str, Any]]:
        """Return the events as a log has them."""
        found = []
        for entry in self.body.get("events", []):
            event = {"Channel": "Security", **{key: value for key, value in entry.items() if key != "at"}}
            if "at" in entry:
                event["@timestamp"] = time_of(entry["at"])
            found.append(event)
        return found

    def findings(self) -> list[dict[str, Any]]:
        """Return what is expected, in order, with times as findings have them."""
        found = [
            {
                "title": item.get("title", self.name),
                "group": item["group"],
                "first": time_of(item["first"]),
                "last": time_of(item["last"]),
                "count": item["count"],
                **({"measure": item["measure"]} if "measure" in item else {}),
            }
            for item in self.body.get("findings", [])
        ]
        return sorted(found, key=str)


def time_of(seconds: float) -> str:
    """Return the time of so many seconds after the start of a case."""
    moment = START + timedelta(microseconds=round(seconds * 1_000_000))
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"


def load_correlation_cases() -> list[CorrelationCase]:
    """Return every case, sorted by file and place."""
    bodies = [body for path in sorted(CASES.glob("*.yml")) for body in yaml.load(path.read_bytes(), yaml.CSafeLoader)]
    return [CorrelationCase(body["name"], body) for body in bodies]


__all__ = ["CorrelationCase", "load_correlation_cases", "time_of"]
