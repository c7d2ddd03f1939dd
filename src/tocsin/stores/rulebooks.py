"""The rulebook and the tables in force, and who approved which others: in the database, so that grants change with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, insert, select

from tocsin.errors import RulebookError
from tocsin.sharing.parse_rulebook import parse_rulebook
from tocsin.sharing.rulebook import Rulebook, digest
from tocsin.sharing.tables import Books, Listed
from tocsin.stores import schema, state

_STATE: Final = "rulebook"
_TABLES: Final = "tables"


@dataclass(frozen=True, slots=True)
class Rules:
    """A rulebook, its digest, and the tables that are listed under it."""

    book: Rulebook
    digest: str
    tables: tuple[Listed, ...]

    @property
    def books(self) -> Books:
        """Return what decides who gets which table."""
        return Books(self.book, self.tables)


@dataclass(frozen=True, slots=True)
class Approval:
    """That somebody approved a rulebook and its tables in place of others: by `digest_of_both`, and who it was."""

    rulebook: str
    instead_of: str
    holder: str
    organisation: str


class Rulebooks:
    """Reads the rulebook in force; what was parsed once is kept."""

    def __init__(self) -> None:
        self._last: Rules | None = None

    def in_force(self, connection: Connection) -> Rules:
        """Return the rulebook that is in force for a transaction. Raises: RulebookError B001 when there is none that reads."""
        found = digest_in_force(connection)
        listed = _tables_in_force(connection)
        last = self._last
        if last is not None and last.digest == found and last.tables != listed:
            self._last = last = Rules(last.book, found, listed)
        if last is None or last.digest != found:
            text = connection.execute(select(schema.rulebook.c.text).where(schema.rulebook.c.digest == found)).scalar()
            if text is None:
                raise RulebookError(
                    "B001", "no rulebook is in force", hint="'tocsin node adopt DIR' takes rulebook.yml in force"
                )
            book, problems = parse_rulebook(text, "the rulebook in force")
            if problems:
                raise problems[0]
            self._last = last = Rules(book, found, listed)
        return last


def digest_in_force(connection: Connection) -> str:
    """Return the digest of the rulebook in force, empty when there is none yet."""
    return state.get(connection, _STATE) or ""


def _tables_in_force(connection: Connection) -> tuple[Listed, ...]:
    text = state.get(connection, _TABLES)
    return msgspec.json.decode(text, type=tuple[Listed, ...]) if text else ()


def digest_of_both(rulebook: str, tables: Iterable[Listed]) -> str:
    """Return the digest of a rulebook, by its own, and of the tables that are listed; without any it is the rulebook's own."""
    listed = sorted(tables)
    return sha256(msgspec.json.encode([rulebook, listed])).hexdigest() if listed else rulebook


def put_in_force(connection: Connection, books: Books, text: bytes, moment_us: int) -> str:
    """Put a rulebook and tables in force and return its digest; approvals fall. Grants are made anew by who asks next."""
    found = digest(books.book)
    connection.execute(delete(schema.rulebook).where(schema.rulebook.c.digest == found))
    connection.execute(insert(schema.rulebook).values(digest=found, text=text, at=moment_us))
    state.put(connection, _STATE, found)
    state.put(connection, _TABLES, msgspec.json.encode(sorted(books.tables)).decode())
    connection.execute(delete(schema.approval))
    return found


def approve(connection: Connection, approval: Approval, moment_us: int) -> None:
    """Keep an approval; the same once more changes nothing."""
    values = {
        "rulebook": approval.rulebook,
        "instead_of": approval.instead_of,
        "holder": approval.holder,
        "organisation": approval.organisation,
    }
    if approval not in approvals(connection, approval.rulebook, approval.instead_of):
        connection.execute(insert(schema.approval).values(at=moment_us, **values))


def approvals(connection: Connection, rulebook: str, instead_of: str) -> list[Approval]:
    """Return who approved a rulebook in place of the one in force, in the order of time."""
    table = schema.approval
    wanted = table.c.rulebook == rulebook, table.c.instead_of == instead_of
    rows = connection.execute(select(table).where(*wanted).order_by(table.c.at, table.c.holder))
    return [Approval(row.rulebook, row.instead_of, row.holder, row.organisation) for row in rows]


__all__ = ["Approval", "Rulebooks", "Rules", "approvals", "approve", "digest_in_force", "digest_of_both", "put_in_force"]
