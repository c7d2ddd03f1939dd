"""A node is a folder: its rulebook, its collections, its database. This opens one and wires its parts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from tocsin.errors import NodeError, RecordError
from tocsin.records.entry import new_salt
from tocsin.records.keys import Signer
from tocsin.runs.limits import Rates
from tocsin.runs.node_file import Collection, NodeFile, read_node_file
from tocsin.runs.record import DATABASE, NodeRecord, load_signer
from tocsin.runs.tables import Tables
from tocsin.sharing.decisions import Caller, reaches
from tocsin.sharing.pseudonyms import KEY_BYTES, Pseudonyms
from tocsin.sharing.rulebook import Action, Rulebook
from tocsin.stores import schema
from tocsin.stores.certificates import CertificateStore
from tocsin.stores.cursors import CursorStore
from tocsin.stores.database import open_database, reading
from tocsin.stores.journal import Journal
from tocsin.stores.objects import ObjectStore
from tocsin.stores.pushed import PushStore
from tocsin.stores.releases import ReleaseStore
from tocsin.stores.rulebooks import Rulebooks, Rules
from tocsin.stores.sessions import SessionStore
from tocsin.stores.sightings import SightingStore
from tocsin.stores.statuses import StatusStore
from tocsin.stores.tokens import Terms, TokenStore

NODE_FILE: Final = "node.yml"
RULEBOOK: Final = "rulebook.yml"
PSEUDONYMS: Final = Path("keys", "pseudonyms.key")
TABLES_KEY: Final = Path("keys", "tables.key")
_STATUS_KEPT_US: Final = 7 * 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class Readable:
    """A collection and what a caller may do with it at all."""

    collection: Collection
    can_read: bool
    can_write: bool


def _now() -> int:
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class Options:
    """What is not of the folder: `clock` gives microseconds since 1970 UTC, `salt` what hides an entry of the record."""

    clock: Callable[[], int] = _now
    salt: Callable[[], str] = new_salt


class Node:
    """An open node: its parts, and what they share. `clock` gives the moment in microseconds since 1970 UTC."""

    def __init__(self, folder: Path, engine: Engine, file: NodeFile, options: Options, signer: Signer) -> None:
        self.folder = folder
        self.file = file
        self.clock = clock = options.clock
        self.rates = Rates(file.limits, clock)
        self.engine = engine
        self.rulebooks = Rulebooks()
        self.record = NodeRecord(engine, file.record, signer)
        self.journal = Journal(engine, clock, options.salt)
        self.pseudonyms = Pseudonyms(_read_key(folder / PSEUDONYMS))
        self.objects = ObjectStore(engine, self.rulebooks, clock, self.journal)
        self.sightings = SightingStore(engine, self.rulebooks, clock)
        self.tokens = TokenStore(engine, clock, self.journal)
        self.certificates = CertificateStore(engine, clock, self.journal)
        self.sessions = SessionStore(engine, clock, self.journal)
        self.statuses = StatusStore(engine, clock, _STATUS_KEPT_US)
        secret = _read_key(folder / TABLES_KEY)
        self.tables = Tables(folder, file.tables, ReleaseStore(engine), lambda: self.rules.books, self.today, clock, secret)
        self.cursors = CursorStore(engine, clock)
        self.pushed = PushStore(engine, clock)

    @property
    def rules(self) -> Rules:
        """Return the rulebook in force, and its digest."""
        with reading(self.engine) as connection:
            return self.rulebooks.in_force(connection)

    def today(self) -> date:
        """Return the day, in UTC, on which rules are judged."""
        return datetime.fromtimestamp(self.clock() / 1e6, UTC).date()

    def collections(self, caller: Caller) -> list[Readable]:
        """Return the collections that a caller may know of, in the order of the node's file."""
        book = self.rules.book
        found = (self._readable(collection, caller, book) for collection in self.file.collections)
        return [item for item in found if item.can_read or item.can_write]

    def collection(self, caller: Caller, name: str) -> Readable | None:
        """Return a collection by its id or alias, or None when the caller may not know of it."""
        return next((item for item in self.collections(caller) if name in {item.collection.id, item.collection.alias}), None)

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    def _readable(self, collection: Collection, caller: Caller, book: Rulebook) -> Readable:
        may = {action: any(reaches(book, caller, name, self.today(), action) for name in collection.parts) for action in Action}
        return Readable(collection, may[Action.READ], may[Action.WRITE] and not collection.is_aggregate)


def _read_key(path: Path) -> bytes:
    """Return a key of the folder. Raises: NodeError when it is not there or cut off."""
    try:
        key = path.read_bytes()
    except OSError as error:
        raise NodeError(
            "N006", f"{path} cannot be read: {error.strerror}", hint="put it back from a copy of the node"
        ) from error
    if len(key) != KEY_BYTES:
        raise NodeError("N006", f"{path} is no key of {KEY_BYTES} bytes", hint="put it back from a copy of the node")
    return key


def open_node(folder: Path, options: Options | None = None) -> Node:
    """Open the node of a folder.

    Raises: NodeError when it is none or cannot be used; RulebookError; RecordError for its record or its key; OSError.
    """
    if not (folder / NODE_FILE).is_file():
        raise NodeError("N003", f"{folder} is no node: it has no {NODE_FILE}", hint=f"'tocsin node init {folder}' makes one")
    file = read_node_file(folder / NODE_FILE)
    signer = load_signer(folder, file.record)
    engine = open_database(file.database or f"sqlite:///{(folder / DATABASE).absolute()}")
    try:
        schema.metadata.create_all(engine)
        return Node(folder, engine, file, options or Options(), signer)
    except (NodeError, RecordError):
        engine.dispose()
        raise
    except SQLAlchemyError as error:
        engine.dispose()
        reason = str(getattr(error, "orig", None) or error).strip()
        raise NodeError(
            "N004", f"the database of {folder} cannot be opened: {reason}", hint="see 'database' in node.yml"
        ) from error


@contextmanager
def at_work(folder: Path) -> Iterator[Node]:
    """Give the node of a folder, to be used by a command while others may use it too.

    Raises: as `open_node`; NodeError N020 when the database cannot be used.
    """
    node = open_node(folder)
    try:
        yield node
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip()
        raise NodeError(
            "N020", f"the database of {folder} cannot be used: {reason}", hint="look at disk and rights, and try again"
        ) from error
    finally:
        node.close()


def check_caller(book: Rulebook, caller: Caller) -> None:
    """Raise NodeError N007 when a rulebook does not know an organisation or one of its purposes."""
    if caller.organisation not in book.organisations:
        known = ", ".join(book.organisations)
        raise NodeError("N007", f"the rulebook has no organisation {caller.organisation!r}", hint=f"it has {known}")
    unknown = [purpose for purpose in caller.purposes if purpose not in book.purposes]
    if unknown:
        raise NodeError("N007", f"the rulebook has no purpose {unknown[0]!r}", hint=f"it has {', '.join(book.purposes)}")


def issue_token(node: Node, caller: Caller, terms: Terms) -> str:
    """Return a new token of an organisation, which is told once.

    Raises: NodeError when the rulebook does not know the organisation or a purpose, or a network is none.
    """
    check_caller(node.rules.book, caller)
    try:
        found = [str(ip_network(network)) for network in terms.networks]
    except ValueError as error:
        raise NodeError("N007", f"no network: {error}", hint="write it as 10.1.0.0/16 or one address") from error
    caller = Caller(caller.organisation, tuple(sorted(set(caller.purposes))))
    return node.tokens.issue(caller, replace(terms, networks=tuple(found)))


__all__ = [
    "NODE_FILE",
    "PSEUDONYMS",
    "RULEBOOK",
    "TABLES_KEY",
    "Node",
    "Options",
    "Readable",
    "at_work",
    "check_caller",
    "issue_token",
    "open_node",
]
