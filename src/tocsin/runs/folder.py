"""The temporary folder of a scan, and those that a scan which was killed left behind."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tocsin.errors import OutputError

_PREFIX: Final = "tocsin-"
_LOCK: Final = "lock"
_OWNER: Final = re.compile(rb"tocsin \d+\n")


@contextmanager
def work_folder() -> Iterator[Path]:
    """Give a folder that is removed at the end; first remove those of scans that are no more.

    A folder has a file that its scan and the workers hold locked, with the number of the process for whoever looks. The
    kernel gives the lock up when they end in whatever way, so a number that was used again misleads nobody.
    Raises: OutputError O001 when no folder can be made.
    """
    _sweep(Path(tempfile.gettempdir()))
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = _hold(folder)
    except OSError as error:
        raise OutputError("O001", f"no temporary folder can be made: {error}", hint="set TMPDIR") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _hold(folder: Path) -> int:
    """Put the lock into the folder: under its name only once it is held, so that nobody takes it in between."""
    aside = folder / f"{_LOCK}.new"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, b"tocsin %d\n" % os.getpid())
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        aside.replace(folder / _LOCK)
    except OSError:
        aside.unlink(missing_ok=True)  # a file system without locks: this folder is not for others to remove
    return descriptor


def _sweep(place: Path) -> None:
    """Remove the folders of this user whose lock nobody holds; what cannot be removed stays."""
    for folder in place.glob(f"{_PREFIX}*"):
        try:
            found = folder.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
                _remove_abandoned(folder)
        except OSError:
            continue  # it is held, was removed by another scan, or has no lock


def _remove_abandoned(folder: Path) -> None:
    """Remove a folder. Raises: OSError when somebody holds its lock."""
    descriptor = os.open(folder / _LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _OWNER.fullmatch(os.read(descriptor, 64)):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


__all__ = ["work_folder"]
