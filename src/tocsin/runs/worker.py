"""A worker process: takes units, reads and matches them, and tells the parent what became of each.

What it tells goes through a pipe as plain data. Findings go to sorted runs on disk; the units whose findings are all on disk
are named in `Sealed`, so that nothing is lost or told twice when a worker dies.
"""

from __future__ import annotations

import os
import re
import select
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from tocsin.engine.executor import FastEngine, Kept
from tocsin.errors import OutputError, SourceError, TocsinError
from tocsin.events import Gate
from tocsin.findings import FileOutcome, Finding
from tocsin.kernels.block import Rows
from tocsin.plans.expr import Plan
from tocsin.runs.batches import Batcher, GateSeen, Origin
from tocsin.runs.collect import CollectOptions, Left, MatchCollector
from tocsin.runs.decisions import Deciding
from tocsin.runs.inquiry import Collector, Inquiry
from tocsin.runs.readers import Readers, make_reader
from tocsin.runs.site import SiteOptions, SiteWatch
from tocsin.runs.spool import Entry, Spool, entry_of
from tocsin.runs.units import LINES, FileSlice, Unit
from tocsin.sources import recognise
from tocsin.sources.containers import Limits, open_streams
from tocsin.sources.interface import BlockSource, Loss, LostLines, Records, Stream

_REASONS: Final = 50
_LINE: Final = re.compile(r"\Aline (\d+)")
_TICK_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Settings:
    """What a worker needs to know; it is inherited by fork."""

    plans: Sequence[Plan]
    units: Sequence[Unit]
    folder: Path
    limits: Limits
    passwords: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    readers: Readers = field(default_factory=Readers)
    stdin: int = -1
    """A duplicate of standard input's descriptor: a worker's own is closed when it starts."""
    site: SiteOptions | None = None
    inquiry: Inquiry | None = None
    """What looks at the events in place of rules."""
    collect: CollectOptions | None = None
    taken: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """Plans that match what a filter takes from a rule, by number: those of rule and filter."""
    deciding: Deciding = field(default_factory=Deciding)


@dataclass(slots=True)
class UnitDone:
    """What became of a unit: an outcome for each stream in it; of a part its lines, and its losses by lines of its own."""

    unit: int
    outcomes: list[FileOutcome]
    lines: int = 0
    losses: list[str | LostLines] = field(default_factory=list)


@dataclass(slots=True)
class Sealed:
    """A run was written; when `whole`, the findings of all units told so far are on disk.

    `seen` and `failed` then tell what was seen of each gate, and which rules could not be decided, since the last time, and
    `left` what correlations left out. `rows` are those that were kept for correlations.
    """

    run: Path | None
    whole: bool = False
    seen: dict[Gate, GateSeen] = field(default_factory=dict)
    failed: Counter[tuple[int, str]] = field(default_factory=Counter)
    lost: list[tuple[Origin, str]] = field(default_factory=list)
    unseen: Counter[Origin] = field(default_factory=Counter)
    answer: Any = None
    """What an inquiry tells beside findings, since the last time."""
    rows: Path | None = None
    left: Left = field(default_factory=Counter)


@dataclass(slots=True)
class Finished:
    """The worker has no more to do."""


@dataclass(slots=True)
class Failed:
    """The worker cannot go on, and the scan neither."""

    error: TocsinError


Message = UnitDone | Sealed | Finished | Failed


@dataclass(slots=True)
class Shared:
    """Memory that parent and worker share: the next unit, the stop flag, and for each worker its unit and progress."""

    next_unit: Any
    stop: Any
    current: Any
    size_bytes: Any
    events: Any
    findings: Any


@dataclass(slots=True)
class Worker:
    """Reads units until there are none or it is told to stop."""

    settings: Settings
    shared: Shared
    number: int
    send: Callable[[Message], None]
    todo: Iterator[Unit]
    spool: Spool = field(init=False)
    engine: FastEngine = field(init=False)
    batcher: Batcher | Collector = field(init=False)
    collector: MatchCollector | None = field(init=False, default=None)
    fast: dict[str, BlockSource] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the engine; its programs are compiled when their gates come."""
        self.spool = Spool(self.settings.folder, f"run-{self.number:04d}")
        if self.settings.inquiry:
            self.engine = FastEngine(self.settings.plans)
            self.batcher = self.settings.inquiry.collector(self._take_entry)
            return
        site, collect = self.settings.site, self.settings.collect
        name = f"matched-{self.number:04d}"
        self.collector = MatchCollector(collect, self.settings.folder, name) if collect else None
        self.engine = FastEngine(self.settings.plans, self.collector.kept if self.collector else Kept())
        watch = SiteWatch(site) if site else None
        texts = self.settings.deciding.wants_texts
        self.batcher = Batcher(self.engine, self.settings.plans, self._emit, watch, self.collector, self.settings.taken, texts)

    def run(self) -> None:
        """Work, then seal and finish."""
        for unit in self.todo:
            self.shared.current[self.number] = unit.number
            self.send(self._read_unit(unit))
            if self.spool.full:
                self._seal()
            if self.stopping():
                break
        self._seal()
        self.send(Finished())

    def stopping(self) -> bool:
        """Tell whether the scan is to end early."""
        return bool(self.shared.stop.value)

    def _emit(
        self, finding: Finding, origin: Origin, channel: str, record_id: str, new: str, by: int, texts: Sequence[str]
    ) -> None:
        if self._in_time(finding.time):
            decided = self.settings.deciding.decide(finding, by, texts)
            self._take_entry(entry_of(decided.finding, origin, channel, record_id, new, decided.by, decided.changed))

    def _in_time(self, time: str) -> bool:
        """Tell whether a time is in the range that was asked for; an unknown one may be."""
        return not time or (self.settings.since <= time and (not self.settings.until or time < self.settings.until))

    def _take_entry(self, entry: Entry) -> None:
        if self._in_time(entry.time):
            self.spool.add(entry)
            self.shared.findings[self.number] += entry.by < 0

    def _seal(self) -> None:
        self.batcher.flush()
        unseen = self.batcher.tell_unseen()
        seen, failed, lost = self.batcher.tell()
        answer = self.settings.inquiry.answer(self.batcher) if self.settings.inquiry else None
        rows, left = self._written_rows(), self.collector.tell() if self.collector else Counter()
        self.send(Sealed(self.spool.write(), True, seen, failed, lost, unseen, answer, rows, left))

    def _written_rows(self) -> Path | None:
        return self.collector.write() if self.collector else None

    def _read_unit(self, unit: Unit) -> UnitDone:
        done = UnitDone(unit.number, [])
        try:
            self._read_streams(unit, done)
        except OutputError:
            raise
        except Exception as error:  # noqa: BLE001 - one bad file must not hide the others; it becomes its outcome
            reason = str(error) if isinstance(error, TocsinError) else f"{type(error).__name__}: {error}"
            done.losses.clear()
            done.outcomes.append(FileOutcome(unit.label, "", "skipped", 0, f"failed while it was read: {reason}"))
        return done

    def _read_streams(self, unit: Unit, done: UnitDone) -> None:
        if unit.end >= 0 and unit.path:
            with unit.path.open("rb") as file:
                part = Stream(cast(BinaryIO, FileSlice(file, unit)), unit.label)
                part.is_lines = True
                done.outcomes.append(self._read_stream(part, unit, done.losses))
                done.lines = part.lines
            return
        stdin = cast(BinaryIO, _Input(self.settings.stdin, self.stopping)) if unit.path is None else None
        for stream in open_streams(unit.path, unit.label, self.settings.limits, self.settings.passwords, stdin):
            if isinstance(stream, Loss):
                where = stream.error.where
                label = where.path if where else unit.label
                done.outcomes.append(FileOutcome(label, "", "skipped", 0, _reason(stream.error)))
            else:
                done.outcomes.append(self._read_stream(stream, unit, []))
            if self.stopping():
                break

    def _read_stream(self, stream: Stream, unit: Unit, reasons: list[str | LostLines]) -> FileOutcome:
        """Read a stream; note in `reasons` what was lost."""
        source = LINES if stream.is_lines else recognise(stream.head)
        if source is None:
            kind = "the file is empty [F003]" if not stream.head else "the format is not recognised [F002]"
            if unit.path is None and self.stopping():
                kind = "the scan was interrupted while it waited for this"
            return FileOutcome(stream.label, "", "skipped", 0, kind)
        outcome = FileOutcome(stream.label, source.name, "read", 0)
        origin = Origin(unit.number, stream.label, source.name, unit.part)
        told = 0
        try:
            reader = self._fast_reader(source.name)
            for item in reader.read(stream) if reader else source.read(stream):
                if isinstance(item, Loss):
                    reasons.append(item if isinstance(item, LostLines) else _reason(item.error))
                elif isinstance(item, Records):
                    self._take(item, origin, outcome)
                elif reader:
                    self._take_rows(reader, item, origin, outcome)
                told = self._note_position(stream, told)
                if self.stopping():
                    reasons.append("the scan was interrupted here")
                    break
        except SourceError as error:
            reasons.append(_reason(error))
        self._note_position(stream, told)
        return _finish(outcome, reasons)

    def _note_position(self, stream: Stream, told: int) -> int:
        """Add what was read of a stream since the position told last; return its position."""
        self.shared.size_bytes[self.number] += stream.position - told
        return stream.position

    def _fast_reader(self, name: str) -> BlockSource | None:
        """Return the fast reader of a format, made when it is first wanted; None when there is none, or not yet."""
        inquiry = self.settings.inquiry
        if inquiry and name not in inquiry.fast_formats:
            return None
        if name not in self.fast and self.settings.readers.ready(name):
            more = self.collector.fields if self.collector else ()
            reader, engine = make_reader(name, self.engine, self.settings.plans, more)
            self.fast[name] = reader
            self.batcher.use(reader, engine)
        return self.fast.get(name)

    def _take_rows(self, reader: BlockSource, rows: Rows, origin: Origin, outcome: FileOutcome) -> None:
        count = reader.block.events(*rows)
        outcome.events += count
        self.shared.events[self.number] += count
        self.batcher.add_rows(reader, rows, origin)
        self._spill()

    def _spill(self) -> None:
        if self.spool.full or (self.collector and self.collector.full):
            self.send(Sealed(self.spool.write(), rows=self._written_rows()))

    def _take(self, records: Records, origin: Origin, outcome: FileOutcome) -> None:
        self.batcher.add(records, origin)
        if records.counted:
            outcome.events += len(records.raws)
            self.shared.events[self.number] += len(records.raws)
        self._spill()


class _Input:
    """Standard input, read so that waiting for more of it does not keep a scan from ending early."""

    def __init__(self, descriptor: int, stopping: Callable[[], bool]) -> None:
        self._descriptor = descriptor
        self._stopping = stopping
        self._parent = os.getppid()

    def read(self, size: int, /) -> bytes:
        """Return at least one byte, or nothing at the end or when the scan is to end."""
        while not select.select([self._descriptor], [], [], _TICK_S)[0]:
            if self._stopping() or os.getppid() != self._parent:
                return b""
        return os.read(self._descriptor, size)

    def seekable(self) -> bool:
        """Tell that it cannot be read twice."""
        return False


def _reason(error: TocsinError) -> str:
    return f"{error.message} [{error.code}]"


def _finish(outcome: FileOutcome, reasons: Sequence[str | LostLines]) -> FileOutcome:
    if reasons:
        outcome.status = "partial" if outcome.events else "skipped"
        outcome.reason = joined(reasons)
    return outcome


def joined(reasons: Sequence[str | LostLines], lines_before: int = 0) -> str:
    """Return losses as one text; those of a part by the lines of its file, of which so many lie before the part."""
    found = [
        _LINE.sub(lambda line: f"line {int(line[1]) + lines_before}", reason)
        if isinstance(reason, str)
        else _reason(reason.after(lines_before).error)
        for reason in reasons[:_REASONS]
    ]
    more = f"; and {len(reasons) - _REASONS} more" if len(reasons) > _REASONS else ""
    return "; ".join(found) + more


def work(settings: Settings, shared: Shared, number: int, pipe: Connection, again: Sequence[Unit]) -> None:
    """Run a worker process to its end. `again` are units to read before those that nobody took yet."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    parent = os.getppid()
    try:
        Worker(settings, shared, number, pipe.send, _todo(settings, shared, again, parent)).run()
    except TocsinError as error:
        pipe.send(Failed(error))
    except OSError as error:
        hint = "set TMPDIR to a folder with more space"
        pipe.send(Failed(OutputError("O001", f"findings cannot be kept in {settings.folder}: {error}", hint=hint)))
    finally:
        pipe.close()


def _todo(settings: Settings, shared: Shared, again: Sequence[Unit], parent: int) -> Iterator[Unit]:
    yield from again
    while os.getppid() == parent:
        with shared.next_unit.get_lock():
            at = shared.next_unit.value
            shared.next_unit.value = at + 1
        if at >= len(settings.units):
            return
        yield settings.units[at]


__all__ = ["Failed", "Finished", "Message", "Sealed", "Settings", "Shared", "UnitDone", "joined", "work"]
