"""7z archives through py7zr, member by member.

py7zr's own extraction refuses a whole archive for one odd name and expands up to 128 MB, or without any bound, in one
step. So only its header reader and its decompressors are used here, which are fed little at a time.
"""

from __future__ import annotations

import io
import lzma
import struct
import zlib
from collections.abc import Iterator
from typing import IO, Any, Final

import py7zr
from py7zr import compressor
from py7zr.archiveinfo import HeaderStreamsInfo, SignatureHeader
from py7zr.compressor import SupportedMethods
from py7zr.exceptions import ArchiveError, PasswordRequired, UnsupportedCompressionMethodError

from tocsin.errors import LimitError, SourceError, Where
from tocsin.sources.expand import MEMORY_BYTES, Feed, Member, Refused, Scan, Slice, damage, member_label
from tocsin.sources.interface import Loss

_ERRORS: Final = (
    ArchiveError,
    PasswordRequired,
    lzma.LZMAError,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    LookupError,
    OverflowError,
    MemoryError,
    RuntimeError,
    *(
        getattr(getattr(compressor, module, None), error, ArchiveError)
        for module, error in (("zstd", "ZstdError"), ("brotli", "error"))
    ),
)
_LZMA: Final = b"\x03\x01\x01"
_LZMA2: Final = b"\x21"
_PPMD: Final = b"\x03\x04\x01"
_UNSAFE: Final = {_PPMD: "PPMd"}  # its decoder, pyppmd 1.3, crashes the process on damaged data
_HEADER_METHODS: Final = frozenset({b"\0", _LZMA, _LZMA2, b"\x06\xf1\x07\x01"})
_ENCODED: Final = b"\x17"
_ZSTD: Final = b"\x04\xf7\x11\x01"
_FEED_BYTES: Final = 1024
_ZSTD_FEED_BYTES: Final = 256  # its output is not bounded, and 4 bytes can mean 128 KiB
_STEP_BYTES: Final = 256 << 10
_PROBE_BYTES: Final = 65537


def is_7z(head: bytes) -> bool:
    """Tell from the first bytes."""
    return head.startswith(b"7z\xbc\xaf\x27\x1c")


def seven_members(scan: Scan, file: IO[bytes], label: str) -> Iterator[Member | Loss]:
    """Yield the members in order. What follows damage in the same solid block is lost, member by member."""
    try:
        archive = _open(scan, file, label)
        blocks = _blocks(scan, file, archive)
    except SourceError as error:
        yield Loss(error)
        return
    except _ERRORS as error:
        yield Loss(damage(label, "7z archive has no readable header", error))
        return
    refused = Refused(label)
    for entry in getattr(archive, "files", ()):  # an empty archive has none
        if entry.is_directory and entry.emptystream:
            continue
        place = member_label(label, entry.filename)
        source: _Part | SourceError | io.BytesIO = io.BytesIO()
        if entry.is_symlink or entry.is_junction or entry.is_socket:
            source = SourceError("F012", "member is a link or socket, not a regular file", where=Where(place))
        if not entry.emptystream:
            part = blocks[id(entry.folder)].part(entry, place)
            source = source if isinstance(source, SourceError) else part
        if isinstance(source, SourceError):
            yield from refused.add(source)
        else:
            yield Member(Feed(source, place, modified=_modified(entry)), place)
    yield from refused.rest()


def _modified(entry: Any) -> float:
    try:
        return float(entry.lastwritetime.totimestamp())
    except _ERRORS:
        return 0.0


def _open(scan: Scan, file: IO[bytes], label: str) -> Any:
    """Return the archive with its header read, which may itself be encrypted."""
    _check_header(file, label, most=max(4 << 20, scan.limits.members * 320))
    encrypted = False
    for password in (None, *scan.passwords):
        file.seek(0)
        try:
            return py7zr.SevenZipFile(file, password=password)
        except PasswordRequired:
            encrypted = True
        except _ERRORS:
            if not encrypted:
                raise
    raise _locked("archive", scan, label)


def _check_header(file: IO[bytes], label: str, most: int) -> None:
    """Refuse a header that is not there or that would expand without bound."""
    file.seek(0)
    signature: Any = SignatureHeader.retrieve(file)  # type: ignore[arg-type]
    start = file.tell() + signature.nextheaderofs
    if start + signature.nextheadersize > file.seek(0, io.SEEK_END):
        raise SourceError("F005", "7z archive ends before its header", where=Where(label))
    _require(signature.nextheadersize, most, label)
    file.seek(start)
    header = io.BytesIO(file.read(signature.nextheadersize))
    if header.read(1) != _ENCODED:
        return
    streams: Any = HeaderStreamsInfo.retrieve(header)
    for folder in streams.unpackinfo.folders:
        _require(max(folder.unpacksizes), most, label)
        _check_coders(folder, label)
        if any(coder["method"] not in _HEADER_METHODS for coder in folder.coders):
            raise SourceError("F002", "7z archive has a header compressed in an unusual way", where=Where(label))


def _require(size_bytes: int, most: int, label: str) -> None:
    if size_bytes > most:
        message = f"header of the archive has {size_bytes} bytes, more than the limit of {most}"
        raise LimitError("F007", message, where=Where(label))


def _check_coders(folder: Any, label: str) -> None:
    """Raise SourceError when a decompressor would need too much memory, or cannot be trusted with hostile data."""
    for coder in folder.coders:
        if coder["method"] in _UNSAFE:
            message = f"member is compressed with {_UNSAFE[coder['method']]}, which is not read"
            hint = "unpack the archive with 7-Zip and scan the folder"
            raise SourceError("F002", message, where=Where(label), hint=hint)
        properties = coder["properties"] or b""
        size = 0
        if coder["method"] == _LZMA and len(properties) >= 5:
            size = struct.unpack("<L", properties[1:5])[0]
        elif coder["method"] == _LZMA2 and properties:
            size = (2 | properties[0] & 1) << properties[0] // 2 + 11
        if size > MEMORY_BYTES:
            message = f"needs {size} bytes of memory, more than the limit of {MEMORY_BYTES}"
            raise LimitError("F007", message, where=Where(label))


def _locked(what: str, scan: Scan, label: str) -> SourceError:
    count = len(scan.passwords)
    message = f"{what} is encrypted, and none of {count} passwords fits" if count else f"{what} is encrypted"
    return SourceError("F008", message, where=Where(label), hint="" if count else "give its password")


def _blocks(scan: Scan, file: IO[bytes], archive: Any) -> dict[int, _Block]:
    header = getattr(archive, "header", None)
    if header is None or header.main_streams is None:
        return {}
    packed = header.main_streams.packinfo
    blocks = {}
    stream = 0
    for folder in header.main_streams.unpackinfo.folders:
        start = archive.afterheader + packed.packpos + packed.packpositions[stream]
        blocks[id(folder)] = _Block(scan, file, folder, start, packed.packsizes[stream])
        stream += len(folder.packed_indices)
    return blocks


class _Block:
    """A run of members that were compressed as one; they come out in order only."""

    def __init__(self, scan: Scan, file: IO[bytes], folder: Any, start: int, size: int) -> None:
        self._scan, self._file, self._folder, self._start, self._size = scan, file, folder, start, size
        self._decoder: Any = None
        self._last: _Part | None = None
        self.error: SourceError | None = None

    def part(self, entry: Any, place: str) -> _Part | SourceError:
        """Return the next member, past what is left of the one before, or why it cannot be read."""
        if self._last is not None and self.error is None:
            Feed(self._last, place).drain()
        if self._decoder is None and self.error is None:
            self._unlock(entry, place)
        if self.error is not None:
            return self.error.at(Where(place))
        self._last = _Part(self._scan, self, entry, place)
        return self._last

    def _unlock(self, first: Any, place: str) -> None:
        """Start with the password that fits, told by the first bytes and, if it is short, by its checksum."""
        try:
            _check_coders(self._folder, place)
            if not SupportedMethods.needs_password(self._folder.coders):
                self._rewind(None, place)
                return
            for password in self._scan.passwords:
                self._rewind(password, place)
                probe = Feed(_Part(self._scan, self, first, place), place)
                probe.peek(_PROBE_BYTES)
                if probe.error is None:
                    self._rewind(password, place)
                    return
            self.error = _locked("member", self._scan, place)
        except SourceError as error:
            self.error = error

    def _rewind(self, password: str | None, place: str) -> None:
        self.error = None
        self._raw = Slice(self._file, self._start, self._size)
        self._folder.password = password
        try:
            self._decoder = self._folder.get_decompressor(self._size, reset=True)
        except UnsupportedCompressionMethodError as error:
            raise damage(place, "member is compressed in a way that is not supported", error, "F002") from error
        except _ERRORS as error:
            raise damage(place, "member cannot be expanded", error) from error
        is_zstd = any(coder["method"] == _ZSTD for coder in self._folder.coders)
        self._decoder.block_size = _ZSTD_FEED_BYTES if is_zstd else _FEED_BYTES

    def read(self, size: int, place: str) -> bytes:
        """Return at most `size` bytes, at least one. Raises: SourceError, from then on for all that follows."""
        try:
            data = self._step(size)
        except _ERRORS as error:
            self.error = damage(place, f"7z data is damaged after {self._decoder.consumed} bytes", error)
            raise self.error from error
        if not data:
            message = f"7z data ends in the middle of a record after {self._decoder.consumed} bytes"
            self.error = SourceError("F005", message, where=Where(place))
            raise self.error
        return data

    def _step(self, size: int) -> bytes:
        while True:
            before = self._decoder.consumed
            data = bytes(self._decoder.decompress(self._raw, size))
            if data or self._decoder.consumed == before:
                return data


class _Part:
    """One member of a block; its checksum is compared after the last byte."""

    def __init__(self, scan: Scan, block: _Block, entry: Any, place: str) -> None:
        self._scan, self._block, self._entry, self._place = scan, block, entry, place
        self._left: int = entry.uncompressed
        self._crc = 0

    def read(self, size: int, /) -> bytes:
        if not self._left:
            if self._entry.crc32 is not None and self._crc != self._entry.crc32:
                message = f"member has the checksum {self._crc:08x}, but the header says {self._entry.crc32:08x}"
                raise SourceError("F004", message, where=Where(self._place))
            return b""
        data = self._block.read(min(size, self._left, _STEP_BYTES), self._place)
        self._left -= len(data)
        self._crc = zlib.crc32(data, self._crc)
        self._scan.count(len(data), self._place)
        return data


__all__ = ["is_7z", "seven_members"]
