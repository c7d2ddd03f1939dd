"""The tree of the record agrees with RFC 6962 by its definition, with published vectors, and refuses whatever is not so."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.records import reference
from tocsin.records.tree import (
    EMPTY_ROOT,
    Frontier,
    Reading,
    Subtree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    subtrees,
    verify_consistency,
    verify_inclusion,
)

DATA = [bytes.fromhex(item) for item in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
DATA.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Leaves and roots of Certificate Transparency's own tests, from its first release on."""
A, B, C = (
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
)
D, E = (
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
)
F, G = (
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
)
INCLUSION = [(0, 1, []), (0, 8, [A, B, C]), (5, 8, [D, E, ROOTS[3]]), (2, 3, [ROOTS[1]]), (1, 5, [ROOTS[0], B, D])]
CONSISTENCY = [(1, 1, []), (1, 8, [A, B, C]), (6, 8, [F, E, ROOTS[3]]), (2, 5, [B, D]), (6, 7, [F, G, ROOTS[3]])]

LEAVES = st.lists(st.binary(max_size=4), min_size=1, max_size=70)


def nodes_of(data: Sequence[bytes]) -> Reading:
    """Return the way to read perfect subtrees of leaves, each from what growing gave."""
    hashes = [leaf_hash(item) for item in data]
    _, made = Frontier().extend(hashes)
    kept = dict(made) | {Subtree(0, number): item for number, item in enumerate(hashes)}
    return lambda wanted: [kept[item] for item in wanted]


def unhex(proof: Sequence[str]) -> list[bytes]:
    """Return the hashes of a proof."""
    return [bytes.fromhex(item) for item in proof]


@pytest.mark.parametrize("size", range(len(DATA) + 1))
def test_published_roots(size: int) -> None:
    """Trees of no leaf to eight have the published roots."""
    frontier, _ = Frontier().extend([leaf_hash(item) for item in DATA[:size]])
    assert frontier.root().hex() == [EMPTY_ROOT.hex(), *ROOTS][size]


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSION)
def test_published_inclusion_proofs(index: int, size: int, proof: list[str]) -> None:
    """Published proofs that a leaf is there are made and verified."""
    assert [item.hex() for item in inclusion_proof(index, size, nodes_of(DATA[:size]))] == proof
    assert verify_inclusion(leaf_hash(DATA[index]), index, size, unhex(proof), bytes.fromhex(ROOTS[size - 1]))


@pytest.mark.parametrize(("old", "new", "proof"), CONSISTENCY)
def test_published_consistency_proofs(old: int, new: int, proof: list[str]) -> None:
    """Published proofs that one tree continues another are made and verified."""
    assert [item.hex() for item in consistency_proof(old, new, nodes_of(DATA[:new]))] == proof
    assert verify_consistency(old, new, *unhex([ROOTS[old - 1], ROOTS[new - 1]]), unhex(proof))


@given(LEAVES, st.data())
def test_growth_agrees_with_the_definition(data: list[bytes], draw: st.DataObject) -> None:
    """Whatever the batches, a tree has the root that RFC 6962 defines, and keeps each perfect subtree of its own root."""
    cut = draw.draw(st.integers(0, len(data)))
    hashes = [leaf_hash(item) for item in data]
    first, made = Frontier().extend(hashes[:cut])
    second, more = first.extend(hashes[cut:])
    assert first.root() == reference.root(data[:cut])
    assert second.root() == reference.root(data)
    for (level, number), value in made + more:
        assert value == reference.root(data[number << level : number + 1 << level])
    assert len(made + more) == len(data) - len(data).bit_count()


@given(LEAVES, st.data())
def test_inclusion_agrees_with_the_definition(data: list[bytes], draw: st.DataObject) -> None:
    """Proofs of inclusion are PATH of RFC 6962, are verified, and hold for no other leaf, place, size or root."""
    index = draw.draw(st.integers(0, len(data) - 1))
    proof = inclusion_proof(index, len(data), nodes_of(data))
    root = reference.root(data)
    leaf = leaf_hash(data[index])
    assert proof == reference.path(index, data)
    assert verify_inclusion(leaf, index, len(data), proof, root)
    assert not verify_inclusion(leaf_hash(data[index] + b"x"), index, len(data), proof, root)
    assert not verify_inclusion(leaf, index, len(data), proof, leaf_hash(root))
    assert not verify_inclusion(leaf, index, len(data), [*proof, root], root)
    assert not verify_inclusion(leaf, index, len(data), proof[1:], root) or not proof
    assert not verify_inclusion(leaf, index, len(data), [item[:-1] for item in proof], root) or not proof
    other = draw.draw(st.integers(0, len(data) + 3))
    if other != index and (other >= len(data) or data[other] != data[index]):
        assert not verify_inclusion(leaf, other, len(data), proof, root)


@given(LEAVES, st.data())
def test_consistency_agrees_with_the_definition(data: list[bytes], draw: st.DataObject) -> None:
    """Proofs of consistency are PROOF of RFC 6962, are verified, and hold for no tree that was changed before it grew."""
    old = draw.draw(st.integers(1, len(data)))
    proof = consistency_proof(old, len(data), nodes_of(data))
    roots = reference.root(data[:old]), reference.root(data)
    assert proof == reference.proof(old, data)
    assert verify_consistency(old, len(data), *roots, proof)
    assert not verify_consistency(old, len(data), *roots, [*proof, roots[0]])
    assert not verify_consistency(old, len(data), leaf_hash(roots[0]), roots[1], proof)
    assert not verify_consistency(old, len(data), roots[0], leaf_hash(roots[1]), proof)
    changed = draw.draw(st.integers(0, old - 1))
    forked = [*data[:changed], data[changed] + b"x", *data[changed + 1 :]]
    lie = consistency_proof(old, len(data), nodes_of(forked))
    assert not verify_consistency(old, len(data), roots[0], reference.root(forked), lie)


@given(st.integers(0, 500), st.integers(0, 500))
def test_subtrees_make_up_the_range(start: int, length: int) -> None:
    """The perfect subtrees of a range follow each other, begin at a multiple of their size, and are few."""
    parts = list(subtrees(start, start + length))
    at = start
    for level, number in parts:
        assert number << level == at
        at += 1 << level
    assert at == start + length
    assert len(parts) <= 2 * max(1, length.bit_length())


def test_proofs_of_what_cannot_be() -> None:
    """No proof is made of a leaf beyond the tree or of a tree that shrank, and an empty tree is continued by any."""
    read = nodes_of(DATA)
    with pytest.raises(ValueError, match="is not in a tree"):
        inclusion_proof(8, 8, read)
    with pytest.raises(ValueError, match="cannot continue"):
        consistency_proof(8, 7, read)
    root = bytes.fromhex(ROOTS[7])
    assert verify_consistency(0, 8, EMPTY_ROOT, root, [])
    assert not verify_consistency(0, 8, root, root, [])
    assert not verify_consistency(8, 7, root, bytes.fromhex(ROOTS[6]), [])
    assert not verify_inclusion(leaf_hash(b""), 0, 0, [], EMPTY_ROOT)
