"""Archives built byte by byte for the tests, so that they can lie."""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import py7zr
import pytest

from tocsin.errors import SourceError
from tocsin.sources.containers import Limits, open_streams
from tocsin.sources.interface import Loss

LINES = b"".join(b'{"number": %d, "text": "%x"}\n' % (n, n * 2654435761 % 2**32) for n in range(40_000))
"""About 1.3 MB of text."""


@dataclass(frozen=True)
class Got:
    """What came of one stream: its bytes up to the end or the error."""

    label: str
    data: bytes
    error: SourceError | None = None


def read_all(data: bytes | Path, limits: Limits | None = None, passwords: Sequence[str] = (), step: int = 100_003) -> list[Got]:
    """Read everything in the archive; a loss has no data."""
    path, file = (data, None) if isinstance(data, Path) else (None, io.BytesIO(data))
    got = []
    for found in open_streams(path, "outer", limits or Limits(), passwords, file):
        if isinstance(found, Loss):
            assert found.error.where is not None
            got.append(Got(found.error.where.path, b"", found.error))
            continue
        parts, error = [], None
        try:
            parts.extend(found.blocks(step))
        except SourceError as reason:
            error = reason
        got.append(Got(found.label, b"".join(parts), error))
    return got


def summary(got: Iterable[Got]) -> list[tuple[str, int, str]]:
    """Return label, size and code of each."""
    return [(one.label, len(one.data), one.error.code if one.error else "") for one in got]


class Pipe(io.RawIOBase):
    """A file that cannot seek and gives few bytes at a time."""

    def __init__(self, data: bytes, most: int = 1000) -> None:
        super().__init__()
        self._inner = io.BytesIO(data)
        self._most = most

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return a few bytes."""
        return self._inner.read(min(size, self._most))


def tar_of(members: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def seven_of(members: dict[str, bytes], **options: object) -> bytes:
    """Return a 7z archive; names may be anything."""
    out = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(py7zr.py7zr, "check_archive_path", lambda name: True)
        with py7zr.SevenZipFile(out, "w", **options) as archive:
            for name, data in members.items():
                archive.writestr(data, name)
    return out.getvalue()


@dataclass(frozen=True)
class Entry:
    """A member of a zip archive as it is to be written, true or not."""

    name: str
    data: bytes
    method: int = 0
    packed: bytes | None = None
    size: int | None = None
    crc: int | None = None
    flags: int = 0x800
    offset: int | None = None
    """Where the directory says that it starts, when that is not where it does."""


def zip_of(*entries: Entry) -> bytes:
    """Return a zip archive."""
    body, directory = b"", b""
    for entry in entries:
        name = entry.name.encode()
        packed = entry.data if entry.packed is None else entry.packed
        size = len(entry.data) if entry.size is None else entry.size
        crc = zlib.crc32(entry.data) if entry.crc is None else entry.crc
        common = struct.pack("<HHHHIIIHH", entry.flags, entry.method, 0, 33, crc, len(packed), size, len(name), 0)
        start = len(body) if entry.offset is None else entry.offset
        directory += b"PK\1\2" + struct.pack("<HH", 20, 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, start) + name
        if entry.offset is None:
            body += b"PK\3\4" + struct.pack("<H", 20) + common + name + packed
    count = len(entries)
    return body + directory + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(body), 0)


def deflate(data: bytes) -> bytes:
    """Return raw deflated data."""
    frame = zlib.compressobj(wbits=-15)
    return frame.compress(data) + frame.flush()


def zip_crypto(data: bytes, password: str, crc: int) -> bytes:
    """Encrypt with the old method of zip (APPNOTE 6.1)."""
    keys = [0x12345678, 0x23456789, 0x34567890]

    def update(byte: int) -> None:
        keys[0] = _crc_step(keys[0], byte)
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = _crc_step(keys[2], keys[1] >> 24)

    for byte in password.encode():
        update(byte)
    out = bytearray()
    for byte in b"0123456789a" + bytes([crc >> 24]) + data:
        key = keys[2] | 2
        out.append(byte ^ (key * (key ^ 1) >> 8 & 0xFF))
        update(byte)
    return bytes(out)


def _crc_step(crc: int, byte: int) -> int:
    return _CRCS[(crc ^ byte) & 0xFF] ^ crc >> 8


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0xEDB88320 if byte & 1 else 0)
    return byte


_CRCS = [_crc_of(byte) for byte in range(256)]
