"""The workers of a scan: started by fork so that they share the rules, watched, and replaced when one dies."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any, Final, cast

from tocsin.events import Gate
from tocsin.findings import FileOutcome
from tocsin.runs.batches import GateSeen, Origin
from tocsin.runs.collect import Left
from tocsin.runs.spool import record_bases
from tocsin.runs.units import Unit
from tocsin.runs.worker import Failed, Finished, Message, Sealed, Settings, Shared, UnitDone, joined, work
from tocsin.sources.interface import LostLines

_TICK_S: Final = 0.1
_REST_S: Final = 0.005
"""Pause after messages, so that a folder of small files does not wake two processes for each of them."""
_MOST_DEATHS: Final = 20
Tick = Callable[[int, int, int], None]


@dataclass(slots=True)
class Gathered:
    """All that the workers told."""

    done: dict[int, UnitDone] = field(default_factory=dict)
    runs: list[Path] = field(default_factory=list)
    seen: dict[Gate, GateSeen] = field(default_factory=dict)
    failed: Counter[tuple[int, str]] = field(default_factory=Counter)
    repeated: set[int] = field(default_factory=set)
    lost: list[tuple[Origin, str]] = field(default_factory=list)
    unseen: Counter[Origin] = field(default_factory=Counter)
    answers: list[Any] = field(default_factory=list)
    """What an inquiry told beside findings."""
    rows: list[Path] = field(default_factory=list)
    left: Left = field(default_factory=Counter)
    uncorrelated: dict[int, str] = field(default_factory=dict)
    size_bytes: int = 0
    """What was read, of compressed files as expanded."""


@dataclass(slots=True)
class _Member:
    process: ForkProcess
    pipe: Connection
    number: int
    unsealed: list[int] = field(default_factory=list)
    finished: bool = False


class Pool:
    """Runs units in `jobs` workers. `stop()` ends it early: what was found so far is kept."""

    def __init__(self, settings: Settings, jobs: int) -> None:
        self._settings = settings
        self._jobs = jobs
        self._context = multiprocessing.get_context("fork")
        slots = jobs + _MOST_DEATHS
        self._shared = Shared(
            next_unit=self._context.Value("q", 0),
            stop=self._context.Value("b", 0, lock=False),
            current=self._context.Array("q", [-1] * slots, lock=False),
            size_bytes=self._context.Array("q", slots, lock=False),
            events=self._context.Array("q", slots, lock=False),
            findings=self._context.Array("q", slots, lock=False),
        )
        self._members: dict[Connection, _Member] = {}
        self._started = 0
        self.gathered = Gathered()

    def stop(self) -> None:
        """Ask the workers to end after the records that they are at."""
        self._shared.stop.value = 1

    def run(self, tick: Tick) -> Gathered:
        """Work until all units are done. `tick` is called with bytes, events and findings so far.

        Raises: TocsinError when findings cannot be kept; a worker's death is no error but an outcome of its unit.
        """
        for _ in range(self._jobs):
            self._start([])
        try:
            while self._members:
                for pipe in wait(list(self._members), _TICK_S):
                    self._drain(cast(Connection, pipe))
                time.sleep(_REST_S)
                tick(sum(self._shared.size_bytes), sum(self._shared.events), sum(self._shared.findings))
        finally:
            for member in self._members.values():
                member.process.kill()
        self._place_losses()
        self.gathered.size_bytes = sum(self._shared.size_bytes)
        return self.gathered

    def _place_losses(self) -> None:
        """Tell the losses of parts by the lines of their files, now that these are counted."""
        done = [(unit, self.gathered.done[unit.number]) for unit in self._settings.units if unit.number in self.gathered.done]
        bases = record_bases({(unit.file, unit.part): found.lines for unit, found in done})
        together: dict[int, tuple[LostLines, FileOutcome]] = {}
        for unit, found in done:
            base = bases[unit.file, unit.part]
            if found.losses:
                found.outcomes[0].reason = joined([item for item in found.losses if isinstance(item, str)], base)
            for item in found.losses:
                if isinstance(item, LostLines):
                    known = together.get(unit.file)
                    here = item.after(base)
                    together[unit.file] = (known[0].and_later(here) if known else here), found.outcomes[0]
        for lost, outcome in together.values():
            outcome.reason = joined([*filter(None, [outcome.reason]), lost])

    def _start(self, again: list[Unit]) -> None:
        receiving, sending = self._context.Pipe(duplex=False)
        number = self._started
        self._started += 1
        arguments = (self._settings, self._shared, number, sending, again)
        process = self._context.Process(target=work, args=arguments, daemon=True)
        process.start()
        sending.close()
        self._members[receiving] = _Member(process, receiving, number)

    def _drain(self, pipe: Connection) -> None:
        """Take all messages at hand."""
        self._receive(self._members[pipe])
        while pipe in self._members and pipe.poll():
            self._receive(self._members[pipe])

    def _receive(self, member: _Member) -> None:
        try:
            message: Message = member.pipe.recv()
        except EOFError:
            self._end(member)
            return
        if isinstance(message, UnitDone):
            self.gathered.done[message.unit] = message
            member.unsealed.append(message.unit)
        elif isinstance(message, Sealed):
            self._seal(member, message)
        elif isinstance(message, Finished):
            member.finished = True
        elif isinstance(message, Failed):
            raise message.error

    def _seal(self, member: _Member, message: Sealed) -> None:
        if message.run:
            self.gathered.runs.append(message.run)
        if message.rows:
            self.gathered.rows.append(message.rows)
        self.gathered.left.update(message.left)
        if message.whole:
            member.unsealed.clear()
        for gate, seen in message.seen.items():
            known = self.gathered.seen.setdefault(gate, GateSeen())
            known.events += seen.events
            known.looks += seen.looks
            known.fields |= seen.fields
        self.gathered.failed += message.failed
        self.gathered.lost += message.lost
        self.gathered.unseen.update(message.unseen)
        if message.answer is not None:
            self.gathered.answers.append(message.answer)

    def _end(self, member: _Member) -> None:
        del self._members[member.pipe]
        member.process.join()
        member.pipe.close()
        if member.finished:
            return
        self._blame(member)
        units = [self._settings.units[number] for number in member.unsealed]
        again = [unit for unit in units if unit.path]
        self.gathered.repeated.update(member.unsealed)
        for unit in units:
            self.gathered.done.pop(unit.number, None)
            if not unit.path:
                self._lose(unit, "was read by a worker process that died, and cannot be read again [E003]")
        left = self._shared.next_unit.value < len(self._settings.units)
        if (again or left) and self._started < self._jobs + _MOST_DEATHS:
            self._start(again)
        else:
            for unit in again:
                self._lose(unit, "was not read: its worker process died [E003]")

    def _blame(self, member: _Member) -> None:
        """Make the death the outcome of the unit that the worker was at."""
        number = self._shared.current[member.number]
        if number >= 0 and number not in self.gathered.done:
            code = member.process.exitcode or 0
            cause = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            self._lose(self._settings.units[number], f"the worker process died while it read this: {cause} [E003]")

    def _lose(self, unit: Unit, reason: str) -> None:
        self.gathered.done[unit.number] = UnitDone(unit.number, [FileOutcome(unit.label, "", "skipped", 0, reason)])


__all__ = ["Gathered", "Pool"]
