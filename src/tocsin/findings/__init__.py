"""Findings, outcomes, and the report of a scan."""

from tocsin.findings.finding import Finding, FoundAsset, FoundDecision, FoundLogsource, FoundRule, FoundSource
from tocsin.findings.report import (
    BaselineCheck,
    Coverage,
    DecidedRule,
    Decision,
    FileOutcome,
    FileStatus,
    Report,
    RuleCoverage,
    RuleNote,
    Tally,
)

__all__ = [
    "BaselineCheck",
    "Coverage",
    "DecidedRule",
    "Decision",
    "FileOutcome",
    "FileStatus",
    "Finding",
    "FoundAsset",
    "FoundDecision",
    "FoundLogsource",
    "FoundRule",
    "FoundSource",
    "Report",
    "RuleCoverage",
    "RuleNote",
    "Tally",
]
