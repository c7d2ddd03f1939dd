"""JSON evidence: lines, an array, or objects one after another, in any of the shapes that tools write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import msgspec

from tocsin.errors import SourceError
from tocsin.events import Event, Gate
from tocsin.rules.windows_channels import SPACELESS, SYSMON_LINUX
from tocsin.sources.interface import Loss, Records, Stream, group_events
from tocsin.sources.json_events import UNKNOWN, is_unknown, json_events
from tocsin.sources.json_layouts import EVE, EVTX, FLAT, NESTED, ZEEK_ROWS, LayoutDecoder, Never, Raw
from tocsin.sources.json_network import EVE_KEYS, NAMES, ZEEK_KEYS, surely_time
from tocsin.sources.json_shapes import BEFORE_NETWORK, PLAIN, WRAPPERS
from tocsin.sources.json_text import (
    BLOCK_BYTES,
    LossCounter,
    fault_of,
    line_blocks,
    load_object,
    object_texts,
    starts_several,
    strict_line,
    text_encoding,
    utf8_blocks,
)

_START: Final = re.compile(rb"\s*(\{\s*(\"|\}|$)|\[\s*(\{|\]|$))")
_GROUP: Final = 4000
_JOURNAL: Final = "__REALTIME_TIMESTAMP"


class _Id(msgspec.Struct, gc=False, rename={"text": "#text", "attributes": "#attributes"}, forbid_unknown_fields=True):
    text: int | str
    attributes: msgspec.Raw = msgspec.Raw()


class _Text(msgspec.Struct, gc=False, rename={"text": "#text"}, forbid_unknown_fields=True):
    """Unnamed `Data` elements."""

    text: Any


_Key = tuple[str, int | str, bool | None]
"""Channel, event id, and whether the record has the shape of `Event`; of network sensors product, channel and None."""


class _System(msgspec.Struct, gc=False):
    Channel: str
    EventID: int | str | _Id


class _Data(msgspec.Struct, gc=False):
    Channel: Never = ""  # type: ignore[assignment]
    EventID: Never = ""  # type: ignore[assignment]
    Data: str | _Text | None = None


class _Event(msgspec.Struct, gc=False):
    System: _System
    EventData: _Data | None = None
    UserData: Never = ""  # type: ignore[assignment]
    ProcessingErrorData: Never = ""  # type: ignore[assignment]


class _NestedProbe(msgspec.Struct, gc=False):
    """What tells the gate of a record that is known to have the shape of `Event`."""

    Event: _Event
    Channel: str | None = None
    EventID: int | str | None = None


FOREIGN: Final = ("System", "winlog", "data", "win", "result", "_source", "winlog.channel", "winlog.event_id", _JOURNAL)
_Probe: Any = msgspec.defstruct(
    "_Probe",
    [
        ("Channel", str | None, None),
        ("EventID", int | str | None, None),
        ("Event", _Event | None, None),
        *((key, msgspec.Raw, msgspec.Raw()) for key in sorted(EVE_KEYS | ZEEK_KEYS)),
        *((f"foreign{at}", Never, "") for at in range(len(FOREIGN))),
    ],
    rename={f"foreign{at}": key for at, key in enumerate(FOREIGN)},
    gc=False,
)
"""What tells the shape and the gate of a record; another shape's own key sends it to the slow reader."""


_NOT_NETWORK: Final = sorted(BEFORE_NETWORK | WRAPPERS)
_NetworkProbe: Any = msgspec.defstruct(
    "_NetworkProbe",
    [
        ("event_type", str | None, None),
        ("timestamp", str | None, None),
        ("flow_id", int | None, None),
        ("src_ip", str | None, None),
        ("ts", float | str | None, None),
        *((f"name{at}", str | None, None) for at in range(len(NAMES))),
        *((f"foreign{at}", Never, "") for at in range(len(_NOT_NETWORK))),
    ],
    rename={f"name{at}": key for at, key in enumerate(NAMES)} | {f"foreign{at}": key for at, key in enumerate(_NOT_NETWORK)},
    gc=False,
)
"""What tells the gate of a record of a network sensor; any key of another shape sends it to the others."""
_network_probe: Final = msgspec.json.Decoder(_NetworkProbe).decode


@dataclass(frozen=True, slots=True)
class _Route:
    """Where records of one gate and shape are collected in a block."""

    decoder: LayoutDecoder
    gate: Gate
    check_keys: bool
    raws: list[Raw]
    numbers: list[int]


class _Slow:
    """What the fast decoders do not cover: events, and the raw records of objects of no known shape, which are only counted."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.size_bytes = 0
        self.unknown: list[tuple[Any, int]] = []
        self.unknown_bytes = 0

    def records(self) -> Iterator[Records]:
        """Yield all of it."""
        yield from group_events(self.events, self.size_bytes)
        if self.unknown:
            raws, numbers = map(list, zip(*self.unknown, strict=True))
            yield Records(UNKNOWN, PLAIN, raws, numbers, self.unknown_bytes)


class JsonSorter:
    """Sorts raw JSON records by gate; what the fast decoders do not cover is decoded here, slowly.

    `nested`: the records are known to have the shape of `Event`, as those of the EVTX library.
    """

    def __init__(self, nested: bool = False) -> None:
        self._nested = nested
        self._network_first = False
        self._decoder = EVTX if nested else NESTED
        self._probe = msgspec.json.Decoder(_NestedProbe if nested else _Probe).decode

    def sort(self, items: Iterable[tuple[int, Raw]], losses: LossCounter) -> Iterator[Records | Loss]:
        """Yield the records of a block. Empty lines are skipped; a record that is no JSON object is a loss."""
        routes: dict[_Key, _Route] = {}
        slow = _Slow()
        probe_of = self._probe
        for number, raw in items:
            route = _network_route(raw, routes) if self._network_first else None
            if route is None:
                try:
                    probe = probe_of(raw)
                    event = probe.Event
                    key = (probe.Channel, probe.EventID, False) if event is None else _nested_key(event)
                    route = routes.get(key) or _add_route(routes, key, self._decoder)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    route = None
                else:
                    if route is None and not self._nested and (probe.event_type or probe.ts):
                        route = _network_route(raw, routes)
                self._network_first = route is not None and route.decoder in (EVE, ZEEK_ROWS)
            if route is None or (route.check_keys and _has_spaced_key(raw, route.decoder is not FLAT)):
                yield from self._slowly(raw, number, slow, losses)
            else:
                route.raws.append(raw)
                route.numbers.append(number)
        for route in routes.values():
            if route.raws:
                yield Records(route.decoder, route.gate, route.raws, route.numbers, sum(map(len, route.raws)))
        yield from slow.records()

    def _slowly(self, raw: Raw, number: int, into: _Slow, losses: LossCounter) -> Iterator[Loss]:
        text = raw if isinstance(raw, (bytes, str)) else bytes(raw)
        if not text.strip():
            return
        try:
            found: list[tuple[bytes | str, dict[str, Any]]] = [(text, load_object(text))]
        except ValueError as error:
            found = [(part, load_object(part)) for part in self._concatenated(text)]
            if not found:
                losses.add_line(number, fault_of(error))
        for part, item in found:
            if is_unknown(item):
                into.unknown.append((part, number))
                into.unknown_bytes += len(part)
                continue
            into.size_bytes += len(part)
            whole = strict_line(part)
            for event in json_events(item, number, self._nested):
                if isinstance(event, Event):
                    into.events.append(replace(event, json=whole) if event.original is item else event)
                elif isinstance(event, SourceError):
                    yield from losses.add(event.code, f"line {number}: {event.message}")
                else:
                    into.unknown.append((event, number))

    def _concatenated(self, raw: bytes | str) -> list[str]:
        """Return the objects of a line that holds several; none when the line is not just that."""
        text = raw if isinstance(raw, bytes) else raw.encode("utf-8", "replace")
        losses = LossCounter("")
        found = [item[1] for item in object_texts(iter([text]), losses) if isinstance(item, tuple)]
        return found if not losses.count and len(found) > 1 and all(item.startswith("{") for item in found) else []


def _nested_key(event: _Event) -> _Key:
    event_id = event.System.EventID
    return event.System.Channel, event_id.text if isinstance(event_id, _Id) else event_id, True


def _add_route(routes: dict[_Key, _Route], key: _Key, nested_decoder: LayoutDecoder) -> _Route | None:
    channel, event_id, nested = key
    if channel is None or event_id is None:
        return None
    gate = Gate("linux" if channel == SYSMON_LINUX else "windows", channel, str(event_id))
    route = routes[key] = _Route(nested_decoder if nested else FLAT, gate, channel not in SPACELESS, [], [])
    return route


def _network_route(raw: Raw, routes: dict[_Key, _Route]) -> _Route | None:
    """Return the route of a record of a network sensor; None for any other, and when only the slow reader can tell."""
    try:
        probe = _network_probe(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    product, name, decoder, time = "suricata", probe.event_type, EVE, probe.timestamp
    if name is None:
        product, name, decoder, time = "zeek", probe.name0 or probe.name1 or probe.name2, ZEEK_ROWS, probe.ts
    elif probe.flow_id is None and probe.src_ip is None:
        return None
    if not name or not surely_time(time):
        return None
    key = (product, name, None)
    if key not in routes:
        routes[key] = _Route(decoder, Gate(product, name, ""), False, [], [])
    return routes[key]


def all_network(head: bytes) -> bool:
    """Tell whether all whole lines are records of network sensors, of which the fast reader of Windows events knows nothing."""
    routes: dict[_Key, _Route] = {}
    lines = [line for line in head.split(b"\n")[:-1] if line.strip()]
    return bool(lines) and all(_network_route(line, routes) for line in lines)


def _has_spaced_key(raw: Raw, nested: bool) -> bool:
    """Tell whether a field's name may hold a space; only the slow reader knows such a field without it."""
    try:
        found = _nested_keys(raw).Event.EventData if nested else _flat_keys(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True
    return " " in "".join(found or ())


class _Named(msgspec.Struct, gc=False):
    EventData: dict[str, msgspec.Raw] | None = None


class _NamedEvent(msgspec.Struct, gc=False):
    Event: _Named


_flat_keys: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_nested_keys: Final = msgspec.json.Decoder(_NamedEvent).decode


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
        if stream.is_lines:
            yield from _read_lines(stream, stream.blocks(BLOCK_BYTES), sorter, losses)
            return
        blocks = utf8_blocks(stream)
        first = next(blocks, b"")
        if self.is_lines(first):
            yield from _read_lines(stream, _put_back(first, blocks), sorter, losses)
        else:
            yield from _read_objects(_put_back(first, blocks), sorter, losses)

    @staticmethod
    def is_lines(first: bytes) -> bool:
        """Tell whether the first line that is not blank is a whole object, or too long to tell."""
        line = first.lstrip().partition(b"\n")[0]
        if not line.startswith(b"{"):
            return False
        try:
            load_object(line)
        except ValueError:
            return b"\n" not in first.lstrip() and len(first) > 1 << 20 and not starts_several(first)
        return True


def _read_lines(stream: Stream, blocks: Iterator[bytes], sorter: JsonSorter, losses: LossCounter) -> Iterator[Records | Loss]:
    """Read JSON lines; numbers are 1-based lines. Raises: SourceError where the stream breaks off, after all before it."""
    try:
        for lines in line_blocks(blocks, losses):
            if isinstance(lines, Loss):
                yield lines
                continue
            yield from sorter.sort(enumerate(lines, stream.lines + 1), losses)
            stream.lines += len(lines)
    except SourceError:
        yield from losses.end()
        raise
    yield from losses.end()


def _read_objects(blocks: Iterator[bytes], sorter: JsonSorter, losses: LossCounter) -> Iterator[Records | Loss]:
    """Read objects over line breaks. Raises: SourceError where the stream breaks off, after all before it."""
    group: list[tuple[int, Raw]] = []
    try:
        for item in object_texts(blocks, losses):
            if isinstance(item, Loss):
                yield item
                continue
            group.append(item)
            if len(group) >= _GROUP:
                yield from sorter.sort(group, losses)
                group = []
    except SourceError:
        yield from sorter.sort(group, losses)
        yield from losses.end()
        raise
    yield from sorter.sort(group, losses)
    yield from losses.end()


def _put_back(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from blocks


__all__ = ["FOREIGN", "JsonSorter", "JsonSource", "all_network"]
