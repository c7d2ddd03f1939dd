"""The fast reader of EVTX gives what the slow one gives, on every real log and on damaged ones."""

from __future__ import annotations

import io
import json
import os
import struct
import time
from itertools import chain
from pathlib import Path
from random import Random

import pytest

from evtx_compare import FastReading, all_fields, open_stream, read_slowly, slow_events
from evtx_damage import CHUNK, HEADER, damaged
from shared_data import shared
from tocsin.errors import SourceError
from tocsin.events.values import scalar_text
from tocsin.kernels.block import Block
from tocsin.sources import evtx_tables
from tocsin.sources.evtx import EvtxSource
from tocsin.sources.evtx_blocks import EvtxBlocks
from tocsin.sources.interface import Loss, Records, Stream

RUNS = 500
SECONDS = float(os.environ.get("TOCSIN_FUZZ_SECONDS", "0"))


@pytest.fixture(scope="module")
def paths() -> list[Path]:
    """Return all real logs."""
    found = sorted(shared("evtx-attack-samples").rglob("*.evtx")) + sorted(shared("sigma-regression").rglob("*.evtx"))
    assert len(found) == 368
    return found


@pytest.fixture(scope="module")
def fast(paths: list[Path]) -> FastReading:
    """Return a fast reader that knows every field of the real logs."""
    return FastReading(all_fields(paths))


@pytest.fixture(scope="module")
def large(paths: list[Path]) -> Path:
    """Return the largest log."""
    return max(paths, key=lambda path: path.stat().st_size)


def test_real_logs(fast: FastReading, paths: list[Path]) -> None:
    """Every event of every log has the same gate, record, time and cells from tokens as from the slow reader."""
    records = slow = 0
    for path in paths:
        found, expected = fast.read(path), read_slowly(path, fast.fields)
        assert found.events == expected.events, path
        assert found.losses == expected.losses
        records += found.fast + found.slow
        slow += found.slow
    assert (records, slow) == (8368, 2)


def test_without_a_path(fast: FastReading, paths: list[Path]) -> None:
    """A log from a stream, which must be read as it comes, has the same events."""
    for path in paths[::20]:
        data = path.read_bytes()
        assert fast.read(data).events == read_slowly(data, fast.fields).events


def test_damaged_logs(fast: FastReading, paths: list[Path], tmp_path: Path) -> None:
    """Whatever is damaged, both readers find the same events, and tell of a loss together."""
    random = Random(1)  # TOCSIN_FUZZ_SECONDS makes this longer
    files = [path.read_bytes() for path in paths]
    until = time.monotonic() + SECONDS
    run = found = 0
    while run < RUNS or time.monotonic() < until:
        run += 1
        data = damaged(random, random.choice(files))
        path = tmp_path / "damaged.evtx"
        path.write_bytes(data)
        fast.blocks.block.clear()
        source = path if run % 2 else data
        quick, slow = fast.read(source), read_slowly(source, fast.fields)
        assert quick.events == slow.events, run
        assert quick.losses == slow.losses, run
        found += quick.fast
    assert found > RUNS


def test_names_in_a_circle(fast: FastReading, paths: list[Path]) -> None:
    """A table of names that leads in a circle, in which the library is caught for ever, costs nothing."""
    data = bytearray(paths[0].read_bytes()[: HEADER + CHUNK])
    offsets = struct.unpack_from("<64I", data, HEADER + 128)
    one, other = [at for at in offsets if at][:2]
    struct.pack_into("<I", data, HEADER + one, other)
    struct.pack_into("<I", data, HEADER + other, one)
    expected = read_slowly(paths[0].read_bytes()[: HEADER + CHUNK], fast.fields)
    assert fast.read(bytes(data)).events == expected.events
    struct.pack_into("<QQ", data, HEADER + 8, 9, 2)  # nor does it say how many records it holds
    assert fast.read(bytes(data)).events == expected.events


def test_names_that_leave_their_chunk(fast: FastReading, paths: list[Path]) -> None:
    """A table of names is only a cache: where its chains lead out of the chunk, or in a circle too, no reader tells a loss."""
    sound = paths[0].read_bytes()[: HEADER + CHUNK]
    expected = read_slowly(sound, fast.fields)
    offsets = [at for at in struct.unpack_from("<64I", sound, HEADER + 128) if at]
    for circle in ((), (offsets[-1], offsets[-2])):
        data = bytearray(sound)
        struct.pack_into("<I", data, HEADER + offsets[0], 1493454080)
        for at, following in zip(circle, circle[::-1], strict=True):
            struct.pack_into("<I", data, HEADER + at, following)
        for found in (fast.read(bytes(data)), read_slowly(bytes(data), fast.fields)):
            assert (found.events, found.losses) == (expected.events, [])


def test_chunks_are_counted_apart(fast: FastReading, large: Path, tmp_path: Path) -> None:
    """Records that one chunk has beyond its promise do not hide those that another has lost, whichever reader is used."""
    data = bytearray(large.read_bytes()[: HEADER + 2 * CHUNK])
    struct.pack_into("<H", data, 42, 2)
    (last,) = struct.unpack_from("<Q", data, HEADER + 16)
    struct.pack_into("<Q", data, HEADER + 16, last - 30)
    other = HEADER + CHUNK
    begin, end = struct.unpack_from("<QQ", data, other + 8)
    at = 512
    for _ in range(end - begin - 5):
        at += int.from_bytes(data[other + at + 4 : other + at + 8], "little")
    struct.pack_into("<I", data, other + 48, at)
    path = tmp_path / "less.evtx"
    path.write_bytes(data)
    for source in (path, bytes(data)):
        fast.blocks.block.clear()
        found, expected = fast.read(source), read_slowly(source, fast.fields)
        assert (found.events, found.losses) == (expected.events, expected.losses)
        assert ["chunk 1" in loss and "6 of" in loss for loss in found.losses] == [True]


def test_unsound_file(fast: FastReading, large: Path, tmp_path: Path) -> None:
    """A file with a chunk without magic goes the slow way as a whole, and its loss is told."""
    data = bytearray(large.read_bytes())
    data[HEADER + 3 * CHUNK : HEADER + 3 * CHUNK + 8] = b"damaged!"
    path = tmp_path / "unsound.evtx"
    path.write_bytes(data)
    found, expected = fast.read(path), read_slowly(path, fast.fields)
    assert (found.events, found.losses, found.fast) == (expected.events, expected.losses, 0)
    assert found.losses


def test_each_record_once(large: Path) -> None:
    """Rows and slow records of a log are its records, though they come in pieces; progress is told."""
    blocks = EvtxBlocks(["Image"], Block())
    stream = open_stream(large)
    pieces: list[int] = []
    for item in blocks.read(stream):
        if isinstance(item, tuple):
            pieces.append(item[1] - item[0])
        assert isinstance(item, (tuple, Records, Loss))
        blocks.block.clear()
    assert sum(pieces) == len(list(slow_events(open_stream(large), []))) == 565
    assert stream.position == large.stat().st_size


def test_block_not_cleared(large: Path) -> None:
    """A consumer that does not clear the block is told so, before anything is overwritten."""
    blocks = EvtxBlocks(["Image"], Block(size_bytes=3 << 20))
    with pytest.raises(RuntimeError, match="not cleared"):
        list(chain.from_iterable(blocks.read(open_stream(large)) for _ in range(9)))


def test_broken_stream(fast: FastReading, paths: list[Path]) -> None:
    """When a stream breaks off, what came before is read, and the fault is told as by the slow reader."""
    readings = []
    for source in (EvtxSource(), fast.blocks):
        fast.blocks.block.clear()
        stream = Stream(_Broken(paths[3].read_bytes()), "broken")
        items = list(source.read(stream))
        losses = [str(item.error) for item in items if isinstance(item, Loss)]
        counts = [item[1] - item[0] if isinstance(item, tuple) else len(getattr(item, "raws", ())) for item in items]
        readings.append((losses, sum(counts)))
    assert readings[0] == readings[1]
    assert len(readings[0][0]) == 2


class _Broken(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        left = HEADER + CHUNK - 4096 - self.tell()
        if not left:
            raise SourceError("F005", "broken off")
        return super().read(left if size is None or size < 0 else min(left, size))


def test_many_files_in_one_block(fast: FastReading, paths: list[Path]) -> None:
    """Rows of small files gather in one block, and each has its own event; any rows can become records."""
    blocks = EvtxBlocks(["Image"], Block())
    expected = []
    for path in paths[:20]:
        if path.stat().st_size < 200_000:
            list(blocks.read(open_stream(path)))
            expected += list(slow_events(open_stream(path), []))
    rows = range(blocks.block.rows)
    expected.sort(key=str)
    assert sorted(blocks.events(rows), key=str) == expected
    assert sorted([blocks.events([row])[0] for row in rows], key=str) == expected
    for brief, event in zip(blocks.briefs(rows), blocks.events(rows), strict=True):
        assert brief is not None
        number = scalar_text(event.fields.get("EventRecordID"))
        assert brief[:-1] == (event.time, event.host, event.record, number)
        assert json.loads(brief.json) == event.original
    assert sum(len(records.raws) for records in blocks.records(rows)) == len(expected)


def test_no_room_for_templates(fast: FastReading, paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """When ever new templates fill the tables, chunks with further ones are read slowly, and nothing is lost."""
    monkeypatch.setattr(evtx_tables, "MOST_TEMPLATES", 3)
    few = FastReading(fast.fields)
    slow = 0
    for path in paths[:8]:
        found = few.read(path)
        assert found.events == read_slowly(path, fast.fields).events
        slow += found.slow
    assert slow > 100


def test_no_room_for_constants(fast: FastReading, paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A template whose constants do not fit is left to the slow reader."""
    monkeypatch.setattr(evtx_tables, "CONSTANT_BYTES", 60)
    few = FastReading(fast.fields)
    readings = [(few.read(path), read_slowly(path, fast.fields)) for path in paths[::12]]
    assert all(found.events == expected.events for found, expected in readings)
    assert any(found.slow for found, _ in readings)
