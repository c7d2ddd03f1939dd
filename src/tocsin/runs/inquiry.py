"""What looks at events in a scan in place of rules: a search, statistics, a timeline.

An inquiry makes a collector in each worker. What a collector finds are entries, which are sorted, merged and written as
findings are; what it gathers beside them is its answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from tocsin.errors import OutputError
from tocsin.events import Event, Gate
from tocsin.findings import Coverage
from tocsin.kernels.block import SLOW, Rows
from tocsin.runs.batches import GateSeen, Origin
from tocsin.runs.spool import Entry
from tocsin.sources.interface import BlockSource, Records

if TYPE_CHECKING:
    from tocsin.engine.coded import CodedEngine

Take = Callable[[Entry], None]
"""Takes an entry that was found; one that is out of the range of time is dropped."""


class Inquiry(Protocol):
    """A question to all events. `fast_formats` are those whose fast readers its collectors can use."""

    fast_formats: frozenset[str]

    def prepare(self, fast: bool) -> None:
        """Make what workers share, before they are started; `fast` tells whether fast readers are going to be used."""
        ...

    def collector(self, take: Take) -> Collector:
        """Return what looks at the events of one worker."""
        ...

    def answer(self, collector: Any) -> Any:
        """Return what a collector gathered beside entries since the last time; None for nothing."""
        ...

    def cover(self, coverage: Coverage, failed: Counter[tuple[int, str]]) -> None:
        """Add what the inquiry could and could not do to the coverage."""
        ...


class Collector:
    """Looks at events as they come: `look` is called with each, and with where it comes from.

    A fault on one event is counted as a loss of its file, and costs no other event.
    """

    def __init__(self, take: Take) -> None:
        self.take = take
        self.seen: dict[Gate, GateSeen] = {}
        self.failed: Counter[tuple[int, str]] = Counter()
        self._lost: Counter[tuple[Origin, str]] = Counter()
        self._coded: dict[str, tuple[BlockSource, CodedEngine, list[tuple[int, Origin]]]] = {}

    def look(self, event: Event, origin: Origin, record: int) -> None:
        """Look at one event; `record` is its number as findings tell it."""
        raise NotImplementedError

    def wants(self, gate: Gate, counted: bool) -> bool:
        """Tell whether events of a gate are to be decoded; `counted`: they are no second look at others."""
        return True

    def add(self, records: Records, origin: Origin) -> None:
        """Take records."""
        self._count(records)
        if self.wants(records.gate, records.counted):
            self.look_at(records, origin)

    def look_at(self, records: Records, origin: Origin) -> None:
        """Decode and look at records one by one."""
        for raw, number in zip(records.raws, records.numbers, strict=True):
            self.guarded(lambda raw=raw, number=number: records.decoder.event(records.gate, raw, number), origin)  # type: ignore[misc]

    def guarded(self, decode: Callable[[], Event], origin: Origin) -> None:
        """Decode and look at one event; what goes wrong is told as a loss."""
        try:
            event = decode()
            self.look(event, origin, event.record)
        except OutputError:
            raise
        except Exception as error:  # noqa: BLE001 - it becomes the outcome of the file that the event comes from
            self.lose(origin, error)

    def lose(self, origin: Origin, error: Exception, events: int = 1) -> None:
        """Note that events could not be looked at."""
        self._lost[origin, f"could not be looked at: {type(error).__name__}: {error}"] += events

    def _count(self, records: Records) -> None:
        seen = self.seen.setdefault(records.gate, GateSeen())
        if records.counted:
            seen.events += len(records.raws)
        else:
            seen.looks += len(records.raws)

    # -- blocks of a fast reader

    def use(self, reader: BlockSource, engine: CodedEngine) -> None:
        """Take rows from a reader of blocks from now on."""
        self._coded[reader.name] = (reader, engine, [])

    def add_rows(self, reader: BlockSource, rows: Rows, origin: Origin) -> None:
        """Take rows of a reader's block; look at them when it is full. Rows that nobody took are no events."""
        origins = self._coded[reader.name][2]
        known = origins[-1][0] if origins else 0
        reader.block.row_flags[known : rows[0]] |= SLOW
        origins.append((rows[1], origin))
        if reader.block.is_full:
            self._look_at_block(reader.name)

    def rows(self, reader: BlockSource) -> list[int]:
        """Return the rows of a block that are worth a look."""
        return list(range(reader.block.rows))

    def _look_at_block(self, name: str) -> None:
        reader, engine, origins = self._coded[name]
        block = reader.block
        try:
            answer = engine.match()
            for gate, count in answer.events.items():
                self.seen.setdefault(gate, GateSeen()).events += count
            slow = {row for row in answer.slow if not block.row_flags[row] & SLOW}
            self._look_at_slow(reader, sorted(slow), origins)
            wanted = [row for row in self.rows(reader) if row not in slow and not block.row_flags[row] & SLOW]
            for origin, share in by_origin(wanted, origins):
                for row in share:
                    self.guarded(lambda row=row: reader.events([row])[0], origin)  # type: ignore[misc]
        except OutputError:
            raise
        except Exception as error:  # noqa: BLE001 - it becomes the outcome of the files that the rows came from
            engine.forget()
            begin = 0
            for end, origin in origins:
                self.lose(origin, error, end - begin)
                begin = end
        origins.clear()
        block.clear()

    def _look_at_slow(self, reader: BlockSource, rows: list[int], origins: list[tuple[int, Origin]]) -> None:
        for origin, share in by_origin(rows, origins):
            for records in reader.records(share):
                self.add(records, origin)

    # -- what a worker asks

    def flush(self) -> None:
        """Look at everything that is gathered."""
        for name in self._coded:
            self._look_at_block(name)

    def tell(self) -> tuple[dict[Gate, GateSeen], Counter[tuple[int, str]], list[tuple[Origin, str]]]:
        """Return what was seen, failed and lost since the last time, and begin anew."""
        lost = [(origin, f"{count} event{'s' if count > 1 else ''} {reason}") for (origin, reason), count in self._lost.items()]
        told = self.seen, self.failed, lost
        self.seen, self.failed, self._lost = {}, Counter(), Counter()
        return told

    def tell_unseen(self) -> Counter[Origin]:
        """Return nothing: every event is seen."""
        return Counter()


def by_origin(rows: list[int], origins: list[tuple[int, Origin]]) -> Iterator[tuple[Origin, list[int]]]:
    """Yield each origin with its share of rows, which are in order."""
    at = 0
    for end, origin in origins:
        share = []
        while at < len(rows) and rows[at] < end:
            share.append(rows[at])
            at += 1
        if share:
            yield origin, share


__all__ = ["Collector", "Inquiry", "Take", "by_origin"]
