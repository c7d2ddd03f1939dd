"""Which readers a scan uses: the fast ones, whose kernels must have been compiled, or the slow ones, which decide.

Kernels are compiled once for each machine and version, by a process of its own in the background, so that no scan waits
for it: a scan that meets uncompiled kernels goes on with the slow readers and changes over between two files.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import chdir
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tocsin.engine.executor import FastEngine
from tocsin.errors import UsageError
from tocsin.kernels.store import can_keep, folder, is_compiled, mark_compiled
from tocsin.plans.expr import Plan
from tocsin.plans.gates import native_fields
from tocsin.sources.interface import BlockSource

if TYPE_CHECKING:
    from tocsin.engine.coded import CodedEngine

CHOICES: Final = ("auto", "fast", "slow")
ENVIRONMENT: Final = "TOCSIN_READER"
FAST_BYTES: Final = 64 << 20
"""Input from which loading the kernels (half a second) is worth it, in bytes; standard input counts as more."""
_FAST: Final = {"json": ("tocsin.sources.json_blocks", "JsonBlocks"), "evtx": ("tocsin.sources.evtx_blocks", "EvtxBlocks")}
_COMPILE: Final = """
import os, sys
os.nice(10)
sys.path[:] = sys.argv[1:]
from tocsin.runs.readers import compile_kernels
compile_kernels()
"""


@dataclass(frozen=True, slots=True)
class Readers:
    """The readers of a scan. `wanted` tells whether fast ones are used, `loaded` that their kernels are there."""

    wanted: bool = False
    loaded: bool = False

    def ready(self, name: str) -> bool:
        """Tell whether a format is to be read fast now."""
        return self.wanted and name in _FAST and (self.loaded or is_compiled())


def choose(option: str, size_bytes: int, stdin: bool) -> Readers:
    """Return the readers for an input, kernels loaded where that is worth it.

    `option` is one of `CHOICES`; `auto` may be overruled by the environment. With `fast` it is waited for the compiler.
    Raises: UsageError for an environment that names no reader.
    """
    if option == "auto":
        option = os.environ.get(ENVIRONMENT) or "auto"
        if option not in CHOICES:
            raise UsageError("U002", f"{ENVIRONMENT}={option!r} names no reader", hint=f"use one of {', '.join(CHOICES)}")
    if option == "slow" or (option == "auto" and size_bytes < FAST_BYTES and not stdin):
        return Readers()
    if option == "auto" and not is_compiled():
        return Readers(wanted=True)
    compile_kernels()
    return Readers(wanted=True, loaded=True)


def waits(option: str) -> bool:
    """Tell whether a scan with this option is going to wait for the compiler."""
    wanted = (os.environ.get(ENVIRONMENT) or option) if option == "auto" else option
    return wanted == "fast" and not is_compiled()


def compiling(readers: Readers) -> bool:
    """Start to compile the kernels in the background when they are wanted and missing; tell whether this was done.

    It is not where they cannot be kept: they would be lost with the process.
    """
    if not readers.wanted or readers.loaded or not can_keep():
        return False
    subprocess.Popen(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-c", _COMPILE, *filter(None, sys.path)],
        cwd=folder(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return True


def compile_kernels() -> None:
    """Load the kernels of all fast readers from the cache, compiling what is missing."""
    with chdir(folder()):  # the compiler takes settings from a file in the working directory, which may be one of evidence
        for name in _FAST:
            reader, engine = make_reader(name, FastEngine([]), [])
            reader.warm_up()
            engine.warm_up()
    mark_compiled()


def make_reader(
    name: str, engine: FastEngine, plans: Sequence[Plan], more: Iterable[str] = ()
) -> tuple[BlockSource, CodedEngine]:
    """Return the fast reader of a format, which also knows `more` fields, and the engine for its blocks."""
    from tocsin.engine.coded import CodedEngine
    from tocsin.kernels.block import Block

    module, kind = _FAST[name]
    reader: BlockSource = getattr(importlib.import_module(module), kind)(sorted(native_fields(plans, more)), Block())
    return reader, CodedEngine(engine, reader)


__all__ = ["CHOICES", "ENVIRONMENT", "Readers", "choose", "compile_kernels", "compiling", "make_reader", "waits"]
