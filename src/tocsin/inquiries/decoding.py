"""What encoded PowerShell says: base64 and the gzip or deflate inside it, layer by layer. Nothing is ever executed.

Evidence is hostile: input, layers, pieces and what compressed data may grow to are limited, and a cut is told. What is
certainly encoded and no text is told by what it is and its size.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

MOST_TEXT: Final = 1 << 20
"""Characters of a text that are searched for encoded pieces."""
MOST_BYTES: Final = 1 << 18
"""Bytes of one decoded layer; what is longer is cut off, and told."""
MOST_LAYERS: Final = 5
MOST_PIECES: Final = 16
"""Encoded pieces of one event that are decoded."""
CUT: Final = " [cut off here]"
_DASH: Final = "[-/\u2013\u2014\u2015]"
_ARGUMENT: Final = re.compile(rf"{_DASH}(e[a-z]*)[\s:]+[\"']?([A-Za-z0-9+/]{{8,}}={{0,2}})", re.IGNORECASE)
"""The argument of -EncodedCommand, which may be cut short to -e."""
_OPTIONS: Final = ("encodedcommand", "encodedarguments", "ec", "ea")
_POWERSHELL: Final = re.compile(r"powershell|pwsh", re.IGNORECASE)
_FROM_BASE64: Final = re.compile(r"FromBase64String\(\s*$", re.IGNORECASE)
_BEFORE: Final = 64
_QUOTED: Final = re.compile(r"[\"']()([A-Za-z0-9+/\s]{24,}={0,2})[\"']")
_BARE: Final = re.compile(r"()(?<![A-Za-z0-9+/=])([A-Za-z0-9+/]{120,}={0,2})(?![A-Za-z0-9+/=])")
_GZIP: Final = b"\x1f\x8b"
_PRINTABLE: Final = 0.9
_DEFLATES: Final = ((zlib.MAX_WBITS | 16, "gzip"), (-zlib.MAX_WBITS, "deflate"), (zlib.MAX_WBITS, "zlib"))


_FORMS: Final = (
    (b"MZ", "a program of Windows"),
    (b"\x7fELF", "a program of Linux"),
    (b"PK\x03\x04", "a zip archive"),
    (_GZIP, "gzip"),
    (b"%PDF-", "a PDF"),
    (b"\xfc\xe8", "machine code by its first bytes"),
    (b"\xfc\x48\x83\xe4", "machine code by its first bytes"),
)


class _Piece(NamedTuple):
    """Base64 in a text; `sure`: what stands before it says that it is encoded; `command`: as an argument of PowerShell."""

    text: str
    sure: bool
    command: bool


def decoded(text: str) -> list[str]:
    """Return the texts that encoded pieces of a text stand for, outer layers before those inside them, each once.

    For one that is certainly encoded and no text, a line in brackets tells what it is and how many bytes it has.
    """
    found: dict[str, None] = {}
    waiting = [(text, 0)]
    while waiting and len(found) < MOST_PIECES:
        layer, depth = waiting.pop(0)
        for piece in _pieces(layer[:MOST_TEXT]):
            told, is_text = _decode(piece)
            if told and told not in found and told != text and len(found) < MOST_PIECES:
                found[told] = None
                if is_text and depth + 1 < MOST_LAYERS:
                    waiting.append((told, depth + 1))
    return list(found)


def _pieces(text: str) -> Iterator[_Piece]:
    seen: set[str] = set()
    for pattern in (_ARGUMENT, _QUOTED, _BARE):
        for match in pattern.finditer(text):
            if match[2] not in seen:
                seen.add(match[2])
                option = match[1].lower()
                named = option == "ec" or any(option and name.startswith(option) for name in _OPTIONS)
                command = named and _POWERSHELL.search(text, 0, match.start()) is not None
                called = _FROM_BASE64.search(text, max(0, match.start() - _BEFORE), match.start()) is not None
                yield _Piece(match[2], command or called, command)
            if len(seen) >= MOST_PIECES:
                return


def _decode(piece: _Piece) -> tuple[str, bool]:
    """Return what a piece of base64 says, and whether that is a text; nothing when it may be none."""
    letters = "".join(piece.text.split()).rstrip("=")
    if len(letters) % 4 == 1:
        return "", False
    try:
        data = base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
    except (binascii.Error, ValueError):
        return "", False
    plain = _text(data[:MOST_BYTES], len(data) > MOST_BYTES, piece.command)
    if plain and not data.startswith(_GZIP):
        return plain, True
    for window, name in _DEFLATES:
        inflated, is_whole = _inflate(data, window)
        if not inflated:
            continue
        if told := _text(inflated[:MOST_BYTES], len(inflated) > MOST_BYTES, False):
            return told, True
        if piece.sure and (is_whole or len(inflated) > MOST_BYTES):
            return _described(inflated, f"{name} of "), False
    return (_described(data, "") if piece.sure and any(data) else ""), False


def _described(data: bytes, way: str) -> str:
    """Return what data that are no text are, and their size."""
    form = next((form for begin, form in _FORMS if data.startswith(begin)), "no text")
    size = f"more than {MOST_BYTES:,}" if len(data) > MOST_BYTES else f"{len(data):,}"
    return f"[{way}{size} bytes: {form}, begins with {data[:8].hex(' ')}]"


def _inflate(data: bytes, window: int) -> tuple[bytes, bool]:
    """Return at most one byte more than a layer may have, and whether that is all."""
    inflating = zlib.decompressobj(window)
    try:
        return inflating.decompress(data, MOST_BYTES + 1), inflating.eof
    except zlib.error:
        return b"", False


def _text(data: bytes, is_cut: bool, is_command: bool) -> str:
    """Return what bytes say in UTF-16 or UTF-8; empty when they are no text. A command may be UTF-16 without a Latin letter."""
    wide, narrow = ("utf-16-le",), ("utf-8",)
    encodings = wide + narrow if _looks_wide(data) else narrow + wide * (is_command and len(data) % 2 == 0)
    for encoding in encodings:
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
