"""Expanding in a thread of its own, some blocks ahead of whoever reads; compressed evidence then costs the longer of the two.

The libraries that expand, and the kernels that read, leave the interpreter to others while they work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
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
        self._thread: threading.Thread | None = None
        self._blocks: Queue[bytes | BaseException] = Queue(_BLOCKS)
        self._stopped = threading.Event()
        self._end: BaseException | None = None
        self._ended = False

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes. Raises: SourceError."""
        alone = self._thread is None and self._given < _ALONE_BYTES
        data = self._source.take(size) if alone else self._next(size)
        self._source.count(len(data))
        self._given += len(data)
        return data

    def close(self) -> None:
        """Stop reading ahead."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _next(self, size: int) -> bytes:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="expanding", daemon=True)
            self._thread.start()
        if not self._waiting and not self._ended:
            block = self._blocks.get()
            if isinstance(block, BaseException):
                self._end, self._ended = block, True
            else:
                self._waiting, self._ended = memoryview(block), not block
        if self._end is not None and not self._waiting:
            raise self._end
        data, self._waiting = bytes(self._waiting[:size]), self._waiting[size:]
        return data

    def _run(self) -> None:
        """Fill the queue to the end; whatever is raised here is raised again where the bytes are read."""
        error: BaseException | None = None
        block = b"-"
        while block and error is None and not self._stopped.is_set():
            block, error = _gather(self._source.take)
            if block or error is None:
                self._put(block)
        if error is not None:
            self._put(error)

    def _put(self, item: bytes | BaseException) -> None:
        while not self._stopped.is_set():
            try:
                self._blocks.put(item, timeout=_POLL_S)
            except Full:
                continue
            return


def _gather(take: Callable[[int], bytes]) -> tuple[bytes, BaseException | None]:
    """Return the next bytes in a block worth handing over, and the error that came after them."""
    parts: list[bytes] = []
    missing = _BLOCK_BYTES
    try:
        while missing > 0 and (data := take(missing)):
            parts.append(data)
            missing -= len(data)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the reader raises it in its place
        return b"".join(parts), error
    return b"".join(parts), None


__all__ = ["Ahead"]
