"""Expanding ahead in a thread: the same bytes, errors and limits as without, and nothing left running."""

from __future__ import annotations

import gzip
import random
import threading
from pathlib import Path

import pytest

from tocsin.errors import LimitError, SourceError
from tocsin.sources.ahead import Ahead
from tocsin.sources.containers import open_streams
from tocsin.sources.expand import Limits
from tocsin.sources.interface import Stream

_SIZE = 24 << 20


class _Given:
    """Bytes in uneven pieces, then perhaps an error; counts what is handed out, up to a limit."""

    def __init__(self, data: bytes, error: BaseException | None = None, limit: int = 1 << 40) -> None:
        self.data, self.error, self.limit = data, error, limit
        self.at = self.counted = 0
        self.random = random.Random(3)

    def take(self, size: int) -> bytes:
        piece = self.data[self.at : self.at + min(size, self.random.randrange(1, 70_000))]
        if not piece and self.error:
            raise self.error
        self.at += len(piece)
        return piece

    def count(self, size_bytes: int) -> None:
        self.counted += size_bytes
        if self.counted > self.limit:
            raise LimitError("F007", f"limit at {self.counted}")


def _drain(ahead: Ahead, parts: list[bytes] | None = None) -> bytes:
    parts = [] if parts is None else parts
    while data := ahead.read(100_003):
        parts.append(data)
    return b"".join(parts)


def _threads() -> int:
    return sum(thread.name.startswith("expanding") for thread in threading.enumerate())


def test_bytes_in_order() -> None:
    """All bytes come in order, and are counted once; the end stays the end."""
    source = _Given(random.Random(1).randbytes(_SIZE))
    ahead = Ahead(source)
    assert _drain(ahead) == source.data
    assert source.counted == _SIZE
    assert ahead.read(10) == b""
    ahead.close()
    assert _threads() == 0


@pytest.mark.parametrize("error", [SourceError("F004", "damaged"), MemoryError(), RuntimeError("a fault of the library")])
def test_errors_come_after_all_bytes(error: Exception) -> None:
    """Whatever is raised in the thread is raised to the reader, after every byte before it, and again."""
    ahead = Ahead(_Given(bytes(_SIZE), error))
    parts: list[bytes] = []
    with pytest.raises(type(error)) as raised:
        _drain(ahead, parts)
    assert raised.value is error
    assert sum(map(len, parts)) == _SIZE
    with pytest.raises(type(error)):
        ahead.read(1)


def test_limit_at_the_same_byte() -> None:
    """A limit is told where the reader stands, though more was expanded already."""
    source = _Given(bytes(_SIZE), limit=8 << 20)
    ahead = Ahead(source)
    with pytest.raises(LimitError, match=r"limit at \d+") as raised:
        _drain(ahead)
    assert int(str(raised.value).split()[2]) - source.limit < 100_003
    ahead.close()
    assert source.at < _SIZE
    assert _threads() == 0


def test_left_halfway(tmp_path: Path) -> None:
    """A stream that nobody reads on stops its thread before the file is closed."""
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(bytes(64 << 20), 1))
    streams = open_streams(path, str(path), Limits(ratio=100_000))
    stream = next(streams)
    assert isinstance(stream, Stream)
    for _ in range(8):
        stream.read(1 << 20)
    assert _threads() == 1
    streams.close()  # type: ignore[attr-defined]
    assert _threads() == 0


def test_short_streams_have_no_thread(tmp_path: Path) -> None:
    """A small file is expanded where it is read."""
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(1 << 20)))
    for stream in open_streams(path, str(path), Limits()):
        assert isinstance(stream, Stream)
        while stream.read(65536):
            assert _threads() == 0
