"""How kernels are compiled: by Numba, kept in the user's own cache, checked for bounds when NUMBA_BOUNDSCHECK is set.

Importing this module imports Numba, which takes a quarter of a second: only readers that use kernels do.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import chdir
from typing import Any, Final, TypeVar

from tocsin.kernels.store import folder

with chdir(folder()):  # Numba takes settings from a file in the working directory, which may be one of evidence
    import numba

F = TypeVar("F", bound=Callable[..., Any])
_NUMBA: Final[Any] = numba  # its types do not tell of all that is used here

CHECKED: Final = bool(_NUMBA.config.BOUNDSCHECK)
"""Whether every access is checked; the vector loads, which cannot be, are then done byte by byte."""


# Numba reads the variable again whenever another of its variables has changed.
os.environ["NUMBA_CACHE_DIR"] = _NUMBA.config.CACHE_DIR = str(folder())
_COMPILED: Final = _NUMBA.njit(cache=True, nogil=True, _nrt=False)
_INLINED: Final = _NUMBA.njit(cache=True, nogil=True, forceinline=True, _nrt=False)


def inlined(function: F) -> F:
    """Compile a small function into each kernel that calls it."""
    compiled: F = _INLINED(function)
    return compiled


def kernel(function: F) -> F:
    """Compile a function of arrays and numbers at its first call, or take it from the cache."""
    compiled: F = _COMPILED(function)
    return compiled


__all__ = ["CHECKED", "inlined", "kernel"]
