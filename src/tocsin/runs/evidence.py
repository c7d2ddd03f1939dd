"""Read the events of one file, whole and one by one: for explanations and tests, not for speed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from tocsin.errors import SourceError, Where
from tocsin.events import Event
from tocsin.sources import recognise
from tocsin.sources.containers import Limits, open_streams
from tocsin.sources.interface import Loss, Stream

WINDOW: Final = 20_000
"""Events that are put in order at once; half of what may wait."""


def read_events(path: Path | None, stdin: BinaryIO | None = None) -> Iterator[Event | Loss]:
    """Yield every event of a file or archive, views such as the joined auditd event included, and what was lost.

    Rows: by record, as far as a window of many thousands reaches. Without a path `stdin` is read. Raises: SourceError for a
    stream that is empty or of no known format.
    """
    label = str(path) if path else "-"
    for stream in open_streams(path, label, Limits(), (), stdin):
        if isinstance(stream, Loss):
            yield stream
        else:
            yield from _by_record(stream_events(stream))


def _by_record(found: Iterable[Event | Loss]) -> Iterator[Event | Loss]:
    """Yield events by record: a reader gives those of one kind together."""
    waiting: list[Event] = []
    for item in found:
        if isinstance(item, Loss):
            yield item
            continue
        waiting.append(item)
        if len(waiting) >= 2 * WINDOW:
            waiting.sort(key=_record)
            yield from waiting[:WINDOW]
            del waiting[:WINDOW]
    yield from sorted(waiting, key=_record)


def _record(event: Event) -> int:
    return event.record


def stream_events(stream: Stream) -> Iterator[Event | Loss]:
    """Yield every event of a stream, and what was lost."""
    source = recognise(stream.head)
    if source is None:
        code, message = ("F002", "the format is not recognised") if stream.head else ("F003", "the file is empty")
        raise SourceError(code, message, where=Where(stream.label))
    for item in source.read(stream):
        if isinstance(item, Loss):
            yield item
            continue
        for raw, number in zip(item.raws, item.numbers, strict=True):
            yield item.decoder.event(item.gate, raw, number)


__all__ = ["read_events", "stream_events"]
