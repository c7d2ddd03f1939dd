"""Where compiled kernels are kept: a folder of the user's cache for each state of their source."""

from __future__ import annotations

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


@lru_cache(maxsize=1)
def state() -> str:
    """Return what tells this state of the kernels, of Numba and of the machine; with bounds checked it is another one.

    Numba itself asks only whether the file of a function has changed, not those of the functions compiled into it.
    """
    whole = hashlib.sha256(f"{sys.version} {platform.machine()} {_processor()} {version('numba')}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        whole.update(path.read_bytes())
    checked = os.environ.get("NUMBA_BOUNDSCHECK", "0") not in ("", "0")
    return whole.hexdigest()[:24] + ("-checked" if checked else "")


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

    Where there is no such place, a temporary folder for this process.
    """
    found = _root() / state()
    with suppress(OSError):
        found.mkdir(mode=0o700, parents=True, exist_ok=True)
        if all(_is_own(path) for path in (found, found.parent)) and os.access(found, os.W_OK):
            return found
    return Path(tempfile.mkdtemp(prefix="tocsin-kernels-"))


def _is_own(path: Path) -> bool:
    found = path.stat()
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def is_compiled() -> bool:
    """Tell whether all kernels of this state were compiled before."""
    return (_root() / state() / "compiled").exists()


def mark_compiled() -> None:
    """Note that all kernels of this state are compiled; forget old states. What goes wrong costs time only."""
    with suppress(OSError):
        (folder() / "compiled").touch()
        others = sorted(_root().iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in others[_KEPT:]:
            shutil.rmtree(old, ignore_errors=True)


__all__ = ["folder", "is_compiled", "mark_compiled", "state"]
