"""Each type of value in an event log has the text that the EVTX library gives it."""

from __future__ import annotations

import struct
import uuid

import pytest

from tocsin.events.values import NULL_CELL
from tocsin.sources.evtx_cells import SURE_KINDS, cell

GUID = uuid.UUID("5770385f-c22a-43e0-bf4c-06f5698ffbd9")
SID = bytes.fromhex("010500000000000515000000") + struct.pack("<4I", 1004336348, 1177238915, 682003330, 512)
CASES = [
    (0x00, b"", NULL_CELL),
    (0x01, "Ünïcödé \U0001f600".encode("utf-16-le"), "Ünïcödé \U0001f600"),
    (0x01, "cut\0here".encode("utf-16-le"), "cut"),
    (0x01, "a\ud800b\udc00".encode("utf-16-le", "surrogatepass"), "ab"),
    (0x01, b"", ""),
    (0x02, b"5 \x80\0s\x81\0", "5 €s\x81"),
    (0x03, b"\xff", "-1"),
    (0x04, b"\xff", "255"),
    (0x05, b"\xfe\xff", "-2"),
    (0x06, b"\xfe\xff", "65534"),
    (0x07, b"\xfd\xff\xff\xff", "-3"),
    (0x08, b"\xfd\xff\xff\xff", "4294967293"),
    (0x09, b"\xff" * 8, "-1"),
    (0x0A, b"\xff" * 8, "18446744073709551615"),
    (0x0D, b"\x00\0\0\0", "false"),
    (0x0D, b"\x01\0\0\0", "true"),
    (0x0D, b"\x10\0\0\0", "16"),
    (0x0D, b"\xfe\xff\xff\xff", "-2"),
    (0x0E, b"\x00\xab\xcd", "00ABCD"),
    (0x0F, GUID.bytes_le, "5770385F-C22A-43E0-BF4C-06F5698FFBD9"),
    (0x10, b"\x10\x20\0\0", "0x2010"),
    (0x10, b"\0" * 8, "0x0"),
    (0x11, struct.pack("<Q", 132087720123456789), "2019-07-28T07:20:12.345678Z"),
    (0x11, b"\0" * 8, "1601-01-01T00:00:00.000000Z"),
    (0x12, struct.pack("<8H", 2020, 2, 0, 28, 23, 59, 58, 7), "2020-02-28T23:59:58.007000Z"),
    (0x13, SID, "S-1-5-21-1004336348-1177238915-682003330-512"),
    (0x13, bytes.fromhex("010100000000000512000000"), "S-1-5-18"),
    (0x14, b"\xef\xbe\xad\xde", "0xdeadbeef"),
    (0x15, b"\0\0\0\0\0\0\0\x80", "0x8000000000000000"),
    (0x81, b"", ""),
    (0x81, "one\0".encode("utf-16-le"), "one"),
    (0x81, "\0".encode("utf-16-le"), ""),
    (0x81, 'one\0\0"two"\0'.encode("utf-16-le"), '\0l["one","","\\"two\\""]'),
]


@pytest.mark.parametrize(("kind", "raw", "text"), CASES)
def test_texts(kind: int, raw: bytes, text: str) -> None:
    """The text is the library's."""
    assert cell(kind, raw) == text
    assert kind in SURE_KINDS


@pytest.mark.parametrize(("kind", "raw"), [(0x0B, b"\0\0\x80\x3f"), (0x0C, b"\0" * 8), (0x21, b""), (0x86, b"\1\0")])
def test_unsure(kind: int, raw: bytes) -> None:
    """A type of which only the library knows the text is left to the slow reader."""
    assert kind not in SURE_KINDS
    with pytest.raises(ValueError, match=r"library|type"):
        cell(kind, raw)
