"""Windows event logs (EVTX), decoded by the `evtx` library.

A file is a header and chunks of 64 KiB that stand for themselves. The library gives up a chunk at the first record whose
header is damaged. Such a chunk is read again as a copy in which each damaged stretch is covered by one empty record, so
that it costs only itself, and the records whose names or templates it defined. The chunk's own header says how many
records it should have held, and the missing ones become a loss with its place.
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
_RECORD_MAGIC: Final = b"**\0\0"
_RECORD_HEAD: Final = struct.Struct("<4sIQ").unpack_from  # magic, size and id
_CHUNK_COUNT_AT: Final = 42
_LAST_ID_AT: Final = 32
_FREE_AT: Final = 48
_TABLES_AT: Final = 128
_RECORDS_AT: Final = 512
_COVER_BYTES: Final = 25  # a record's header and the token that ends it
_COVER_ID: Final = 2**64 - 2
_CHUNKS_AT_ONCE: Final = 16
_GROUP: Final = 4000
_NAME_CHAINS: Final = 64
_NAME_HEAD: Final = 8
_NEXT_NAME: Final = struct.Struct("<I2xH").unpack_from  # the next name of the chain, and the length of this one
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
        expected, used = _sound_records(stream.path) if stream.path else (0, 0)
        if stream.path and expected:
            found = yield from _read_sound(stream, stream.path, expected, sorter, losses)
            if found >= expected:
                yield from told_chunks_lost(stream.head, used, losses)
                yield from losses.end()
                return
            skip = found
        else:
            skip = 0
        try:
            yield from _read_carefully(stream, sorter, losses, skip)
        except SourceError as error:
            yield Loss(error)
        yield from losses.end()


def _sound_records(path: Path) -> tuple[int, int]:
    """Return how many records the chunk headers of a file promise, and how many chunks are used.

    The number of records is 0 when a chunk is damaged or unusual.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if os.pread(file.fileno(), 8, 0) != _FILE_MAGIC or (size - HEADER_BYTES) % CHUNK_BYTES:
                return 0, 0
            total = used = 0
            for at in range(HEADER_BYTES, size, CHUNK_BYTES):
                chunk = os.pread(file.fileno(), CHUNK_BYTES, at)
                sound = chunk.startswith(_CHUNK_MAGIC) and names_sound(chunk) and _keeps_promise(chunk)
                count = _expected(chunk) if sound else 0
                if not count and chunk != _UNUSED:
                    return 0, 0
                total += count
                used += bool(count)
            return total, used
    except OSError:
        return 0, 0


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
    told = header = stream.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        yield Loss(SourceError("F005", f"the file ends inside its header, after {len(header)} bytes"))
        return
    if not header.startswith(_FILE_MAGIC):
        yield from losses.add("F004", "the file header is damaged; its chunks are read all the same")
        header = _FILE_MAGIC + bytes(HEADER_BYTES - 8)
    header = _sound_header(header)
    number = used = 0
    for block in stream.blocks(CHUNK_BYTES * _CHUNKS_AT_ONCE):
        sound = []
        for at in range(0, len(block), CHUNK_BYTES):
            chunk = block[at : at + CHUNK_BYTES]
            fault = chunk_fault(chunk, number)
            if fault:
                yield from losses.add(*fault)
            used += chunk != _UNUSED[: len(chunk)]
            if chunk.startswith(_CHUNK_MAGIC):
                whole = chunk.ljust(CHUNK_BYTES, b"\0")
                sound.append((number, whole if names_sound(whole) else without_names(whole)))
            number += 1
        covered: list[tuple[int, str]] = []
        found = yield from read_chunks(header, sound, losses, covered)
        yield from sorter.sort(found[skip:] + covered, losses)
        skip = max(0, skip - len(found))
    yield from told_chunks_lost(told, used, losses)


def told_chunks_lost(header: bytes, used: int, losses: LossCounter) -> Iterator[Loss]:
    """Yield a loss when the header of a file tells of more chunks than are used in it.

    The header of a log in use may be older than its chunks, so that fewer are no loss.
    """
    told = int.from_bytes(header[_CHUNK_COUNT_AT : _CHUNK_COUNT_AT + 2], "little")
    if header.startswith(_FILE_MAGIC) and told > used:
        yield from losses.add("F005", f"the file is cut off or empty in parts: {told - used} of its {told} chunks are missing")


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


def names_sound(chunk: bytes) -> bool:
    """Tell whether the chains of names in a whole chunk come to an end, and stay inside it.

    The library follows a circle for ever, and gives up a chunk whose chains leave it, though they are only a cache.
    """
    left = CHUNK_BYTES // _NAME_HEAD
    for at in struct.unpack_from(f"<{_NAME_CHAINS}I", chunk, _TABLES_AT):
        while at:
            if at > CHUNK_BYTES - _NAME_HEAD or not left:
                return False
            following, length = _NEXT_NAME(chunk, at)
            if at + _NAME_HEAD + 2 * length + 2 > CHUNK_BYTES:
                return False
            at = 0 if following == at else following
            left -= 1
    return True


def without_names(chunk: bytes) -> bytes:
    """Return a chunk with an empty table of names; the library then looks each name up where it is defined."""
    end = _TABLES_AT + 4 * _NAME_CHAINS
    return chunk[:_TABLES_AT] + bytes(end - _TABLES_AT) + chunk[end:]


def read_chunks(
    header: bytes, chunks: list[tuple[int, bytes]], losses: LossCounter, covered: list[tuple[int, str]] | None = None
) -> Generator[Loss, None, list[tuple[int, str]]]:
    """Return the records of sound chunks, read together; when one of them fails, each is read by itself.

    What can be read only with the damage covered goes to `covered` where that is given, else beside the others.
    """
    if not chunks:
        return []
    if all(_keeps_promise(chunk) for _, chunk in chunks):  # else what one has too many would hide what another has lost
        found, errors = parse(header + b"".join(chunk for _, chunk in chunks))
        if not errors and len(found) >= sum(_expected(chunk) for _, chunk in chunks):
            return found
    found = []
    for number, chunk in chunks:
        items, errors = parse(header + chunk)
        if errors or len(items) < _expected(chunk):
            more, at = _read_damaged(header, chunk, items)
            count = len(items) + len(more)
            (items if covered is None else covered).extend(more)
            if errors or count < _expected(chunk):
                yield from losses.add("F004", _damage(chunk, number, count, at) + (f": {errors[0]}" if errors else ""))
        found += items
    return found


def _read_damaged(header: bytes, chunk: bytes, known: list[tuple[int, str]]) -> tuple[list[tuple[int, str]], int]:
    """Return the records that are read only when the damage is covered, and where it begins (-1: no header is damaged)."""
    covered, at = cover_damage(chunk)
    ids = {record for record, _ in known}
    return [item for item in parse(header + covered)[0] if item[0] != _COVER_ID and item[0] not in ids], at


def _damage(chunk: bytes, number: int, found: int, at: int) -> str:
    start, expected = HEADER_BYTES + number * CHUNK_BYTES, _expected(chunk)
    lost = f"{expected - found} of {expected} records lost" if found < expected else "some records may be lost"
    return f"chunk {number} at offset {start}: {lost}" + (f", damaged at offset {start + at}" if at >= 0 else "")


def cover_damage(chunk: bytes) -> tuple[bytes, int]:
    """Return a chunk in which each stretch without a sound record is one empty record, and where the first begins, or -1.

    Its tables of names and templates are emptied, since they may lead into the damage; the library then looks them up
    where they are defined. No more than 25 bytes of a stretch are overwritten, so that what else it defines stays.
    """
    free = struct.unpack_from("<I", chunk, _FREE_AT)[0]
    end = free if _RECORDS_AT < free <= CHUNK_BYTES else CHUNK_BYTES
    fixed = bytearray(chunk)
    fixed[_TABLES_AT:_RECORDS_AT] = bytes(_RECORDS_AT - _TABLES_AT)
    at, first = _RECORDS_AT, -1
    while at < end:
        size = _record_size(chunk, at, end) or _unrepeated_size(chunk, at, end)
        if not size:
            first = at if first < 0 else first
            following = _next_record(chunk, at + _COVER_BYTES, end)
            if following < 0:
                break
            size = following - at
            struct.pack_into("<4sIQQB", fixed, at, _RECORD_MAGIC, size, _COVER_ID, 0, 0)
        at += size
    struct.pack_into("<Q", fixed, _LAST_ID_AT, _COVER_ID + 1)
    struct.pack_into("<I", fixed, _FREE_AT, min(at, end))
    return bytes(fixed), first


def _record_size(chunk: bytes, at: int, end: int) -> int:
    """Return the size of the record at a place; 0 when its magic or its size, which stands at both ends, is wrong."""
    if chunk[at : at + 4] != _RECORD_MAGIC:
        return 0
    size = int.from_bytes(chunk[at + 4 : at + 8], "little")
    sane = _COVER_BYTES < size <= end - at
    return size if sane and chunk[at + size - 4 : at + size] == chunk[at + 4 : at + 8] else 0


def _unrepeated_size(chunk: bytes, at: int, end: int) -> int:
    """Return the size of a record that is damaged at its end only: the next sound one begins where it says."""
    size = int.from_bytes(chunk[at + 4 : at + 8], "little")
    sound = chunk[at : at + 4] == _RECORD_MAGIC and size > _COVER_BYTES
    return size if sound and _next_record(chunk, at + _COVER_BYTES, end) == at + size else 0


def _next_record(chunk: bytes, at: int, end: int) -> int:
    """Return the place of the next sound record; -1 when there is none."""
    while (at := chunk.find(_RECORD_MAGIC, at, end)) >= 0 and not _record_size(chunk, at, end):
        at += 1
    return at


def _expected(chunk: bytes) -> int:
    """Return how many records a chunk's header promises; 0 when it cannot be told."""
    first, last = struct.unpack_from("<QQ", chunk, 8)
    count = last - first + 1
    return count if 0 < count <= CHUNK_BYTES // 24 else 0


def _keeps_promise(chunk: bytes) -> bool:
    """Tell whether a chunk has as many records as its header promises, going from one to the next as the library does."""
    last, free = (struct.unpack_from(form, chunk, at)[0] for form, at in (("<Q", _LAST_ID_AT), ("<I", _FREE_AT)))
    at, count = _RECORDS_AT, 0
    while at < free and at + _COVER_BYTES <= CHUNK_BYTES:
        magic, size, number = _RECORD_HEAD(chunk, at)
        if magic != _RECORD_MAGIC or size < _COVER_BYTES:
            break
        count += 1
        if number == last:
            break
        at += size
    return count == _expected(chunk)


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


__all__ = [
    "CHUNK_BYTES",
    "HEADER_BYTES",
    "EvtxSource",
    "chunk_fault",
    "cover_damage",
    "names_sound",
    "parse",
    "read_chunks",
    "told_chunks_lost",
    "without_names",
]
