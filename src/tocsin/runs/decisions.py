"""What a scan was told to suppress or to level otherwise: filters and the tuning file, and what came of each decision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from functools import cached_property
from typing import Final, NamedTuple

from msgspec.structs import replace

from tocsin.decisions import Selector, TuningEntry
from tocsin.errors import TuningError
from tocsin.findings import DecidedRule, Decision, Finding, FoundDecision
from tocsin.rules.filters import expires_soon, has_expired
from tocsin.runs.ruleset import LoadedFilter, RuleSet
from tocsin.runs.spool import Entry
from tocsin.sites.baseline import CHECKS
from tocsin.sites.site import Site

MOST_RULES: Final = 1_000
"""Rules of which a decision tells how often it took effect; the others are counted together."""
_OTHERS: Final = ("", "(others)")


@dataclass(frozen=True, slots=True)
class Tuning:
    """The entries of a tuning file, and the day by which they have expired."""

    entries: tuple[TuningEntry, ...]
    day: date


class Decided(NamedTuple):
    """A finding as it is reported, and the numbers of the decisions that suppress it or gave it its level, or -1."""

    finding: Finding
    by: int = -1
    changed: int = -1


@dataclass(frozen=True)
class Deciding:
    """The decisions of a scan by their numbers: `told` as it was before anything was found, filters first.

    `entries` are those of the tuning file that are applied, with their numbers.
    """

    told: tuple[Decision, ...] = ()
    entries: tuple[tuple[int, TuningEntry], ...] = ()

    @cached_property
    def _selector(self) -> Selector:
        return Selector(self.entries)

    @cached_property
    def _found(self) -> list[FoundDecision]:
        return [FoundDecision(item.kind, item.title, item.owner, item.reason, item.expires, item.path) for item in self.told]

    @property
    def wants_texts(self) -> bool:
        """Tell whether the texts of events that may be addresses are asked for."""
        return self._selector.wants_texts

    def decide(self, finding: Finding, by: int, texts: Sequence[str]) -> Decided:
        """Return a finding with what is decided about it; `by` is the filter that suppresses it already, or -1."""
        if by >= 0:
            return Decided(replace(finding, decision=self._found[by]), by)
        number = self._selector.decide(finding, texts) if self.entries else -1
        if number < 0:
            return Decided(finding)
        decision = self._found[number]
        if self.told[number].kind == "suppress":
            return Decided(replace(finding, decision=decision), number)
        rule = replace(finding.rule, level=self.told[number].level)
        return Decided(replace(finding, rule=rule, decision=replace(decision, level=finding.rule.level)), -1, number)


def deciding(rules: RuleSet, tuning: Tuning | None, site: Site | None) -> Deciding:
    """Return what decides in a scan.

    Raises: TuningError T016 for an entry that needs a site file when there is none.
    """
    told = [_of_filter(item) for item in rules.filters]
    applied: list[tuple[int, TuningEntry]] = []
    known = known_rules(rules) if tuning else ()
    for entry in tuning.entries if tuning else ():
        if site is None and entry.needs_site:
            raise needs_site(entry)
        expired = tuning is not None and has_expired(entry.expires, tuning.day)
        notes = [expired_note(entry)] if expired else []
        if not expired:
            applied.append((len(told), entry))
        told.append(_of_entry(entry, expired, [*notes, *doubts(entry, known, site)]))
    return Deciding(tuple(told), tuple(applied))


def _of_filter(item: LoadedFilter) -> Decision:
    notes = [item.warning] if item.expired else []
    status = "expired" if item.expired else "applied"
    return Decision("filter", item.title, item.owner, item.reason, item.expires, item.path, status, notes=notes)


def _of_entry(entry: TuningEntry, expired: bool, notes: list[str]) -> Decision:
    status = "expired" if expired else "applied"
    whose = entry.owner, entry.reason, entry.expires
    return Decision(entry.kind, entry.title, *whose, entry.place, status, level=entry.level, notes=notes)


def needs_site(entry: TuningEntry) -> TuningError:
    """Return the error of an entry that selects by what only a site file tells."""
    what = "assets" if entry.assets else "zones"
    return TuningError("T016", f"{entry.place}: selects by {what}, and no site file was given", hint="give it with --site")


def expired_note(entry: TuningEntry) -> str:
    """Return a line that tells that an entry has expired."""
    return f"{entry.place}: decided by {entry.owner}, expired on {entry.expires} and is not applied [T017]"


def soon_note(entry: TuningEntry, day: date) -> str:
    """Return a line that tells that an entry expires within two weeks, or nothing."""
    soon = expires_soon(entry.expires, day)
    return f"{entry.place}: decided by {entry.owner}, expires on {entry.expires} [T018]" if soon else ""


def known_rules(rules: RuleSet) -> frozenset[str]:
    """Return the ids and titles of all rules, correlations and checks, those that cannot be used too."""
    found = {text for plan in rules.entries for text in (plan.meta.id, plan.meta.title)}
    found |= {text for item in rules.rejected for text in (item.note.id, item.note.title)}
    return frozenset(found | {text for check in CHECKS for text in (check.id, check.title)} - {""})


def doubts(entry: TuningEntry, rules: Collection[str], site: Site | None) -> Iterator[str]:
    """Yield a line for each name of an entry that is not known."""
    for what, names, known in (
        ("rule", entry.rules, rules),
        ("asset", entry.assets, site.assets if site else ()),
        ("zone", entry.zones, site.zones if site else ()),
    ):
        for name in names:
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f", did you mean {near[0]!r}?" if near else ""
                yield f"{entry.place}: there is no {what} {name!r}{hint} [T015]"


@dataclass(slots=True)
class _Effect:
    """What came of one decision, counted while findings pass in order of time."""

    findings: int = 0
    first: str = ""
    last: str = ""
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, entry: Entry) -> None:
        self.findings += 1
        self.first = self.first or entry.time
        self.last = entry.time or self.last
        key = entry.rule_id, entry.title
        self.rules[key if key in self.rules or len(self.rules) < MOST_RULES else _OTHERS] += 1


class Effects:
    """Counts what came of each decision."""

    def __init__(self, decided: Deciding) -> None:
        self._told = decided.told
        self._effects = [_Effect() for _ in decided.told]

    def add(self, entry: Entry) -> None:
        """Count a finding under the decision that it carries."""
        number = max(entry.by, entry.changed)
        if number >= 0:
            self._effects[number].add(entry)

    def decisions(self) -> list[Decision]:
        """Return the decisions with what came of them, in their order."""
        return [
            replace(told, findings=effect.findings, first=effect.first, last=effect.last, rules=_rules(effect))
            for told, effect in zip(self._told, self._effects, strict=True)
        ]


def _rules(effect: _Effect) -> list[DecidedRule]:
    ordered = sorted(effect.rules.items(), key=lambda item: (-item[1], item[0]))
    return [DecidedRule(rule, title, count) for (rule, title), count in ordered]


__all__ = [
    "Decided",
    "Deciding",
    "Effects",
    "Tuning",
    "deciding",
    "doubts",
    "expired_note",
    "known_rules",
    "needs_site",
    "soon_note",
]
