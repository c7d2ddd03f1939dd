"""Read the body of a request: no longer than it may be, as sent and unpacked, and not slower than it may come."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import ClientDisconnect, Request

from tocsin.runs.limits import Limits
from tocsin.server.answers import Refusal

_SLOWEST: Final = 8_192
"""Bytes a second that a body has to come with after the first seconds: 64 kbit/s."""
_SMALL: Final = 1 << 20
"""What a body may unpack to, however small it came."""
_GZIP: Final = 16 + zlib.MAX_WBITS
_ENCODINGS: Final = {"Accept-Encoding": "gzip"}


async def read_body(request: Request, most: int, limits: Limits) -> bytes:
    """Return the body of a request, unpacked when it is gzip; nothing beyond `most` bytes is ever held.

    Raises: Refusal 400 for damaged gzip, 408 when it comes too slowly, 413 when it is too long, 415 for other encodings.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip", "x-gzip"}:
        raise Refusal(415, "N025", "the Content-Encoding is not supported", "send gzip, or none", _ENCODINGS)
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > most:
        raise _too_long(most)
    parts = _parts(request, most, limits.body_seconds)
    if encoding == "identity":
        return b"".join([part async for part in parts])
    return await _unpacked(parts, most, limits.expansion)


async def _parts(request: Request, most: int, seconds: int) -> AsyncIterator[bytes]:
    """Yield a body as it comes, refused as soon as it is too long or too late."""
    stream = aiter(request.stream())
    loop = asyncio.get_running_loop()
    began = loop.time()
    size = 0
    while True:
        try:
            async with asyncio.timeout_at(began + seconds + size / _SLOWEST):
                part = await anext(stream, None)
        except TimeoutError as error:
            title = "the body came too slowly"
            raise Refusal(408, "N027", title, f"send at least {_SLOWEST} bytes a second", {"Connection": "close"}) from error
        except ClientDisconnect as error:
            raise Refusal(400, "N026", "the body ended before its end") from error
        if part is None:
            return
        size += len(part)
        if size > most:
            raise _too_long(most)
        yield part


async def _unpacked(parts: AsyncIterator[bytes], most: int, expansion: int) -> bytes:
    """Return what gzip unpacks to. It is unpacked no further than the limits, so that a bomb costs what a body may cost."""
    unpack = zlib.decompressobj(_GZIP)
    found: list[bytes] = []
    packed = size = 0
    async for part in parts:
        packed += len(part)
        allowed = min(most, max(_SMALL, packed * expansion))
        try:
            piece = unpack.decompress(part, allowed - size + 1)
        except zlib.error as error:
            raise Refusal(400, "N026", "the body is no gzip that can be unpacked", "send one whole member") from error
        size += len(piece)
        if size > allowed:
            raise _too_long(most)
        found.append(piece)
    if not unpack.eof or unpack.unused_data:
        raise Refusal(400, "N026", "the body is no gzip that can be unpacked", "send one whole member")
    return b"".join(found)


def _too_long(most: int) -> Refusal:
    return Refusal(413, "N013", "the body is too long", f"send at most {most} bytes at once, unpacked")


__all__ = ["read_body"]
