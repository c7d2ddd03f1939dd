"""Expanding in a thread of its own, some blocks ahead of whoever reads; compressed evidence then costs the longer of the two.

The libraries that expand, and the kernels that read, leave the interpreter to others while they work.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Full, Queue
from typing import Final, Protocol

from tocsin.sources.expand import CHUNK

_BLOCKS: Final = 4
_BLOCK_BYTES: Final = CHUNK // 4
_ALONE_BYTES: Final = 4 * CHUNK
_POLL_S: Final = 0.1


class Source(Protocol):
    """What is expanded, and where it is counted."""

    def take(self, size: int) -> bytes:
        """Return at most `size` bytes, uncounted; none at the end. Raises: SourceError."""
        ...

    def count(self, size_bytes: int) -> None:
        """Count bytes that were taken. Raises: LimitError."""
        ...


class Ahead:
    """Reads a source in a thread once it is longer than 4 MiB; bytes and errors come in the order in which they arose.

    Limits are counted as bytes are handed out, so that they are told at the same byte with and without the thread.
    `close` must be called before the file below is read otherwise, or closed.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._given = 0
        self._waiting = memoryview(b"")
        self._threads: ThreadPoolExecutor | None = None
        self._expanding: Future[None] = Future()
        self._blocks: Queue[bytes] = Queue(_BLOCKS)
        self._stopped = threading.Event()
        self._ended = False

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes. Raises: SourceError."""
        alone = self._threads is None and self._given < _ALONE_BYTES
        data = self._source.take(size) if alone else self._next(size)
        self._source.count(len(data))
        self._given += len(data)
        return data

    def close(self) -> None:
        """Stop reading ahead."""
        self._stopped.set()
        if self._threads is not None:
            self._threads.shutdown()

    def _next(self, size: int) -> bytes:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(1, thread_name_prefix="expanding")
            self._expanding = self._threads.submit(self._expand)
            self._threads.shutdown(wait=False)  # the thread ends with the bytes, even where nobody closes
        if not self._waiting and not self._ended:
            block = self._blocks.get()
            self._waiting, self._ended = memoryview(block), not block
        if self._ended and not self._waiting:
            self._expanding.result()  # raises what was raised in the thread
        data, self._waiting = bytes(self._waiting[:size]), self._waiting[size:]
        return data

    def _expand(self) -> None:
        """Fill the queue to the end, or to where an error is raised; an empty block is always the last."""
        try:
            while not self._stopped.is_set() and self._put_next():
                pass
        finally:
            self._put(b"")

    def _put_next(self) -> bool:
        """Put the next bytes into the queue, in a block worth handing over; tell whether there were any."""
        parts: list[bytes] = []
        missing = _BLOCK_BYTES
        try:
            while missing > 0 and (data := self._source.take(missing)):
                parts.append(data)
                missing -= len(data)
        finally:
            if parts:
                self._put(b"".join(parts))
        return bool(parts)

    def _put(self, block: bytes) -> None:
        while not self._stopped.is_set():
            try:
                self._blocks.put(block, timeout=_POLL_S)
            except Full:
                continue
            return


__all__ = ["Ahead"]
