"""Findings, outcomes, and the report of a scan."""

from tocsin.findings.finding import Finding, FoundAsset, FoundLogsource, FoundRule, FoundSource
from tocsin.findings.report import BaselineCheck, Coverage, FileOutcome, FileStatus, Report, RuleCoverage, RuleNote, Tally

__all__ = [
    "BaselineCheck",
    "Coverage",
    "FileOutcome",
    "FileStatus",
    "Finding",
    "FoundAsset",
    "FoundLogsource",
    "FoundRule",
    "FoundSource",
    "Report",
    "RuleCoverage",
    "RuleNote",
    "Tally",
]
