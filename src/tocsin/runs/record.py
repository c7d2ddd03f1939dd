"""The record of a node's folder: opened to export it, and checked without any folder.

A folder has `node.db`, and `keys/record.pem` with the private key that signs checkpoints.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Final

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from tocsin.errors import RecordError, UsageError, Where
from tocsin.records.bundle import Consistency, Stretch, bundle_lines
from tocsin.records.checkpoint import Checkpoint, open_checkpoint, read_checkpoint, sign_checkpoint
from tocsin.records.entry import LONGEST_BYTES, Entry
from tocsin.records.keys import PublicKey, Signer, Use, parse_key
from tocsin.records.note import LONGEST, Note, parse_note
from tocsin.records.peers import judge, parse_submission
from tocsin.records.receipt import FIRST_LINE, Receipt, parse_receipt, verify_receipt
from tocsin.records.verify import Trust, Verdict, verify_bundle
from tocsin.runs.outputs import writing
from tocsin.stores import database
from tocsin.stores import record as store

DATABASE: Final = "node.db"
KEY: Final = Path("keys", "record.pem")
_LONGEST_RECEIPT: Final = 2 * LONGEST_BYTES
_LONGEST_KEYS: Final = 1 << 20
_BUSY_S: Final = 30


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: the checkpoint that the bundle ends with, and the public key that verifies it."""

    checkpoint: Checkpoint
    key: PublicKey
    start: int


def export_folder(folder: Path, output: Path, start: int = 0, only: str = "") -> Exported:
    """Write the record of a node's folder as a bundle; the node may be running.

    Raises: RecordError L009 or L011, UsageError U002 when the record is shorter than `start`, OutputError.
    """
    with open_record(folder) as connection:
        signer = load_signer(folder, store.origin_of(connection))
        with writing(output) as out:
            return export(connection, signer, out, start, only)


def export(connection: Connection, signer: Signer, out: BinaryIO, start: int = 0, only: str = "") -> Exported:
    """Write the record from an entry on as a bundle, with a checkpoint signed now of what is committed.

    Raises: RecordError L009 or L011, UsageError U002 when the record is shorter than `start`.
    """
    current = store.checkpoint(connection)
    if start > current.size:
        raise UsageError("U002", f"the record has {current.size:,} entries, and cannot be written from {start:,} on")
    notes = [*store.kept_checkpoints(connection, current.size)]
    if not notes or read_checkpoint(notes[-1]) != current:
        notes.append(sign_checkpoint(current, signer))
    stretch = Stretch(
        origin=current.origin,
        to=current.size,
        keys=[str(signer.public(Use.LOG))],
        checkpoints=list(map(str, notes)),
        before=store.frontier(connection, start),
        consistency=list(_links(connection, notes, start)),
        only=only,
    )
    out.writelines(bundle_lines(stretch, store.entries(connection, start, current.size, only)))
    return Exported(current, signer.public(Use.LOG), start)


def _links(connection: Connection, notes: Sequence[Note], start: int) -> Iterator[Consistency]:
    """Yield the proofs that checkpoints before the stretch are continued by the next one."""
    sizes = [read_checkpoint(note).size for note in notes]
    for old, new in pairwise(sizes):
        if 0 < old < start:
            yield store.consistency(connection, old, new)


class NodeRecord:
    """The record of an open node, as it is answered to those who ask. Raises: RecordError L011 when it is another's."""

    def __init__(self, engine: Engine, origin: str, signer: Signer) -> None:
        self._engine = engine
        self._signer = signer
        with database.writing(engine) as connection:
            store.prepare(connection, origin)

    @property
    def key(self) -> PublicKey:
        """Return the public key that verifies its checkpoints."""
        return self._signer.public(Use.LOG)

    def checkpoint(self) -> Note:
        """Return a signed checkpoint of all that is committed, the same one again until more is."""
        with database.reading(self._engine) as connection:
            current = store.checkpoint(connection)
            kept = store.kept_checkpoint(connection, current.size)
        if kept is not None:
            return kept
        note = sign_checkpoint(current, self._signer)
        with database.writing(self._engine) as connection:
            store.keep_checkpoint(connection, store.kept_checkpoint(connection, current.size) or note)
        return note

    @property
    def witness_key(self) -> PublicKey:
        """Return the public key that verifies what it cosigns of other records."""
        return self._signer.public(Use.WITNESS)

    def witness(self, body: str, keys: Sequence[PublicKey], seconds: int) -> str:
        """Return the answer to a log that asks for a cosignature, once what was seen of it is kept. Raises: as `witness`."""
        with database.writing(self._engine) as connection:
            return witness(connection, body, keys, self._signer, seconds)

    def seen(self, origin: str) -> int:
        """Return the size at which another log was seen last, 0 when it never was."""
        with database.reading(self._engine) as connection:
            found = store.last_seen(connection, origin)
        return read_checkpoint(found).size if found else 0

    def receipt(self, organisation: str, leaf: str) -> Receipt | None:
        """Return the receipt of an entry about an organisation, by the hash of its leaf in hexadecimal, or None."""
        try:
            wanted = bytes.fromhex(leaf)
        except ValueError:
            return None
        note = self.checkpoint()
        with database.reading(self._engine) as connection:
            seq = store.find(connection, organisation, wanted)
            return None if seq is None else store.receipt(connection, seq, note)


@contextmanager
def open_record(folder: Path) -> Iterator[Connection]:
    """Give a connection to the record of a folder, for reading only. Raises: RecordError L011."""
    path = folder / DATABASE
    if not path.is_file():
        raise RecordError("L011", f"{path} is not there", hint="give the folder of a node")
    uri = f"{path.resolve().as_uri()}?mode=ro"
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(uri, uri=True, timeout=_BUSY_S), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise RecordError("L011", f"the record in {path} cannot be read: {error.__cause__ or error}") from error
    finally:
        engine.dispose()


def load_signer(folder: Path, origin: str) -> Signer:
    """Return the private key of a folder. Raises: RecordError L009."""
    path = folder / KEY
    try:
        return Signer.from_pem(origin, path.read_bytes())
    except OSError as error:
        raise RecordError("L009", f"{path} cannot be read: {error.strerror or error}") from error


def witness(connection: Connection, body: str, keys: Sequence[PublicKey], signer: Signer, seconds: int) -> str:
    """Return the answer to a log that asks for a cosignature, at a time in seconds since 1970, and keep what was seen of it.

    `keys` are those of the logs that are witnessed; the transaction is for writing, and is to be committed before the answer is
    sent. Raises: RecordError L001, L006, L007, L012 or L014, and then nothing is kept.
    """
    asked = parse_submission(body)
    origin = read_checkpoint(parse_note(asked.note)).origin
    if all(key.name != origin for key in keys):
        raise RecordError("L014", f"no key of {origin!r:.100} is known here")
    opened = open_checkpoint(asked.note, keys)
    last = store.seen_of(connection, origin)
    judge(read_checkpoint(last) if last else None, opened.checkpoint, asked.old, asked.proof)
    store.keep_seen(connection, opened.note)
    return f"{signer.cosign(opened.note.text, seconds)}\n"


def verify(path: Path, trust: Trust, take: Callable[[int, Entry], None] | None = None) -> Verdict:
    """Return what stands in a bundle or receipt and against it. Raises: RecordError L001 when it is neither."""
    with path.open("rb") as file:
        first = file.read(len(FIRST_LINE))
        file.seek(0)
        if first == FIRST_LINE.encode():
            return _verify_receipt(_read_text(file, str(path)), str(path), trust, take)
        return verify_bundle(file, str(path), trust, take)


def _verify_receipt(content: str, path: str, trust: Trust, take: Callable[[int, Entry], None] | None) -> Verdict:
    verdict = Verdict(path)
    if not trust.keys:
        hint = "ask the operator of the log for its public key, and give it with --key"
        verdict.add(RecordError("L013", "no key of the log was given, and a receipt holds none", hint=hint), 0)
        return verdict
    try:
        receipt = parse_receipt(content)
        entry, verdict.last = verify_receipt(receipt, (*trust.keys, *trust.witnesses))
    except RecordError as error:
        verdict.add(error, 0)
        return verdict
    found = verdict.last.checkpoint
    verdict.origin, verdict.start, verdict.to, verdict.shown = found.origin, receipt.seq, receipt.seq + 1, 1
    verdict.checkpoints = 1
    verdict.check_witnesses(trust)
    if take:
        take(receipt.seq, entry)
    return verdict


def read_keys(given: Sequence[str], use: Use) -> tuple[PublicKey, ...]:
    """Return public keys that are given as their line or as a file with a line each. Raises: RecordError L009."""
    keys = []
    for text in given:
        path = Path(text)
        lines = _read_lines(path) if path.is_file() else [text]
        for line in lines:
            key = parse_key(line)
            if key.use is not use:
                said = f"the key of {key.name} is one that {'signs a log' if key.use is Use.LOG else 'cosigns'}"
                raise RecordError("L009", f"{said}, and not one that {'cosigns' if use is Use.WITNESS else 'signs a log'}")
            keys.append(key)
    return tuple(keys)


def read_seen(path: Path) -> Checkpoint:
    """Return the checkpoint of a file that was kept: a checkpoint or a receipt. Raises: RecordError L001 or L006.

    Its signature is not looked at: who kept it knows where it is from.
    """
    with path.open("rb") as file:
        content = _read_text(file, str(path))
    try:
        if content.startswith(FIRST_LINE):
            content = parse_receipt(content).checkpoint
        return read_checkpoint(parse_note(content))
    except RecordError as error:
        raise error.at(Where(str(path))) from error


def _read_lines(path: Path) -> list[str]:
    with path.open("rb") as file:
        lines = [line.strip() for line in _read_text(file, str(path), _LONGEST_KEYS).splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _read_text(file: BinaryIO, path: str, longest: int = _LONGEST_RECEIPT + LONGEST) -> str:
    data = file.read(longest + 1)
    try:
        if len(data) <= longest:
            return data.decode()
    except UnicodeDecodeError:
        pass
    raise RecordError("L001", f"this is no text of up to {longest:,} bytes", where=Where(path))


__all__ = [
    "DATABASE",
    "KEY",
    "Exported",
    "NodeRecord",
    "export",
    "export_folder",
    "load_signer",
    "open_record",
    "read_keys",
    "read_seen",
    "verify",
]
