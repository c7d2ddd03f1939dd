"""EVTX files, mutated and cut: nothing raises, nothing is lost in silence, and what is not damaged is still read."""

from __future__ import annotations

import io
import struct
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_data import DATA, need_shared, shared
from tocsin.sources.evtx import CHUNK_BYTES, HEADER_BYTES, EvtxSource
from tocsin.sources.interface import Loss, Records, Stream

need_shared()
FOLDER = DATA / "evtx-attack-samples"


def _read(data: bytes) -> tuple[Counter[int], list[Loss]]:
    """Return how often each record was read, and the losses."""
    items = list(EvtxSource().read(Stream(io.BytesIO(data), "x.evtx")))
    for item in items:
        if isinstance(item, Records):
            for raw, number in zip(item.raws, item.numbers, strict=True):
                item.decoder.event(item.gate, raw, number)
    found = Counter(number for item in items if isinstance(item, Records) for number in item.numbers)
    return found, [item for item in items if isinstance(item, Loss)]


def _chunks(data: bytes) -> int:
    return -(-(len(data) - HEADER_BYTES) // CHUNK_BYTES)


def _chunk(data: bytes, number: int) -> slice:
    return slice(HEADER_BYTES + number * CHUNK_BYTES, HEADER_BYTES + (number + 1) * CHUNK_BYTES)


def _is_used(chunk: bytes) -> bool:
    return chunk.startswith(b"ElfChnk\0")


@cache
def sample() -> bytes:
    """Return a log of a few chunks."""
    shared("evtx-attack-samples")
    paths = sorted(FOLDER.rglob("*.evtx"), key=lambda path: (path.stat().st_size, path.name))
    for path in paths:
        data = path.read_bytes()
        if sum(_is_used(data[_chunk(data, n)]) for n in range(_chunks(data))) >= 3:
            return data
    raise AssertionError("no log has three chunks")


@cache
def by_chunk() -> list[Counter[int]]:
    """Return the records of each chunk."""
    return [_read(sample()[:HEADER_BYTES] + sample()[_chunk(sample(), n)])[0] for n in range(_chunks(sample()))]


def test_whole() -> None:
    """A whole file has all records of its chunks once, and no loss."""
    found, losses = _read(sample())
    assert found == sum(by_chunk(), Counter())
    assert found.total() > 20
    assert set(found.values()) == {1}
    assert not losses


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.evtx"))[::12], ids=lambda path: path.stem)
def test_chunks_promise_what_is_read(path: Path) -> None:
    """Every record that the chunks' own headers promise is read or named as lost."""
    data = path.read_bytes()
    found, losses = _read(data)
    promised = 0
    for number in range(_chunks(data)):
        chunk = data[_chunk(data, number)]
        if _is_used(chunk):
            first, last = struct.unpack_from("<QQ", chunk, 8)
            promised += last - first + 1
    assert found.total() == promised or losses


@given(st.floats(0, 1, exclude_max=True))
def test_truncated(share: float) -> None:
    """A file cut anywhere gives all records of the chunks before the cut and names the place of the one that is cut."""
    cut = int(share * (len(sample()) - 1)) + 1
    found, losses = _read(sample()[:cut])
    whole = max(0, (cut - HEADER_BYTES) // CHUNK_BYTES)
    assert not sum(by_chunk()[:whole], Counter()) - found
    part = sample()[HEADER_BYTES + whole * CHUNK_BYTES : cut]
    if cut < HEADER_BYTES:
        assert [loss.error.code for loss in losses] == ["F005"]
        return
    missing = struct.unpack_from("<H", sample(), 42)[0] - whole - any(part)
    if missing > 0:
        last = losses.pop()
        assert (last.error.code, f"{missing} of its" in last.error.message) == ("F005", True)
    if any(part):
        assert losses[0].error.code == ("F005" if len(part) >= 8 else "F004")
        assert all(f"chunk {whole} at offset" in loss.error.message for loss in losses)
    else:
        assert not losses


@given(st.data())
@settings(max_examples=60)
def test_mutated(data: st.DataObject) -> None:
    """Damage inside a chunk costs records of that chunk only, and a loss names it."""
    number = data.draw(st.integers(0, 2))
    start = HEADER_BYTES + number * CHUNK_BYTES
    at = data.draw(st.integers(0, CHUNK_BYTES - 1))
    junk = data.draw(st.binary(min_size=1, max_size=200))[: CHUNK_BYTES - at]
    damaged = sample()[: start + at] + junk + sample()[start + at + len(junk) :]
    found, losses = _read(damaged)
    others = sum((records for n, records in enumerate(by_chunk()) if n != number), Counter())
    assert not others - found
    lost = by_chunk()[number] - (found - others)
    if lost:
        assert any(f"chunk {number} at offset {start}" in loss.error.message for loss in losses)
        assert all(loss.error.code in ("F004", "F005") for loss in losses)


@given(st.data())
@settings(max_examples=40)
def test_zeroed_records(data: st.DataObject) -> None:
    """A zeroed page inside a chunk is a loss with its place unless every record survives."""
    page = data.draw(st.integers(1, CHUNK_BYTES // 512 - 1)) * 512
    at = HEADER_BYTES + CHUNK_BYTES + page
    damaged = sample()[:at] + bytes(512) + sample()[at + 512 :]
    found, losses = _read(damaged)
    assert not (by_chunk()[0] + by_chunk()[2]) - found
    if by_chunk()[1] - found:
        assert any("chunk 1 at offset" in loss.error.message for loss in losses)


def _places(number: int) -> list[tuple[int, int]]:
    """Return (offset in the file, record id) of each record of a chunk."""
    chunk = sample()[_chunk(sample(), number)]
    at, found = 512, []
    while at < struct.unpack_from("<I", chunk, 48)[0]:
        size, record = struct.unpack_from("<IQ", chunk, at + 4)
        found.append((HEADER_BYTES + number * CHUNK_BYTES + at, record))
        at += size
    return found


def _overwritten(at: int, junk: bytes) -> bytes:
    return sample()[:at] + junk + sample()[at + len(junk) :]


@pytest.mark.parametrize("which", [0, 1, 7, -1])
@pytest.mark.parametrize(("part", "junk"), [(0, b"junk"), (4, b"\xff\xff\xff\xff"), (4, bytes(4)), (0, bytes(24))])
def test_damaged_record_header_costs_only_itself(which: int, part: int, junk: bytes) -> None:
    """A record whose magic or size is wrong is lost alone; the loss names chunk, offset and count."""
    at, record = _places(1)[which]
    start = HEADER_BYTES + CHUNK_BYTES
    found, losses = _read(_overwritten(at + part, junk))
    assert Counter([record]) == sum(by_chunk(), Counter()) - found
    assert found.total() == sum(by_chunk(), Counter()).total() - 1
    (loss,) = losses
    wanted = f"chunk 1 at offset {start}: 1 of {by_chunk()[1].total()} records lost, damaged at offset {at}"
    assert loss.error.message.startswith(wanted)


def test_several_damaged_records() -> None:
    """Each of several damaged records of a chunk is lost alone, neighbours too."""
    places = _places(1)
    lost = [places[index] for index in (2, 3, 6)]
    data = bytearray(sample())
    for at, _ in lost:
        data[at : at + 8] = b"\xffdamaged"[:8]
    found, losses = _read(bytes(data))
    assert set((sum(by_chunk(), Counter()) - found).elements()) == {record for _, record in lost}
    assert f"3 of {by_chunk()[1].total()} records lost, damaged at offset {lost[0][0]}" in losses[0].error.message


def test_wrong_size_that_leads_to_a_record() -> None:
    """A size that jumps over sound records does not hide them."""
    (at, record), (other, _) = _places(1)[3], _places(1)[6]
    found, losses = _read(_overwritten(at + 4, struct.pack("<I", other - at)))
    assert set((sum(by_chunk(), Counter()) - found).elements()) <= {record}
    assert losses or found == sum(by_chunk(), Counter())


def test_tables_that_lead_astray() -> None:
    """Tables of names and templates that are overwritten cost no record, or are told."""
    start = HEADER_BYTES + CHUNK_BYTES
    found, losses = _read(_overwritten(start + 128, b"\xee" * 384))
    assert found == sum(by_chunk(), Counter())
    assert all("chunk 1 at offset" in loss.error.message for loss in losses)


@pytest.mark.parametrize(("at", "form", "which"), [(32, "<Q", 2), (48, "<I", 2)])
def test_a_header_that_ends_too_early(tmp_path: Path, at: int, form: str, which: int) -> None:
    """A wrong last record or end in a chunk's header loses no record unseen, and none is read twice, by path too."""
    places = _places(0)
    value = places[which][1] if at == 32 else places[which][0] - HEADER_BYTES
    data = bytearray(sample())
    struct.pack_into(form, data, HEADER_BYTES + at, value)
    path = tmp_path / "a.evtx"
    path.write_bytes(data)
    with path.open("rb") as file:
        stream = Stream(file, "a.evtx")
        stream.path = path
        items = list(EvtxSource().read(stream))
    found = Counter(number for item in items if isinstance(item, Records) for number in item.numbers)
    assert set(found.values()) == {1}
    whole = sum(by_chunk(), Counter())
    missing = len(places) - which if at == 48 else 0
    assert (whole - found).total() == missing
    assert [loss.error.message.split(": ")[1] for loss in items if isinstance(loss, Loss)] == (
        [f"{missing} of {len(places)} records lost"] if missing else []
    )


def test_stale_records_stay_hidden() -> None:
    """What lies behind the end of a chunk's records is older and is not read, also when a record is damaged."""
    at, _ = _places(1)[4]
    data = bytearray(_overwritten(at, b"junk"))
    last, record = _places(1)[-1]
    struct.pack_into("<I", data, HEADER_BYTES + CHUNK_BYTES + 48, last - HEADER_BYTES - CHUNK_BYTES)
    assert record not in _read(bytes(data))[0]


def test_dirty_header() -> None:
    """A header whose counts are stale, as in a log that was being written, costs nothing."""
    dirty = bytearray(sample())
    struct.pack_into("<QQQ", dirty, 8, 0, 0, 1)
    struct.pack_into("<H", dirty, 42, 1)
    struct.pack_into("<II", dirty, 120, 1, 0xDEADBEEF)
    assert _read(bytes(dirty)) == _read(sample())


def test_lost_header() -> None:
    """A file without its header is still recognised, read whole, and the damage told."""
    lost = bytes(HEADER_BYTES) + sample()[HEADER_BYTES:]
    assert EvtxSource().recognise(lost)
    found, losses = _read(lost)
    assert found == _read(sample())[0]
    assert [loss.error.code for loss in losses] == ["F004"]
    assert "header" in losses[0].error.message


def test_lost_magic() -> None:
    """A chunk whose magic is gone is named with its offset; the others are read."""
    start = HEADER_BYTES + CHUNK_BYTES
    found, losses = _read(sample()[:start] + b"\1" * 8 + sample()[start + 8 :])
    assert found == by_chunk()[0] + sum(by_chunk()[2:], Counter())
    assert [loss.error.code for loss in losses] == ["F004"]
    assert f"chunk 1 at offset {start}" in losses[0].error.message


@given(st.binary(max_size=2000))
def test_any_bytes(data: bytes) -> None:
    """No bytes after the magic make the reader raise."""
    for head in (b"ElfFile\0", b"ElfFile\0" + bytes(HEADER_BYTES - 8), b"ElfFile\0" + bytes(HEADER_BYTES - 8) + b"ElfChnk\0"):
        found, _ = _read(head + data)
        assert not found


@given(st.binary(min_size=100, max_size=400), st.integers(0, 500))
@settings(max_examples=50)
def test_random_chunk_header(junk: bytes, at: int) -> None:
    """A chunk header full of nonsense never raises, and costs no other chunk."""
    start = HEADER_BYTES + at % 120
    found, _ = _read(sample()[: start + 8] + junk + sample()[start + 8 + len(junk) :])
    assert found.total() > 0


@pytest.mark.parametrize("by_path", [False, True])
def test_endless_names(by_path: bool, tmp_path: Path) -> None:
    """A name that is said to follow itself, which the library would follow for ever, costs no record."""
    data = bytearray(sample())
    at = HEADER_BYTES + next(place for place in struct.unpack_from("<64I", data, HEADER_BYTES + 128) if place)
    struct.pack_into("<I", data, at, at - HEADER_BYTES)
    stream = Stream(io.BytesIO(bytes(data)), "x.evtx")
    if by_path:
        stream.path = tmp_path / "x.evtx"
        stream.path.write_bytes(data)
    items = list(EvtxSource().read(stream))
    assert not [item for item in items if isinstance(item, Loss)]
    assert sum(len(item.raws) for item in items if isinstance(item, Records)) == _read(sample())[0].total()
