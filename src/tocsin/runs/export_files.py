"""What an organisation may get of a node, as a file: asked of the store with its grants, and recorded before it is given."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Final, cast
from uuid import NAMESPACE_URL, uuid5

import msgspec

from tocsin.errors import NodeError, OutputError, UsageError
from tocsin.feeds.carried import PROPERTY, Carried, carried
from tocsin.feeds.csv import write_csv
from tocsin.feeds.interface import Incoming, Rejected, Terms
from tocsin.feeds.misp_feed import write_feed
from tocsin.feeds.misp_out import Publisher
from tocsin.feeds.read import FILE_BYTES
from tocsin.feeds.stix import read_bodies, write_bundle
from tocsin.records.entry import Kind, Reference
from tocsin.runs.intake import terms
from tocsin.runs.node import Node
from tocsin.runs.outputs import check_output, writing
from tocsin.sharing.decisions import Caller
from tocsin.sharing.markings import TLP_2, Marks, Tlp, read_marks
from tocsin.stores import database
from tocsin.stores.interface import MarkedPart, Query, Row
from tocsin.stores.journal import reference
from tocsin.stores.rulebooks import digest_in_force

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

_PAGE: Final = 1_000
_TOGETHER: Final = 20_000
"""References of one entry of the record."""
_KEPT_BYTES: Final = 1 << 20
_OUTSIDE: Final = Terms({}, Tlp.CLEAR)
"""What somebody makes of an object who knows none of our markings, and takes what is unmarked for public."""


class Form(StrEnum):
    """In which form objects are exported."""

    STIX = "stix"
    MISP = "misp"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Exported:
    """What was given: how many objects, what of them has no place in the form, and the receipts.

    `silent` is how many of them are more restricted than they say themselves.
    """

    objects: int
    lost: list[Rejected]
    silent: int
    receipts: list[str]


@dataclass(slots=True)
class _Asked:
    """Objects that a caller may get, asked of the store page by page; those that the record names are noted aside."""

    node: Node
    caller: Caller
    collections: tuple[str, ...]
    named: IO[bytes]
    rulebook: str
    rows: int = 0
    silent: int = 0
    beside: list[Carried] = field(default_factory=list)
    said: dict[tuple[Marks, tuple[MarkedPart, ...]], Carried] = field(default_factory=dict)

    def all(self) -> Iterator[Row]:
        """Yield the objects in the order in which they were added."""
        query = Query(self.collections, limit=_PAGE)
        while True:
            page = self.node.objects.page(self.caller, query)
            for row in page.rows:
                self.rows += 1
                if row.restricted:
                    self.named.write(msgspec.json.encode(reference(row.id, row.body)) + b"\n")
                yield row
            if not page.more:
                return
            query = replace(query, start=page.rows[-1].place)

    def references(self) -> Iterator[Reference]:
        """Yield the objects that the record names."""
        self.named.seek(0)
        return (msgspec.json.decode(line, type=Reference) for line in self.named)


def export(node: Node, caller: Caller, collections: tuple[str, ...], to: Path, form: Form) -> Exported:
    """Write the last versions of what a caller may get of collections to a file, or a folder for a feed of MISP.

    It is there whole or not at all, and only when the record has it: with the SHA-256 of the file, or of all files of the
    folder in the order of their names. Raises: OutputError O001; UsageError U002, X003; NodeError X041; RecordError; those of
    the database.
    """
    known = terms(node)
    with tempfile.SpooledTemporaryFile(max_size=_KEPT_BYTES) as named:
        asked = _Asked(node, caller, collections, named, node.rules.digest)
        if form is Form.MISP:
            return _export_feed(asked, known, to)
        check_output(to)
        with writing(to) as out:
            digested = _Digested(out)
            write = _write_stix if form is Form.STIX else _write_csv
            lost = write(asked, known, digested)
            return Exported(asked.rows, lost, asked.silent, _release(asked, form, digested.sha256()))


def _write_stix(asked: _Asked, known: Terms, out: _Digested) -> list[Rejected]:
    """Write a bundle. When objects are more restricted than they say, what they carry here stands beside them."""
    write_bundle(out, (_noted(asked, row, known) for row in asked.all()), lambda: _beside(asked))
    return []


def _noted(asked: _Asked, row: Row, known: Terms) -> bytes:
    """Return an object as it was received, after it was noted what it carries."""
    asked.silent += _says_less(row, known)
    key = row.marks, row.parts
    if key not in asked.said:
        asked.said[key] = carried(row.marks, known, row.parts)
    asked.beside.append(asked.said[key])
    return row.body


def _beside(asked: _Asked) -> bytes:
    return b',"%b":%b' % (PROPERTY.encode(), msgspec.json.encode(asked.beside)) if asked.silent else b""


def _says_less(row: Row, known: Terms) -> bool:
    """Return whether who reads nothing but the object could take it for less restricted than it is here."""
    (own,) = read_bodies([row.body], [row.id], _OUTSIDE)
    if isinstance(own, Rejected):
        return True
    here = known.meaning(row.marks)
    return own.marking.tlp < here.tlp or own.marking.pap < here.pap or not _refs(row.marks) <= _refs(own.marks)


def _refs(marks: Marks) -> set[str]:
    return {ref for part in marks.parts for ref in part.refs}


def _write_csv(asked: _Asked, known: Terms, out: _Digested) -> list[Rejected]:
    text = io.TextIOWrapper(cast(BinaryIO, out), "utf-8", newline="")
    try:
        return write_csv((_incoming(row, known) for row in asked.all()), text)
    finally:
        text.detach()


def _incoming(row: Row, known: Terms) -> Incoming:
    """Return an object as restricted as it is here with the parts that it is given with: other formats have one marking."""
    kind = row.id.partition("--")[0]
    marks = row.marks
    for part in row.parts:
        marks = marks.join(part.marks)
    if b"granular_markings" in row.body or b"\\u" in row.body:
        marks = marks.join(_own_marks(row, known))
    return Incoming(row.id, kind, row.version, row.spec_version, row.body, marks, known.meaning(marks), place=row.id)


def _own_marks(row: Row, known: Terms) -> Marks:
    """Return what an object says that it carries with all of its parts; TLP:RED when it cannot be read."""
    (own,) = read_bodies([row.body], [row.id], known)
    return read_marks([TLP_2[Tlp.RED]]) if isinstance(own, Rejected) else own.whole_marks


def _export_feed(asked: _Asked, known: Terms, to: Path) -> Exported:
    book = asked.node.rules.book
    operator = book.organisations[book.operator]
    identity = operator.identity.partition("--")[2] or str(uuid5(NAMESPACE_URL, f"tocsin:{asked.node.file.record}"))
    with _new_folder(to) as folder:
        lost = write_feed(_few(asked, known), folder, Publisher(operator.name, identity))
        digest = hashlib.sha256()
        for path in sorted(folder.iterdir()):
            digest.update(path.read_bytes())
        receipts = _release(asked, Form.MISP, digest.hexdigest())
    return Exported(asked.rows, lost, 0, receipts)


def _few(asked: _Asked, known: Terms) -> Iterator[Incoming]:
    """Yield objects as long as they can be held at once."""
    size_bytes = 0
    for row in asked.all():
        size_bytes += len(row.body)
        if size_bytes > FILE_BYTES:
            hint = "export one collection at a time, or as STIX"
            raise UsageError("X003", f"there are more than {FILE_BYTES >> 20} MiB of objects for one feed", hint=hint)
        yield _incoming(row, known)


def _release(asked: _Asked, form: Form, digest: str) -> list[str]:
    """Record that objects are given, and return the receipts; then they may be given. Nothing has none."""
    if not asked.rows:
        return []
    collections = ", ".join(asked.collections)
    detail = {"collection": collections, "what": f"export {form}", "rows": str(asked.rows), "sha256": digest}
    with database.writing(asked.node.engine) as connection:
        if digest_in_force(connection) != asked.rulebook:
            raise NodeError("X041", "another rulebook came into force meanwhile", hint="export again; nothing was given")
        found = asked.references()
        receipts: list[str] = []
        while (few := list(islice(found, _TOGETHER))) or not receipts:
            receipts.append(asked.node.journal.note(connection, Kind.RELEASE, asked.caller, detail, few))
    return receipts


@contextmanager
def _new_folder(to: Path) -> Iterator[Path]:
    """Give a folder that takes the place of one that is empty or not there, when it is whole. Raises: OutputError O001."""
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise OutputError("O001", f"{to} is not an empty folder", hint="give a folder that is new or empty")
    try:
        with tempfile.TemporaryDirectory(prefix=".tocsin-", dir=to.absolute().parent) as aside:
            made = Path(aside, "feed")
            made.mkdir()
            yield made
            made.rename(to)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError("O001", f"{to}: cannot be written: {error.strerror}", hint="check rights and space") from error


class _Digested(io.BufferedIOBase):
    """Writes to a file, and keeps the digest of what was written."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._digest = hashlib.sha256()

    def writable(self) -> bool:
        """Return that it can be written to."""
        return True

    def write(self, data: Buffer, /) -> int:
        """Write bytes and return how many they were."""
        self._digest.update(data)
        return self._out.write(data)

    def sha256(self) -> str:
        """Return the digest of all that was written, in hexadecimal."""
        return self._digest.hexdigest()


__all__ = ["Exported", "Form", "export"]
