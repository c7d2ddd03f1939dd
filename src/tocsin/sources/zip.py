"""Zip archives: members are expanded from their raw bytes, so that a size that lies cannot hide any.

`zipfile` reads the directory, and the members that are encrypted or compressed in a rare way.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Final, cast

from tocsin.errors import LimitError, SourceError, Where
from tocsin.sources.expand import (
    CHUNK,
    MEMBER_FORMATS,
    Expanded,
    Feed,
    Member,
    Readable,
    Refused,
    Scan,
    Slice,
    damage,
    member_label,
)
from tocsin.sources.interface import Loss

_ERRORS: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    LookupError,
    OverflowError,
    MemoryError,
)
_ENCRYPTED: Final = 0x1
_STRONG: Final = 0x40
_WINZIP_AES: Final = 99
_STORED: Final = 0
_NO_DATE: Final = (1980, 1, 1, 0, 0, 0)
_METHODS: Final = {1: "shrink", 6: "implode", 9: "deflate64", 95: "xz", 98: "ppmd"}
_PROBE_BYTES: Final = 65537


def is_zip(head: bytes) -> bool:
    """Tell from the first bytes: a member, an empty archive, or the mark of a split one."""
    return head.startswith((b"PK\3\4", b"PK\5\6", b"PK\7\x08PK\3\4"))


def zip_members(scan: Scan, file: IO[bytes], label: str) -> Iterator[Member | Loss]:
    """Yield the members in the order of the directory; those that cannot be opened are losses."""
    refused = Refused(label)
    capped = _Capped(file, label, most=max(4 << 20, scan.limits.members * 320))
    try:
        archive = zipfile.ZipFile(cast(IO[bytes], capped))
    except SourceError as error:
        yield Loss(error)
        return
    except _ERRORS as error:
        yield Loss(damage(label, "zip archive has no readable directory", error))
        return
    for info in archive.infolist():
        if info.filename.endswith("/") and not info.compress_size:
            continue
        place = member_label(label, info.filename)
        try:
            feed = _open(scan, archive, file, info, place)
        except SourceError as error:
            yield from refused.add(error)
        except _ERRORS as error:
            yield from refused.add(damage(place, "member cannot be opened", error))
        else:
            feed.modified = _modified(info)
            yield Member(feed, place)
    yield from refused.rest()


def _modified(info: zipfile.ZipInfo) -> float:
    """Return when a member was changed, to the day: the zone is not stored. 0 when that is not known."""
    try:
        return datetime(*info.date_time, tzinfo=UTC).timestamp() if info.date_time > _NO_DATE else 0.0
    except ValueError:
        return 0.0


class _Capped:
    """A file of which no read may ask for more than `most` bytes: the directory of an archive states its own size."""

    def __init__(self, file: IO[bytes], label: str, most: int) -> None:
        self._file, self._label, self._most = file, label, most
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size if 0 <= size <= self._most else self._most + 1)
        if len(data) > self._most:
            message = f"directory of the archive has more than the limit of {self._most} bytes"
            raise LimitError("F007", message, where=Where(self._label))
        return data


def _open(scan: Scan, archive: zipfile.ZipFile, file: IO[bytes], info: zipfile.ZipInfo, place: str) -> Feed:
    if info.flag_bits & (_ENCRYPTED | _STRONG) or info.compress_type == _WINZIP_AES:
        return _decrypt(scan, archive, info, place)
    form = MEMBER_FORMATS.get(info.compress_type)
    if info.compress_type != _STORED and form is None:
        return Feed(_Library(scan, _library_file(archive, info, place, None), place), place)
    raw = _raw(file, info, place)
    packed = Feed(raw, place)
    content: Readable = Expanded(scan, packed, place, form) if form else _Stored(scan, raw, place)
    return Feed(_Checked(content, info, place), place)


def _raw(file: IO[bytes], info: zipfile.ZipInfo, place: str) -> Slice:
    file.seek(info.header_offset)
    header = file.read(30)
    if len(header) < 30 or not header.startswith(b"PK\3\4"):
        raise SourceError("F004", f"member has no header at byte {info.header_offset}", where=Where(place))
    name_size, extra_size = struct.unpack("<HH", header[26:])
    return Slice(file, info.header_offset + 30 + name_size + extra_size, info.compress_size)


class _Stored:
    """A member that is not compressed; archives whose members overlap make its bytes count."""

    def __init__(self, scan: Scan, raw: Slice, place: str) -> None:
        self._scan, self._raw, self._place = scan, raw, place

    def read(self, size: int, /) -> bytes:
        data = self._raw.read(min(size, CHUNK))
        self._scan.count(len(data), self._place)
        if not data and self._raw.size:
            message = f"member ends in the middle of a record, {self._raw.size} bytes early"
            raise SourceError("F005", message, where=Where(self._place))
        return data


class _Checked:
    """The bytes of a member, compared with its size and checksum after the last."""

    def __init__(self, source: Readable, info: zipfile.ZipInfo, place: str) -> None:
        self._source, self._info, self._place = source, info, place
        self._size = self._crc = 0

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        self._size += len(data)
        self._crc = zlib.crc32(data, self._crc)
        if not data:
            self._check()
        return data

    def _check(self) -> None:
        if self._size != self._info.file_size:
            message = f"member has {self._size} bytes, but the directory says {self._info.file_size}"
        elif self._crc != self._info.CRC:
            message = f"member has the checksum {self._crc:08x}, but the directory says {self._info.CRC:08x}"
        else:
            return
        raise SourceError("F004", message, where=Where(self._place))


class _Library:
    """A member as `zipfile` reads it, in small steps: its bzip2 and lzma do not bound what they expand."""

    def __init__(self, scan: Scan, file: IO[bytes], place: str) -> None:
        self._scan, self._file, self._place = scan, cast(zipfile.ZipExtFile, file), place
        self._position = 0

    def read(self, size: int, /) -> bytes:
        try:
            data = self._file.read1(min(size, 4096))
        except _ERRORS as error:
            raise damage(self._place, f"member is damaged after {self._position} bytes", error) from error
        self._position += len(data)
        self._scan.count(len(data), self._place)
        return data


def _library_file(archive: zipfile.ZipFile, info: zipfile.ZipInfo, place: str, password: bytes | None) -> IO[bytes]:
    try:
        return archive.open(info, pwd=password)
    except NotImplementedError as error:
        hint = "unpack the archive with another tool and scan the folder"
        name = _METHODS.get(info.compress_type, str(error))
        message = f"member is compressed with method {info.compress_type} ({name}), which is not read"
        raise SourceError("F002", message, where=Where(place), hint=hint) from error


def _decrypt(scan: Scan, archive: zipfile.ZipFile, info: zipfile.ZipInfo, place: str) -> Feed:
    """Return the member as the first password gives it that fits.

    The format's own check lets one wrong password in 256 pass, so the first bytes must also expand.
    """
    if info.compress_type == _WINZIP_AES or info.flag_bits & _STRONG:
        kind = "WinZip AES" if info.compress_type == _WINZIP_AES else "strong encryption"
        hint = "unpack the archive with its password, for example with 7-Zip, and scan the folder"
        raise SourceError("F008", f"member is encrypted with {kind}, which is not read", where=Where(place), hint=hint)
    damaged = None
    for password in scan.passwords:
        try:
            feed = Feed(_Library(scan, _library_file(archive, info, place, password.encode()), place), place)
        except RuntimeError:
            continue
        feed.peek(_PROBE_BYTES)
        if feed.error is None:
            return feed
        damaged = feed
    if damaged is not None:
        return damaged
    count = len(scan.passwords)
    message = f"member is encrypted, and none of {count} passwords fits" if count else "member is encrypted"
    raise SourceError("F008", message, where=Where(place), hint="" if count else "give its password")


__all__ = ["is_zip", "zip_members"]
