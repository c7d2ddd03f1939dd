"""The scan: evidence in, findings and a report out."""

from __future__ import annotations

import gc
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

from tocsin.errors import OutputError, UsageError
from tocsin.findings import Coverage, FileOutcome, Report, Tally
from tocsin.findings.text import safe_json
from tocsin.rules.rule import LEVELS
from tocsin.runs.collect import CollectOptions
from tocsin.runs.correlate import Chosen, Correlating, choose
from tocsin.runs.coverage import make_coverage, unseen_reason
from tocsin.runs.decisions import Deciding, Effects, Tuning, deciding
from tocsin.runs.folder import work_folder
from tocsin.runs.inquiry import Inquiry
from tocsin.runs.outputs import check_not_read, mark, note_path, writing
from tocsin.runs.pool import Gathered, Pool
from tocsin.runs.readers import Readers, compiling
from tocsin.runs.readers import choose as choose_readers
from tocsin.runs.ruleset import RuleSet
from tocsin.runs.site import MOST_NEW, SiteOptions, baseline_checks
from tocsin.runs.spool import Entry, first_of_each, merge, record_bases, without_duplicates
from tocsin.runs.units import Unit, plan_units
from tocsin.runs.worker import Settings
from tocsin.sinks.interface import Sink
from tocsin.sites.names import Names
from tocsin.sites.site import Site
from tocsin.sources.containers import Limits
from tocsin.sources.files import FoundFile, SkippedPath, find_files

BYTES_PER_JOB: Final = 16 << 20
"""Input that makes another worker worth its start, in bytes."""
_TACTIC: Final = "attack."
_STDIN: Final = 0


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What to scan and how. `paths` may hold `-` for standard input; `since` and `until` are RFC 3339 in UTC or empty.

    `reader` is one of `readers.CHOICES`. `outputs` are further files that the caller is going to write.
    """

    paths: tuple[str, ...]
    output: Path | None = None
    outputs: tuple[Path, ...] = ()
    level: str = LEVELS[0]
    since: str = ""
    until: str = ""
    jobs: int = 0
    dedupe: bool = False
    passwords: tuple[str, ...] = ()
    reader: str = "auto"
    limits: Limits = field(default_factory=Limits)
    site: Site | None = None
    tuning: Tuning | None = None
    suppressed: Path | None = None
    """Where suppressed findings are written, a line each, if anywhere."""
    inquiry: Inquiry | None = None
    """What looks at the events in place of rules."""


Tick = Callable[[int, int, int, int], None]


class Scan:
    """One scan. `interrupt()` may be called from a signal handler at any time."""

    def __init__(self, options: ScanOptions, rules: RuleSet) -> None:
        self._options = options
        self._rules = rules
        self._pool: Pool | None = None
        self._interrupted = False
        self._compiling = False
        self._compiled_s = 0.0
        self.report: Report | None = None
        self.answers: list[Any] = []

    def interrupt(self) -> None:
        """End early; what was found so far is written, marked incomplete."""
        self._interrupted = True
        if self._pool:
            self._pool.stop()

    @property
    def compiling(self) -> bool:
        """Tell whether kernels are being compiled in the background while this scan goes on with slow readers."""
        return self._compiling

    def run(self, sink: Sink, out: BinaryIO | None, tick: Tick = lambda done, total, events, findings: None) -> Report:
        """Scan and write the findings, sorted, to `out` or to the options' output file.

        `tick` is called with bytes done, bytes in all, events and findings. Raises: UsageError for a path that does not
        exist, OutputError when findings cannot be kept or written; `report` is there all the same in the latter case.
        """
        begun = time.monotonic()
        files, skipped = self._find()
        units = plan_units(files, "-" in self._options.paths)
        chosen, decided = self._choose(), deciding(self._rules, self._options.tuning, self._options.site)
        total = sum(unit.size_bytes for unit in units)
        with work_folder() as folder, _standard_input("-" in self._options.paths) as stdin:
            settings = Settings(
                plans=chosen.matched,
                units=units,
                folder=folder,
                limits=self._options.limits,
                passwords=self._options.passwords,
                readers=self._choose_readers(total),
                since=self._options.since,
                until=self._options.until,
                stdin=stdin,
                site=self._site_options(),
                inquiry=self._options.inquiry,
                collect=self._collect_options(chosen),
                taken=chosen.taken,
                deciding=decided,
            )
            if self._options.inquiry:
                self._options.inquiry.prepare(settings.readers.wanted)
            gathered = self._gather(settings, total, tick)
            self._correlate(chosen, gathered, folder, units, decided)
            outcomes = skipped + _outcomes(units, gathered, self._interrupted)
            judged = replace(gathered, failed=Counter()) if self._options.inquiry else gathered
            coverage = make_coverage(self._rules, chosen, outcomes, judged, self._interrupted)
            if self._options.inquiry:
                self._options.inquiry.cover(coverage, gathered.failed)
            tally, more_new, effects = Tally(), [False], Effects(decided)
            entries = self._entries(gathered, folder, tally, more_new, effects)
            finish = self._finish(coverage, tally, gathered, more_new, effects)
            failure = self._write(entries, gathered, units, sink, out, finish)
        self.answers = gathered.answers
        finish()
        self.report = Report(coverage, tally, time.monotonic() - begun - self._compiled_s, gathered.size_bytes)
        if failure:
            raise failure
        return self.report

    def _finish(
        self, coverage: Coverage, tally: Tally, gathered: Gathered, more_new: list[bool], effects: Effects
    ) -> Callable[[], Coverage]:
        """Return what completes the coverage once every finding has been seen."""

        def finish() -> Coverage:
            coverage.untimed = tally.untimed
            coverage.decisions = effects.decisions()
            coverage.site = self._options.site.name if self._options.site else ""
            coverage.baseline = baseline_checks(self._options.site, self._options.level, gathered.seen, more_new[0])
            return coverage

        return finish

    def _site_options(self) -> SiteOptions | None:
        options = self._options
        return SiteOptions(options.site, options.since, options.until, options.level) if options.site else None

    def _choose_readers(self, total: int) -> Readers:
        begun = time.monotonic()
        readers = choose_readers(self._options.reader, total, "-" in self._options.paths)
        self._compiled_s = time.monotonic() - begun
        self._compiling = compiling(readers)
        return readers

    def _find(self) -> tuple[list[FoundFile], list[FileOutcome]]:
        files: list[FoundFile] = []
        skipped: list[FileOutcome] = []
        if "" in self._options.paths:
            raise UsageError("U001", "an empty path was given", hint="'.' is the current folder")
        for path in (Path(path) for path in self._options.paths if path != "-"):
            if path.is_dir() and os.access(path, os.R_OK) and not any(path.iterdir()):
                skipped.append(FileOutcome(str(path), "", "skipped", 0, "the folder is empty [F003]"))
        for found in find_files([Path(path) for path in self._options.paths if path != "-"]):
            if isinstance(found, SkippedPath):
                self._keep_apart(found.path, found.label)
                reason = f"{found.error.message} [{found.error.code}]"
                skipped.append(FileOutcome(found.label, "", "skipped", 0, reason))
            else:
                self._keep_apart(found.path, found.label)
                files.append(found)
        return files, skipped

    def _keep_apart(self, path: Path, label: str) -> None:
        """Refuse to write results over evidence."""
        output = self._options.output
        outputs = [*self._options.outputs, *((output, note_path(output)) if output else ())]
        check_not_read(outputs, path, label)

    def _choose(self) -> Chosen:
        chosen = choose(self._rules, self._options.level)
        if not chosen.plans and not self._options.inquiry:
            hint = "give other --rules, or a lower --level"
            raise UsageError("U003", "no rule is left to evaluate", hint=hint)
        return chosen

    def _collect_options(self, chosen: Chosen) -> CollectOptions | None:
        return CollectOptions(chosen.correlations, chosen.silent, self._options.dedupe) if chosen.correlations else None

    def _correlate(self, chosen: Chosen, gathered: Gathered, folder: Path, units: Sequence[Unit], decided: Deciding) -> None:
        """Add the findings of correlations to those that were gathered."""
        bases = record_bases({(unit.file, unit.part): _lines(gathered, unit) for unit in units})
        correlating = Correlating(
            plans=chosen.correlations,
            folder=folder,
            paths=gathered.rows,
            base=lambda number: bases[units[number].file, units[number].part],
            since=self._options.since,
            until=self._options.until,
            names=Names(self._options.site) if self._options.site else None,
            left=gathered.left,
            deciding=decided,
        )
        try:
            correlating.run()
        except OSError as error:
            hint = "set TMPDIR to a folder with more space"
            raise OutputError("O001", f"findings cannot be kept in {folder}: {error}", hint=hint) from error
        gathered.runs += correlating.runs
        gathered.uncorrelated = correlating.failed

    def _gather(self, settings: Settings, total: int, tick: Tick) -> Gathered:
        if not settings.units:
            return Gathered()
        jobs = self._options.jobs or min(os.cpu_count() or 1, 1 + total // BYTES_PER_JOB)
        gc.freeze()
        self._pool = Pool(settings, min(jobs, len(settings.units)))
        if self._interrupted:
            self._pool.stop()
        return self._pool.run(lambda done, events, findings: tick(done, total, events, findings))

    def _write(
        self,
        entries: Iterator[Entry],
        gathered: Gathered,
        units: Sequence[Unit],
        sink: Sink,
        out: BinaryIO | None,
        finish: Callable[[], Coverage],
    ) -> OutputError | None:
        """Write the findings; when they cannot be written, go through them all the same and return the error."""
        bases = record_bases({(unit.file, unit.part): _lines(gathered, unit) for unit in units})
        output = self._options.output
        try:
            with writing(output, out) as target, writing(self._options.suppressed) as aside:
                sink.begin(target)
                for entry in entries:
                    unit = units[entry.unit]
                    line = entry.line(bases[(unit.file, unit.part)])
                    if entry.by < 0:
                        sink.write(target, line)
                    else:
                        aside.write(safe_json(line) + b"\n")
                sink.end(target, finish())
            for path in filter(None, (output, self._options.suppressed)):
                mark(path, self._interrupted)
        except _SpoolError:
            raise
        except OutputError as error:
            for _ in entries:
                pass
            return error
        return None

    def _entries(
        self, gathered: Gathered, folder: Path, tally: Tally, more_new: list[bool], effects: Effects
    ) -> Iterator[Entry]:
        """Yield the findings in order, those that are suppressed too, and count each."""
        dropped = [0]
        kinds: Counter[tuple[str, str, tuple[str, ...]]] = Counter()
        entries: Iterator[Entry] = merge(gathered.runs, folder, frozenset(gathered.repeated))
        if self._options.site:
            entries = first_of_each(entries, MOST_NEW, more_new)
        if self._options.dedupe:
            entries = without_duplicates(entries, dropped)
        while entry := _next(entries, folder):
            effects.add(entry)
            if entry.by >= 0:
                yield entry
                continue
            tally.untimed += not entry.time
            tally.hosts[entry.host] += 1
            tally.assets.update(entry.assets)
            kinds[entry.level, entry.title, entry.tags] += 1
            yield entry
        _sum_up(tally, kinds)
        tally.duplicates = dropped[0]


class _SpoolError(OutputError):
    """Findings that were kept cannot be read again."""


def _next(entries: Iterator[Entry], folder: Path) -> Entry | None:
    """Return the next finding, or None. Raises: _SpoolError."""
    try:
        return next(entries, None)
    except OSError as error:
        raise _SpoolError("O001", f"findings cannot be read from {folder}: {error}") from error


def _lines(gathered: Gathered, unit: Unit) -> int:
    done = gathered.done.get(unit.number)
    return done.lines if done else 0


def _sum_up(tally: Tally, kinds: Counter[tuple[str, str, tuple[str, ...]]]) -> None:
    """Add findings counted by level, title and tags to the tally."""
    for (level, title, tags), count in kinds.items():
        tally.findings += count
        tally.levels[level] += count
        tally.rules[(title, level)] += count
        for tag in tags:
            name = tag.removeprefix(_TACTIC)
            if tag.startswith(_TACTIC) and not any(char.isdigit() for char in name):
                tally.tactics[name] += count


def _outcomes(units: Sequence[Unit], gathered: Gathered, interrupted: bool) -> list[FileOutcome]:
    """Return one outcome for each stream; the parts of a divided file are joined."""
    found: dict[tuple[int, str], FileOutcome] = {}
    for unit in units:
        done = gathered.done.get(unit.number)
        reason = "the scan was interrupted before this was read" if interrupted else "was not read"
        outcomes = done.outcomes if done else [FileOutcome(unit.label, "", "skipped", 0, reason)]
        for number, outcome in enumerate(outcomes):
            key = (unit.file, outcome.path if unit.end >= 0 else f"{number} {outcome.path}")
            known = found.get(key)
            found[key] = _join(known, outcome) if known else outcome
    places: dict[tuple[int, str], list[FileOutcome]] = {}
    for (file, _), outcome in found.items():
        places.setdefault((file, outcome.path), []).append(outcome)
    for origin, reason in gathered.lost:
        for outcome in places.get((units[origin.unit].file, origin.label), ()):
            outcome.status = "partial"
            outcome.reason = "; ".join(part for part in (outcome.reason, reason) if part)
    for origin, unseen in gathered.unseen.items():
        for outcome in places.get((units[origin.unit].file, origin.label), ()):
            outcome.unseen += unseen
    for outcome in found.values():
        if outcome.unseen and not outcome.reason:
            outcome.reason = unseen_reason(outcome)
    return list(found.values())


def _join(a: FileOutcome, b: FileOutcome) -> FileOutcome:
    status = a.status if a.status == b.status else "partial"
    told = a.reason.endswith(b.reason)  # as of parts that were not read before the scan was interrupted
    reason = a.reason if told else "; ".join(part for part in (a.reason, b.reason) if part)
    return FileOutcome(a.path, a.format or b.format, status, a.events + b.events, reason)


@contextmanager
def _standard_input(wanted: bool) -> Iterator[int]:
    """Give a duplicate of standard input's descriptor, or -1 when it is not read."""
    descriptor = os.dup(_STDIN) if wanted else -1
    try:
        yield descriptor
    finally:
        if descriptor >= 0:
            os.close(descriptor)


__all__ = ["Scan", "ScanOptions"]
