"""Tar archives, read forward only, so that a damaged or endless one gives what comes before the damage."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import IO, Final, cast

from tocsin.errors import LimitError, SourceError, Where
from tocsin.sources.expand import CHUNK, Feed, Member, Refused, Scan, damage, member_label
from tocsin.sources.interface import Loss

_BLOCK: Final = 512
_HEADER_BYTES: Final = 16 << 20
_ERRORS: Final = (tarfile.TarError, ValueError, EOFError, OverflowError, RecursionError, IndexError)
_KINDS: Final = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a named pipe",
}


def is_tar(head: bytes) -> bool:
    """Tell from the first 512 bytes; archives older than ustar have no mark but a checksum."""
    try:
        tarfile.TarInfo.frombuf(head[:_BLOCK], "utf-8", "surrogateescape")
    except _ERRORS:
        return head[257:262] == b"ustar" and len(head) >= _BLOCK
    return bool(head[0])


def tar_members(scan: Scan, feed: Feed, label: str) -> Iterator[Member | Loss]:
    """Yield the regular members in order. Links and devices are losses; the end is checked."""
    tape = _Tape(feed, label)
    refused = Refused(label)
    try:
        archive = tarfile.TarFile(fileobj=cast(IO[bytes], tape), encoding="utf-8", errors="surrogateescape")
        while (info := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # or every member stays in memory
            place = member_label(label, info.name)
            if info.type in _KINDS:
                message = f"member is {_KINDS[info.type]}, not a regular file"
                yield from refused.add(SourceError("F012", message, where=Where(place)))
            elif not info.isdir():
                part = _Sparse(scan, tape, info, place) if info.sparse else _Part(tape, info.offset_data, info.size)
                yield Member(Feed(part, place, modified=float(info.mtime)), place)
        tape.check_end()
    except SourceError as error:
        yield Loss(error)
    except _ERRORS as error:
        yield Loss(tape.ending or damage(label, f"tar archive is damaged at byte {tape.tell()}", error))
    yield from refused.rest()


class _Tape:
    """The archive as `tarfile` wants to see it: it can be read and wound forward."""

    def __init__(self, feed: Feed, label: str) -> None:
        self._feed = feed
        self._label = label
        self._start = feed.position
        self._block = b""
        self.ending: SourceError | None = None

    def tell(self) -> int:
        return self._feed.position - self._start

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _HEADER_BYTES:
            message = f"a tar header has {size} bytes, more than the limit of {_HEADER_BYTES}"
            raise LimitError("F007", message, where=Where(self._label))
        data = self._feed.read(size)
        if len(data) < size:
            self.end("ends in the middle of a record" if data else "has no end mark and ends")
        self._block = data[-_BLOCK:]
        return data

    def seek(self, position: int) -> int:
        missing = position - self.tell()
        if missing < 0:
            message = f"tar archive leads back from byte {self.tell()} to {position}"
            raise SourceError("F004", message, where=Where(self._label))
        while missing and (data := self._feed.read(min(missing, CHUNK))):
            missing -= len(data)
        if missing:
            self.end("ends in the middle of a record")
        return position

    def end(self, what: str) -> SourceError:
        """Keep and return the reason why there is no more."""
        if self.ending is None:
            message = f"tar archive {what} after {self.tell()} bytes"
            self.ending = self._feed.error or SourceError("F005", message, where=Where(self._label))
        return self.ending

    def check_end(self) -> None:
        """Raise unless the archive ends with a block of zeros with nothing but zeros after it."""
        if self.ending is not None:
            raise self.ending
        damaged = any(self._block)
        while not damaged and (data := self._feed.read(CHUNK)):
            damaged = bool(data.strip(b"\0"))
        if self._feed.error is not None:
            raise self._feed.error
        if damaged:
            message = f"tar archive has no valid header before byte {self.tell()}, and no end mark"
            raise SourceError("F004", message, where=Where(self._label))


class _Part:
    """`size` bytes of the tape from `start` on."""

    def __init__(self, tape: _Tape, start: int, size: int) -> None:
        self._tape, self._at, self._end = tape, start, start + size

    def read(self, size: int, /) -> bytes:
        if self._at >= self._end:
            return b""
        if self._at != self._tape.tell():
            self._tape.seek(self._at)
        data = self._tape.read(min(size, self._end - self._at, CHUNK))
        self._at += len(data)
        if not data:
            raise self._tape.end("ends in the middle of a record")
        return data


class _Sparse:
    """A member with holes, which are read as zeros; they count as expanded bytes."""

    def __init__(self, scan: Scan, tape: _Tape, info: tarfile.TarInfo, label: str) -> None:
        self._scan, self._label = scan, label
        holes = cast(list[tuple[int, int]], info.sparse)
        parts = [(start, size) for start, size in holes if size > 0]
        self._packed = _Part(tape, info.offset_data, sum(size for _, size in parts))
        self._map = [*parts, (info.size, 0)]
        self._at = 0

    def read(self, size: int, /) -> bytes:
        while self._map and self._at == sum(self._map[0]):
            self._map.pop(0)
        if not self._map:
            return b""
        start, length = self._map[0]
        if self._at > start + length:
            raise SourceError("F004", f"map of holes is damaged at byte {self._at}", where=Where(self._label))
        if self._at < start:
            data = bytes(min(start - self._at, size, CHUNK))
        else:
            data = self._packed.read(min(start + length - self._at, size))
        self._scan.count(len(data), self._label)
        self._at += len(data)
        return data


__all__ = ["is_tar", "tar_members"]
