"""The console entry: what must be set before numpy is imported, then the command line."""

from __future__ import annotations

import gc
import os
from typing import Final

_NEW_OBJECTS: Final = 100_000
"""New objects after which Python looks for garbage. Rules and events are trees without cycles: it finds next to none."""


def run() -> None:
    """Run the command line. No linear algebra is done here: the threads that would wait for it cost a tenth of a second."""
    gc.set_threshold(_NEW_OBJECTS)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from tocsin.cli.main import run as run_main

    run_main()


__all__ = ["run"]
