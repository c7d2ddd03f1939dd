"""Read the events of one file, whole and one by one: for explanations and tests, not for speed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tocsin.errors import SourceError, Where
from tocsin.events import Event
from tocsin.sources import recognise
from tocsin.sources.containers import Limits, open_streams
from tocsin.sources.interface import Loss, Stream


def read_events(path: Path) -> Iterator[Event]:
    """Yield every event of a file or archive, views such as the joined auditd event included.

    Raises: SourceError for the first thing that cannot be read.
    """
    for stream in open_streams(path, str(path), Limits()):
        if isinstance(stream, Loss):
            raise stream.error
        yield from stream_events(stream)


def stream_events(stream: Stream) -> Iterator[Event]:
    """Yield every event of a stream."""
    source = recognise(stream.head)
    if source is None:
        raise SourceError("F002", "the format is not recognised", where=Where(stream.label))
    for item in source.read(stream):
        if isinstance(item, Loss):
            raise item.error
        for raw, number in zip(item.raws, item.numbers, strict=True):
            yield item.decoder.event(item.gate, raw, number)


__all__ = ["read_events", "stream_events"]
