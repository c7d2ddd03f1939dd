"""Windows event logs (EVTX), decoded by the `evtx` library.

A file is a header and chunks of 64 KiB that stand for themselves. A damaged chunk or record costs that chunk's rest: the
library says which, the chunk's own header how many records it should have held, and both become a loss with its place.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, ClassVar, Final

import evtx

from tocsin.errors import SourceError
from tocsin.sources.interface import Loss, Records, Stream
from tocsin.sources.json import JsonSorter
from tocsin.sources.json_text import LossCounter

HEADER_BYTES: Final = 4096
CHUNK_BYTES: Final = 65536
_FILE_MAGIC: Final = b"ElfFile\0"
_CHUNK_MAGIC: Final = b"ElfChnk\0"
_CHUNKS_AT_ONCE: Final = 16
_GROUP: Final = 4000
_UNUSED: Final = bytes(CHUNK_BYTES)


class EvtxSource:
    """EVTX files, whole, dirty, truncated or damaged."""

    name: ClassVar[str] = "evtx"

    def recognise(self, head: bytes) -> bool:
        """Tell an EVTX file by its magic, or by that of its first chunk when the header is lost."""
        return head.startswith(_FILE_MAGIC) or head[HEADER_BYTES : HEADER_BYTES + 8] == _CHUNK_MAGIC

    def read(self, stream: Stream) -> Iterator[Records | Loss]:
        """Read a sound file as a whole, any other a few chunks at a time, so that each loss has its place."""
        losses = LossCounter(stream.label)
        sorter = JsonSorter(nested=True)
        expected = _sound_records(stream.path) if stream.path else 0
        if stream.path and expected:
            found = yield from _read_sound(stream, stream.path, expected, sorter, losses)
            if found >= expected:
                return
            skip = found
        else:
            skip = 0
        try:
            yield from _read_carefully(stream, sorter, losses, skip)
        except SourceError as error:
            yield Loss(error)
        yield from losses.end()


def _sound_records(path: Path) -> int:
    """Return how many records the chunk headers of a file promise; 0 when one of them is damaged or unusual."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if os.pread(file.fileno(), 8, 0) != _FILE_MAGIC or (size - HEADER_BYTES) % CHUNK_BYTES:
                return 0
            total = 0
            for at in range(HEADER_BYTES, size, CHUNK_BYTES):
                head = os.pread(file.fileno(), 24, at)
                count = _expected(head) if head.startswith(_CHUNK_MAGIC) else 0
                if not count and os.pread(file.fileno(), CHUNK_BYTES, at) != _UNUSED:
                    return 0
                total += count
            return total
    except OSError:
        return 0


def _read_sound(
    stream: Stream, path: Path, expected: int, sorter: JsonSorter, losses: LossCounter
) -> Generator[Records | Loss, None, int]:
    """Read a file by its path, which saves copying it; return how many records came before the first fault."""
    found: list[tuple[int, str]] = []
    count = 0
    size = path.stat().st_size
    try:
        records: Any = evtx.PyEvtxParser(str(path), number_of_threads=1).records_json()
        for record in records:
            found.append((record["event_record_id"], record["data"]))
            if len(found) >= _GROUP:
                count += len(found)
                stream.position = size * count // expected
                yield from sorter.sort(found, losses)
                found = []
    except (OSError, RuntimeError, ValueError):
        pass  # the careful way finds where and says so; what came before the fault is kept
    stream.position = size
    yield from sorter.sort(found, losses)
    return count + len(found)


def _read_carefully(stream: Stream, sorter: JsonSorter, losses: LossCounter, skip: int) -> Iterator[Records | Loss]:
    """Read chunk by chunk; the first `skip` records were read already."""
    header = stream.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        yield Loss(SourceError("F005", f"the file ends inside its header, after {len(header)} bytes"))
        return
    if not header.startswith(_FILE_MAGIC):
        yield from losses.add("F004", "the file header is damaged; its chunks are read all the same")
        header = _FILE_MAGIC + bytes(HEADER_BYTES - 8)
    header = _sound_header(header)
    number = 0
    for block in stream.blocks(CHUNK_BYTES * _CHUNKS_AT_ONCE):
        sound = []
        for at in range(0, len(block), CHUNK_BYTES):
            chunk = block[at : at + CHUNK_BYTES]
            fault = chunk_fault(chunk, number)
            if fault:
                yield from losses.add(*fault)
            if chunk.startswith(_CHUNK_MAGIC):
                sound.append((number, chunk.ljust(CHUNK_BYTES, b"\0")))
            number += 1
        found = yield from _read_chunks(header, sound, losses)
        yield from sorter.sort(found[skip:], losses)
        skip = max(0, skip - len(found))


def _sound_header(header: bytes) -> bytes:
    """Return a header with the sizes and the version that the library needs to go on."""
    fixed = bytearray(header)
    struct.pack_into("<IHHHH", fixed, 32, 128, 1, 3, HEADER_BYTES, 1)
    return bytes(fixed)


def chunk_fault(chunk: bytes, number: int) -> tuple[str, str] | None:
    """Return code and message of what is wrong with a chunk; None for a sound or an unused one."""
    place = f"chunk {number} at offset {HEADER_BYTES + number * CHUNK_BYTES}"
    if not chunk.startswith(_CHUNK_MAGIC):
        return None if chunk == _UNUSED[: len(chunk)] else ("F004", f"{place} is damaged: its magic is {chunk[:8]!r}")
    if len(chunk) < CHUNK_BYTES:  # what it holds is read all the same
        return ("F005", f"{place} is cut off after {len(chunk)} of {CHUNK_BYTES} bytes")
    return None


def _read_chunks(
    header: bytes, chunks: list[tuple[int, bytes]], losses: LossCounter
) -> Generator[Loss, None, list[tuple[int, str]]]:
    """Return the records of sound chunks, read together; when one of them fails, each is read by itself."""
    if not chunks:
        return []
    found, errors = parse(header + b"".join(chunk for _, chunk in chunks))
    if not errors and len(found) >= sum(_expected(chunk) for _, chunk in chunks):
        return found
    found = []
    for number, chunk in chunks:
        items, errors = parse(header + chunk)
        found += items
        missing = _expected(chunk) - len(items)
        if errors or missing > 0:
            place = f"chunk {number} at offset {HEADER_BYTES + number * CHUNK_BYTES}"
            lost = f"{missing} of {_expected(chunk)} records lost" if missing > 0 else "some records may be lost"
            yield from losses.add("F004", f"{place}: {lost}" + (f": {errors[0]}" if errors else ""))
    return found


def _expected(chunk: bytes) -> int:
    """Return how many records a chunk's header promises; 0 when it cannot be told."""
    first, last = struct.unpack_from("<QQ", chunk, 8)
    count = last - first + 1
    return count if 0 < count <= CHUNK_BYTES // 24 else 0


def parse(data: bytes) -> tuple[list[tuple[int, str]], list[str]]:
    """Return (record id, JSON) of every record that can be read, and the library's errors."""
    found: list[tuple[int, str]] = []
    errors: list[str] = []
    try:
        records: Any = evtx.PyEvtxParser(io.BytesIO(data), number_of_threads=1).records_json()
    except (OSError, RuntimeError, ValueError) as error:
        return [], [str(error)]
    while len(errors) < CHUNK_BYTES:
        try:
            record: dict[str, Any] = next(records)
        except StopIteration:
            break
        except (OSError, RuntimeError, ValueError) as error:
            errors.append(str(error).partition("\n")[0])
            continue
        found.append((record["event_record_id"], record["data"]))
    return found, errors


__all__ = ["CHUNK_BYTES", "HEADER_BYTES", "EvtxSource", "chunk_fault", "parse"]
