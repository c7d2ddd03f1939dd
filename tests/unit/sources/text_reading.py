"""Reads a text through a source, for the tests of text logs."""

from __future__ import annotations

import io
import time
from typing import Any

from tocsin.errors import SourceError
from tocsin.events import Event
from tocsin.rules.logsource import views
from tocsin.rules.twins import see
from tocsin.sources.interface import Loss, Records, Source, Stream

MEGABYTE = 1_000_000


def read(source: Source, text: str | bytes) -> tuple[list[Event], list[SourceError]]:
    """Return the events in the order of their lines, those that do not count after those that do, and the errors."""
    data = text if isinstance(text, bytes) else text.encode()
    items = list(source.read(Stream(io.BytesIO(data), "x")))
    found = [
        (number, not item.counted, place, item.decoder.event(item.gate, raw, number))
        for item in items
        if isinstance(item, Records)
        for place, (raw, number) in enumerate(zip(item.raws, item.numbers, strict=True))
    ]
    found.sort(key=lambda entry: entry[:3])
    return [event for *_, event in found], [item.error for item in items if isinstance(item, Loss)]


def one(source: Source, text: str) -> Event:
    """Return the one event of a text without losses."""
    (event,), errors = read(source, text)
    assert errors == []
    return event


def seen(event: Event) -> dict[str, Any]:
    """Return the fields of an event as its first view shows them to rules."""
    return dict(see(event, views(event.gate)[0]).fields)


def seconds(source: Source, text: str) -> float:
    """Return the CPU time that recognising and reading a text takes."""
    begun = time.process_time()
    source.recognise(text.encode()[:65536])
    read(source, text)
    return time.process_time() - begun


__all__ = ["MEGABYTE", "one", "read", "seconds", "seen"]
