"""Peers that watch each other's records: a checkpoint is cosigned only when it continues the last one seen of its log.

What a log asks, and a witness answers, is in the form of C2SP's tlog-witness, so that a witness of any make can serve.
Source: C2SP, tlog-witness and tlog-cosignature v1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.errors import RecordError
from tocsin.records.bundle import Consistency
from tocsin.records.checkpoint import Checkpoint, forked
from tocsin.records.keys import PublicKey
from tocsin.records.note import Note, encode64, parse_signatures
from tocsin.records.receipt import parse_proof
from tocsin.records.tree import verify_consistency

_OLD: Final = re.compile("old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Submission:
    """What a log asks of a witness: the size at which that saw it last, the proof from there, and its checkpoint as a note."""

    old: int
    proof: tuple[bytes, ...]
    note: str


def submission_text(link: Consistency, note: Note) -> str:
    """Return the body of the request for a cosignature."""
    return "\n".join([f"old {link.old}", *map(encode64, link.proof), "", str(note)])


def parse_submission(body: str) -> Submission:
    """Return what a log asks. Raises: RecordError L001 when the body has another form, L008 when its proof has."""
    head, blank, note = body.partition("\n\n")
    first, *proof = head.split("\n")
    old = _OLD.fullmatch(first)
    if old is None or not blank:
        raise RecordError("L001", "a request for a cosignature has a line of the old size, a proof, and a checkpoint")
    return Submission(int(old[1]), parse_proof(proof), note)


def judge(seen: Checkpoint | None, new: Checkpoint, old: int, proof: Sequence[bytes]) -> None:
    """Accept a verified checkpoint as what continues the last one seen of its log, or raise what stands against it. Pure.

    `old` is the size from which `proof` leads; it is 0 when nothing was seen. Raises: RecordError L012 when it begins
    elsewhere or the log went back, L007 when the history is forked or the proof does not show that it is not.
    """
    last = seen.size if seen else 0
    if old != last:
        raise RecordError("L012", f"{new.origin} was last seen at {last:,}, and the proof begins at {old:,}")
    if new.size < last:
        hint = "a log that was restored from a copy has lost entries that it told of"
        raise RecordError("L012", f"{new.origin} was seen at {last:,}, and is now at {new.size:,}", hint=hint)
    if seen is None:
        if proof:
            raise RecordError("L008", f"{new.origin} was never seen, and no proof can lead from there")
        return
    if not verify_consistency(seen.size, new.size, seen.root, new.root, proof):
        raise forked(seen, new)


def with_cosignatures(note: Note, answer: str, witnesses: Sequence[PublicKey]) -> Note:
    """Return a checkpoint with the cosignatures of a witness's answer; those of unknown keys are passed over.

    Raises: RecordError L006 when one of a known witness is wrong, or none is of a known one.
    """
    found = 0
    for signature in parse_signatures(answer):
        key = next((key for key in witnesses if key.signed(signature)), None)
        if key is None:
            continue
        if not key.verify(note.text, signature):
            raise RecordError("L006", f"the cosignature of {key.name} is wrong")
        note = note.with_signature(signature)
        found += 1
    if not found:
        raise RecordError("L006", "the answer holds no cosignature of a known witness")
    return note


__all__ = ["Submission", "judge", "parse_submission", "submission_text", "with_cosignatures"]
