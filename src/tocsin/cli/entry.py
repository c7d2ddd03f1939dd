"""The console entry: what must be set before numpy is imported, then the command line."""

from __future__ import annotations

import gc
import os
import sys
from typing import Final

_INTERRUPTED: Final = 130
_NEW_OBJECTS: Final = 100_000
"""New objects after which Python looks for garbage. Rules and events are trees without cycles: it finds next to none."""


def run() -> None:
    """Run the command line. No linear algebra is done here: the threads that would wait for it cost a tenth of a second."""
    _hold_descriptors()
    gc.set_threshold(_NEW_OBJECTS)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from tocsin.cli.main import run as run_main

        run_main()
    except KeyboardInterrupt:
        if sys.stderr:
            sys.stderr.write("interrupted\n")
        sys.exit(_INTERRUPTED)


def _hold_descriptors() -> None:
    """Keep the numbers of closed standard streams from being those of evidence; what uses them fails as before.

    Standard input is held for writing and the others for reading.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number else os.O_WRONLY)


__all__ = ["run"]
