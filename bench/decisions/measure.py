"""CPU time of a function, and the real values that the decisions were measured on."""

from __future__ import annotations

import gc
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import evtx
import msgspec

T = TypeVar("T")
SHARPDUMP = "metasploit_sharpdump_lsass_memory_dump.zip"


def cpu_s(name: str, function: Callable[[], T], times: int = 3) -> T:
    """Run a function a few times, print its least CPU time in seconds, return its last result."""
    least = float("inf")
    for _ in range(times):
        gc.collect()
        begun = time.process_time()
        result = function()
        least = min(least, time.process_time() - begun)
    print(f"{name:<44} {least:9.4f} s")
    return result


def otrf_lines(data: Path, name: str = "*.zip") -> Iterator[bytes]:
    """Yield the lines of JSON in the archives of a folder."""
    for path in sorted(data.glob(name)):
        with zipfile.ZipFile(path) as archive:
            for member in sorted(archive.namelist()):
                if member.endswith(".json"):
                    yield from archive.read(member).splitlines()


def evtx_records(data: Path) -> Iterator[str]:
    """Yield the records of the event logs in a folder as JSON; the rest of a damaged one is left out."""
    for path in sorted(data.rglob("*.evtx")):
        with suppress(OSError, RuntimeError, ValueError):
            yield from (record["data"] for record in evtx.PyEvtxParser(str(path)).records_json())


def distinct(folders: list[Path], field: str) -> list[str]:
    """Return the distinct values of a field in the archives and event logs of folders, in order of appearance."""
    row = msgspec.defstruct("Row", [("value", str, "")], rename={"value": field})
    event = msgspec.defstruct("Event", [("EventData", row | None, None)])
    flat, nested = msgspec.json.Decoder(row), msgspec.json.Decoder(msgspec.defstruct("Nested", [("Event", event)]))
    found: dict[str, None] = {}
    for folder in folders:
        for line in (*otrf_lines(folder), *evtx_records(folder)):
            with suppress(msgspec.DecodeError, UnicodeDecodeError):
                read = flat.decode(line) if isinstance(line, bytes) else nested.decode(line).Event.EventData
                found[read.value if read else ""] = None
    return [value for value in found if value]
