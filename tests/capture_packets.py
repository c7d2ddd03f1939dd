"""Captures made by hand: frames of Ethernet, IPv4, TCP and UDP with what tests put into them, as pcap or pcapng."""

from __future__ import annotations

import io
import shutil
import struct
from collections.abc import Sequence

import pytest

from tocsin.events import Event
from tocsin.sources.capture import CaptureSource
from tocsin.sources.capture_tshark import LIMITS, Limits
from tocsin.sources.interface import Loss, Stream

START = 1_790_000_000
CLIENT, SERVER = "10.0.0.5", "10.0.0.9"


def _ip(address: str) -> bytes:
    return bytes(int(part) for part in address.split("."))


def _frame(source: str, target: str, protocol: int, payload: bytes) -> bytes:
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0) + _ip(source) + _ip(target)
    total = sum(struct.unpack(">10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    header = header[:10] + struct.pack(">H", ~(total + (total >> 16)) & 0xFFFF) + header[12:]
    return b"\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00" + header + payload


def udp(payload: bytes, source: tuple[str, int] = (CLIENT, 50000), target: tuple[str, int] = (SERVER, 47808)) -> bytes:
    """Return a frame with a datagram."""
    return _frame(source[0], target[0], 17, struct.pack(">HHHH", source[1], target[1], 8 + len(payload), 0) + payload)


class Tcp:
    """A connection; each call returns the frame of the next segment from one side."""

    def __init__(self, port: int, client: tuple[str, int] = (CLIENT, 50000), server: str = SERVER) -> None:
        self._ends = (client, (server, port))
        self._next = [1000, 2000]

    def segment(self, payload: bytes = b"", side: int = 0, flags: int = 0x18) -> bytes:
        """Return a segment from the client (0) or the server (1); SYN is 2, FIN 1, RST 4, ACK 16, PSH 8."""
        source, target = self._ends[side], self._ends[1 - side]
        acknowledged = self._next[1 - side] if flags & 0x10 else 0
        header = struct.pack(">HHIIBBHHH", source[1], target[1], self._next[side], acknowledged, 0x50, flags, 8192, 0, 0)
        self._next[side] += len(payload) + bool(flags & 3)
        return _frame(source[0], target[0], 6, header + payload)

    def opening(self) -> list[bytes]:
        """Return the three segments that open the connection."""
        return [self.segment(flags=2), self.segment(side=1, flags=0x12), self.segment(flags=0x10)]

    def closing(self) -> list[bytes]:
        """Return the segments that close it from both sides."""
        return [self.segment(flags=0x11), self.segment(side=1, flags=0x11), self.segment(flags=0x10)]


def pcap(frames: Sequence[bytes], order: str = "<", nanoseconds: bool = False, start: int = START) -> bytes:
    """Return a capture in the old format; packets are 10 ms apart."""
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    found = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 262144, 1)]
    for number, frame in enumerate(frames):
        part = number * (10_000_000 if nanoseconds else 10_000)
        found.append(struct.pack(f"{order}IIII", start, part, len(frame), len(frame)) + frame)
    return b"".join(found)


def pcapng(frames: Sequence[bytes], order: str = "<", start: int = START) -> bytes:
    """Return a capture in the new format."""

    def block(kind: int, body: bytes) -> bytes:
        body += b"\0" * (-len(body) % 4)
        size = len(body) + 12
        return struct.pack(f"{order}II", kind, size) + body + struct.pack(f"{order}I", size)

    found = [
        block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1)),
        block(1, struct.pack(f"{order}HHI", 1, 0, 262144)),
    ]
    for number, frame in enumerate(frames):
        stamp = start * 1_000_000 + number * 10_000
        body = struct.pack(f"{order}IIIII", 0, stamp >> 32, stamp & 0xFFFFFFFF, len(frame), len(frame)) + frame
        found.append(block(6, body))
    return b"".join(found)


def modbus(transaction: int, body: bytes, unit: int = 1) -> bytes:
    """Return a message of Modbus/TCP."""
    return struct.pack(">HHHB", transaction, 0, len(body) + 1, unit) + body


needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


def read_capture(data: bytes, limits: Limits = LIMITS, label: str = "x.pcap") -> tuple[list[Event], list[Loss]]:
    """Return the events of a capture in the order of packets, and what was lost."""
    events: list[Event] = []
    losses: list[Loss] = []
    for item in CaptureSource(limits).read(Stream(io.BytesIO(data), label)):
        if isinstance(item, Loss):
            losses.append(item)
        else:
            events.extend(item.raws)
    return sorted(events, key=lambda event: event.record), losses


def told(events: list[Event], log: str) -> list[dict[str, object]]:
    """Return the own fields of the events of a log, without those that name the conversation."""
    shared = ("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p")
    ends = ("is_orig", "source_h", "source_p", "destination_h", "destination_p")
    left_out = {*shared, *ends}
    found = [event for event in events if event.gate.channel == log]
    return [{name: value for name, value in event.fields.items() if name not in left_out} for event in found]


__all__ = [
    "CLIENT",
    "SERVER",
    "START",
    "Tcp",
    "modbus",
    "needs_tshark",
    "pcap",
    "pcapng",
    "read_capture",
    "told",
    "udp",
]
