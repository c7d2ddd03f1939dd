"""Receipts: one entry, the proof that it is in the record, and the checkpoint that the proof leads to.

A receipt is a text in the form of a transparency log proof, with the entry as its extra data, so that a tool for such proofs
reads it too. Source: C2SP, tlog-proof v1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.errors import RecordError
from tocsin.records.checkpoint import Opened, open_checkpoint
from tocsin.records.entry import Entry, decode
from tocsin.records.keys import PublicKey
from tocsin.records.note import decode64, encode64
from tocsin.records.tree import HASH_BYTES, leaf_hash, verify_inclusion

FIRST_LINE: Final = "c2sp.org/tlog-proof@v1"
LONGEST_PROOF: Final = 63

_INDEX: Final = re.compile("index (0|[1-9][0-9]{0,18})")
_EXTRA: Final = "extra "


@dataclass(frozen=True, slots=True)
class Receipt:
    """The canonical bytes of an entry, its place, the hashes beside its way to the root, and the checkpoint as a note."""

    entry: bytes
    seq: int
    proof: tuple[bytes, ...]
    checkpoint: str

    def __str__(self) -> str:
        """Return the receipt as it is handed out."""
        lines = [FIRST_LINE, _EXTRA + encode64(self.entry), f"index {self.seq}", *map(encode64, self.proof), ""]
        return "\n".join(lines) + "\n" + self.checkpoint


def parse_receipt(content: str) -> Receipt:
    """Return the receipt that a text holds; nothing of it is believed yet. Raises: RecordError L001."""
    head, _, checkpoint = content.partition("\n\n")
    lines = head.split("\n")
    index = _INDEX.fullmatch(lines[2]) if len(lines) > 2 else None
    if lines[0] != FIRST_LINE or index is None or not lines[1].startswith(_EXTRA) or not checkpoint:
        raise RecordError("L001", f"this is no receipt: {FIRST_LINE}, extra, index, a proof, and a checkpoint")
    try:
        entry = decode64(lines[1].removeprefix(_EXTRA))
    except ValueError as error:
        raise RecordError("L001", "the entry of the receipt is no base64") from error
    return Receipt(entry, int(index[1]), parse_proof(lines[3:]), checkpoint)


def parse_proof(lines: Sequence[str]) -> tuple[bytes, ...]:
    """Return the hashes of a proof, each a line of base64. Raises: RecordError L008."""
    if len(lines) > LONGEST_PROOF:
        raise RecordError("L008", f"the proof has {len(lines):,} hashes, more than {LONGEST_PROOF}")
    try:
        proof = tuple(map(decode64, lines))
    except ValueError:
        proof = (b"",)
    if any(len(item) != HASH_BYTES for item in proof):
        raise RecordError("L008", "a line of the proof is no SHA-256 in base64")
    return proof


def verify_receipt(receipt: Receipt, keys: Sequence[PublicKey]) -> tuple[Entry, Opened]:
    """Return the entry and the checkpoint of a receipt that is right, by keys that are known.

    Raises: RecordError L001, L006 or L008, which says what is wrong.
    """
    opened = open_checkpoint(receipt.checkpoint, keys)
    found = opened.checkpoint
    if not verify_inclusion(leaf_hash(receipt.entry), receipt.seq, found.size, receipt.proof, found.root):
        said = f"the proof does not show that this entry is number {receipt.seq:,} of the {found.size:,} of {found.origin}"
        raise RecordError("L008", said)
    return decode(receipt.entry), opened


__all__ = ["FIRST_LINE", "Receipt", "parse_proof", "parse_receipt", "verify_receipt"]
