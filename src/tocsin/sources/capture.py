"""Captures of network traffic (pcap, pcapng), read through tshark.

Industrial messages become events with the gates and fields of the ICSNPP logs of Zeek, so that one rule serves both;
conversations, DNS, HTTP and TLS become summaries like Zeek's own logs. `docs/captures.md` lists them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import ClassVar, Final, Protocol

from tocsin.errors import SourceError
from tocsin.events import Event, Gate
from tocsin.sources.capture_bacnet import Bacnet
from tocsin.sources.capture_cip import Cip
from tocsin.sources.capture_dnp3 import Dnp3
from tocsin.sources.capture_frames import Frame, Made, Roles, parse_tree, read_frame, words
from tocsin.sources.capture_iec104 import Iec104
from tocsin.sources.capture_lines import lines_view, packet_number, parse_line, read_packet
from tocsin.sources.capture_modbus import Modbus
from tocsin.sources.capture_opcua import OpcUa
from tocsin.sources.capture_s7comm import S7comm
from tocsin.sources.capture_summaries import Summaries
from tocsin.sources.capture_summary_names import SERVICES
from tocsin.sources.capture_tshark import LIMITS, Fault, Limits, View, read_views
from tocsin.sources.interface import Loss, Records, Stream, group_events
from tocsin.sources.text import GROUP_BYTES, GROUP_EVENTS

_MAGICS: Final = frozenset(
    bytes.fromhex(magic)
    for magic in ("a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1")  # micro- and nanoseconds
)
_NG_BLOCK: Final = bytes.fromhex("0a0d0d0a")
_NG_ORDERS: Final = frozenset((bytes.fromhex("1a2b3c4d"), bytes.fromhex("4d3c2b1a")))
_NG_ORDER_AT: Final = 8
_HEADER_BYTES: Final = 24
_LINK_LAYERS: Final = frozenset(
    words(
        "frame eth ethertype vlan ieee8021ad sll sll2 null raw ppp ppp_hdlc pppoes pppoed chdlc llc mpls ip ipv6 tcp udp"
        " data gre vxlan _ws.malformed _ws.short _ws.expert"
    )
)
_INDUSTRIAL: Final = frozenset(
    words(
        "mbtcp mbudp modbus dnp3 tpkt cotp s7comm iec60870_104 iec60870_asdu enip cip cipcm cipcls cipcco cippccc cipmb"
        " bvlc bacnet bacapp opcua"
    )
)
_TREES: Final = View(
    "trees",
    (
        *("-T", "json", "--no-duplicate-keys"),
        *("-Y", "modbus or dnp3 or cotp or iec60870_104 or enip or bacnet or bvlc or opcua"),
        *("-J", " ".join(("frame", "ip", "ipv6", "tcp", "udp", "data", *sorted(_INDUSTRIAL)))),
    ),
    _LINK_LAYERS | _INDUSTRIAL,
    re.compile(rb"\n  \},?\r?\n"),
)
_SERVICES: Final = frozenset(SERVICES) | {"tpkt", "nbss", "bacnet", "iec60870_asdu", "mbtcp", "mbudp"}
_VIEWS: Final = (lines_view(_LINK_LAYERS, _SERVICES), _TREES)
_LINES: Final = 0


class Speaker(Protocol):
    """Makes events of one industrial protocol; one instance serves one capture."""

    layer: str

    def events(self, frame: Frame) -> Iterator[Made]:
        """Yield the events of a packet that has the layer."""
        ...

    def flush(self) -> Iterator[Made]:
        """Yield the events that waited for another packet, at the end."""
        ...


class CaptureSource:
    """Captures in the formats pcap and pcapng."""

    name: ClassVar[str] = "capture"

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits

    def recognise(self, head: bytes) -> bool:
        """Tell by the magic of either byte order."""
        if head[:4] == _NG_BLOCK:
            return head[_NG_ORDER_AT : _NG_ORDER_AT + 4] in _NG_ORDERS
        return head[:4] in _MAGICS

    def read(self, stream: Stream) -> Iterator[Records | Loss]:
        """Yield the events, or a loss when tshark is missing."""
        reader = _Reader()
        told: set[tuple[str, str]] = set()  # a fault of the file ends both views in the same way
        try:
            for item in read_views(stream, _VIEWS, self._limits):
                if not isinstance(item, Fault):
                    yield from reader.take(item.view, item.data)
                elif (item.code, item.reason) not in told:
                    told.add((item.code, item.reason))
                    yield Loss(reader.error(item))
        except SourceError as error:
            yield from reader.close()
            yield Loss(error)
            return
        yield from reader.close()


class _Reader:
    """Makes events of what tshark tells, and holds them back until there are enough for a group."""

    def __init__(self) -> None:
        self._roles = Roles()
        self._summaries = Summaries()
        self._speakers: tuple[Speaker, ...] = (Modbus(), Dnp3(), Iec104(), S7comm(), Cip(), Bacnet(), OpcUa())
        self._events: list[Event] = []
        self._size = 0
        self._packets = [0, 0]

    def error(self, fault: Fault) -> SourceError:
        """Return the error of a view that ended before its time, with its place."""
        what = "" if fault.view == _LINES else "industrial messages "
        return SourceError(fault.code, f"{what}after packet {self._packets[fault.view]}: {fault.reason}")

    def take(self, view: int, data: bytes | None) -> Iterator[Records | Loss]:
        """Yield what an item of output makes; None is one that was too long."""
        made = None if data is None else self._line(data) if view == _LINES else self._tree(data)
        if made is None:
            reason = "a packet is too long to be told" if data is None else "no packet can be made of tshark's output"
            code = "F013" if data is None else "F006"
            yield Loss(SourceError(code, f"after packet {self._packets[view]}: {reason}"))
        else:
            yield from self._add(made, 0 if data is None else len(data))

    def _line(self, data: bytes) -> Iterator[Made] | None:
        fields = parse_line(data)
        if fields is None:
            return None
        if not fields:
            return iter(())
        number = packet_number(fields)
        if number is None:
            return None
        self._packets[_LINES] = number
        packet = read_packet(fields, number)
        return iter(()) if packet is None else self._summaries.take(packet)

    def _tree(self, data: bytes) -> Iterator[Made] | None:
        layers = parse_tree(data)
        frame = read_frame(layers, self._roles) if layers is not None else None
        if frame is None:
            return None
        self._packets[1] = frame.origin.number
        speakers = (speaker for speaker in self._speakers if speaker.layer in frame.layers)
        return chain.from_iterable(speaker.events(frame) for speaker in speakers)

    def close(self) -> Iterator[Records | Loss]:
        """Yield what is left at the end."""
        for speaker in self._speakers:
            yield from self._add(speaker.flush(), 0)
        yield from self._add(self._summaries.flush(), 0)
        yield from self._flush()

    def _add(self, made: Iterator[Made], size_bytes: int) -> Iterator[Records]:
        self._size += size_bytes
        for log, origin, fields in made:
            whole = {"ts": origin.time, **origin.base, **fields}
            self._events.append(Event(Gate("zeek", log, ""), whole, whole, origin.time, "", origin.number))
            if len(self._events) >= GROUP_EVENTS:
                yield from self._flush()
        if self._size >= GROUP_BYTES:
            yield from self._flush()

    def _flush(self) -> Iterator[Records]:
        yield from group_events(self._events, self._size)
        self._events, self._size = [], 0


__all__ = ["CaptureSource"]
