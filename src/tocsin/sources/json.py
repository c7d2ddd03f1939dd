"""JSON evidence: lines, an array, or objects one after another, in any of the shapes that tools write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Final

import msgspec

from tocsin.events import Event, Gate
from tocsin.sources.interface import Loss, Records, Stream, group_events
from tocsin.sources.json_layouts import FLAT, NESTED, Raw, WindowsDecoder
from tocsin.sources.json_shapes import json_event
from tocsin.sources.json_text import LossCounter, line_blocks, load_object, object_texts, text_encoding, utf8_blocks
from tocsin.rules.windows_channels import SPACELESS, SYSMON_LINUX

_START: Final = re.compile(rb"\s*(\{\s*(\"|\}|$)|\[\s*(\{|\]|$))")
_SPACED_KEY: Final = re.compile(r'[{,]\s*"(?:[^"\\]* [^"\\]*"\s*:|[^"]*\\u0020)')
_GROUP: Final = 4000
_UNSET: Final = msgspec.UNSET


class _Id(msgspec.Struct, gc=False, rename={"text": "#text", "attributes": "#attributes"}, forbid_unknown_fields=True):
    text: int | str
    attributes: msgspec.Raw = msgspec.Raw()


class _System(msgspec.Struct, gc=False):
    Channel: str | None = None
    EventID: int | str | _Id | None = None
    Provider: msgspec.Raw = msgspec.Raw()


class _Data(msgspec.Struct, gc=False):
    Channel: Any = _UNSET
    EventID: Any = _UNSET
    Data: Any = None


class _Event(msgspec.Struct, gc=False):
    System: _System | None = None
    EventData: _Data | None = None
    UserData: msgspec.Raw | msgspec.UnsetType = _UNSET
    ProcessingErrorData: msgspec.Raw | msgspec.UnsetType = _UNSET


class _Probe(
    msgspec.Struct,
    gc=False,
    rename={
        "source": "_source",
        "dotted": "winlog.channel",
        "dotted_id": "winlog.event_id",
        "journal": "__REALTIME_TIMESTAMP",
    },
):
    """What tells the shape and the gate of a record; every other shape's own key sends it to the slow reader."""

    Channel: str | None = None
    EventID: int | str | None = None
    Event: _Event | None = None
    System: msgspec.Raw | msgspec.UnsetType = _UNSET
    winlog: msgspec.Raw | msgspec.UnsetType = _UNSET
    data: msgspec.Raw | msgspec.UnsetType = _UNSET
    win: msgspec.Raw | msgspec.UnsetType = _UNSET
    result: msgspec.Raw | msgspec.UnsetType = _UNSET
    source: msgspec.Raw | msgspec.UnsetType = _UNSET
    dotted: msgspec.Raw | msgspec.UnsetType = _UNSET
    dotted_id: msgspec.Raw | msgspec.UnsetType = _UNSET
    journal: msgspec.Raw | msgspec.UnsetType = _UNSET

    def foreign(self) -> bool:
        """Tell whether a key of another shape is present."""
        others = (self.System, self.winlog, self.data, self.win, self.result, self.source, self.dotted, self.dotted_id)
        return any(other is not _UNSET for other in others) or self.journal is not _UNSET


_probe: Final = msgspec.json.Decoder(_Probe).decode
_nested_probe: Final = msgspec.json.Decoder(msgspec.defstruct("_Nested", [("Event", _Event)], gc=False)).decode


class JsonSorter:
    """Sorts raw JSON records by gate; what the fast decoders do not cover is decoded here, slowly."""

    def __init__(self) -> None:
        self._gates: dict[tuple[str, int | str], Gate] = {}

    def sort(self, items: Iterable[tuple[int, Raw]], losses: LossCounter) -> Iterator[Records | Loss]:
        """Yield the records of a block. Empty lines are skipped; a record that is no JSON object is a loss."""
        groups: dict[tuple[int, Gate], tuple[WindowsDecoder, Gate, list[Raw], list[int]]] = {}
        slow: list[Event] = []
        slow_bytes = 0
        for number, raw in items:
            found = self._fast(raw)
            if found is None:
                if not raw.strip():
                    continue
                slow_bytes += len(raw)
                yield from self._slowly(raw, number, slow, losses)
                continue
            decoder, gate = found
            key = (id(decoder), gate)
            if key not in groups:
                groups[key] = (decoder, gate, [], [])
            groups[key][2].append(raw)
            groups[key][3].append(number)
        for decoder, gate, raws, numbers in groups.values():
            yield Records(decoder, gate, raws, numbers, sum(map(len, raws)))
        yield from group_events(slow, slow_bytes)

    def _slowly(self, raw: Raw, number: int, into: list[Event], losses: LossCounter) -> Iterator[Loss]:
        try:
            into.append(json_event(load_object(raw), number))
        except ValueError as error:
            several = list(self._concatenated(raw, number))
            if several:
                into.extend(several)
            else:
                yield from losses.add("F006", f"line {number}: not valid JSON: {error}")

    def _concatenated(self, raw: Raw, number: int) -> Iterator[Event]:
        """Yield the events of several objects on one line; none when the line is not just that."""
        text = raw if isinstance(raw, bytes) else raw.encode("utf-8", "replace")
        losses = LossCounter("")
        found = list(object_texts(iter([text]), losses))
        if losses.count or len(found) < 2:
            return
        for item in found:
            if isinstance(item, tuple):
                yield json_event(load_object(item[1]), number)

    def _fast(self, raw: Raw) -> tuple[WindowsDecoder, Gate] | None:
        found = self._probed(raw)
        if found is None or found[1].channel in SPACELESS:
            return found
        text = raw if isinstance(raw, str) else raw.decode("utf-8", "replace")
        return None if _SPACED_KEY.search(text) else found

    def _probed(self, raw: Raw) -> tuple[WindowsDecoder, Gate] | None:
        try:
            probe = _probe(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if probe.foreign():
            return None
        if probe.Event is not None:
            gate = self._nested(probe.Event)
            return (NESTED, gate) if gate else None
        if probe.Channel is None or probe.EventID is None:
            return None
        return FLAT, self._gate(probe.Channel, probe.EventID)

    def _nested(self, event: _Event) -> Gate | None:
        system, data = event.System, event.EventData
        if system is None or event.UserData is not _UNSET or event.ProcessingErrorData is not _UNSET:
            return None
        if data is not None and (
            data.Channel is not _UNSET or data.EventID is not _UNSET or not _plain_data(data.Data)
        ):
            return None
        event_id = system.EventID
        if isinstance(event_id, _Id):
            event_id = event_id.text
        return None if system.Channel is None or event_id is None else self._gate(system.Channel, event_id)

    def _gate(self, channel: str, event_id: int | str) -> Gate:
        key = (channel, event_id)
        try:
            return self._gates[key]
        except KeyError:
            product = "linux" if channel == SYSMON_LINUX else "windows"
            gate = self._gates[key] = Gate(product, channel, str(event_id))
            return gate


def _plain_data(value: Any) -> bool:
    """Tell whether `Data` holds unnamed values only."""
    return value is None or isinstance(value, str) or (isinstance(value, dict) and value.keys() == {"#text"})


class JsonSource:
    """JSON lines, arrays and concatenated objects."""

    name: ClassVar[str] = "json"

    def recognise(self, head: bytes) -> bool:
        """Tell JSON from its first character and what follows it."""
        encoding = text_encoding(head)
        if encoding != "utf-8":
            head = head.decode(encoding, "replace").lstrip("\ufeff").encode()
        return _START.match(head.removeprefix(b"\xef\xbb\xbf")) is not None

    def read(self, stream: Stream) -> Iterator[Records | Loss]:
        """Read records line by line; over line breaks when the first line is no whole object."""
        losses = LossCounter(stream.label)
        sorter = JsonSorter()
        blocks = utf8_blocks(stream)
        first = next(blocks, b"")
        if self.is_lines(first):
            yield from read_lines(_put_back(first, blocks), sorter, losses)
            return
        group: list[tuple[int, Raw]] = []
        for item in object_texts(_put_back(first, blocks), losses):
            if isinstance(item, Loss):
                yield item
                continue
            group.append(item)
            if len(group) >= _GROUP:
                yield from sorter.sort(group, losses)
                group = []
        yield from sorter.sort(group, losses)

    @staticmethod
    def is_lines(first: bytes) -> bool:
        """Tell whether the first line that is not blank is a whole object, or too long to tell."""
        line = first.lstrip().partition(b"\n")[0]
        if not line.startswith(b"{"):
            return False
        try:
            load_object(line)
        except ValueError:
            return b"\n" not in first.lstrip() and len(first) > 1 << 20
        return True


def read_lines(blocks: Iterator[bytes], sorter: JsonSorter, losses: LossCounter) -> Iterator[Records | Loss]:
    """Read JSON lines; numbers are 1-based lines."""
    line = 1
    for lines in line_blocks(blocks, losses):
        if isinstance(lines, Loss):
            yield lines
            continue
        yield from sorter.sort(enumerate(lines, line), losses)
        line += len(lines)
    yield from losses.end()


def _put_back(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from blocks


__all__ = ["JsonSorter", "JsonSource", "read_lines"]
