"""A Merkle tree that only grows: roots, proofs that a leaf is in it, proofs that a tree continues another.

A subtree is perfect when it has 2^level leaves and begins at a multiple of that. Hashes of perfect subtrees never change, so
that a store keeps them as rows; every root and every proof is folded from O(log n) of them.

Source: RFC 6962, section 2.1; the ways to verify, RFC 9162, sections 2.1.3.2 and 2.1.4.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple, TypeAlias

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()
"""The root of a tree without leaves."""

_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"


class Subtree(NamedTuple):
    """The leaves from `number << level` until before `(number + 1) << level`."""

    level: int
    number: int


Reading: TypeAlias = Callable[[Sequence[Subtree]], Sequence[bytes]]
"""Gives the hashes of perfect subtrees, in their order."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(_LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of what lies above two subtrees."""
    return sha256(_NODE + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that growing needs of a tree: its size, and the hashes of its perfect subtrees, the largest first."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if len(self.hashes) != self.size.bit_count() or any(len(item) != HASH_BYTES for item in self.hashes):
            raise ValueError(f"a tree of {self.size} leaves has {self.size.bit_count()} perfect subtrees")

    def extend(self, leaves: Sequence[bytes]) -> tuple[Frontier, list[tuple[Subtree, bytes]]]:
        """Return the frontier after more leaves, given by their hashes, and every perfect subtree above them that is new."""
        growing = Growing(self)
        made = [node for leaf in leaves for node in growing.append(leaf)]
        return growing.frontier(), made

    def root(self) -> bytes:
        """Return the root of the tree."""
        return fold(self.hashes)


class Growing:
    """A tree that takes one leaf after another, in memory of O(log n)."""

    def __init__(self, frontier: Frontier = Frontier()) -> None:
        self.size = frontier.size
        self._hashes = list(frontier.hashes)

    def append(self, leaf: bytes) -> list[tuple[Subtree, bytes]]:
        """Take the hash of a leaf; return the perfect subtrees above it that are new, the lowest first."""
        self.size += 1
        self._hashes.append(leaf)
        made = []
        level = 0
        while not self.size >> level & 1:
            right = self._hashes.pop()
            self._hashes[-1] = node_hash(self._hashes[-1], right)
            level += 1
            made.append((Subtree(level, (self.size >> level) - 1), self._hashes[-1]))
        return made

    def root(self) -> bytes:
        """Return the root of the tree as it is now."""
        return fold(self._hashes)

    def frontier(self) -> Frontier:
        """Return what growing on needs."""
        return Frontier(self.size, tuple(self._hashes))


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the root above perfect subtrees that lie side by side, the largest first."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def subtrees(start: int, end: int) -> Iterator[Subtree]:
    """Yield the perfect subtrees that make up the leaves from `start` until before `end`, as few as there can be."""
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        yield Subtree(level, start >> level)
        start += 1 << level


def inclusion_proof(index: int, size: int, read: Reading) -> list[bytes]:
    """Return the proof that a leaf is in the tree of a size; `read` gives the hashes of perfect subtrees.

    Raises: ValueError when no such leaf is in the tree.
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    start, end = 0, size
    beside = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            beside.append((middle, end))
            end = middle
        else:
            beside.append((start, middle))
            start = middle
    return _hashes_of(beside[::-1], read)


def consistency_proof(old: int, new: int, read: Reading) -> list[bytes]:
    """Return the proof that the tree of one size continues that of another; `read` gives hashes of perfect subtrees.

    Raises: ValueError when the old size is larger.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} cannot continue one of {old}")
    if old in {0, new}:
        return []
    start, end = 0, new
    parts = []
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            parts.append((middle, end))
            end = middle
        else:
            parts.append((start, middle))
            start = middle
    if start:  # else it is the root of the old tree, which who verifies has
        parts.append((start, end))
    return _hashes_of(parts[::-1], read)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Return whether a proof shows that a leaf, given by its hash, has its place in the tree of that size and root."""
    if not 0 <= index < size or not _are_hashes([leaf, root, *proof]):
        return False
    at, last = index, size - 1
    above = leaf
    for beside in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            above = node_hash(beside, above)
            at, last = _skip_missing(at, last)
        else:
            above = node_hash(above, beside)
        at, last = at >> 1, last >> 1
    return last == 0 and above == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether a proof shows that the new tree has all leaves of the old one, in their order, before its others."""
    if not 0 <= old <= new or not _are_hashes([old_root, new_root, *proof]):
        return False
    if old == new or old == 0:
        expected = new_root if old == new else EMPTY_ROOT
        return not proof and old_root == expected and (new > 0 or new_root == EMPTY_ROOT)
    parts = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not parts:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old_above = new_above = parts[0]
    for beside in parts[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old_above, new_above = node_hash(beside, old_above), node_hash(beside, new_above)
            at, last = _skip_missing(at, last)
        else:
            new_above = node_hash(new_above, beside)
        at, last = at >> 1, last >> 1
    return last == 0 and old_above == old_root and new_above == new_root


def _split(count: int) -> int:
    """Return the largest power of two below a count of two or more."""
    return 1 << (count - 1).bit_length() - 1


def _hashes_of(ranges: Sequence[tuple[int, int]], read: Reading) -> list[bytes]:
    """Return the hash of each range of leaves, by one reading of all perfect subtrees in them."""
    parts = [list(subtrees(start, end)) for start, end in ranges]
    found = iter(read([part for several in parts for part in several]))
    return [fold([next(found) for _ in several]) for several in parts]


def _skip_missing(at: int, last: int) -> tuple[int, int]:
    """Go up past the levels on which a last node has no sibling."""
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last


def _are_hashes(items: Sequence[bytes]) -> bool:
    return all(len(item) == HASH_BYTES for item in items)


__all__ = [
    "EMPTY_ROOT",
    "HASH_BYTES",
    "Frontier",
    "Growing",
    "Reading",
    "Subtree",
    "consistency_proof",
    "fold",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "subtrees",
    "verify_consistency",
    "verify_inclusion",
]
