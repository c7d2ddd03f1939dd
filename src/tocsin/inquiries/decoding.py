"""What encoded PowerShell says: base64 and the gzip or deflate inside it, layer by layer. Nothing is ever executed.

Evidence is hostile: input, layers, pieces and what compressed data may grow to are limited, and a cut is told.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterator
from typing import Final

MOST_TEXT: Final = 1 << 20
"""Characters of a text that are searched for encoded pieces."""
MOST_BYTES: Final = 1 << 18
"""Bytes of one decoded layer; what is longer is cut off, and told."""
MOST_LAYERS: Final = 5
MOST_PIECES: Final = 16
"""Encoded pieces of one event that are decoded."""
CUT: Final = " [cut off here]"
_DASH: Final = "[-/\u2013\u2014\u2015]"
_ARGUMENT: Final = re.compile(rf"{_DASH}e[a-z]*[\s:]+[\"']?([A-Za-z0-9+/]{{8,}}={{0,2}})", re.IGNORECASE)
"""The argument of -EncodedCommand, which may be cut short to -e."""
_QUOTED: Final = re.compile(r"[\"']([A-Za-z0-9+/\s]{24,}={0,2})[\"']")
_BARE: Final = re.compile(r"(?<![A-Za-z0-9+/=])([A-Za-z0-9+/]{120,}={0,2})(?![A-Za-z0-9+/=])")
_GZIP: Final = b"\x1f\x8b"
_PRINTABLE: Final = 0.9
_DEFLATES: Final = ((zlib.MAX_WBITS | 16, "gzip"), (-zlib.MAX_WBITS, "deflate"), (zlib.MAX_WBITS, "zlib"))


def decoded(text: str) -> list[str]:
    """Return the texts that encoded pieces of a text stand for, outer layers before those inside them, each once."""
    found: dict[str, None] = {}
    waiting = [(text, 0)]
    while waiting and len(found) < MOST_PIECES:
        layer, depth = waiting.pop(0)
        for piece in _pieces(layer[:MOST_TEXT]):
            told = _decode(piece)
            if told and told not in found and told != text and len(found) < MOST_PIECES:
                found[told] = None
                if depth + 1 < MOST_LAYERS:
                    waiting.append((told, depth + 1))
    return list(found)


def _pieces(text: str) -> Iterator[str]:
    seen: set[str] = set()
    for pattern in (_ARGUMENT, _QUOTED, _BARE):
        for match in pattern.finditer(text):
            if match[1] not in seen:
                seen.add(match[1])
                yield match[1]
            if len(seen) >= MOST_PIECES:
                return


def _decode(piece: str) -> str:
    """Return the text of a piece of base64; empty when it is none."""
    piece = "".join(piece.split())
    rest = len(piece.rstrip("=")) % 4
    if rest == 1:
        return ""
    try:
        data = base64.b64decode(piece.rstrip("=") + "=" * (-len(piece.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        return ""
    plain = _text(data[:MOST_BYTES], len(data) > MOST_BYTES)
    if plain and not data.startswith(_GZIP):
        return plain
    for window, _ in _DEFLATES:
        inflated = _inflate(data, window)
        if inflated and (told := _text(inflated[:MOST_BYTES], len(inflated) > MOST_BYTES)):
            return told
    return ""


def _inflate(data: bytes, window: int) -> bytes:
    """Return at most one byte more than a layer may have."""
    try:
        return zlib.decompressobj(window).decompress(data, MOST_BYTES + 1)
    except zlib.error:
        return b""


def _text(data: bytes, is_cut: bool) -> str:
    """Return what bytes say in UTF-16 or UTF-8; empty when they are no text."""
    for encoding in ("utf-16-le", "utf-8") if _looks_wide(data) else ("utf-8",):
        try:
            text = data[: len(data) & -2 if encoding == "utf-16-le" else None].decode(
                encoding, "ignore" if is_cut else "strict"
            )
        except UnicodeDecodeError:
            continue
        text = text.removeprefix("\ufeff")
        good = sum(char.isprintable() or char in "\r\n\t" for char in text)
        if text.strip() and good >= _PRINTABLE * len(text):
            return text + (CUT if is_cut else "")
    return ""


def _looks_wide(data: bytes) -> bool:
    return len(data) >= 2 and data[1::2].count(0) > len(data) // 4


__all__ = ["CUT", "MOST_BYTES", "MOST_LAYERS", "MOST_PIECES", "decoded"]
