"""Findings, outcomes, and the report of a scan."""

from tocsin.findings.finding import Finding, FoundLogsource, FoundRule, FoundSource
from tocsin.findings.report import Coverage, FileOutcome, FileStatus, Report, RuleCoverage, RuleNote, Tally

__all__ = [
    "Coverage",
    "FileOutcome",
    "FileStatus",
    "Finding",
    "FoundLogsource",
    "FoundRule",
    "FoundSource",
    "Report",
    "RuleCoverage",
    "RuleNote",
    "Tally",
]
