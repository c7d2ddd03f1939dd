"""The console entry: what must be set before numpy is imported, then the command line."""

from __future__ import annotations

import os


def run() -> None:
    """Run the command line. No linear algebra is done here: the threads that would wait for it cost a tenth of a second."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from tocsin.cli.main import run as run_main

    run_main()


__all__ = ["run"]
