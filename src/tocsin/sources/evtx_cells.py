"""Values of BinXML as the EVTX library writes them, in the form of cells (see `events.values`)."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from tocsin.events.values import NULL_CELL, encode
from tocsin.kernels import evtx_work as kernels

_EPOCH: Final = datetime(1601, 1, 1)
_LONE: Final = re.compile("[\ud800-\udfff]")
_ANSI: Final = [bytes([code]).decode("cp1252", "replace") for code in range(256)]
for _code in (0x81, 0x8D, 0x8F, 0x90, 0x9D):
    _ANSI[_code] = chr(_code)
_ANSI[0] = ""


def utf16(raw: bytes) -> str:
    """Return a text; a lone surrogate is dropped, as the library does."""
    try:
        return raw.decode("utf-16-le")
    except UnicodeDecodeError:
        return _LONE.sub("", raw.decode("utf-16-le", "surrogatepass"))


def _string(raw: bytes) -> str:
    """Return the text up to the first NUL."""
    return utf16(raw).partition("\0")[0]


def _ansi(raw: bytes) -> str:
    return "".join([_ANSI[code] for code in raw])


def _number(form: str) -> Callable[[bytes], str]:
    unpack = struct.Struct("<" + form).unpack

    def text(raw: bytes) -> str:
        return str(unpack(raw)[0])

    return text


def _hex(raw: bytes) -> str:
    return hex(int.from_bytes(raw, "little"))


def _bool(raw: bytes) -> str:
    value = int.from_bytes(raw, "little", signed=True)
    return ("false", "true")[value] if 0 <= value <= 1 else str(value)


def _guid(raw: bytes) -> str:
    first, second, third = struct.unpack_from("<IHH", raw)
    return f"{first:08X}-{second:04X}-{third:04X}-{raw[8:10].hex().upper()}-{raw[10:16].hex().upper()}"


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds") + "Z"


def _filetime(raw: bytes) -> str:
    return _moment(_EPOCH + timedelta(microseconds=int.from_bytes(raw, "little") // 10))


def _systime(raw: bytes) -> str:
    year, month, _, day, hour, minute, second, millis = struct.unpack("<8H", raw)
    return _moment(datetime(year, month, day, hour, minute, second, millis * 1000))


def _sid(raw: bytes) -> str:
    parts = (raw[0], int.from_bytes(raw[2:8], "big"), *struct.unpack_from(f"<{raw[1]}I", raw, 8))
    return "S-" + "-".join(map(str, parts))


def _binary(raw: bytes) -> str:
    return raw.hex().upper()


def _string_array(raw: bytes) -> str:
    """Return one text as itself, several as a list."""
    items = utf16(raw).split("\0")[:-1] or [""]
    return encode(items if len(items) > 1 else items[0])


def _float(raw: bytes) -> str:
    raise ValueError("only the library knows how it writes this number")


_FORMATS: Final[dict[int, Callable[[bytes], str]]] = {
    kernels.NULL_TYPE: lambda raw: NULL_CELL,
    kernels.STRING: _string,
    kernels.ANSI: _ansi,
    kernels.INT8: _number("b"),
    kernels.UINT8: _number("B"),
    kernels.INT16: _number("h"),
    kernels.UINT16: _number("H"),
    kernels.INT32: _number("i"),
    kernels.UINT32: _number("I"),
    kernels.INT64: _number("q"),
    kernels.UINT64: _number("Q"),
    kernels.REAL32: _float,
    kernels.REAL64: _float,
    kernels.BOOL: _bool,
    kernels.BINARY: _binary,
    kernels.GUID: _guid,
    kernels.SIZE_T: _hex,
    kernels.FILETIME: _filetime,
    kernels.SYSTIME: _systime,
    kernels.SID: _sid,
    kernels.HEX32: _hex,
    kernels.HEX64: _hex,
    kernels.STRING_ARRAY: _string_array,
}


SURE_KINDS: Final = frozenset(_FORMATS) - {kernels.REAL32, kernels.REAL64}
"""Types of which `cell` can always tell, given that the kernel let the value pass."""


def cell(kind: int, raw: bytes) -> str:
    """Return the cell of a value. Raises: ValueError when only the slow reader can tell."""
    try:
        return _FORMATS[kind](raw)
    except (KeyError, struct.error) as error:
        raise ValueError(f"no value of type {kind}") from error


__all__ = ["SURE_KINDS", "cell", "utf16"]
