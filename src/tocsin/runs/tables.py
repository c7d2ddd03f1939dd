"""The tables of a node: which a caller gets, and the files that are made for its policy, anew when rule, key or data changed.

What a release says - versions, files, sizes - follows from the rows that are given alone. So a table in which only hidden rows
changed stays at its version.
"""

from __future__ import annotations

import fcntl
import shutil
from collections import Counter as Bag
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import Lock
from typing import Final

import msgspec
import pyarrow as pa
from msgspec.structs import replace

from tocsin.errors import TableError
from tocsin.runs.shares_file import SharedTable
from tocsin.sharing.decisions import Caller
from tocsin.sharing.rulebook import Rulebook
from tocsin.sharing.table_policies import TablePolicy
from tocsin.sharing.tables import Books, TableGrant, policy_digest, table_grant
from tocsin.stores.releases import ReleaseStore
from tocsin.tables.anonymity import Alike, Counter
from tocsin.tables.keys import Keys, derive_keys
from tocsin.tables.pieces import Piece, keep_only, piece_path, write_piece
from tocsin.tables.shaping import Shaper, as_it_is, shaped
from tocsin.tables.sources import Source, SourceFile, glance, open_source

RELEASED: Final = "released"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Given:
    """A table as one caller gets it: by which rule, and the digest of all that decides how it looks."""

    table: SharedTable
    grant: TableGrant
    recipient: str
    policy: str


class File(msgspec.Struct, frozen=True):
    """A file of a release, and the version that it came with."""

    piece: Piece
    version: int


class Release(msgspec.Struct, frozen=True):
    """What is given of a table by one policy.

    `first` is the oldest version that can still be told, `made` the moment of each from it on, in microseconds. `sources` are
    the files of the table by identity, with the names of what was made of them, empty for nothing; `smallest` is the least
    number of rows or subjects that look alike, None when it was not counted.
    """

    version: int
    first: int
    made: list[int]
    fingerprint: str
    schema: bytes
    files: list[File]
    sources: dict[str, str]
    smallest: int | None = None

    def at(self, version: int) -> list[File]:
        """Return the files of a version."""
        return [file for file in self.files if file.version <= version]

    def alone(self) -> Release:
        """Return it without the versions before it, of whose rows fewer may look alike."""
        return replace(self, first=self.version, made=self.made[-1:], files=[File(it.piece, self.version) for it in self.files])

    def is_held_back(self, k: int) -> bool:
        """Tell whether fewer than so many rows or subjects look alike in it, or were not counted."""
        return k > 1 and bool(self.files) and (self.smallest or 0) < k

    def columns(self) -> pa.Schema:
        """Return the columns that are given."""
        return pa.ipc.read_schema(pa.py_buffer(self.schema))


@dataclass(frozen=True, slots=True)
class Preview:
    """What a recipient would get: the first rows, what was counted, and values that are given as null since they are none."""

    given: Given
    rows: pa.Table
    alike: Alike
    unreadable: dict[str, int]


class Tables:
    """The tables of a node: those of `node.yml` that are also listed in force, by how they are listed there.

    `rules` gives the rulebook and the tables in force, `today` the day, `clock` microseconds since 1970 UTC.
    """

    def __init__(
        self,
        folder: Path,
        tables: tuple[SharedTable, ...],
        store: ReleaseStore,
        rules: Callable[[], Books],
        today: Callable[[], date],
        clock: Callable[[], int],
        secret: bytes,
    ) -> None:
        self.all = tables
        self.secret = secret
        self._folder = folder / RELEASED
        self._store = store
        self._rules = rules
        self._today = today
        self._clock = clock
        self._locks: dict[str, Lock] = {}
        self._glances: dict[Path, tuple[str, str]] = {}
        self._guard = Lock()

    def given(self, caller: Caller) -> list[Given]:
        """Return the tables that a caller gets, in the order of their names; whatever rows are in them."""
        books = self._rules()
        return [found for table in self.all if (found := self._given(books, caller, table))]

    def proposed(self, book: Rulebook) -> Books:
        """Return a rulebook with the tables as `node.yml` lists them, which may not be in force."""
        return Books(book, tuple(table.listed for table in self.all))

    def find(self, caller: Caller, share: str, name: str, books: Books | None = None) -> Given | None:
        """Return a table as a caller gets it, by others than those in force when they are given, or None."""
        table = next((table for table in self.all if (table.share, table.name) == (share, name)), None)
        return None if table is None else self._given(books or self._rules(), caller, table)

    def release(self, given: Given) -> Release:
        """Return what is given of a table now, which is made when rule, key or data changed.

        Raises: TableError D001 to D005 for the table and its rule, D006 when it is held back, D014.
        """
        k = given.grant.k
        with self._alone(given.policy):
            source = open_source(given.table.path)  # not before: another may have made what it is now meanwhile
            last = self._last(given.policy)
            if last is None or last.fingerprint != source.fingerprint or (k > 1 and last.smallest is None):
                last = self._make(given, source, last)
        if last.is_held_back(k):
            message = f"{given.table.share}/{given.table.name} is held back: fewer than {k} look alike in it"
            raise TableError("D006", message, hint="'tocsin node preview' shows how many")
        return last

    def path(self, given: Given, name: str) -> Path | None:
        """Return the file of a release by its name, or None when it is none of what is given of the table now.

        Raises: TableError as `release`: what is held back by now, or was taken out, is not given by an older link either.
        """
        last = self._last(given.policy)
        if last is None or last.is_held_back(given.grant.k) or last.fingerprint != self._fingerprint(given.table.path):
            last = self.release(given)
        if all(file.piece.name != name for file in last.files):
            return None
        return piece_path(self._folder / given.policy, name)

    def _fingerprint(self, path: Path) -> str:
        """Return the fingerprint of a table now. It is opened only when its files are others than before, by their names."""
        mark = glance(path)
        known = self._glances.get(path)
        if known is None or known[0] != mark:
            known = self._glances[path] = mark, open_source(path).fingerprint
        return known[1]

    def preview(self, given: Given, most: int) -> Preview:
        """Return what a recipient would get, the first `most` rows of it, and release nothing. Raises: TableError."""
        source = open_source(given.table.path)
        shaper = self._shaper(given, source)
        counter = self._counter(given, shaper)
        shown: list[pa.Table] = []
        wanted = most
        for file in source.files:
            for batch in source.batches(file, shaper.columns):
                made = shaper.shape(batch)
                counter.add(made, shaper.subjects(batch))
                if wanted > 0 and made.num_rows:
                    shown.append(made.slice(0, wanted))
                    wanted -= made.num_rows
        rows = pa.concat_tables(shown) if shown else shaper.schema.empty_table()
        return Preview(given, rows, counter.count(given.grant.k), dict(shaper.unreadable))

    def sweep(self) -> int:
        """Remove what was made for policies that give nothing to anybody any more; return how many there were."""
        book = self._rules().book
        used = {item.policy for table in self.all for item in self._possible(book, table)}
        gone = [policy for policy in self._store.policies() if policy not in used]
        self._store.forget(gone)
        for path in self._folder.glob("*") if self._folder.is_dir() else ():
            if path.is_dir() and path.name not in used:
                shutil.rmtree(path, ignore_errors=True)  # nobody is given what is left; the next sweep tries again
        return len(gone)

    def _given(self, books: Books, caller: Caller, table: SharedTable) -> Given | None:
        listed = next((item for item in books.tables if (item.share, item.name) == (table.share, table.name)), None)
        if listed is None:
            return None
        grant = table_grant(books.book, caller, listed.label(books.book), table.name, self._today())
        if grant is None:
            return None
        return Given(table, grant, caller.organisation, self._digest(table, grant.policy, caller.organisation))

    def _possible(self, book: Rulebook, table: SharedTable) -> Iterator[Given]:
        """Yield a table as anybody could get it by any rule."""
        policies = [(rule.id, rule.tables[table.name]) for rule in book.rules if rule.tables and table.name in rule.tables]
        for rule, policy in (("", None), *policies):
            for organisation in book.organisations:
                grant = TableGrant(rule, policy, 1)
                yield Given(table, grant, organisation, self._digest(table, policy, organisation))

    def _digest(self, table: SharedTable, policy: TablePolicy | None, organisation: str) -> str:
        """Return the digest of what decides how a table looks: those for whom it is the same share its files."""
        keys = self._keys(table, policy, organisation)
        recipient = organisation if policy is not None and policy.is_of_recipient else ""
        return policy_digest(_FORMAT, table.share, table.name, policy, recipient, keys.fingerprint if keys else "")

    def _keys(self, table: SharedTable, policy: TablePolicy | None, organisation: str) -> Keys | None:
        if policy is None or not policy.is_keyed:
            return None
        return derive_keys(self.secret, table.share, organisation, table.epoch)

    def _shaper(self, given: Given, source: Source) -> Shaper:
        policy = given.grant.policy or as_it_is(source.schema)
        return Shaper(policy, source.schema, self._keys(given.table, policy, given.recipient), given.recipient)

    def _counter(self, given: Given, shaper: Shaper) -> Counter:
        return Counter((given.grant.policy or shaper.policy).identifying(), shaper.schema)

    def _last(self, policy: str) -> Release | None:
        body = self._store.get(policy)
        return None if body is None else msgspec.json.decode(body, type=Release)

    def _make(self, given: Given, source: Source, last: Release | None) -> Release:
        """Make the files that are not there yet, and keep what is given now; a version is new when what is given is."""
        folder = self._folder / given.policy
        shaper = self._shaper(given, source)
        schema = shaper.schema.serialize().to_pybytes()
        counter = self._counter(given, shaper) if given.grant.k > 1 else None
        known = _reusable(folder, last, schema) if counter is None else {}
        sources: dict[str, str] = {}
        pieces: dict[str, Piece] = {}
        for file in source.files:
            piece = known[file.identity] if file.identity in known else self._piece(folder, shaper, source, file, counter)
            sources[file.identity] = piece.name if piece else ""
            if piece:
                pieces[piece.name] = piece
        names = [name for name in sources.values() if name]
        smallest = counter.count(given.grant.k).smallest if counter else None
        made = self._next(last, schema, names, pieces, (source.fingerprint, sources, smallest))
        made = made if counter is None else made.alone()
        self._store.put(given.policy, msgspec.json.encode(made))
        keep_only(folder, {file.piece.name for file in made.files})
        return made

    def _piece(self, folder: Path, shaper: Shaper, source: Source, file: SourceFile, counter: Counter | None) -> Piece | None:
        batches = source.batches(file, shaper.columns)
        if counter is None:
            return write_piece(folder, shaper.schema, shaped(shaper, batches))

        def counted() -> Iterator[pa.Table]:
            for batch in batches:
                made = shaper.shape(batch)
                counter.add(made, shaper.subjects(batch))
                if made.num_rows:
                    yield made

        return write_piece(folder, shaper.schema, counted())

    def _next(
        self,
        last: Release | None,
        schema: bytes,
        names: list[str],
        pieces: dict[str, Piece],
        found: tuple[str, dict[str, str], int | None],
    ) -> Release:
        """Return the release that follows: of the same version, a version with more rows, or one that begins anew."""
        fingerprint, sources, smallest = found
        had = Bag(file.piece.name for file in last.files) if last else Bag()
        has = Bag(names)
        if last is None or schema != last.schema or had - has:
            version = last.version + 1 if last else 0
            files = [File(pieces[name], version) for name in names]
            return Release(version, version, [self._clock()], fingerprint, schema, files, sources, smallest)
        added = has - had
        version = last.version + bool(added)
        moments = [*last.made, self._clock()] if added else last.made
        files = [*last.files, *(File(pieces[name], version) for name in names if _take(added, name))]
        return Release(version, last.first, moments, fingerprint, schema, files, sources, smallest)

    @contextmanager
    def _alone(self, policy: str) -> Iterator[None]:
        """Let one at a time make the files of a policy, of all threads and processes."""
        with self._guard:
            lock = self._locks.setdefault(policy, Lock())
        with lock:
            try:
                self._folder.mkdir(0o700, parents=True, exist_ok=True)
                with (self._folder / f"{policy}.lock").open("w") as file:
                    fcntl.flock(file, fcntl.LOCK_EX)
                    yield
            except OSError as error:
                raise TableError("D014", f"{self._folder} cannot be written: {error.strerror or error}") from error


def _reusable(folder: Path, last: Release | None, schema: bytes) -> dict[str, Piece | None]:
    """Return what was made of files of a table, as long as it is there."""
    if last is None or last.schema != schema:
        return {}
    pieces = {file.piece.name: file.piece for file in last.files if piece_path(folder, file.piece.name).is_file()}
    return {identity: pieces.get(name) for identity, name in last.sources.items() if not name or name in pieces}


def _take(bag: Bag[str], name: str) -> bool:
    if not bag[name]:
        return False
    bag[name] -= 1
    return True


__all__ = ["RELEASED", "File", "Given", "Preview", "Release", "Tables"]
