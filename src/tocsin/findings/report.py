"""What a scan did: the coverage that is written as JSON and shown at the end."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from msgspec import Struct, field

FileStatus = Literal["read", "partial", "skipped"]


class FileOutcome(Struct):
    """What became of one file: `reason` says what was lost, and where; empty when it was read whole."""

    path: str
    format: str
    status: FileStatus
    events: int
    reason: str = ""


class RuleNote(Struct, frozen=True):
    """A rule by its id (its path when it has none), with the reason why it is in its list."""

    id: str
    title: str = ""
    reason: str = ""
    path: str = ""


class RuleCoverage(Struct):
    """What became of the rules.

    `compiled` were evaluated; `unsupported` and `invalid` could not be; `not_evaluable` are compiled rules that this data
    cannot show (no event of their logsource, or a field never occurred); `blind` are those of which a branch cannot be
    seen; `failed` are rules that could not be decided on some event (a regular expression that was cut off).
    """

    compiled: list[RuleNote] = field(default_factory=list)
    unsupported: list[RuleNote] = field(default_factory=list)
    invalid: list[RuleNote] = field(default_factory=list)
    not_evaluable: list[RuleNote] = field(default_factory=list)
    blind: list[RuleNote] = field(default_factory=list)
    failed: list[RuleNote] = field(default_factory=list)


class Coverage(Struct):
    """What a scan looked at. `complete` is False when it was interrupted; `events` counts every event read.

    `untimed` counts the findings whose event has no time, so that no range of time leaves them out.
    """

    complete: bool
    events: int
    files: list[FileOutcome]
    logsources: dict[str, int]
    rules: RuleCoverage
    untimed: int = 0


class Tally(Struct):
    """Findings counted for the screen; rules and hosts by name, tactics by their ATT&CK short name."""

    findings: int = 0
    duplicates: int = 0
    levels: Counter[str] = field(default_factory=Counter)
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)
    hosts: Counter[str] = field(default_factory=Counter)
    tactics: Counter[str] = field(default_factory=Counter)
    untimed: int = 0


class Report(Struct):
    """The end of a scan: the coverage, the findings counted, and how long it took in seconds."""

    coverage: Coverage
    tally: Tally
    seconds: float
    size_bytes: int = 0


__all__ = ["Coverage", "FileOutcome", "FileStatus", "Report", "RuleCoverage", "RuleNote", "Tally"]
