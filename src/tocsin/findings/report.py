"""What a scan did: the coverage that is written as JSON and shown at the end."""

from __future__ import annotations

from collections import Counter
from typing import Final, Literal

from msgspec import Struct, field

FileStatus = Literal["read", "partial", "skipped"]


class FileOutcome(Struct):
    """What became of one file.

    `reason` says what was lost, and where, or why no rule can see it; empty when it was read whole. `unseen` counts the
    events that no rule can see, whatever rules are loaded, since they are of no known log.
    """

    path: str
    format: str
    status: FileStatus
    events: int
    reason: str = ""
    unseen: int = 0


_HARMLESS: Final = ("[F002]", "[F003]", "[F011]", "[F012]")
"""Codes of files that hold nothing: no known log, empty, read under another path, no regular file."""


def may_hold_evidence(file: FileOutcome) -> bool:
    """Tell whether a skipped file may hold evidence: it could not be opened, is damaged or exceeds a limit."""
    return not file.reason.endswith(_HARMLESS)


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
    seen; `failed` are rules that could not be decided on some event (a regular expression that was cut off). `serving` are
    rules that only serve correlations, so that they report nothing themselves; `left_out` are correlations from which events
    were left out. Correlations are in these lists beside the rules.
    """

    compiled: list[RuleNote] = field(default_factory=list)
    unsupported: list[RuleNote] = field(default_factory=list)
    invalid: list[RuleNote] = field(default_factory=list)
    not_evaluable: list[RuleNote] = field(default_factory=list)
    blind: list[RuleNote] = field(default_factory=list)
    failed: list[RuleNote] = field(default_factory=list)
    serving: list[RuleNote] = field(default_factory=list)
    left_out: list[RuleNote] = field(default_factory=list)


class BaselineCheck(Struct, frozen=True):
    """What became of a check of the baseline: `reason` says why it could not be evaluated, or what is left out."""

    id: str
    title: str
    status: str
    reason: str = ""


class DecidedRule(Struct, frozen=True):
    """How many findings of a rule a decision suppressed, or gave another level."""

    id: str
    title: str
    findings: int


class Decision(Struct):
    """What somebody decided about findings, and what came of it in this scan.

    `kind` is `filter` for a Sigma filter, `suppress` or `level` for an entry of the tuning file, `level` the one it gives.
    `status` is `applied`, or `expired` from the day `expires` on (empty: never). `findings` counts what was suppressed or
    given another level; for a filter that is every matched event which it took from a rule, those of rules that only serve
    correlations too. `first` and `last` are times of events; `notes` say what else is to be known of it.
    """

    kind: str
    title: str
    owner: str
    reason: str
    expires: str
    path: str
    status: str
    level: str = ""
    findings: int = 0
    first: str = ""
    last: str = ""
    rules: list[DecidedRule] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def whose(self) -> str:
        """Return by whom it was decided, until when and why, on one line."""
        until = f"until {self.expires}" if self.expires else "without an end"
        return f"by {self.owner or 'nobody who is named'}, {until}: {self.reason or 'no reason is given'}"

    @property
    def what(self) -> str:
        """Return what it is, in words."""
        kinds = {"filter": "filter", "suppress": "suppression", "level": f"level {self.level}"}
        return kinds.get(self.kind, self.kind)


class Coverage(Struct):
    """What a scan looked at; `events` counts every event read.

    `complete` is False when the scan was `interrupted`, and when a file was read in part, or skipped although it may hold
    evidence: it could not be opened, is damaged or exceeds a limit. Files of no known format do not count.
    `untimed` counts the findings whose event has no time, so that no range of time leaves them out; `site` is the name of
    the site file's site, empty without one, and `baseline` tells of the checks against it. `decisions` tell what was suppressed
    or has another level, and by whom.
    """

    complete: bool
    events: int
    files: list[FileOutcome]
    logsources: dict[str, int]
    rules: RuleCoverage
    untimed: int = 0
    site: str = ""
    baseline: list[BaselineCheck] = field(default_factory=list)
    interrupted: bool = False
    decisions: list[Decision] = field(default_factory=list)

    @property
    def suppressed(self) -> int:
        """Return how many findings were suppressed."""
        return sum(item.findings for item in self.decisions if item.kind != "level")


class Tally(Struct):
    """Findings counted for the screen; rules and hosts by name, tactics by their ATT&CK short name.

    `assets` are those of the site file that findings name, as lines.
    """

    findings: int = 0
    duplicates: int = 0
    levels: Counter[str] = field(default_factory=Counter)
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)
    hosts: Counter[str] = field(default_factory=Counter)
    tactics: Counter[str] = field(default_factory=Counter)
    untimed: int = 0
    assets: Counter[str] = field(default_factory=Counter)


class Report(Struct):
    """The end of a scan: the coverage, the findings counted, and how long it took in seconds."""

    coverage: Coverage
    tally: Tally
    seconds: float
    size_bytes: int = 0


__all__ = [
    "BaselineCheck",
    "Coverage",
    "DecidedRule",
    "Decision",
    "FileOutcome",
    "FileStatus",
    "Report",
    "RuleCoverage",
    "RuleNote",
    "Tally",
    "may_hold_evidence",
]
