"""Tables of codes: no evidence can make their hashes collide, and when it could, it would cost little."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import count, pairwise, product
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pytest

from scan_samples import rules
from tocsin.engine import coded
from tocsin.engine.coded import CodedEngine
from tocsin.engine.executor import FastEngine
from tocsin.engine.prefilter import FieldFilter
from tocsin.kernels import codes, evtx_forms
from tocsin.kernels.block import Block
from tocsin.kernels.codes import Codes
from tocsin.kernels.simd import hash_bytes, new_seed
from tocsin.plans.gates import native_fields
from tocsin.runs.batches import Batcher, Origin
from tocsin.runs.ruleset import RuleSet
from tocsin.sources.evtx_tables import TemplateTables
from tocsin.sources.evtx_templates import Names
from tocsin.sources.interface import Stream
from tocsin.sources.json_blocks import JsonBlocks

_LINE = b'{"Channel":"%b","EventID":%d,"Image":"%b"}\n'


@numba.njit  # type: ignore[misc]
def _hashes(data: Any, sizes: Any, seed: Any, start: Any, found: Any) -> None:
    at = 0
    for k in range(len(sizes)):
        found[k] = hash_bytes(data, at, sizes[k], seed, start)
        at += sizes[k]


def _hashed(values: list[bytes]) -> npt.NDArray[np.uint64]:
    data = np.frombuffer(b"".join(values) + bytes(16), np.uint8)
    found = np.zeros(len(values), np.uint64)
    _hashes(data, np.array([len(value) for value in values]), new_seed(), np.uint64(7), found)
    return found


def _cancelling(words: int) -> Iterator[list[int]]:
    """Yield lists of words of which two neighbours differ in the highest bits, in every way that could cancel out."""
    base = [0x4141414141414141 + 0x0101010101010101 * at for at in range(words)]
    for bits in product((0, 1), repeat=words // 2):
        for other in (0, 1 << 63, 1 << 63 | 1 << 32, 1 << 63 | 1 << 34, 1 << 32):
            found = list(base)
            for at, bit in enumerate(bits):
                found[2 * at] ^= bit << 63
                found[2 * at + 1] ^= bit * other
            yield found


def test_hashes_of_all_sizes() -> None:
    """Texts that differ in a byte, or in their size, have other hashes, which fill tables evenly."""
    values = [b"\0" * size for size in range(1, 200)]
    values += [
        b"a" * at + b"b" + b"a" * (size - at - 1) for size in (1, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100) for at in range(size)
    ]
    values += [f"C:\\Windows\\{number}.exe".encode() for number in range(20_000)]
    found = _hashed(values)
    assert len(set(found.tolist())) == len(set(values))
    counts = np.bincount((found & np.uint64(1023)).astype(np.int64), minlength=1024)
    assert counts.max() < 3 * len(values) // 1024
    assert not set(found.tolist()) & set(_hashed(values).tolist())


def test_hashes_do_not_cancel() -> None:
    """Differences of the highest bits of neighbouring words do not cancel out, neither in values nor in templates."""
    words = [list(found) for found in {tuple(found) for found in _cancelling(16)}]
    assert len(words) > 1000
    found = _hashed([np.array(item, np.uint64).tobytes() for item in words])
    assert len(set(found.tolist())) == len(words)
    seed = new_seed()
    folded = {int(evtx_forms.fold(np.array(item, np.uint64), len(item), seed)) for item in words}
    assert len(folded) == len(words)
    low = sorted(number & 0xFFFF for number in folded)
    assert sum(a == b for a, b in pairwise(low)) < len(words) // 10


def _reader(found: RuleSet, data: bytes) -> tuple[JsonBlocks, CodedEngine]:
    reader = JsonBlocks(sorted(native_fields(found.plans)), Block())
    engine = CodedEngine(FastEngine(found.plans), reader)
    _fill(reader, data)
    return reader, engine


def _fill(reader: JsonBlocks, data: bytes) -> None:
    reader.block.clear()
    assert all(isinstance(item, tuple) for item in reader.read(_stream(data)))


def _stream(data: bytes) -> Stream:
    return Stream(io.BytesIO(data), "x.json")


def test_probes_are_few() -> None:
    """A row whose place in a table is taken by very many others is left to the slow reader."""
    sysmon = b"Microsoft-Windows-Sysmon/Operational"
    reader, engine = _reader(rules(), b"".join(_LINE % (sysmon, 1, b"%d" % number) for number in range(9)))
    engine._codes.forget = lambda: None  # type: ignore[method-assign]
    engine._codes._values.slots[:] = 1
    answer = engine.match()
    assert answer.slow == list(range(9))
    assert not answer.events
    assert reader.block.rows == 9


def test_very_many_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered of ever new gates is bounded, and their events are counted all the same."""
    monkeypatch.setattr(coded, "_GATES", 100)
    monkeypatch.setattr(coded, "MOST_ROUTES", 3)
    reader, engine = _reader(rules(), b"")
    for begin in range(0, 12_000, 3000):
        _fill(reader, b"".join(_LINE % (b"C", number, b"x") for number in range(begin, begin + 3000)))
        answer = engine.match()
        assert sum(answer.events.values()) + len(answer.slow) == 3000
        assert len(engine._route_numbers) <= 100 + codes._KEYS


def test_seeds_are_secret() -> None:
    """Each table has a seed of its own, drawn anew, so that no evidence can be made beforehand whose hashes collide."""
    blocks = [Block() for _ in range(2)]
    seeds = [Codes(block)._values.seed for block in blocks]
    seeds += [TemplateTables(Names(*[lambda name: -1] * 3), block.data).arrays.seed for block in blocks]
    assert len({tuple(seed.tolist()) for seed in seeds}) == 4


_FINDING = rb"C:\\Windows\\whoami.exe"


def test_after_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault at new values loses none of them: they are looked at again when they come again."""
    found = rules()
    sysmon = b"Microsoft-Windows-Sysmon/Operational"
    data = b"".join(_LINE % (sysmon, 1, image) for image in (b"a", b"b", _FINDING, b"c"))
    reader, engine = _reader(found, b"")
    told: list[int] = []
    batcher = Batcher(FastEngine(found.plans), found.plans, lambda finding, *_: told.append(finding.source.record))
    batcher.use(reader, engine)
    calls = count()
    real = FieldFilter.masks

    def masks(self: FieldFilter, values: Any) -> list[int]:
        if next(calls) == 0:
            raise ZeroDivisionError
        return real(self, values)

    monkeypatch.setattr(FieldFilter, "masks", masks)
    for _ in range(5):
        first = reader.block.rows
        _fill(reader, data)
        batcher.add_rows(reader, (first, reader.block.rows), Origin(0, "x", "json"))
        batcher.flush()
    assert told == [3] * 5


_PARTS = ("match", "_gather", "_resolve", "_add_route", "_ask_column", "_evaluate", "_evaluate_combinations", "cell")


@pytest.mark.parametrize("part", _PARTS)
def test_engine_that_fails(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever part of the engine for blocks fails, the slow way finds the same, and a later block is none the worse."""
    found, told = rules(), list[int]()
    sysmon = b"Microsoft-Windows-Sysmon/Operational"
    reader, engine = _reader(found, b"")
    batcher = Batcher(FastEngine(found.plans), found.plans, lambda finding, *_: told.append(finding.source.record))
    batcher.use(reader, engine)
    for fails in (True, False):
        _fill(reader, b"".join(_LINE % (sysmon, 1, image) for image in (b"a", _FINDING, b"b")))
        batcher.add_rows(reader, (0, 3), Origin(0, "x", "json"))
        with monkeypatch.context() as patch:
            if fails:
                patch.setattr(CodedEngine, part, _fail)
            batcher.flush()
        seen, failed, lost = batcher.tell()
        assert (sum(item.events for item in seen.values()), dict(failed), lost) == (3, {}, [])
    assert told == [2, 2]


@pytest.mark.parametrize("part", ["briefs", "records"])
def test_reader_that_fails(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When rows of a block cannot be told or evaluated, each file that they came from is told as such."""
    found = rules()
    reader, engine = _reader(found, _LINE % (b"Microsoft-Windows-Sysmon/Operational", 1, _FINDING) * 5)
    batcher = Batcher(FastEngine(found.plans), found.plans, lambda *_: None)
    batcher.use(reader, engine)
    for rows, label in (((0, 3), "x"), ((3, 5), "y")):
        batcher.add_rows(reader, rows, Origin(0, label, "json"))
    monkeypatch.setattr(JsonBlocks, part, _fail)
    if part == "records":
        monkeypatch.setattr(CodedEngine, "match", _fail)
    batcher.flush()
    assert [(origin.label, reason.partition(" of ")[0]) for origin, reason in batcher.tell()[2]] == [
        ("x", "3 events"),
        ("y", "2 events"),
    ]
    assert not reader.block.rows


def _fail(*arguments: object) -> None:
    raise ZeroDivisionError


def test_faults_of_kernels_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """With bounds checked an access outside of an array is no fault of a rule."""
    found = rules()
    reader, engine = _reader(found, _LINE % (b"Security", 1, b"x"))
    batcher = Batcher(FastEngine(found.plans), found.plans, lambda *_: None)
    batcher.use(reader, engine)
    batcher.add_rows(reader, (0, 1), Origin(0, "x", "json"))

    def match(self: CodedEngine) -> None:
        raise IndexError("index is out of bounds")

    monkeypatch.setattr(CodedEngine, "match", match)
    monkeypatch.setenv("NUMBA_BOUNDSCHECK", "1")
    with pytest.raises(IndexError):
        batcher.flush()
    monkeypatch.setenv("NUMBA_BOUNDSCHECK", "0")
    batcher.flush()
