"""The regular files under the given paths, each once, in an order that does not depend on the file system."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tocsin.errors import SourceError, UsageError, Where

_Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file that can be opened; `label` is its path as the user gave it, printable as UTF-8."""

    path: Path
    label: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SkippedPath:
    """A path that is not read, and why."""

    path: Path
    label: str
    error: SourceError


def find_files(paths: Sequence[Path]) -> Iterator[FoundFile | SkippedPath]:
    """Yield every regular file at or under the paths, and every path that cannot be read.

    Rows: in the order of `paths`, inside a folder by name; links in folders come last, so that what is reached twice has
    its own name. Symbolic links are followed; a file or folder that is reached again is skipped. Raises: UsageError when a
    path does not exist, before the first is read.
    """
    for path in paths:
        _require(path)
    return _Walk().run(paths)


def _require(path: Path) -> None:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise UsageError("U001", f"path {_label(path)!r} does not exist") from error
    except OSError:
        return  # it exists for all that is known; the walk reports why it cannot be read


def _label(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


class _Walk:
    """One walk, with a stack of its own, since folders can be nested deeper than Python's allows.

    A file is known again by its device and inode number; some network file systems number nothing (0).
    """

    def __init__(self) -> None:
        self._files: dict[_Identity, str] = {}
        self._folders: dict[_Identity, str] = {}
        self._stack: list[Iterator[Path]] = []
        self._links: list[Path] = []

    def run(self, paths: Sequence[Path]) -> Iterator[FoundFile | SkippedPath]:
        for path in paths:
            yield from self._walk(path)
        for path in self._links:  # it grows while it is read
            yield from self._walk(path)

    def _walk(self, path: Path) -> Iterator[FoundFile | SkippedPath]:
        yield from self._visit(path)
        while self._stack:
            inner = next(self._stack[-1], None)
            if inner is None:
                self._stack.pop()
            else:
                yield from self._visit(inner)

    def _visit(self, path: Path) -> Iterator[FoundFile | SkippedPath]:
        try:
            found = path.stat()
            if stat.S_ISDIR(found.st_mode):
                error = self._enter(path, found)
            elif not stat.S_ISREG(found.st_mode):
                error = _error("F012", f"is {_kind(found.st_mode)}, not a regular file", path)
            else:
                error = self._check_file(path, found)
                if error is None:
                    yield FoundFile(path, _label(path), found.st_size)
        except OSError as reason:
            error = _error("F001", f"cannot be opened: {reason.strerror or reason}", path)
        if error is not None:
            yield SkippedPath(path, _label(path), error)

    def _enter(self, path: Path, found: os.stat_result) -> SourceError | None:
        identity = (found.st_dev, found.st_ino)
        known = self._folders.get(identity) if found.st_ino else None
        if known is not None and known in map(_label, path.parents):
            return _error("F011", f"leads back into its own folder {known!r}", path)
        if known is not None:
            return _error("F011", f"is the same folder as {known!r}, which was read", path)
        with os.scandir(path) as entries:
            inner = sorted((entry.name, entry.is_symlink()) for entry in entries)
        self._folders[identity] = _label(path)
        self._stack.append(iter([path / name for name, is_link in inner if not is_link]))
        self._links += [path / name for name, is_link in inner if is_link]
        return None

    def _check_file(self, path: Path, found: os.stat_result) -> SourceError | None:
        identity = (found.st_dev, found.st_ino)
        if found.st_ino and identity in self._files:
            return _error("F011", f"is the same file as {self._files[identity]!r}, which was read", path)
        if not found.st_size:
            return _error("F003", "is empty", path)
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        self._files[identity] = _label(path)
        return None


def _kind(mode: int) -> str:
    kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _error(code: str, message: str, path: Path) -> SourceError:
    return SourceError(code, message, where=Where(_label(path)))


__all__ = ["FoundFile", "SkippedPath", "find_files"]
