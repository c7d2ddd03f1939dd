"""Prefix-preserving encryption of addresses, many at once: two that share a prefix share one of the same length afterwards.

Source: draft-denis-ipcrypt, ipcrypt-pfx. The package `ipcrypt` does it for one address after another, in Python for each bit;
the tests hold both to the same answers.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_HALF: Final = 16
_WIDE: Final = 64
_V4: Final = 4
_V6: Final = 16
_MAPPED: Final = bytes(10) + b"\xff\xff"
Words = npt.NDArray[np.uint64]


def parse_address(text: str) -> bytes | None:
    """Return the 4 or 16 bytes of an address, None when it is none. One of IPv6 that maps one of IPv4 is taken as that."""
    text = text.strip()
    try:
        if ":" not in text:
            return socket.inet_pton(socket.AF_INET, text)
        found = socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return None
    return found[12:] if found.startswith(_MAPPED) else found


def address_text(address: bytes) -> str:
    """Return the text of an address of 4 or 16 bytes."""
    return socket.inet_ntoa(address) if len(address) == _V4 else str(ipaddress.IPv6Address(address))


def encrypt_addresses(texts: Sequence[str], key: bytes) -> list[str | None]:
    """Return each address encrypted by a key of 32 bytes, and None for what is none."""
    found = [parse_address(text) for text in texts]
    given: list[str | None] = [None] * len(texts)
    for size, start in ((_V4, (1 << 96) | 0xFFFF), (_V6, 1)):
        places = [at for at, item in enumerate(found) if item is not None and len(item) == size]
        made = _encrypt(b"".join(item for item in found if item is not None and len(item) == size), size, start, key)
        for number, at in enumerate(places):
            given[at] = address_text(made[number * size : (number + 1) * size])
    return given


def _encrypt(addresses: bytes, size: int, start: int, key: bytes) -> bytes:
    """Return addresses of one size encrypted, each bit by a bit that depends on those before it."""
    count = len(addresses) // size
    if not count:
        return b""
    low_size = min(size, _V6 // 2)
    words = np.frombuffer(addresses, np.dtype(f">u{low_size}")).reshape(count, -1).astype(np.uint64)
    out = np.zeros_like(words)
    pad_high = np.full(count, start >> _WIDE, np.uint64)
    pad_low = np.full(count, start & (1 << _WIDE) - 1, np.uint64)
    ciphers = [Cipher(algorithms.AES(half), modes.ECB()) for half in (key[:_HALF], key[_HALF:])]  # noqa: S305 - as the source says
    one = np.uint64(1)
    for word in range(words.shape[1]):
        for place in reversed(range(8 * low_size)):
            shift = np.uint64(place)
            bit = (words[:, word] >> shift) & one
            out[:, word] |= (bit ^ _last_bits(ciphers, pad_high, pad_low)) << shift
            pad_high = (pad_high << one) | (pad_low >> np.uint64(_WIDE - 1))
            pad_low = (pad_low << one) | bit
    return out.astype(f">u{low_size}").tobytes()


def _last_bits(ciphers: list[Cipher[modes.ECB]], high: Words, low: Words) -> Words:
    """Return the last bit of what both ciphers make of each block, joined by exclusive or."""
    blocks = np.stack([high, low], axis=1).astype(">u8").tobytes()
    first, second = (np.frombuffer(cipher.encryptor().update(blocks), np.uint8)[_HALF - 1 :: _HALF] for cipher in ciphers)
    return ((first ^ second) & 1).astype(np.uint64)


__all__ = ["address_text", "encrypt_addresses", "parse_address"]
