"""Sources of evidence, recognised by content."""

from __future__ import annotations

from typing import Final

from tocsin.sources.auditd import AuditdSource
from tocsin.sources.csv import CsvSource
from tocsin.sources.evtx import EvtxSource
from tocsin.sources.interface import Loss, Records, Source, Stream
from tocsin.sources.json import JsonSource
from tocsin.sources.syslog import SyslogSource
from tocsin.sources.xml import XmlSource

SOURCES: Final[tuple[Source, ...]] = (
    EvtxSource(),
    JsonSource(),
    XmlSource(),
    AuditdSource(),
    SyslogSource(),
    CsvSource(),
)
"""One instance of each source, most specific first."""


def recognise(head: bytes) -> Source | None:
    """Return the source of a stream that begins so, or None."""
    return next((source for source in SOURCES if source.recognise(head)), None)


__all__ = ["SOURCES", "Loss", "Records", "Source", "Stream", "recognise"]
