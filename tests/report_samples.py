"""Findings, incidents and reports that tests of reports share, made by a real scan of the example."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from tocsin.findings.reading import FindingsFile
from tocsin.reports import Report, write_report

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "water-utility"


def finding(event: Any, **changes: Any) -> dict[str, Any]:
    """Return a finding as its JSON form, with an event and other values for some keys."""
    rule = {
        "id": "5e8d7712-c7e2-5c80-a942-be2fe3d63639",
        "title": "A rule",
        "level": "high",
        "status": "test",
        "tags": ["attack.execution", "attack.t1059.001"],
        "author": "Tocsin contributors",
        "references": ["https://attack.mitre.org/techniques/T1059/001/"],
        "path": "essentials/rules/a.yml",
    }
    made = {
        "rule": rule | changes.pop("rule", {}),
        "time": "2026-10-06T06:13:02.248000Z",
        "host": "PC-1",
        "logsource": {"product": "windows", "category": "process_creation", "service": ""},
        "telemetry": "Microsoft-Windows-Sysmon/Operational:1",
        "twin": False,
        "source": {"path": "a.jsonl", "format": "json", "record": 1},
        "event": event,
        "matched": {"selection": {"Image": ["a.exe"]}},
    }
    return made | changes


def written(path: Path, findings: Iterable[dict[str, Any]]) -> Path:
    """Write findings as JSON Lines."""
    path.write_bytes(b"".join(msgspec.json.encode(item) + b"\n" for item in findings))
    return path


def page(path: Path, report: Report | None = None) -> str:
    """Return the page of a file of findings."""
    out = io.BytesIO()
    write_report(out, FindingsFile(path), report or Report())
    return out.getvalue().decode()


__all__ = ["EXAMPLE", "ROOT", "finding", "page", "written"]
