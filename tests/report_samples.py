"""Findings, incidents and reports that tests of reports share, made by a real scan of the example."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tocsin.findings import Finding
from tocsin.incidents import Incident, IncidentRule, Member, Process, Stage
from tocsin.reports import FindingsFile, Report, write_report

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


def incidents_of(findings: Sequence[Finding]) -> tuple[Incident, ...]:
    """Return an incident by hand for each of the hosts, with all of its findings."""
    hosts = list(dict.fromkeys(item.host for item in findings if item.host))
    made = [_incident(host, findings) for host in hosts]
    return tuple(sorted(made, key=lambda item: -item.score))


def _incident(host: str, findings: Sequence[Finding]) -> Incident:
    numbered = [(number, item) for number, item in enumerate(findings, 1) if item.host == host]
    members = tuple(
        Member(
            number, item.time, item.rule.level, item.rule.title, host, ("same host within an hour of finding 2",) if at else ()
        )
        for at, (number, item) in enumerate(numbered)
    )
    names = [tag.removeprefix("attack.") for _, item in numbered for tag in item.rule.tags]
    tactics = [name for name in dict.fromkeys(names) if not name[1:2].isdecimal()]
    techniques = [name for name in dict.fromkeys(names) if name[1:2].isdecimal()]
    first, last = members[0].time, members[-1].time
    own = [item for _, item in numbered]
    images = [(number, item) for number, item in numbered if isinstance(item.event, dict) and "CommandLine" in item.event]
    processes = tuple(
        Process(depth, host, item.event.get("Image", ""), item.event["CommandLine"], item.time, (number,) if depth else ())
        for depth, (number, item) in enumerate(images[:6])
    )
    return Incident(
        id=f"incident-{host}",
        title=f"{own[0].rule.title} on {host}",
        score=min(100, 10 + 4 * len(own)),
        level="high",
        first=first,
        last=last,
        findings=len(own),
        summary=f"{len(own)} findings on {host}, beginning with “{own[0].rule.title}”.",
        rules=tuple(IncidentRule(item.rule.title, item.rule.level, 1) for item in own),
        tactics=tuple(Stage(name, first, names.count(name)) for name in tactics),
        techniques=tuple(Stage(name, first, names.count(name)) for name in techniques),
        hosts=(host,),
        users=("m.keller",),
        addresses=("10.20.4.17",),
        assets=(f"{host} (workstation, zone office)",),
        processes=processes,
        processes_left_out=0,
        members=members,
    )


__all__ = ["EXAMPLE", "ROOT", "finding", "incidents_of", "page", "written"]
