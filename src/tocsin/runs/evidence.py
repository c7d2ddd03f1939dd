"""Read the events of one file, whole and one by one: for explanations and tests, not for speed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tocsin.errors import SourceError, Where
from tocsin.events import Event
from tocsin.sources import recognise
from tocsin.sources.containers import Limits, open_streams
from tocsin.sources.interface import Loss, Stream


def read_events(path: Path) -> Iterator[Event | Loss]:
    """Yield every event of a file or archive, views such as the joined auditd event included, and what was lost.

    Raises: SourceError for a format that is not recognised.
    """
    for stream in open_streams(path, str(path), Limits()):
        if isinstance(stream, Loss):
            yield stream
        else:
            yield from stream_events(stream)


def stream_events(stream: Stream) -> Iterator[Event | Loss]:
    """Yield every event of a stream, and what was lost."""
    source = recognise(stream.head)
    if source is None:
        raise SourceError("F002", "the format is not recognised", where=Where(stream.label))
    for item in source.read(stream):
        if isinstance(item, Loss):
            yield item
            continue
        for raw, number in zip(item.raws, item.numbers, strict=True):
            yield item.decoder.event(item.gate, raw, number)


__all__ = ["read_events", "stream_events"]
