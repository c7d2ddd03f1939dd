"""Windows events as XML: what Event Viewer and wevtutil export, and what Sysmon for Linux writes into syslog.

The text is cut at `<Event ...>` and `</Event>`, so that a file needs no root element and one damaged event costs no
other; each event is then parsed by itself, without document types or entities. An event takes the shape that evtx_dump
gives it, and is understood by the same code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from tocsin.errors import SourceError
from tocsin.events import Event
from tocsin.sources.interface import Loss, Records, Stream
from tocsin.sources.json_shapes import event_data, flat_system, plain
from tocsin.sources.text import Losses, Sized, decode, grouped, head_text, utf8_blocks
from tocsin.sources.windows import windows_event

EVENT_BYTES: Final = 2 << 20
"""The longest XML of one event, in bytes. In a log an event has at most 64 KiB."""

_START: Final = re.compile(rb"<Event(?=[\s>])")
_END: Final = re.compile(rb"</Event\s{0,16}>")
_OVERLAP: Final = 32  # bytes of a tag that may lie in the next block
_BETWEEN_BYTES: Final = 1 << 20
_DOCTYPE: Final = b"<!DOCTYPE"
_TAG: Final = re.compile(rb"<[^<>]*>")
_ROOT: Final = re.compile(r"<(?:Event|Events)[\s>]")
_NAMESPACE: Final = "schemas.microsoft.com/win/2004/08/events"
_FORBIDDEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]"
    "|&#(?:0*(?:[0-8]|1[124-9]|2\\d|3[01])|x0*(?:[0-8bcefBCEF]|1[\\da-fA-F]|[dD][89abAB][\\da-fA-F]{2}|[fF]{3}[eEfF]));"
)
"""Characters that XML cannot hold, and references to them; Windows exports them all the same."""
_OTHER_DATA: Final = frozenset({"UserData", "ProcessingErrorData"})
_MOST_DEEP: Final = 64


def parse_event(text: str, record: int, line: str = "") -> Event:
    """Return the event of one `<Event>` element. `line` is the raw line of a text log that it stands in.

    Characters that XML cannot hold become U+FFFD.
    Raises: SourceError F006 when it is not well-formed or no event, F013 when it is too long.
    """
    if len(text) > EVENT_BYTES:
        raise SourceError("F013", f"an event longer than {EVENT_BYTES} bytes")
    root = _parse(text)
    tree = _tree(root)
    if _local(root.tag) != "Event" or not isinstance(tree, dict) or not isinstance(tree.get("System"), dict):
        raise SourceError("F006", "no event with a System element")
    body = {name: _strip(value) for name, value in tree.items()}
    body["System"] = {name: _strip(value) for name, value in tree["System"].items()}
    data = event_data(body)
    if "EventData" in body:
        body["EventData"] = dict(data) if _OTHER_DATA.isdisjoint(body) else event_data({"EventData": body["EventData"]})
    rendering = plain(body.get("RenderingInfo"))
    if isinstance(rendering, dict):
        data.setdefault("RenderingInfo", rendering)
        data.setdefault("Message", rendering.get("Message"))
    return windows_event(flat_system(body["System"]), data, {"Event": body}, record, line)


def _parse(text: str) -> Element:
    try:
        return _fromstring(text)
    except (ParseError, ValueError) as error:
        fault = error
    cleaned, changes = _FORBIDDEN.subn("\ufffd", text)
    try:
        if changes:
            return _fromstring(cleaned)
    except (ParseError, ValueError) as error:
        fault = error
    raise SourceError("F006", f"damaged event XML ({_fault_text(fault)})") from None


def _fromstring(text: str) -> Element:
    root: Element = fromstring(text, forbid_dtd=True)
    return root


def _fault_text(fault: Exception) -> str:
    if isinstance(fault, DefusedXmlException):
        return "document types and entities are refused"
    return re.sub(r": line \d+, column \d+$", "", str(fault)) if isinstance(fault, ParseError) else "no XML text"


def _tree(element: Element, depth: int = 0) -> Any:
    """Return an element as text values: its text, None when it is empty, or an object of attributes and children."""
    if depth > _MOST_DEEP:
        raise SourceError("F006", f"event XML nested deeper than {_MOST_DEEP} elements")
    found: dict[str, Any] = {}
    if element.attrib:
        found["#attributes"] = {_local(name): value for name, value in element.attrib.items()}
    for child in element:
        _put(found, _local(child.tag), _tree(child, depth + 1))
    if not found:
        return element.text
    if element.text and len(element) == 0:
        found["#text"] = element.text
    return found


def _put(found: dict[str, Any], name: str, value: Any) -> None:
    before = found.get(name)
    if name not in found:
        found[name] = value
    elif isinstance(before, list):
        before.append(value)
    else:
        found[name] = [before, value]


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _strip(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, dict) and isinstance(value.get("#text"), str):
        return {**value, "#text": value["#text"].strip()}
    return value


class _Cutter:
    """Cuts a text into its `<Event>` elements, holding one at a time."""

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._buffer = bytearray()
        self._searched = 0
        self._line = 1
        self._inside = False
        self._torn = False

    def feed(self, block: bytes) -> Iterator[tuple[int, bytes] | Loss]:
        """Take a block; yield the line and the bytes of each event that it completes."""
        self._buffer += block
        while True:
            found = (_END if self._inside else _START).search(self._buffer, self._searched)
            if not found:
                break
            if self._inside:
                yield from self._event(found.end())
                self._inside, self._searched = False, 0
            else:
                yield from self._between(found.start())
                self._inside, self._searched = True, 1
        self._searched = max(self._searched, len(self._buffer) - _OVERLAP)
        yield from self._shorten()

    def close(self) -> Iterator[Loss]:
        """Yield what is wrong with the rest."""
        if self._inside:
            sample = decode(bytes(self._buffer[:200]))
            yield from self._losses.add("F005", "the file ends inside an event", self._line, sample=sample)
        else:
            yield from self._between(len(self._buffer))

    def _event(self, end: int) -> Iterator[tuple[int, bytes] | Loss]:
        *_, last = _START.finditer(self._buffer, 0, end)
        start = last.start()
        if start:
            first = self._line
            self._drop(start)
            yield from self._losses.add("F006", "an event without its end", first, self._line - 1)
        line, data = self._line, bytes(self._buffer[: end - start])
        self._drop(end - start)
        yield line, data

    def _between(self, end: int) -> Iterator[Loss]:
        """Drop what lies between events; report it when it is more than the tags of a root element."""
        skipped, first = bytes(self._buffer[:end]), self._line
        self._drop(end)
        reason = "" if self._torn else _fault_between(skipped)
        self._torn = False
        if reason:
            sample = decode(skipped).strip()
            yield from self._losses.add("F006", reason, first, self._line - 1, sample=sample)

    def _shorten(self) -> Iterator[Loss]:
        """Keep the buffer bounded when no tag comes."""
        if self._inside and len(self._buffer) > EVENT_BYTES:
            yield from self._losses.add("F013", f"an event longer than {EVENT_BYTES} bytes", self._line)
            self._drop(self._searched)
            self._inside, self._torn, self._searched = False, True, 0
        elif not self._inside and len(self._buffer) > _BETWEEN_BYTES:
            torn = self._torn
            yield from self._between(self._searched)
            self._torn, self._searched = torn, 0

    def _drop(self, size: int) -> None:
        self._line += self._buffer.count(b"\n", 0, size)
        del self._buffer[:size]


def _fault_between(skipped: bytes) -> str:
    if _DOCTYPE in skipped:
        return "a document type declaration, which is not read"
    return "text that belongs to no event" if _TAG.sub(b"", skipped).strip(b" \t\r\n\0") else ""


class XmlSource:
    """Exported Windows events; `record` is the event record id, or else the line on which the event begins."""

    name: ClassVar[str] = "xml"

    def recognise(self, head: bytes) -> bool:
        """Tell by an `<Event>` or `<Events>` element with what Windows puts into it."""
        text = head_text(head).lstrip()
        return text.startswith("<") and bool(_ROOT.search(text)) and (_NAMESPACE in text or "<System>" in text)

    def read(self, stream: Stream) -> Iterator[Records | Loss]:
        """Yield each event."""
        return grouped(_events(stream))


def _events(stream: Stream) -> Iterator[Sized | Loss]:
    losses, faults = Losses(), list[SourceError]()
    cutter = _Cutter(losses)
    for block in utf8_blocks(stream, faults):
        for item in cutter.feed(block):
            if isinstance(item, Loss):
                yield item
                continue
            line, data = item
            try:
                yield Sized(parse_event(decode(data), line), len(data))
            except SourceError as error:
                yield from losses.add(error.code, error.message, line, line + data.count(b"\n"))
    yield from cutter.close()
    yield from losses.close()
    yield from map(Loss, faults)


__all__ = ["EVENT_BYTES", "XmlSource", "parse_event"]
