"""The scan: evidence in, findings and a report out."""

from __future__ import annotations

import gc
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, cast

from tocsin.errors import OutputError, UsageError
from tocsin.findings import FileOutcome, Report, Tally
from tocsin.plans.expr import Plan
from tocsin.rules.rule import LEVELS
from tocsin.runs.coverage import make_coverage
from tocsin.runs.folder import work_folder
from tocsin.runs.pool import Gathered, Pool
from tocsin.runs.readers import Readers, choose, compiling
from tocsin.runs.ruleset import RuleSet
from tocsin.runs.spool import Entry, merge, record_bases, without_duplicates
from tocsin.runs.units import Unit, plan_units
from tocsin.runs.worker import Settings
from tocsin.sinks.interface import Sink
from tocsin.sources.containers import Limits
from tocsin.sources.files import FoundFile, SkippedPath, find_files

BYTES_PER_JOB: Final = 16 << 20
"""Input that makes another worker worth its start, in bytes."""
_TACTIC: Final = "attack."
_STDIN: Final = 0


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What to scan and how. `paths` may hold `-` for standard input; `since` and `until` are RFC 3339 in UTC or empty.

    `reader` is one of `readers.CHOICES`.
    """

    paths: tuple[str, ...]
    output: Path | None = None
    level: str = LEVELS[0]
    since: str = ""
    until: str = ""
    jobs: int = 0
    dedupe: bool = False
    passwords: tuple[str, ...] = ()
    reader: str = "auto"
    limits: Limits = field(default_factory=Limits)


Tick = Callable[[int, int, int, int], None]


class Scan:
    """One scan. `interrupt()` may be called from a signal handler at any time."""

    def __init__(self, options: ScanOptions, rules: RuleSet) -> None:
        self._options = options
        self._rules = rules
        self._pool: Pool | None = None
        self._interrupted = False
        self._compiling = False

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
        exist, OutputError when findings cannot be kept or written.
        """
        begun = time.monotonic()
        files, skipped = self._find()
        units = plan_units(files, "-" in self._options.paths)
        plans = self._plans()
        total = sum(unit.size_bytes for unit in units)
        with work_folder() as folder, _standard_input("-" in self._options.paths) as stdin:
            settings = Settings(
                plans=plans,
                units=units,
                folder=folder,
                limits=self._options.limits,
                passwords=self._options.passwords,
                readers=self._choose_readers(total),
                since=self._options.since,
                until=self._options.until,
                stdin=stdin,
            )
            gathered = self._gather(settings, total, tick)
            tally = Tally()
            complete = not self._interrupted
            with _writing(self._options.output, out) as target:
                self._write(gathered, units, folder, sink, target, tally)
                sink.end(target, complete)
            if self._options.output and self._options.output.is_file():
                _mark(self._options.output, complete)
        outcomes = skipped + _outcomes(units, gathered, complete)
        coverage = make_coverage(self._rules, plans, outcomes, gathered.seen, gathered.failed, complete)
        coverage.untimed = tally.untimed
        return Report(coverage, tally, time.monotonic() - begun, total)

    def _choose_readers(self, total: int) -> Readers:
        readers = choose(self._options.reader, total, "-" in self._options.paths)
        self._compiling = compiling(readers)
        return readers

    def _find(self) -> tuple[list[FoundFile], list[FileOutcome]]:
        files: list[FoundFile] = []
        skipped: list[FileOutcome] = []
        for path in (Path(path) for path in self._options.paths if path != "-"):
            if path.is_dir() and os.access(path, os.R_OK) and not any(path.iterdir()):
                skipped.append(FileOutcome(str(path), "", "skipped", 0, "the folder is empty [F003]"))
        for found in find_files([Path(path) for path in self._options.paths if path != "-"]):
            if isinstance(found, SkippedPath):
                reason = f"{found.error.message} [{found.error.code}]"
                skipped.append(FileOutcome(found.label, "", "skipped", 0, reason))
            else:
                self._keep_apart(found)
                files.append(found)
        return files, skipped

    def _keep_apart(self, found: FoundFile) -> None:
        """Refuse to write findings over evidence."""
        output = self._options.output
        if output and output.exists() and output.samefile(found.path):
            hint = "write the findings to another file, outside of the evidence"
            raise UsageError("U002", f"{found.label} is evidence and the output at once", hint=hint)

    def _plans(self) -> list[Plan]:
        lowest = LEVELS.index(self._options.level)
        plans = [plan for plan in self._rules.plans if LEVELS.index(plan.meta.level) >= lowest]
        if not plans:
            hint = "give other --rules, or a lower --level"
            raise UsageError("U003", "no rule is left to evaluate", hint=hint)
        return plans

    def _gather(self, settings: Settings, total: int, tick: Tick) -> Gathered:
        if not settings.units:
            return Gathered()
        jobs = self._options.jobs or min(os.cpu_count() or 1, 1 + total // BYTES_PER_JOB)
        gc.freeze()
        self._pool = Pool(settings, min(jobs, len(settings.units)))
        if self._interrupted:
            self._pool.stop()
        return self._pool.run(lambda done, events, findings: tick(done, total, events, findings))

    def _write(self, gathered: Gathered, units: Sequence[Unit], folder: Path, sink: Sink, out: BinaryIO, tally: Tally) -> None:
        parts = {(unit.file, unit.part): _lines(gathered, unit) for unit in units}
        bases = record_bases(parts)
        dropped = [0]
        kinds: Counter[tuple[str, str, tuple[str, ...]]] = Counter()
        entries: Iterator[Entry] = merge(gathered.runs, folder, frozenset(gathered.repeated))
        if self._options.dedupe:
            entries = without_duplicates(entries, dropped)
        sink.begin(out)
        for entry in entries:
            unit = units[entry.unit]
            sink.write(out, entry.line(bases[(unit.file, unit.part)]))
            tally.untimed += not entry.time
            tally.hosts[entry.host] += 1
            kinds[entry.level, entry.title, entry.tags] += 1
        _sum_up(tally, kinds)
        tally.duplicates = dropped[0]


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


def _outcomes(units: Sequence[Unit], gathered: Gathered, complete: bool) -> list[FileOutcome]:
    """Return one outcome for each stream; the parts of a divided file are joined."""
    found: dict[tuple[int, str], FileOutcome] = {}
    for unit in units:
        done = gathered.done.get(unit.number)
        reason = "the scan was interrupted before this was read" if not complete else "was not read"
        outcomes = done.outcomes if done else [FileOutcome(unit.label, "", "skipped", 0, reason)]
        for number, outcome in enumerate(outcomes):
            key = (unit.file, outcome.path if unit.end >= 0 else f"{number} {outcome.path}")
            known = found.get(key)
            found[key] = _join(known, outcome) if known else outcome
    for origin, reason in gathered.lost:
        file = units[origin.unit].file
        for (number, _), outcome in found.items():
            if number == file and outcome.path == origin.label:
                outcome.status = "partial"
                outcome.reason = "; ".join(part for part in (outcome.reason, reason) if part)
    return list(found.values())


def _join(a: FileOutcome, b: FileOutcome) -> FileOutcome:
    status = a.status if a.status == b.status else "partial"
    reason = "; ".join(part for part in (a.reason, b.reason) if part)
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


@contextmanager
def _writing(path: Path | None, out: BinaryIO | None) -> Iterator[BinaryIO]:
    """Give the stream to write to. A file is written aside and renamed, so that it is whole or not there."""
    if out is not None:
        yield out
        out.flush()
        return
    if path is None:
        with Path(os.devnull).open("wb") as nowhere:
            yield nowhere
        return
    try:
        if path.exists() and not path.is_file():  # a device or a pipe is written to, never replaced
            with path.open("wb") as file:
                yield file
            return
        yield from _replacing(path.resolve())
    except OSError as error:
        raise OutputError(
            "O001", f"{path}: cannot be written: {error.strerror or error}", hint="check folder and free space"
        ) from error


def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a file beside the path, which takes its name when it is whole."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False) as file:
        try:
            yield cast(BinaryIO, file.file)
            file.flush()
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    Path(file.name).chmod(0o666 & ~_umask())
    Path(file.name).replace(path)


def _mark(path: Path, complete: bool) -> None:
    """Put a note beside findings that an interrupted scan left, so that nobody takes them for all; remove an old one."""
    note = path.with_name(f"{path.name}.incomplete")
    try:
        if complete:
            note.unlink(missing_ok=True)
        else:
            note.write_text("the scan was interrupted: these findings are not all\n", encoding="utf-8")
    except OSError as error:
        raise OutputError("O001", f"{note}: cannot be written: {error.strerror or error}") from error


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


__all__ = ["Scan", "ScanOptions"]
