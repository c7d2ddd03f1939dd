"""The proof of a filter: rule and filter are run on the events, by both engines, and on the evidence by a scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, ClassVar, Final, NamedTuple

import msgspec
from msgspec import Struct

from tocsin.errors import TuningError
from tocsin.events import Event
from tocsin.findings import Coverage, FoundSource
from tocsin.plans.expr import Plan
from tocsin.runs.judged_events import Judge, file_of
from tocsin.runs.marks import Place, RuleId, told
from tocsin.runs.rule_tests import KINDS, entry_events, entry_matches
from tocsin.runs.ruleset import RuleFile, RuleSet
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.tuning import Proposal, Sample

LISTED: Final = 10
"""How many of the unmarked findings that would go are listed."""
_PLAIN: Final = "without the filter"
_TUNED: Final = "with the filter"


class Case(NamedTuple):
    """A marked finding with its events."""

    place: Place
    false: bool
    events: list[Event]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The unmarked findings of the rule by place, how many more there are, passwords of archives, and what is to be removed."""

    unmarked: tuple[tuple[Place, Sample | None], ...]
    beyond: int
    passwords: tuple[str, ...]
    proposal: Proposal


@dataclass(frozen=True, slots=True)
class Proof:
    """What was run, and what it showed; everything marked proved right, or there would be no proof.

    `unmarked` of `of_unmarked` findings would go, the first are `listed`; `scanned` are files of evidence that were scanned
    with the filter, `absent` those that are not there, where the events that findings keep were evaluated. `unknown` are
    unmarked findings of which nothing could be said.
    """

    false_positives: int
    true: int
    positive: int
    negative: int
    unmarked: int
    of_unmarked: int
    listed: tuple[Place, ...]
    scanned: int
    absent: tuple[str, ...]
    unknown: int

    def sentence(self) -> str:
        """Return the proof in one sentence."""
        how = "a scan of the evidence" if self.scanned and not self.absent else "the events that the findings keep"
        tests = f"positive tests kept {self.positive} of {self.positive}" if self.positive else "the rule has no tests"
        return (
            f"Proven on {how}: marked false positive and removed {self.false_positives} of {self.false_positives}, "
            f"marked true and kept {self.true} of {self.true}, {tests}, "
            f"unmarked and removed {self.unmarked} of {self.of_unmarked}."
        )


def prove(judge: Judge, text: str, cases: Sequence[Case], tests: Sequence[Mapping[str, Any]], evidence: Evidence) -> Proof:
    """Run a rule with its filter on all that is known. Raises: TuningError T006 when anything differs from what was decided."""
    tuned = judge.with_filter(RuleFile("the proposed filter", text.encode()))
    for case in cases:
        _check_case(tuned, case)
    positive, negative = _check_tests(judge, tuned, tests)
    places = {case.place for case in cases} | {place for place, _ in evidence.unmarked}
    files = {place.path: file_of(place.path) for place in places}
    there = sorted({file for file in files.values() if file.is_file()})
    absent = frozenset(path for path, file in files.items() if not file.is_file())
    compared = _Compared({case.place[1:]: case.false for case in cases if case.place.path not in absent}, judge.plan.meta.id)
    if there:
        plans = [_renamed(judge.plan, _PLAIN), _renamed(tuned.plan, _TUNED)]
        scan = Scan(ScanOptions(tuple(map(str, there)), passwords=evidence.passwords), RuleSet(plans, []))
        scan.run(compared, None)
        compared.check()
    gone, unknown = _kept_unmarked(evidence, absent)
    of_unmarked = (
        sum(place.path in absent for place, _ in evidence.unmarked) + compared.unmarked + (not there) * evidence.beyond
    )
    return Proof(
        false_positives=sum(case.false for case in cases),
        true=sum(not case.false for case in cases),
        positive=positive,
        negative=negative,
        unmarked=compared.gone + len(gone),
        of_unmarked=of_unmarked,
        listed=tuple([*compared.listed, *gone][:LISTED]),
        scanned=len(there),
        absent=tuple(sorted(absent)),
        unknown=unknown + (not there) * evidence.beyond,
    )


def _check_case(tuned: Judge, case: Case) -> None:
    for event in case.events:
        if tuned.matches(event) is case.false:
            said = "would still be found" if case.false else "would be lost, though it is true"
            raise TuningError("T006", f"{told(case.place)} {said}")


def _check_tests(judge: Judge, tuned: Judge, tests: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Return how many positive tests still match and how many negative ones still do not. Raises: TuningError T006."""
    counts = []
    for kind, wanted in KINDS:
        entries = [entry for case in tests for entry in case[kind] if isinstance(entry, (dict, str))]
        for number, entry in enumerate(entries, 1):
            slow = any(tuned.matches(event) for event in entry_events(entry))
            if entry_matches(tuned.plan, entry) is not wanted or slow is not wanted:
                before = " (nor did it without the filter)" if entry_matches(judge.plan, entry) is not wanted else ""
                raise TuningError("T006", f"the {kind} test {number} of the rule would come out otherwise{before}")
        counts.append(len(entries))
    return counts[0], counts[1]


def _kept_unmarked(evidence: Evidence, absent: frozenset[str]) -> tuple[list[Place], int]:
    """Return the unmarked findings whose evidence is absent and that would go, and how many are unknown."""
    gone: list[Place] = []
    unknown = 0
    for place, sample in evidence.unmarked:
        if place.path in absent:
            unknown += sample is None
            gone += [place] if sample is not None and evidence.proposal.removes(sample) else []
    return gone, unknown


def _renamed(plan: Plan, name: str) -> Plan:
    return msgspec.structs.replace(plan, meta=msgspec.structs.replace(plan.meta, id=name, name=""))


class _Seen(Struct, frozen=True):
    """What of a finding is compared."""

    rule: RuleId
    time: str
    source: FoundSource


@dataclass(slots=True)
class _Compared:
    """Takes the findings of a scan in place of an output, and counts those with and without the filter.

    Findings come by time, source and record, so that those of one event are neighbours; nothing more is held.
    """

    name: ClassVar[str] = "compared"
    marked: Mapping[tuple[str, int], bool]
    rule: str
    unmarked: int = 0
    gone: int = 0
    listed: list[Place] = field(default_factory=list)
    seen: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    _at: tuple[str, str, int] = ("", "", -1)
    _counts: list[int] = field(default_factory=lambda: [0, 0])

    def begin(self, out: BinaryIO) -> None:
        """Do nothing: nothing is written."""

    def write(self, out: BinaryIO, line: bytes) -> None:
        """Count one finding."""
        found = msgspec.json.decode(line, type=_Seen)
        at = (found.time, found.source.path, found.source.record)
        if at != self._at:
            self._close()
            self._at = at
        self._counts[found.rule.id == _TUNED] += 1

    def end(self, out: BinaryIO, coverage: Coverage) -> None:
        """Count the last."""
        self._close()
        if coverage.rules.failed:
            raise TuningError("T006", f"the rule could not be decided: {coverage.rules.failed[0].reason}")

    def _close(self) -> None:
        plain, tuned = self._counts
        place = self._at[1:]
        if place in self.marked:
            known = self.seen.setdefault(place, [0, 0])
            known[0] += plain
            known[1] += tuned
        else:
            self.unmarked += plain
            if plain > tuned:
                self.gone += plain - tuned
                self.listed += [Place(self.rule, *place)][: LISTED - len(self.listed)]
        self._counts = [0, 0]

    def check(self) -> None:
        """Compare with the marks. Raises: TuningError T006."""
        for (path, record), false in sorted(self.marked.items()):
            plain, tuned = self.seen.get((path, record), (0, 0))
            place = told(Place(self.rule, path, record))
            if not plain:
                hint = "the evidence is not what it was; scan it again"
                raise TuningError("T006", f"{place} is not found any more, even without the filter", hint=hint)
            if false and tuned:
                raise TuningError("T006", f"{place} would still be found in the evidence")
            if not false and tuned != plain:
                raise TuningError("T006", f"{place} would be lost in the evidence, though it is true")


__all__ = ["LISTED", "Case", "Evidence", "Proof", "prove"]
