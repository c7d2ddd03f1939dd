"""A node that is served by a process of its own, as an operator serves it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_COMMAND = "from tocsin.cli.entry import run; run()"
_START_S = 60
_STOP_S = 40


@contextmanager
def served(folder: Path, *options: str, port: int = 0) -> Iterator[str]:
    """Give the address, SCHEME://HOST:PORT, at which a node is served, on a free port unless one is given.

    What it logs is in `served.log` beside the folder.
    """
    arguments = [sys.executable, "-c", _COMMAND, "serve", str(folder), "--listen", f"127.0.0.1:{port}", *options]
    path = folder.parent / "served.log"
    with path.open("w") as log:
        server = subprocess.Popen(arguments, stderr=log, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    try:
        yield _address(server, path)
    finally:
        server.terminate()
        server.wait(_STOP_S)


def _address(server: subprocess.Popen[str], path: Path) -> str:
    """Return what a node says of where it is served."""
    until = time.monotonic() + _START_S
    while time.monotonic() < until and server.poll() is None:
        said = path.read_text()
        if said.startswith("serving ") and said.endswith("\n"):
            return said.split(" on ")[1].split("/taxii2/")[0]
        time.sleep(0.05)
    raise AssertionError(path.read_text())


__all__ = ["served"]
