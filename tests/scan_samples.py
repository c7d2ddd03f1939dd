"""A few rules, and evidence that they match in a known way."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from tocsin.findings import Report
from tocsin.runs.ruleset import RuleFile, RuleSet, load_rules
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.sinks import SINKS

WHOAMI = """\
title: Whoami
id: 11111111-1111-4111-8111-111111111111
status: test
level: high
author: a
tags: [attack.discovery, attack.t1033]
references: ['https://example.org/1']
logsource: {product: windows, category: process_creation}
detection:
  selection:
    Image|endswith: '\\whoami.exe'
  condition: selection
"""
LOGON = """\
title: Logon
id: 22222222-2222-4222-8222-222222222222
level: low
logsource: {product: windows, service: security}
detection:
  selection:
    EventID: 4624
  filter:
    User: SYSTEM
  condition: selection and not filter
"""
KEYWORD = """\
title: Word
id: 33333333-3333-4333-8333-333333333333
level: medium
logsource: {product: windows}
detection:
  keywords:
    - needleword
  condition: keywords
"""
RULES = "---\n".join((WHOAMI, LOGON, KEYWORD))


def rules(text: str = RULES) -> RuleSet:
    """Return the rules of a text, all of which must compile."""
    found = load_rules([RuleFile("rules.yml", text.encode())], {})
    assert not found.rejected, found.rejected
    return found


def event(number: int, **more: Any) -> dict[str, Any]:
    """Return one process start; one in ten is a match of each of two rules."""
    image = "C:\\Windows\\whoami.exe" if number % 10 == 0 else f"C:\\app\\{number % 7}.exe"
    words = "needleword" if number % 10 == 5 else "quiet"
    time = f"2026-10-03T{6 + number // 3600 % 12:02}:{number // 60 % 60:02}:{number % 60:02}.000Z"
    base = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 1, "Computer": f"h{number % 3}"}
    return {**base, "@timestamp": time, "EventRecordID": number, "Image": image, "CommandLine": words, **more}


def write(path: Path, numbers: range) -> Path:
    """Write events as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(event(number)) + "\n" for number in numbers))
    return path


def scan(*paths: Path | str, found: RuleSet | None = None, **options: Any) -> tuple[Report, list[dict], bytes]:
    """Scan and return the report, the findings and the bytes written."""
    out = io.BytesIO()
    report = Scan(ScanOptions(tuple(map(str, paths)), **options), found or rules()).run(SINKS["jsonl"](), out)
    return report, [json.loads(line) for line in out.getvalue().splitlines()], out.getvalue()


__all__ = ["KEYWORD", "LOGON", "RULES", "WHOAMI", "event", "rules", "scan", "write"]
