"""JSON in bytes: lines, arrays and objects one after another, in UTF-8 or UTF-16, cut into single objects."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np

from tocsin.errors import SourceError
from tocsin.sources.interface import RECORD_BYTES, Loss, Stream, lost_lines

BLOCK_BYTES: Final = 4 << 20
_LOSSES: Final = 20
_LINES: Final = 5
_NEWLINE: Final = 10
Line = bytes | memoryview
LONG_HINT: Final = "if it holds a list of events, write each event on a line of its own"
_WORD: Final = json.JSONDecoder(strict=False)
_SPACE: Final = re.compile(r"[\s,\[\]]*")
_RESTART: Final = re.compile(r"\n\s*[,\[]?\s*(?=\{)")
_decode: Final = msgspec.json.Decoder().decode


def load_object(raw: Line | str) -> dict[str, Any]:
    """Return the object of a JSON text; what strict JSON forbids (NaN, control characters, wrong UTF-8) is let pass.

    Raises: ValueError when it is no JSON, or no object.
    """
    found = load_value(raw)
    if not isinstance(found, dict):
        raise ValueError(f"expected an object, found {type(found).__name__}")
    return found


def load_value(raw: Line | str) -> Any:
    """Return the value of a JSON text, read as `load_object` does. Raises: ValueError when it is no JSON."""
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = raw if isinstance(raw, str) else bytes(raw).decode("utf-8", "replace")
        try:
            found = json.loads(text, strict=False)
        except RecursionError:
            raise ValueError("nested too deep") from None
        return _without_surrogates(found)


def strict_line(raw: Line | str) -> bytes:
    """Return a JSON text that can stand in a line as it is; empty when it has line breaks or is no strict JSON."""
    text = raw.encode("utf-8", "replace") if isinstance(raw, str) else bytes(raw)
    text = text.strip()
    if b"\n" in text or b"\r" in text:
        return b""
    try:
        _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return b""
    return text


def _without_surrogates(value: Any) -> Any:
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), strict=False)


def text_encoding(head: bytes) -> str:
    """Return `utf-8`, `utf-16-le` or `utf-16-be`, told from a byte order mark or the NUL bytes of ASCII."""
    if head.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le"
    if head.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    if len(head) >= 4 and head[1] == 0 and head[3] == 0 and head[0] and head[2]:
        return "utf-16-le"
    if len(head) >= 4 and head[0] == 0 and head[2] == 0 and head[1] and head[3]:
        return "utf-16-be"
    return "utf-8"


def utf8_blocks(stream: Stream, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Yield the stream as UTF-8 without a byte order mark."""
    encoding = text_encoding(stream.head)
    blocks = stream.blocks(size)
    if encoding == "utf-8":
        for number, block in enumerate(blocks):
            yield block.removeprefix(codecs.BOM_UTF8) if number == 0 else block
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for block in blocks:
        yield decoder.decode(block).lstrip("\ufeff").encode("utf-8", "replace")
    yield decoder.decode(b"", True).encode("utf-8", "replace")


class LossCounter:
    """Losses of one file: lines that are no JSON in one loss, of the others the first ones by name, then how many more."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.count = 0
        self._others = 0
        self._lines: list[int] = []
        self._first = ""

    def add(self, code: str, message: str) -> Iterator[Loss]:
        """Yield the loss while there are few."""
        self.count += 1
        self._others += 1
        if self._others <= _LOSSES:
            yield Loss(SourceError(code, message))

    def add_line(self, line: int, fault: str) -> None:
        """Note a line that is no JSON; `end` tells of it."""
        self.count += 1
        if not self._first:
            self._first = fault
        if len(self._lines) < _LINES:
            self._lines.append(line)

    def end(self) -> Iterator[Loss]:
        """Yield what was not told yet."""
        if self._lines:
            yield lost_lines("valid JSON", self.count - self._others, self._lines, self._first)
        if self._others > _LOSSES:
            yield Loss(SourceError("F006", f"{self._others - _LOSSES} more records could not be parsed"))


def fault_of(error: ValueError) -> str:
    """Return what is wrong with a line that is no JSON, with its column."""
    if isinstance(error, json.JSONDecodeError):
        message = error.msg.removesuffix(" starting at")
        return f"{message[:1].lower()}{message[1:]} at column {error.colno}"
    return str(error)


def line_blocks(blocks: Iterator[bytes], losses: LossCounter) -> Iterator[list[Line] | Loss]:
    """Yield lists of whole lines; a line over the limit is a loss, and an empty line keeps its place.

    The lines are views of the block: copying them would cost half as much as parsing them.
    """
    rest: list[bytes] = []
    size, number, dropping = 0, 1, False
    for block in blocks:
        cut = block.rfind(b"\n")
        size += block.find(b"\n") if cut >= 0 else len(block)
        if size > RECORD_BYTES and not dropping:
            yield from losses.add("F013", f"line {number}: longer than {RECORD_BYTES} bytes, and skipped; {LONG_HINT}")
            dropping = True
        if cut < 0:
            rest = [] if dropping else [*rest, block]
            continue
        lines = _lines(block)
        if dropping:
            lines[0] = b""
        elif rest:
            lines[0] = b"".join([*rest, lines[0]])
        yield lines
        number += len(lines)
        tail = block[cut + 1 :]
        rest, size, dropping = [tail] if tail else [], len(tail), False
    if rest:
        yield [b"".join(rest)]


def _lines(block: bytes) -> list[Line]:
    """Return a view of each line that ends inside the block."""
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == _NEWLINE).tolist()
    starts = [0, *(end + 1 for end in ends[:-1])]
    return list(map(memoryview(block).__getitem__, map(slice, starts, ends)))


def object_texts(blocks: Iterator[bytes], losses: LossCounter) -> Iterator[tuple[int, str] | Loss]:
    """Yield (line, text) of each object of an array, or of objects one after another, over line breaks."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text, line = "", 1
    wanted = 0
    for block in _ending(blocks):
        text += decoder.decode(block) if block is not None else decoder.decode(b"", True)
        if block is not None and len(text) < wanted:
            continue
        at = 0
        while True:
            start = _SPACE.match(text, at).end()  # type: ignore[union-attr]
            line += text.count("\n", at, start)
            at = start
            if at >= len(text):
                break
            end = _object_end(text, at)
            if end > 0:
                yield line, text[at:end]
                line += text.count("\n", at, end)
                at = end
                continue
            cut_off = block is not None and _could_go_on(text, at, end)
            if cut_off and len(text) - at < RECORD_BYTES:
                break
            if cut_off:
                yield from losses.add("F013", f"line {line}: an object longer than {RECORD_BYTES} bytes; {LONG_HINT}")
            else:
                losses.add_line(line, repr(text[at : at + 40]))
            restart = _RESTART.search(text, at)
            skipped = restart.end() if restart else len(text)
            line += text.count("\n", at, skipped)
            at = skipped
        text = text[at:]
        wanted = 2 * len(text)


def starts_several(block: bytes) -> bool:
    """Tell whether a block begins with a whole object and another one right behind it."""
    text = block.decode("utf-8", "replace").lstrip()
    end = _object_end(text, 0)
    return end > 0 and text[end:].lstrip().startswith("{")


def _ending(blocks: Iterator[bytes]) -> Iterator[bytes | None]:
    yield from blocks
    yield None


def _object_end(text: str, at: int) -> int:
    """Return the end of the value at a place, or minus the place of the fault."""
    try:
        return _WORD.raw_decode(text, at)[1]
    except json.JSONDecodeError as error:
        return -error.pos
    except RecursionError:
        return -at


def _could_go_on(text: str, at: int, fault: int) -> bool:
    """Tell whether a value may only be cut off by the end of the block: the fault lies at the end, or in an open string."""
    return -fault >= len(text) - 16 or _open_string(text, -fault)


def _open_string(text: str, at: int) -> bool:
    return text[at : at + 1] == '"' and '"' not in text[at + 1 :].replace('\\"', "")


__all__ = [
    "BLOCK_BYTES",
    "LONG_HINT",
    "LossCounter",
    "fault_of",
    "line_blocks",
    "load_object",
    "load_value",
    "object_texts",
    "starts_several",
    "strict_line",
    "text_encoding",
    "utf8_blocks",
]
