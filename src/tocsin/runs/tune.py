"""Tuning: a filter for the false positives of each rule, proven before it is written.

For each rule with false positives: its marked findings and the events of its own tests become samples, the unmarked ones are
counted by sample, `tocsin.tuning` proposes, and `tune_proof` runs rule and filter on all of it. A rule for which no filter
proves right is refused with the reason; the others go on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tocsin.correlations.plan import CorrelationPlan
from tocsin.errors import TocsinError, TuningError
from tocsin.events import KEYWORDS, Event
from tocsin.rules.rule import Meta
from tocsin.runs.judged_events import Judge, evidence_events, file_of, kept_events
from tocsin.runs.marks import Judged, Marks, Place, marked_findings, read_judged, told
from tocsin.runs.rule_tests import KINDS, cases_of, entry_events
from tocsin.runs.ruleset import RuleFile, RuleSet
from tocsin.runs.tune_proof import Case, Evidence, Proof, prove
from tocsin.tuning import Decision, Inseparable, Proposal, Sample, cautions, filter_text, propose

MOST_UNMARKED: Final = 20_000
"""The unmarked findings of a rule that the choice of a filter looks at; the proof counts all of them."""
_CORRELATION: Final = "correlation"
_FILTER: Final = re.compile(rb"^filter:", re.MULTILINE)
_TITLE: Final = 200


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """What to tune: the file of findings, who decides, passwords of archives, and a file that is going to be replaced."""

    findings: Path
    decision: Decision
    passwords: tuple[str, ...] = ()
    output: Path | None = None


@dataclass(frozen=True, slots=True)
class Tuned:
    """A filter that proved right: the rule, the YAML document, what it says, what to know of it, and the proof."""

    rule: Meta
    text: str
    proposal: Proposal
    cautions: tuple[str, ...]
    proof: Proof


@dataclass(frozen=True, slots=True)
class Refused:
    """A rule for which no filter was made, and why."""

    rule: str
    title: str
    error: TocsinError


@dataclass(slots=True)
class _Work:
    """What is known of one rule; unmarked findings by place, with a sample where their event is understood."""

    judge: Judge
    marked: list[Judged]
    events: dict[Place, list[Event]] = field(default_factory=dict)
    unmarked: dict[Place, Sample | None] = field(default_factory=dict)
    beyond: int = 0
    fault: TocsinError | None = None
    """What keeps the rule from being decided on some event."""

    def sample(self, events: Iterable[Event]) -> Sample | None:
        """Return the first of the events that the rule matches, as it sees it."""
        try:
            return next((sample for event in events for sample in self.judge.samples(event)), None)
        except TocsinError as error:
            self.fault = self.fault or error
            return None

    def add_events(self, place: Place, events: Iterable[Event]) -> None:
        """Keep those of the events of a marked finding that the rule matches."""
        try:
            found = [event for event in events if self.judge.matches(event)]
        except TocsinError as error:
            self.fault = self.fault or error
            return
        if found:
            self.events.setdefault(place, []).extend(found)


class Tuning:
    """One run over all rules that have false positives."""

    def __init__(
        self, options: TuneOptions, files: Sequence[RuleFile], placeholders: Mapping[str, Sequence[str]], found: RuleSet
    ) -> None:
        self._options = options
        self._placeholders = placeholders
        self._files = [file for file in files if not _is_output(file, options.output)]
        self._filters = [file for file in self._files if _FILTER.search(file.text)]
        self._found = found

    def run(self, marks: Marks) -> list[Tuned | Refused]:
        """Return what became of each rule with false positives, in order of id. Raises: TuningError T001, T002."""
        marked = marked_findings(self._options.findings, marks)
        rules = sorted({finding.place.rule for finding in marked if finding.mark == "false_positive"})
        work: dict[str, _Work] = {}
        results: dict[str, Tuned | Refused] = {}
        for rule in rules:
            try:
                work[rule] = self._begin(rule, [finding for finding in marked if finding.place.rule == rule])
            except TocsinError as error:
                results[rule] = Refused(rule, self._title(rule), error)
        self._add_unmarked(work, marks)
        self._add_evidence(work)
        for rule, item in work.items():
            try:
                results[rule] = self._tune(item)
            except TocsinError as error:
                results[rule] = Refused(rule, item.judge.plan.meta.title, error)
        return [results[rule] for rule in rules]

    def _title(self, rule: str) -> str:
        return next((entry.meta.title for entry in self._found.entries if entry.meta.id == rule), "")

    def _begin(self, rule: str, marked: list[Judged]) -> _Work:
        """Return the work on a rule with the events that its marked findings keep. Raises: TuningError T003."""
        plan = next((entry for entry in self._found.entries if entry.meta.id == rule), None)
        if isinstance(plan, CorrelationPlan) or any(finding.telemetry == _CORRELATION for finding in marked):
            names = ", ".join(item.title or item.name for item in plan.inputs) if isinstance(plan, CorrelationPlan) else ""
            hint = f"tune the rules that it names: {names}" if names else "tune the rules that it names"
            raise TuningError("T003", "findings of a correlation are not tuned: no single event makes them", hint=hint)
        if not rule:
            raise TuningError("T003", "the rule has no id by which a filter could name it", hint="give it one")
        if plan is None:
            hint = "give the rules of the scan with --rules or --packs; checks of a site file are no rules"
            raise TuningError("T003", f"rule {rule} is not among the rules", hint=hint)
        own = [file for file in self._files if file.label == plan.meta.path and not _FILTER.search(file.text)]
        work = _Work(Judge(rule, [*own, *self._filters], self._placeholders), marked)
        for finding in marked:
            work.add_events(finding.place, kept_events(finding))
        return work

    def _add_unmarked(self, work: Mapping[str, _Work], marks: Marks) -> None:
        for _, finding in read_judged(self._options.findings):
            item = work.get(finding.place.rule)
            if item is None or finding.place in marks.places or finding.place in item.unmarked:
                continue
            if len(item.unmarked) >= MOST_UNMARKED:
                item.beyond += 1
                continue
            item.unmarked[finding.place] = item.sample(kept_events(finding))

    def _add_evidence(self, work: Mapping[str, _Work]) -> None:
        """Read the events that findings do not keep from the evidence."""
        missing: dict[tuple[str, int], list[_Work]] = {}
        for item in work.values():
            places = [finding.place for finding in item.marked if finding.place not in item.events]
            places += [place for place, sample in item.unmarked.items() if sample is None]
            for place in places:
                missing.setdefault((place.path, place.record), []).append(item)
        wanted = [Place("", path, record) for path, record in missing]
        for path, event in evidence_events(wanted, self._options.passwords):
            for item in missing.get((path, event.record), ()):
                place = Place(item.judge.plan.meta.id, path, event.record)
                if place in item.unmarked:
                    item.unmarked[place] = item.unmarked[place] or item.sample([event])
                else:
                    item.add_events(place, [event])

    def _tune(self, item: _Work) -> Tuned:
        """Return the filter of a rule. Raises: TuningError T004-T006, RegexTimeout E001."""
        if item.fault:
            raise item.fault
        cases = [Case(finding.place, finding.mark == "false_positive", _events_of(item, finding)) for finding in item.marked]
        plan = item.judge.plan
        tests = cases_of(plan.meta.path, plan.meta.id)
        proposal = _proposal(item, cases, _positive_samples(item.judge, tests))
        notes = [*cautions(proposal), *self._serves(plan.meta.id), *_beyond(item)]
        evidence = Evidence(tuple(item.unmarked.items()), item.beyond, self._options.passwords, proposal)

        def text_with(notes: Sequence[str]) -> str:
            title = plan.meta.title[:_TITLE]
            return filter_text(plan.meta.id, title, plan.logsource, proposal, self._options.decision, notes)

        proof = prove(item.judge, text_with(()), cases, tests, evidence)
        sentences = [proof.sentence(), *(f"{note[:1].upper()}{note[1:]}." for note in notes)]
        return Tuned(plan.meta, text_with(sentences), proposal, tuple(notes), proof)

    def _serves(self, rule: str) -> list[str]:
        """Return what to know when the rule counts for correlations."""
        numbers = {number for number, plan in enumerate(self._found.plans) if plan.meta.id == rule}
        named = [plan for plan in self._found.correlations if any(item.rule in numbers for item in plan.inputs)]
        titles = ", ".join(plan.meta.title for plan in named)
        return [f"what it removes no longer counts for the correlations {titles}"] if named else []


def _is_output(file: RuleFile, output: Path | None) -> bool:
    return output is not None and output.is_file() and Path(file.label).is_file() and output.samefile(file.label)


def _events_of(item: _Work, finding: Judged) -> list[Event]:
    """Return the events of a marked finding. Raises: TuningError T005 when there are none that its rule matches."""
    events = item.events.get(finding.place)
    if not events:
        why = "the rule does not match what the finding keeps of it"
        if not file_of(finding.source.path).is_file():
            why += ", and the evidence is not there"
        else:
            why += ", nor what is in the evidence now"
        hint = "run it in the folder of the scan, with the same rules, --config and --site"
        raise TuningError("T005", f"the event of {told(finding.place)} cannot be evaluated: {why}", hint=hint)
    return events


def _positive_samples(judge: Judge, tests: Sequence[Mapping[str, list[object]]]) -> list[Sample]:
    entries = [entry for case in tests for entry in case[KINDS[0][0]] if isinstance(entry, (dict, str))]
    return [sample for entry in entries for event in entry_events(entry) for sample in judge.samples(event)]


def _proposal(item: _Work, cases: Sequence[Case], positive: Sequence[Sample]) -> Proposal:
    """Return the proposal for a rule. Raises: TuningError T004 with the findings that cannot be told apart."""
    judge = item.judge
    false = [(case.place, sample) for case in cases if case.false for event in case.events for sample in judge.samples(event)]
    true = [
        (case.place, sample) for case in cases if not case.false for event in case.events for sample in judge.samples(event)
    ]
    kept = [*(sample for _, sample in true), *positive]
    unmarked = _counted(sample for sample in item.unmarked.values() if sample is not None)
    try:
        tested = frozenset(judge.plan.fields) - {KEYWORDS}
        return propose([sample for _, sample in false], kept, unmarked, tested)
    except Inseparable as error:
        place = told(false[error.false][0])
        if 0 <= error.kept < len(true):
            message = f"nothing stable tells the false positive {place} from {told(true[error.kept][0])}, which is true"
        elif error.kept >= len(true):
            message = f"nothing stable tells the false positive {place} from a positive test of the rule"
        else:
            message = f"no field of the false positive {place} can carry a filter, or they have too little in common"
        hint = "check the marks; if they are right, the rule itself must change"
        raise TuningError("T004", message, hint=hint) from error


def _counted(samples: Iterable[Sample]) -> list[tuple[Sample, int]]:
    """Return the samples that differ, each with its number."""
    first: dict[str, Sample] = {}
    counts: Counter[str] = Counter()
    for sample in samples:
        key = repr(sorted(sample.items()))
        first.setdefault(key, sample)
        counts[key] += 1
    return [(first[key], count) for key, count in counts.items()]


def _beyond(item: _Work) -> list[str]:
    unknown = sum(sample is None for sample in item.unmarked.values())
    notes = []
    if item.beyond:
        notes.append(f"it was chosen by the first {MOST_UNMARKED:,} unmarked findings, {item.beyond:,} more were not looked at")
    if unknown:
        notes.append(f"the events of {unknown:,} unmarked findings are not kept and were not looked at when it was chosen")
    return notes


__all__ = ["MOST_UNMARKED", "Refused", "TuneOptions", "Tuned", "Tuning"]
