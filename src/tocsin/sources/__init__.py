"""Sources of evidence, recognised by content."""

from __future__ import annotations

from typing import Final

from tocsin.sources.access_log import AccessLogSource
from tocsin.sources.application_log import ApplicationLogSource
from tocsin.sources.auditd import AuditdSource
from tocsin.sources.capture import CaptureSource
from tocsin.sources.cef import CefSource
from tocsin.sources.clamav import ClamavSource
from tocsin.sources.csv import CsvSource
from tocsin.sources.dns_log import DnsLogSource
from tocsin.sources.error_log import ErrorLogSource
from tocsin.sources.evtx import EvtxSource
from tocsin.sources.interface import Loss, Records, Source, Stream
from tocsin.sources.json import JsonSource
from tocsin.sources.keyvalue import KeyValueSource
from tocsin.sources.sql_log import SqlLogSource
from tocsin.sources.squid import SquidSource
from tocsin.sources.syslog import SyslogSource
from tocsin.sources.w3c import W3cSource
from tocsin.sources.xml import XmlSource
from tocsin.sources.zeek import ZeekSource

SOURCES: Final[tuple[Source, ...]] = (
    EvtxSource(),
    CaptureSource(),
    JsonSource(),
    XmlSource(),
    ZeekSource(),
    AuditdSource(),
    W3cSource(),
    AccessLogSource(),
    ErrorLogSource(),
    SquidSource(),
    CefSource(),
    KeyValueSource(),
    DnsLogSource(),
    ClamavSource(),
    SqlLogSource(),
    ApplicationLogSource(),
    SyslogSource(),
    CsvSource(),
)
"""One instance of each source, most specific first."""


def recognise(head: bytes) -> Source | None:
    """Return the source of a stream that begins so, or None."""
    return next((source for source in SOURCES if source.recognise(head)), None)


__all__ = ["SOURCES", "Loss", "Records", "Source", "Stream", "recognise"]
