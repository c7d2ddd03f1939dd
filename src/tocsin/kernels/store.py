"""Where compiled kernels are kept: a folder of the user's cache for each state of their source."""

from __future__ import annotations

import atexit
import hashlib
import os
import platform
import shutil
import stat
import sys
import tempfile
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

_KEPT: Final = 4
_MARK: Final = "compiled"
_WRITTEN_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_OPEN_TO_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
"""What the folder of the kernels must not be: Numba writes into it with the user's mask, which may let a group write."""


@lru_cache(maxsize=1)
def state() -> str:
    """Return what tells this state of the kernels, of Numba and of the machine; with bounds checked it is another one.

    Numba itself asks only whether the file of a function has changed, not those of the functions compiled into it.
    """
    whole = hashlib.sha256(f"{sys.version} {platform.machine()} {_processor()} {version('numba')}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        whole.update(path.read_bytes())
    return whole.hexdigest()[:24] + ("-checked" if is_checked() else "")


def is_checked() -> bool:
    """Tell whether kernels check every access, as they do in tests; IndexError is then a fault of theirs."""
    return os.environ.get("NUMBA_BOUNDSCHECK", "0") not in ("", "0")


def _processor() -> str:
    """Return the model of the processor, for whose instructions the kernels are compiled."""
    with suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
        return next((line for line in lines if line.startswith("model name")), "")
    return platform.processor()


def _root() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "tocsin", "kernels")


@lru_cache(maxsize=1)
def folder() -> Path:
    """Return the folder for this state, which only the user can write: it will hold code, so no one else may put it there.

    Where there is no such place, a temporary folder for this process, which is removed when it ends.
    """
    return _kept() or _temporary()


@lru_cache(maxsize=1)
def _kept() -> Path | None:
    """Return the folder in which the kernels of this state stay; None where there is no place that is the user's alone."""
    found = _root() / state()
    with suppress(OSError):
        for path in reversed((found, *found.parents)):  # a mode given with parents is not that of the parents
            if not path.exists():
                path.mkdir(mode=0o700, exist_ok=True)
        own_link = found.parent.lstat().st_uid == os.geteuid()  # one that the user set leads where the user wants
        own_parent = own_link and _is_own(found.parent.resolve(), _WRITTEN_BY_OTHERS)
        if own_parent and _is_own(found, _OPEN_TO_OTHERS) and os.access(found, os.W_OK):
            return found
    return None


def _temporary() -> Path:
    found, owner = Path(tempfile.mkdtemp(prefix="tocsin-kernels-")), os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(found, ignore_errors=True)

    atexit.register(remove)
    return found


def _is_own(path: Path, forbidden: int) -> bool:
    """Tell whether a folder, which is no link, is the user's own, and its mode has none of some bits."""
    found = path.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & forbidden


def can_keep() -> bool:
    """Tell whether compiled kernels stay for the next process."""
    return _kept() is not None


def is_compiled() -> bool:
    """Tell whether all kernels of this state were compiled before, and are kept."""
    found = _kept()
    return found is not None and (found / _MARK).exists()


def mark_compiled() -> None:
    """Note that all kernels of this state are compiled; forget old states. What goes wrong costs time only."""
    with suppress(OSError):
        (folder() / _MARK).touch()
        others = sorted(folder().parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in others[_KEPT:] if can_keep() else []:
            shutil.rmtree(old, ignore_errors=True)


__all__ = ["can_keep", "folder", "is_checked", "is_compiled", "mark_compiled", "state"]
