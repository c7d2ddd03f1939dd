"""Checkpoints: what a log says of itself at one size, signed by it and cosigned by the peers that saw it grow.

Source: C2SP, tlog-checkpoint v1 and tlog-cosignature v1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.errors import RecordError
from tocsin.records.keys import PublicKey, Signer, Use
from tocsin.records.note import Note, decode64, encode64, parse_note
from tocsin.records.tree import HASH_BYTES

_SIZE: Final = re.compile("0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The size and the root of a log, which `origin` names. Lines that others add below are kept with the note alone."""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{encode64(self.root)}\n"


@dataclass(frozen=True, slots=True)
class Opened:
    """A checkpoint whose signatures were verified: the note as it was, and the known keys that signed it."""

    checkpoint: Checkpoint
    note: Note
    signers: tuple[PublicKey, ...]


def read_checkpoint(note: Note) -> Checkpoint:
    """Return what a note says, without looking at its signatures. Raises: RecordError L006."""
    origin, *rest = note.text[:-1].split("\n")
    if len(rest) < 2 or not origin or not all(rest) or not _SIZE.fullmatch(rest[0]):
        raise RecordError("L006", "the note is no checkpoint: a line each of origin, size and root")
    try:
        root = decode64(rest[1])
    except ValueError:
        root = b""
    if len(root) != HASH_BYTES:
        raise RecordError("L006", f"the root of the checkpoint is no SHA-256 in base64: {rest[1]!r:.60}")
    return Checkpoint(origin, int(rest[0]), root)


def open_checkpoint(content: str, keys: Sequence[PublicKey]) -> Opened:
    """Return a checkpoint that a known key of its log signed; signatures of unknown keys are passed over.

    The key of a log has to have the log's name. Raises: RecordError L006 when it is no checkpoint, a signature of a known key
    is wrong, or none is of its log.
    """
    note = parse_note(content)
    checkpoint = read_checkpoint(note)
    signers = []
    for signature in note.signatures:
        key = next((key for key in keys if key.signed(signature)), None)
        if key is None or (key.use is Use.LOG and key.name != checkpoint.origin):
            continue
        if not key.verify(note.text, signature):
            raise RecordError("L006", f"the signature of {key.name} on {_named(checkpoint)} is wrong")
        signers.append(key)
    if not any(key.use is Use.LOG for key in signers):
        raise RecordError("L006", f"{_named(checkpoint)} is not signed by a key of {checkpoint.origin} that is known")
    return Opened(checkpoint, note, tuple(signers))


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> Note:
    """Return a checkpoint signed by its log. Sign only what is committed: two roots of one size are a forked history.

    Raises: RecordError L009 when the signer has another name than the log.
    """
    if signer.name != checkpoint.origin:
        raise RecordError("L009", f"the key of {signer.name} cannot sign for {checkpoint.origin}")
    return Note(str(checkpoint)).with_signature(signer.sign(str(checkpoint)))


def forked(one: Checkpoint, other: Checkpoint) -> RecordError:
    """Return the error that names two checkpoints of a log which were not shown to be of one history."""
    if one.size == other.size:
        said = (
            f"the history of {one.origin} is forked: at {one.size:,} it has the roots {one.root.hex()} and {other.root.hex()}"
        )
        hint = "keep both: signed by one key, they show that it told two histories"
    else:
        first, second = sorted((one, other), key=lambda item: item.size)
        said = f"no proof shows that {one.origin} at {second.size:,}, with root {second.root.hex()}, "
        said += f"continues what it was at {first.size:,}, with root {first.root.hex()}"
        hint = "the proof is wrong, or the history is forked: keep both checkpoints"
    return RecordError("L007", said, hint=hint)


def _named(checkpoint: Checkpoint) -> str:
    return f"the checkpoint of {checkpoint.origin} at {checkpoint.size:,}"


__all__ = ["Checkpoint", "Opened", "forked", "open_checkpoint", "read_checkpoint", "sign_checkpoint"]
