"""Recorded attacks end in few incidents: how many, and how many archives end in one, is held here."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest

from shared_data import need_shared, shared
from tocsin.findings import Finding
from tocsin.findings.reading import read_findings
from tocsin.incidents import Incident, join
from tocsin.runs.ruleset import RuleSet
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.sinks import SINKS

need_shared()

MEASURED = {"otrf": (1_906, 46, 34, 21), "evtx-attack-samples": (1_569, 157, 217, 216)}
"""Folder -> findings, incidents, files with findings, and those of them of which all findings are in one incident."""
PAGE = Path(__file__).resolve().parents[2] / "docs" / "incidents.md"


@pytest.fixture(scope="module", params=MEASURED)
def scanned(request: pytest.FixtureRequest, rule_set: RuleSet) -> tuple[str, list[Finding], tuple[Incident, ...]]:
    """Return the folder, its findings and their incidents."""
    out = io.BytesIO()
    Scan(ScanOptions((str(shared(request.param)),)), rule_set).run(SINKS["jsonl"](), out)
    out.seek(0)
    found = list(read_findings(out, "x"))
    findings = [item for item in found if isinstance(item, Finding)]
    assert len(findings) == len(found)
    return request.param, findings, join(findings).incidents


def test_measured(scanned: tuple[str, list[Finding], tuple[Incident, ...]]) -> None:
    """The figures are those of the page."""
    name, findings, incidents = scanned
    of = {member.number: incident.id for incident in incidents for member in incident.members}
    files: dict[str, set[str]] = {}
    for number, finding in enumerate(findings, 1):
        files.setdefault(finding.source.path.partition("!/")[0], set()).add(of[number])
    figures = (len(findings), len(incidents), len(files), sum(len(ids) == 1 for ids in files.values()))
    assert figures == MEASURED[name]
    assert f"| `{name}` | {' | '.join(f'{figure:,}' for figure in figures)} |" in PAGE.read_text("utf-8")


def test_nothing_is_lost(scanned: tuple[str, list[Finding], tuple[Incident, ...]]) -> None:
    """Every finding is in one incident, and an incident is as grave as its gravest finding."""
    _, findings, incidents = scanned
    numbers = Counter(member.number for incident in incidents for member in incident.members)
    assert numbers == Counter(range(1, len(findings) + 1))
    for incident in incidents:
        assert incident.findings == len(incident.members) == sum(rule.count for rule in incident.rules)
        assert incident.level in {findings[member.number - 1].rule.level for member in incident.members}
        assert (incident.first, incident.last) == (min(m.time for m in incident.members), max(m.time for m in incident.members))


def test_scores_are_in_order(scanned: tuple[str, list[Finding], tuple[Incident, ...]]) -> None:
    """The highest score comes first, and identifiers are told apart."""
    _, _, incidents = scanned
    scores = [incident.score for incident in incidents]
    assert scores == sorted(scores, reverse=True)
    assert 0 <= scores[-1] < scores[0] <= 100
    assert len({incident.id for incident in incidents}) == len(incidents)
