"""Bundles: a stretch of the record in one file, which anybody can check without the node. JSON Lines, each in canonical form.

====================  ===================================================================================================
`bundle`              `origin`; the stretch `from` until before `to`; `only`, the organisation whose entries are shown, or ""
`key`                 a public key of the log or a witness, for people: who verifies has to know keys from elsewhere
`checkpoint`          a signed checkpoint, as a note, in the order of sizes; the last is that of `to`
`frontier`            the perfect subtrees before `from`, when it is not 0
`consistency`         the proof that the checkpoint of `new` continues that of `old`, where the stretch does not show it
`leaf`                `seq`, the `hash` of the leaf, and the `entry`, which is absent where it is withheld
`end`                 the number of lines before it, and the SHA-256 of their bytes
====================  ===================================================================================================

The lines stand in this order. All leaves of a stretch are there, so that its roots can be computed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from tocsin.records.entry import canonical
from tocsin.records.note import encode64
from tocsin.records.tree import Frontier

VERSION: Final = 1
FIRST_LINE: Final = b'{"bundle":'


@dataclass(frozen=True, slots=True)
class Leaf:
    """A place of the record: its number, the hash of its entry, and the canonical bytes of the entry unless withheld."""

    seq: int
    hash: bytes
    entry: bytes | None = None


@dataclass(frozen=True, slots=True)
class Consistency:
    """The proof that the checkpoint of one size continues that of another."""

    old: int
    new: int
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a bundle holds besides its leaves, which follow `before`. Checkpoints are notes, in the order of sizes."""

    origin: str
    to: int
    keys: Sequence[str]
    checkpoints: Sequence[str]
    before: Frontier = field(default_factory=Frontier)
    consistency: Sequence[Consistency] = ()
    only: str = ""


def bundle_lines(stretch: Stretch, leaves: Iterable[Leaf]) -> Iterator[bytes]:
    """Yield the lines of a bundle, each with its end; leaves are taken as they come."""
    digest, count = sha256(), 0
    for line in _lines(stretch, leaves):
        digest.update(line)
        count += 1
        yield line
    yield _line({"end": {"lines": count, "sha256": digest.hexdigest()}})


def _lines(stretch: Stretch, leaves: Iterable[Leaf]) -> Iterator[bytes]:
    head = {"from": stretch.before.size, "only": stretch.only, "origin": stretch.origin, "to": stretch.to, "v": VERSION}
    yield _line({"bundle": head})
    for key in stretch.keys:
        yield _line({"key": key})
    for note in stretch.checkpoints:
        yield _line({"checkpoint": note})
    if stretch.before.size:
        yield _line({"frontier": list(map(encode64, stretch.before.hashes))})
    for item in stretch.consistency:
        yield _line({"consistency": {"new": item.new, "old": item.old, "proof": list(map(encode64, item.proof))}})
    for leaf in leaves:
        yield _leaf_line(leaf)


def _leaf_line(leaf: Leaf) -> bytes:
    """Return the line of a leaf; an entry stands in it as the bytes that were hashed."""
    shown = b'"entry":' + leaf.entry + b"," if leaf.entry is not None else b""
    return b'{"leaf":{%b"hash":"%b","seq":%d}}\n' % (shown, encode64(leaf.hash).encode(), leaf.seq)


def _line(value: object) -> bytes:
    return canonical(value) + b"\n"


__all__ = ["FIRST_LINE", "VERSION", "Consistency", "Leaf", "Stretch", "bundle_lines"]
