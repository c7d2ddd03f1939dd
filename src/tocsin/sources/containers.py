"""Evidence in compressed files and archives, opened without writing to any path that an archive names.

A container is told by content: gz, bz2, xz, zst, tar (also inside those four), zip, 7z. Each regular member becomes a
`Stream` with the label `outer.zip!/dir/member`; what cannot be opened becomes a `Loss`. Everything that is expanded
counts against one `Limits` per top-level file. An error in the middle of a member is raised from `Stream.read`, after
all bytes before it were returned.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO, BinaryIO, Final, cast

from tocsin.errors import LimitError, SourceError, Where
from tocsin.sources.ahead import Ahead
from tocsin.sources.expand import FORMATS, Expanded, Feed, Limits, Member, Scan, spool
from tocsin.sources.interface import Loss, Stream
from tocsin.sources.sevenzip import is_7z, seven_members
from tocsin.sources.tar import is_tar, tar_members
from tocsin.sources.zip import is_zip, zip_members

_HEAD_BYTES: Final = 512
_SEEKING: Final[tuple[tuple[Callable[[bytes], bool], Callable[[Scan, IO[bytes], str], Iterator[Member | Loss]]], ...]] = (
    (is_zip, zip_members),
    (is_7z, seven_members),
)
"""The archives whose directory is not at the start, with their readers."""


def open_streams(
    path: Path | None,
    label: str,
    limits: Limits,
    passwords: Sequence[str] = (),
    file: BinaryIO | None = None,
) -> Iterator[Stream | Loss]:
    """Yield a stream for a plain file, or one for each regular member of an archive, in archive order.

    `file` is read instead of `path` when given, and may be a pipe. A stream is read before the next one is asked for,
    or left. `Stream.read` raises SourceError where content is damaged and LimitError where a limit is exceeded.
    """
    with ExitStack() as stack:
        modified = 0.0
        if file is None:
            if path is None:
                raise ValueError("neither a path nor a file is given")
            try:
                file = stack.enter_context(path.open("rb"))
                modified = os.fstat(file.fileno()).st_mtime
            except OSError as error:
                message = f"cannot be opened: {error.strerror or error}"
                yield Loss(SourceError("F001", message, where=Where(label)))
                return
        scan = Scan(limits, passwords)
        feed = _root(scan, file, label)
        feed.modified = modified
        for item in _walk(scan, feed, label, 0):
            if isinstance(item, Stream) and item.label == label:
                item.path = path
            yield item


class _Root:
    """The top-level file; what is read of a pipe counts as its size."""

    def __init__(self, scan: Scan, file: BinaryIO) -> None:
        self._scan, self._file, self._consumed = scan, file, 0

    def read(self, size: int, /) -> bytes:
        data = self._file.read(size)
        self._consumed += len(data)
        self._scan.packed_bytes = max(self._scan.packed_bytes, self._consumed)
        return data


class _Content:
    """A feed as a file that raises at its end what is wrong with it; `losses` are then what was not told before."""

    def __init__(self, scan: Scan, feed: Feed) -> None:
        self._scan, self._feed = scan, feed
        self.losses: list[Loss] = []

    def read(self, size: int, /) -> bytes:
        data = self._feed.read(size)
        if not data and size and self._feed.error is not None:
            self.losses = self._scan.tell(self._feed.error)
            raise self._feed.error
        return data


def _root(scan: Scan, file: BinaryIO, label: str) -> Feed:
    try:
        direct = file.seekable() and file.tell() == 0
        if direct:
            scan.packed_bytes = file.seek(0, 2)
            file.seek(0)
    except OSError:
        direct = False
    return Feed(_Root(scan, file), label, file if direct else None)


def _walk(scan: Scan, feed: Feed, label: str, depth: int) -> Iterator[Stream | Loss]:
    """Yield the streams of what the feed holds, `depth` containers deep."""
    head = feed.peek(_HEAD_BYTES)
    packed = next((form for form in FORMATS if form.starts is not None and form.starts(head)), None)
    archive = next((reader for recognise, reader in _SEEKING if recognise(head)), None)
    is_container = packed is not None or archive is not None or is_tar(head)
    if is_container and depth >= scan.limits.nesting:
        message = f"is a container inside {depth} others, more than the limit of {scan.limits.nesting}"
        yield from scan.tell(SourceError("F009", message, where=Where(label)))
    elif packed is not None:
        expanded = Expanded(scan, feed, label, packed)
        if feed.direct is None:
            yield from _expand(scan, Feed(expanded, label, modified=feed.modified), label, depth + 1)
            return
        with closing(Ahead(expanded)) as ahead:
            yield from _expand(scan, Feed(ahead, label, modified=feed.modified), label, depth + 1)
    elif archive is not None:
        yield from _seek(scan, feed, label, depth + 1, archive)
    elif is_container:
        yield from _members(scan, tar_members(scan, feed, label), label, depth + 1)
    else:
        yield from _plain(scan, feed, label)


def _plain(scan: Scan, feed: Feed, label: str) -> Iterator[Stream | Loss]:
    content = _Content(scan, feed)
    try:
        stream = Stream(cast(BinaryIO, content), label)
    except SourceError:
        yield from content.losses
    else:
        stream.modified = feed.modified
        yield stream


def _expand(scan: Scan, feed: Feed, label: str, depth: int) -> Iterator[Stream | Loss]:
    """Go on with the content of a compressed stream; a tar archive in it is no further container."""
    if is_tar(feed.peek(_HEAD_BYTES)):
        yield from _members(scan, tar_members(scan, feed, label), label, depth)
    else:
        yield from _walk(scan, feed, label, depth)


def _seek(
    scan: Scan, feed: Feed, label: str, depth: int, reader: Callable[[Scan, IO[bytes], str], Iterator[Member | Loss]]
) -> Iterator[Stream | Loss]:
    with ExitStack() as stack:
        if feed.direct is not None:
            file: IO[bytes] = feed.direct
        else:
            try:
                file = stack.enter_context(spool(scan, feed))
            except SourceError as error:
                yield from scan.tell(error)
                return
        yield from _members(scan, reader(scan, file, label), label, depth)


def _members(scan: Scan, found: Iterator[Member | Loss], label: str, depth: int) -> Iterator[Stream | Loss]:
    for member in found:
        if isinstance(member, Loss):
            yield from scan.tell(member.error)
            continue
        scan.members += 1
        if scan.spent:
            message = f"members from {member.label!r} on were not read: a limit was exceeded"
            if scan.members > scan.limits.members:
                message = f"members from {member.label!r} on were not read: {scan.limits.members} is the limit"
            yield from scan.tell(LimitError("F007", message, where=Where(label)))
            return
        yield from _walk(scan, member.feed, member.label, depth)


__all__ = ["Limits", "open_streams"]
