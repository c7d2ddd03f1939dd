"""How compressed bytes are expanded: one member at a time, counted, and never beyond the limits.

The parts stack up: a `Feed` over an `Expanded` over a `Feed` over a file. A `Feed` keeps an error until every byte
before it was read, so that damage costs no more than what is damaged.
"""

from __future__ import annotations

import bz2
import lzma
import shutil
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any, BinaryIO, Final, Protocol

import zstandard

from tocsin.errors import CODES, LimitError, SourceError, Where
from tocsin.findings.text import safe_text
from tocsin.sources.interface import Loss

CHUNK: Final = 1 << 20
"""The most that is expanded in one step, in bytes."""
MEMORY_BYTES: Final = 512 << 20
"""The most memory that one decompressor may ask for, in bytes."""
_RATIO_FROM: Final = 64 << 20
_SPOOL_BYTES: Final = 64 << 20
_INPUT_BYTES: Final = 65536
_TAIL_BYTES: Final = 64
_PADDING: Final = b"\0 \t\r\n"
_ERRORS: Final = (OSError, EOFError, ValueError, MemoryError, zlib.error, lzma.LZMAError, zstandard.ZstdError)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one top-level file may expand to: bytes in all, bytes per compressed byte, members, levels of containers.

    The ratio counts once 64 MiB were expanded.
    """

    expanded_bytes: int = 16 << 30
    ratio: int = 200
    members: int = 100_000
    nesting: int = 2


@dataclass(slots=True)
class Scan:
    """The state of one top-level file. `packed_bytes` is its size, or what was read of it when that is more."""

    limits: Limits
    passwords: Sequence[str]
    packed_bytes: int = 0
    expanded_bytes: int = 0
    members: int = 0
    told: list[SourceError] = field(default_factory=list)

    def count(self, size_bytes: int, label: str) -> None:
        """Count expanded bytes. Raises: LimitError."""
        self.expanded_bytes += size_bytes
        if self.expanded_bytes > self.limits.expanded_bytes:
            message = f"expands to {self.expanded_bytes} bytes, more than the limit of {self.limits.expanded_bytes}"
            raise LimitError("F007", message, where=Where(label))
        if self._too_dense():
            message = f"expands to {self.expanded_bytes} bytes from {self.packed_bytes}, more than {self.limits.ratio} times"
            raise LimitError("F007", message, where=Where(label))

    def _too_dense(self) -> bool:
        return self.expanded_bytes > max(_RATIO_FROM, self.limits.ratio * self.packed_bytes)

    @property
    def spent(self) -> bool:
        """Tell whether a limit was exceeded, so that nothing more can be read of this file."""
        too_large = self.expanded_bytes > self.limits.expanded_bytes
        return too_large or self._too_dense() or self.members > self.limits.members

    def tell(self, error: SourceError) -> list[Loss]:
        """Return the loss, or nothing when this very error was told before."""
        if any(error is known for known in self.told):
            return []
        self.told = [*self.told[-3:], error]
        return [Loss(error)]


class Readable(Protocol):
    """Anything with `read`; fewer bytes than asked for do not mean the end, none do."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes."""
        ...


@dataclass(slots=True)
class Feed:
    """A stream that can be looked into. `read` never raises: it ends, and `error` says whether something is missing.

    `direct` is the file below when that can be read from any place; `modified` when its content was last changed, in
    seconds since the epoch, or 0.
    """

    source: Readable
    label: str
    direct: BinaryIO | None = None
    modified: float = 0.0
    error: SourceError | None = None
    position: int = 0
    _waiting: bytes = b""

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end, and leave them."""
        self._waiting += self._read(size - len(self._waiting))
        return self._waiting[:size]

    def read(self, size: int) -> bytes:
        """Return exactly `size` bytes, fewer at the end."""
        data, self._waiting = self._waiting[:size], self._waiting[size:]
        data += self._read(size - len(data))
        self.position += len(data)
        return data

    def drain(self) -> None:
        """Read on to the end, so that what is wrong further on is known."""
        while self.read(CHUNK):
            pass

    def _read(self, size: int) -> bytes:
        parts = []
        while size > 0 and (data := self._pull(size)):
            parts.append(data)
            size -= len(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _pull(self, size: int) -> bytes:
        if self.error is not None:
            return b""
        try:
            return self.source.read(size)
        except SourceError as error:
            self.error = error
        except OSError as error:
            self.error = damage(self.label, f"cannot be read after {self.position} bytes", error)
        return b""


@dataclass(slots=True)
class Member:
    """A regular file inside an archive, with its whole label."""

    feed: Feed
    label: str


@dataclass(slots=True)
class Refused:
    """The members of one archive that cannot be opened; beyond `most` of one kind they are only counted."""

    label: str
    most: int = 20
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, error: SourceError) -> Iterator[Loss]:
        """Yield the loss of one member, if it is among the first."""
        self.counts[error.code] += 1
        if self.counts[error.code] <= self.most:
            yield Loss(error)

    def rest(self) -> Iterator[Loss]:
        """Yield a loss for those that were only counted."""
        for code, count in self.counts.items():
            if count > self.most:
                message = f"{count - self.most} more members cannot be opened: {CODES[code]}"
                yield Loss(SourceError(code, message, where=Where(self.label)))


@dataclass(slots=True)
class Slice:
    """`size` bytes of a file from `start` on, wherever the file stands."""

    file: IO[bytes]
    start: int
    size: int

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes."""
        self.file.seek(self.start)
        data = self.file.read(min(size, self.size))
        self.start += len(data)
        self.size -= len(data)
        return data


class Codec(Protocol):
    """One compressed frame, as `bz2` and `lzma` have it."""

    @property
    def eof(self) -> bool:
        """Tell whether the frame ended."""
        ...

    @property
    def needs_input(self) -> bool:
        """Tell whether all input was used."""
        ...

    @property
    def unused_data(self) -> bytes:
        """Return what was given beyond the end of the frame."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Take `data` and return at most `max_length` bytes."""
        ...


class _Zlib:
    """A deflated frame. One step back is kept, so that damage costs nothing before it."""

    def __init__(self, wbits: int) -> None:
        self._frame = zlib.decompressobj(wbits)
        self._error: zlib.error | None = None
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._frame.eof

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if self._error is not None:
            raise self._error
        data = self._frame.unconsumed_tail + data
        before = self._frame.copy()
        try:
            out = self._frame.decompress(data, max_length)
        except zlib.error as error:
            self._error, self.needs_input = error, False
            return _salvage(before, data)
        self.needs_input = len(out) < max_length and not self._frame.unconsumed_tail
        return out


def _salvage(frame: Any, data: bytes) -> bytes:
    """Return what a deflated frame gives before the byte where it fails."""
    parts: list[bytes] = []
    with suppress(zlib.error):
        parts.extend(frame.decompress(data[at : at + 1]) for at in range(len(data)))
    return b"".join(parts)


class _Zstd:
    """A frame of Zstandard. Its library does not bound what it returns, and 4 bytes can mean 128 KiB."""

    def __init__(self) -> None:
        self._frame = zstandard.ZstdDecompressor(max_window_size=MEMORY_BYTES).decompressobj()
        self._out = memoryview(b"")

    @property
    def eof(self) -> bool:
        return self._frame.eof and not self._out

    @property
    def needs_input(self) -> bool:
        return not self._out

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if data:
            self._out = memoryview(self._frame.decompress(data))
        out, self._out = self._out[:max_length], self._out[max_length:]
        return bytes(out)


@dataclass(frozen=True, slots=True)
class Format:
    """A compressed format: its codec and how a frame starts (None when only one can stand there).

    `feed_bytes` and `step_bytes` bound what is given and taken in one step: when the step fails, what it gave is lost.
    """

    name: str
    open: Callable[[], Codec]
    starts: Callable[[bytes], bool] | None = None
    feed_bytes: int = _INPUT_BYTES
    step_bytes: int = CHUNK


def _is_gzip(head: bytes) -> bool:
    return head.startswith(b"\x1f\x8b\x08")


def _is_bzip2(head: bytes) -> bool:
    marks = (b"1AY&SY", b"\x17rE8P\x90")
    return head.startswith(b"BZh") and head[3:4] in b"123456789" and head[4:10] in marks


def _is_xz(head: bytes) -> bool:
    return head.startswith(b"\xfd7zXZ\0")


def _is_zstd(head: bytes) -> bool:
    return head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F)


def _open_xz() -> Codec:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY_BYTES)


FORMATS: Final = (
    Format("gzip", lambda: _Zlib(31), _is_gzip),
    Format("bzip2", bz2.BZ2Decompressor, _is_bzip2, step_bytes=4096),
    Format("xz", _open_xz, _is_xz, feed_bytes=512),
    Format("zstd", _Zstd, _is_zstd, feed_bytes=1024),
)
"""The compressed formats that can stand alone."""
MEMBER_FORMATS: Final = {
    8: Format("deflate", lambda: _Zlib(-15)),
    12: Format("bzip2", bz2.BZ2Decompressor, step_bytes=4096),
    93: Format("zstd", _Zstd, feed_bytes=1024),
}
"""The formats of single members of a zip archive, by its method number."""


class Expanded:
    """The expanded bytes of a compressed stream, all its frames one after the other, counted by the scan."""

    def __init__(self, scan: Scan, packed: Feed, label: str, form: Format) -> None:
        self._scan, self._packed, self._label, self._form = scan, packed, label, form
        self._frame = form.open()
        self._input = b""
        self._at = 0
        self._expanded = 0

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes. Raises: SourceError."""
        out = self.take(size)
        self.count(len(out))
        return out

    def take(self, size: int) -> bytes:
        """Return at most `size` bytes that are not counted yet. Raises: SourceError."""
        while not self._frame.eof or self._next_frame():
            if out := self._step(min(size, self._form.step_bytes)):
                self._expanded += len(out)
                return out
        return b""

    def count(self, size_bytes: int) -> None:
        """Count bytes that were taken. Raises: LimitError."""
        if size_bytes:
            self._scan.count(size_bytes, self._label)

    def _step(self, size: int) -> bytes:
        data = self._take() if self._frame.needs_input else b""
        try:
            return self._frame.decompress(data, size)
        except _ERRORS as error:
            if "emory" in f"{type(error)} {error}":  # all say it in words only
                message = f"{self._form.name} data needs more memory than the limit of {MEMORY_BYTES} bytes"
                raise LimitError("F007", message, where=Where(self._label)) from error
            raise damage(self._label, self._place("is damaged"), error) from error

    def _take(self) -> bytes:
        """Return the input of one step; the last bytes, where checksums are, come one by one."""
        if len(self._input) - self._at <= _TAIL_BYTES:
            self._input = self._input[self._at :] + self._packed.read(_INPUT_BYTES)
            self._at = 0
        left = len(self._input) - self._at
        if not left:
            message = self._place("ends in the middle of a record")
            raise self._packed.error or SourceError("F005", message, where=Where(self._label))
        start, self._at = self._at, self._at + max(1, min(self._form.feed_bytes, left - _TAIL_BYTES))
        return self._input[start : self._at]

    def _place(self, what: str) -> str:
        position = self._packed.position - len(self._input) + self._at
        return f"{self._form.name} data {what} after {position} bytes, {self._expanded} expanded"

    def _next_frame(self) -> bool:
        """Go on to the frame that follows; zeros and white space between frames are padding."""
        if self._form.starts is None:
            return False
        rest = (self._frame.unused_data + self._input[self._at :]).lstrip(_PADDING)
        while len(rest) < _TAIL_BYTES and (data := self._packed.read(_INPUT_BYTES)):
            rest = (rest + data).lstrip(_PADDING)
        self._input, self._at = rest, 0
        if not rest:
            if self._packed.error is not None:
                raise self._packed.error
            return False
        if not self._form.starts(rest):
            raise SourceError("F004", self._place("is followed by other bytes"), where=Where(self._label))
        self._frame = self._form.open()
        return True


def member_label(outer: str, name: str) -> str:
    """Return the label of a member; its name may be anything, and is shown, never used as a path."""
    return f"{outer}!/{safe_text(name)}"


def spool(scan: Scan, feed: Feed) -> IO[bytes]:
    """Return the rest of the feed as a file that can be read from any place, in memory or a nameless temporary file.

    Raises: SourceError, LimitError when it would fill more than half of the free space.
    """
    limit = min(scan.limits.expanded_bytes, shutil.disk_usage(tempfile.gettempdir()).free // 2)
    file = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115 - the caller closes it
    try:
        _copy(feed, file, limit)
    except SourceError:
        file.close()
        raise
    file.seek(0)
    return file


def _copy(feed: Feed, file: Any, limit: int) -> None:
    while data := feed.read(CHUNK):
        if feed.position > limit:
            message = f"needs {feed.position} bytes of temporary space, more than the limit of {limit}"
            raise LimitError("F007", message, where=Where(feed.label))
        try:
            file.write(data)
        except OSError as error:
            raise LimitError("F007", f"cannot be buffered: {error.strerror}", where=Where(feed.label)) from error
    if feed.error is not None:
        raise feed.error


def damage(label: str, what: str, reason: BaseException, code: str = "F004") -> SourceError:
    """Return the error for content that a library refused for `reason`."""
    detail = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return SourceError(code, f"{what}: {detail}", where=Where(label))


__all__ = [
    "CHUNK",
    "FORMATS",
    "MEMBER_FORMATS",
    "MEMORY_BYTES",
    "Expanded",
    "Feed",
    "Format",
    "Limits",
    "Member",
    "Readable",
    "Refused",
    "Scan",
    "Slice",
    "damage",
    "member_label",
    "spool",
]
