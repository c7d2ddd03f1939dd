"""The rulebook in force, and who approved which other: in the database, so that grants change with it or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from tocsin.errors import RulebookError
from tocsin.sharing.parse_rulebook import parse_rulebook
from tocsin.sharing.rulebook import Rulebook, digest
from tocsin.stores import schema, state

_STATE: Final = "rulebook"


@dataclass(frozen=True, slots=True)
class Rules:
    """A rulebook and its digest."""

    book: Rulebook
    digest: str


@dataclass(frozen=True, slots=True)
class Approval:
    """That somebody approved a rulebook in place of another: by digest, and who it was."""

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
        last = self._last
        if last is None or last.digest != found:
            text = connection.execute(select(schema.rulebook.c.text).where(schema.rulebook.c.digest == found)).scalar()
            if text is None:
                raise RulebookError(
                    "B001", "no rulebook is in force", hint="'tocsin node adopt DIR' takes rulebook.yml in force"
                )
            book, problems = parse_rulebook(text, "the rulebook in force")
            if problems:
                raise problems[0]
            self._last = last = Rules(book, found)
        return last


def digest_in_force(connection: Connection) -> str:
    """Return the digest of the rulebook in force, empty when there is none yet."""
    return state.get(connection, _STATE) or ""


def put_in_force(connection: Connection, book: Rulebook, text: bytes, moment_us: int) -> str:
    """Put a rulebook in force and return its digest; approvals of others fall. Grants are made anew by who asks next."""
    found = digest(book)
    connection.execute(delete(schema.rulebook).where(schema.rulebook.c.digest == found))
    connection.execute(insert(schema.rulebook).values(digest=found, text=text, at=moment_us))
    state.put(connection, _STATE, found)
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


__all__ = ["Approval", "Rulebooks", "Rules", "approvals", "approve", "digest_in_force", "put_in_force"]
