"""Loads of many bytes at once, for kernels. Each needs up to 64 readable bytes at its place: blocks are padded for this.

With bounds checking on, the same functions read byte by byte through checked indexing.
"""

from __future__ import annotations

import os
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import extending, types
from numba.core import cgutils

from tocsin.kernels.jit import CHECKED, inlined

intrinsic: Any = extending.intrinsic
WIDTH: Final = 64
"""Bytes that one mask tells of."""


def _pointer(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.gep(array.data, [args[1]])


def _vector(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    kind = ir.VectorType(ir.IntType(8), WIDTH)
    load = builder.load(builder.bitcast(_pointer(context, builder, signature, args), kind.as_pointer()))
    load.align = 1
    return load


def _splat(value: int) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(8), WIDTH), [value] * WIDTH)


def _equals(builder: Any, vector: Any, text: bytes) -> Any:
    found = builder.icmp_unsigned("==", vector, _splat(text[0]))
    for byte in text[1:]:
        found = builder.or_(found, builder.icmp_unsigned("==", vector, _splat(byte)))
    return found


@intrinsic
def _text_masks(typing: Any, data: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = _vector(context, builder, signature, args)
        found = (
            _equals(builder, vector, b'"'),
            _equals(builder, vector, b"\\"),
            builder.icmp_unsigned("<", vector, _splat(32)),
            builder.icmp_signed("<", vector, _splat(0)),
        )
        masks = [builder.bitcast(mask, ir.IntType(WIDTH)) for mask in found]
        return context.make_tuple(builder, signature.return_type, masks)

    return types.UniTuple(types.uint64, 4)(data, types.int64), generate


@intrinsic
def _escape_masks(typing: Any, data: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = _vector(context, builder, signature, args)
        found = _equals(builder, vector, b'"\\/bfnrtu'), _equals(builder, vector, b"u")
        masks = [builder.bitcast(mask, ir.IntType(WIDTH)) for mask in found]
        return context.make_tuple(builder, signature.return_type, masks)

    return types.UniTuple(types.uint64, 2)(data, types.int64), generate


@intrinsic
def _breaks(typing: Any, data: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = _vector(context, builder, signature, args)
        return builder.bitcast(_equals(builder, vector, b"\n"), ir.IntType(WIDTH))

    return types.uint64(data, types.int64), generate


@intrinsic
def _surrogates(typing: Any, data: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = _vector(context, builder, signature, args)
        found = builder.icmp_unsigned("==", builder.and_(vector, _splat(0xF8)), _splat(0xD8))
        return builder.bitcast(found, ir.IntType(WIDTH))

    return types.uint64(data, types.int64), generate


@intrinsic
def _load8(typing: Any, data: Any, at: Any) -> Any:
    """Return the 8 bytes at a place as a little-endian number."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = builder.bitcast(_pointer(context, builder, signature, args), ir.IntType(64).as_pointer())
        load = builder.load(pointer)
        load.align = 1
        return load

    return types.uint64(data, types.int64), generate


@intrinsic
def lowest_bit(typing: Any, mask: Any) -> Any:
    """Return the number of zero bits below the lowest bit that is set; the mask must not be zero."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], cgutils.true_bit)

    return types.int64(types.uint64), generate


@inlined
def _checked_masks(data: Any, at: Any) -> Any:
    quotes = slashes = control = beyond = np.uint64(0)
    for k in range(WIDTH):
        bit = np.uint64(1) << np.uint64(k)
        byte = data[at + k]
        quotes |= bit if byte == 34 else np.uint64(0)
        slashes |= bit if byte == 92 else np.uint64(0)
        control |= bit if byte < 32 else np.uint64(0)
        beyond |= bit if byte >= 128 else np.uint64(0)
    return quotes, slashes, control, beyond


@inlined
def _checked_escapes(data: Any, at: Any) -> Any:
    known = wide = np.uint64(0)
    for k in range(WIDTH):
        bit = np.uint64(1) << np.uint64(k)
        byte = data[at + k]
        wide |= bit if byte == 117 else np.uint64(0)
        for other in (34, 92, 47, 98, 102, 110, 114, 116, 117):
            known |= bit if byte == other else np.uint64(0)
    return known, wide


@inlined
def _checked_breaks(data: Any, at: Any) -> Any:
    found = np.uint64(0)
    for k in range(WIDTH):
        found |= np.uint64(1) << np.uint64(k) if data[at + k] == 10 else np.uint64(0)
    return found


@inlined
def _checked_surrogates(data: Any, at: Any) -> Any:
    found = np.uint64(0)
    for k in range(WIDTH):
        found |= np.uint64(1) << np.uint64(k) if data[at + k] & 0xF8 == 0xD8 else np.uint64(0)
    return found


@inlined
def _checked_load8(data: Any, at: Any) -> Any:
    found = np.uint64(0)
    for k in range(8):
        found |= np.uint64(data[at + k]) << np.uint64(8 * k)
    return found


@inlined
def text_masks(data: Any, at: Any) -> Any:
    """Return where `WIDTH` bytes are quotes, backslashes, control characters, and beyond ASCII."""
    return _checked_masks(data, at) if CHECKED else _text_masks(data, at)


@inlined
def escape_masks(data: Any, at: Any) -> Any:
    """Return where `WIDTH` bytes may follow a backslash in JSON, and where they are `u`."""
    return _checked_escapes(data, at) if CHECKED else _escape_masks(data, at)


@inlined
def breaks(data: Any, at: Any) -> Any:
    """Return where `WIDTH` bytes are line breaks."""
    return _checked_breaks(data, at) if CHECKED else _breaks(data, at)


@inlined
def surrogates(data: Any, at: Any) -> Any:
    """Return where `WIDTH` bytes may be the second one of a surrogate in UTF-16."""
    return _checked_surrogates(data, at) if CHECKED else _surrogates(data, at)


@inlined
def load8(data: Any, at: Any) -> Any:
    """Return the 8 bytes at a place as a little-endian number."""
    return _checked_load8(data, at) if CHECKED else _load8(data, at)


_MIX = np.uint64(0x9E3779B97F4A7C15)
_MORE = np.uint64(0xD6E8FEB86659FD93)


@inlined
def low_bytes(word: Any, count: Any) -> Any:
    """Return the lowest `count` bytes of a word, 0 to 8 of them."""
    if count >= 8:
        return word
    return word & ((np.uint64(1) << np.uint64(8 * count)) - np.uint64(1))


@inlined
def mixed(a: Any, b: Any) -> Any:
    """Return a hash of two words."""
    found = (a ^ _MORE) * _MIX ^ b
    found = (found ^ (found >> np.uint64(29))) * _MORE
    return found ^ (found >> np.uint64(32))


@intrinsic
def product(typing: Any, a: Any, b: Any) -> Any:
    """Return the high and the low half of the product of two words, folded into one: each bit depends on all of both.

    Whoever knows neither word can choose no two pairs that give the same.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide, word = ir.IntType(2 * WIDTH), ir.IntType(WIDTH)
        whole = builder.mul(*[builder.zext(arg, wide) for arg in args])
        high = builder.trunc(builder.lshr(whole, ir.Constant(wide, WIDTH)), word)
        return builder.xor(high, builder.trunc(whole, word))

    return types.uint64(types.uint64, types.uint64), generate


def new_seed() -> npt.NDArray[np.uint64]:
    """Return two secret words for `hash_bytes`."""
    return np.frombuffer(os.urandom(16), np.uint64) | np.uint64(1)


@inlined
def hash_bytes(data: Any, at: Any, size: Any, seed: Any, start: Any) -> Any:
    """Return a hash of a word and of `size` bytes; 8 readable bytes must follow the last one. `seed`: two secret words."""
    found = np.uint64(start)
    k = np.int64(0)
    while size - k > 16:
        found = product(load8(data, at + k) ^ seed[0], load8(data, at + k + 8) ^ seed[1] ^ found)
        k += 16
    low = low_bytes(load8(data, at + k), min(size - k, 8))
    high = low_bytes(load8(data, at + k + 8), size - k - 8) if size - k > 8 else np.uint64(0)
    found = product(low ^ seed[0], high ^ seed[1] ^ found)
    return product(found ^ seed[1], np.uint64(size) ^ seed[0])


@inlined
def same_bytes(a: Any, at: Any, b: Any, bt: Any, size: Any) -> Any:
    """Tell whether `size` bytes are the same in two arrays; 8 readable bytes must follow in both."""
    k = 0
    while k + 8 <= size:
        if load8(a, at + k) != load8(b, bt + k):
            return False
        k += 8
    return k >= size or low_bytes(load8(a, at + k) ^ load8(b, bt + k), size - k) == 0


__all__ = [
    "WIDTH",
    "breaks",
    "escape_masks",
    "hash_bytes",
    "load8",
    "low_bytes",
    "lowest_bit",
    "mixed",
    "new_seed",
    "product",
    "same_bytes",
    "surrogates",
    "text_masks",
]
