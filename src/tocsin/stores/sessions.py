"""Sessions of people: 256 random bits in a cookie, of which only the SHA-256 is kept, with an end and an end when idle."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Engine,
    Index,
    LargeBinary,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from tocsin.records.entry import Kind, time_text
from tocsin.sharing.decisions import Caller
from tocsin.stores.database import reading, writing
from tocsin.stores.grants import parted
from tocsin.stores.journal import Journal
from tocsin.stores.schema import metadata
from tocsin.stores.tokens import Access, Role

_SECRET_BYTES: Final = 32
_ID_BYTES: Final = 6
_LONGEST: Final = 200
_SEEN_US: Final = 60_000_000
"""How exactly it is known when a session was last used."""
session: Final = Table(
    "session",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("holder", String, nullable=False),
    Column("name", String, nullable=False),
    Column("organisation", String, nullable=False),
    Column("purposes", String, nullable=False),
    Column("roles", String, nullable=False),
    Column("began", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Index("session_by_holder", "holder"),
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom a provider knows. `subject` is never given to anybody else by the same issuer; `name` is for reading."""

    issuer: str
    subject: str
    name: str

    @property
    def id(self) -> str:
        """Return what names this person for ever, at this node and in its record: issuer and subject, neither has a space."""
        return f"{self.issuer} {self.subject}"


@dataclass(frozen=True, slots=True)
class Session:
    """A session that holds. `access` is what it gives; its `holder` is the id of the person. Moments are microseconds."""

    access: Access
    name: str
    began: int


class SessionStore:
    """Sessions in a database. `clock` gives the moment in microseconds since 1970 UTC."""

    def __init__(self, engine: Engine, clock: Callable[[], int], journal: Journal) -> None:
        self._engine = engine
        self._clock = clock
        self._journal = journal

    def begin(self, person: Person, caller: Caller, roles: frozenset[Role], expires: int) -> str:
        """Return the secret of a new session, which nobody can be told again; what is over is forgotten."""
        text = secrets.token_urlsafe(_SECRET_BYTES)
        now = self._clock()
        name = f"session-{secrets.token_hex(_ID_BYTES)}"
        values = {
            "digest": _digest(text),
            "id": name,
            "holder": person.id,
            "name": person.name,
            "organisation": caller.organisation,
            "purposes": "\n".join(sorted(caller.purposes)),
            "roles": "\n".join(sorted(roles)),
            "began": now,
            "seen": now,
            "expires": expires,
        }
        detail = {"token": name, "issued": " ".join(sorted(roles)), "expires": time_text(expires), "holder": person.id}
        with writing(self._engine) as connection:
            connection.execute(delete(session).where(session.c.expires <= now))
            connection.execute(insert(session).values(values))
            self._journal.note(connection, Kind.TOKEN, caller, detail)
        return text

    def accept(self, text: str, idle_us: int) -> Session | None:
        """Return the session of a secret, or None when there is none, it is over, or was idle too long."""
        if not 0 < len(text) <= _LONGEST:
            return None
        now = self._clock()
        with reading(self._engine) as connection:
            row = connection.execute(select(session).where(session.c.digest == _digest(text))).first()
        if row is None or row.expires <= now or row.seen + idle_us <= now:
            return None
        if row.seen + _SEEN_US <= now:
            with writing(self._engine) as connection:
                connection.execute(update(session).where(session.c.digest == row.digest).values(seen=now))
        caller = Caller(row.organisation, parted(row.purposes))
        roles = frozenset(Role(name) for name in parted(row.roles))
        access = Access(token=row.id, holder=row.holder, caller=caller, roles=roles, networks=(), expires=row.expires)
        return Session(access, row.name, row.began)

    def end(self, name: str) -> bool:
        """End a session by its id; return whether there was one."""
        return self._end(session.c.id == name) > 0

    def end_all(self, holder: str) -> int:
        """End all sessions of a person by its id; return how many there were."""
        return self._end(session.c.holder == holder)

    def _end(self, which: ColumnElement[bool]) -> int:
        with writing(self._engine) as connection:
            gone = connection.execute(
                delete(session).where(which).returning(session.c.id, session.c.organisation, session.c.purposes)
            ).all()
            for row in gone:
                caller = Caller(row.organisation, parted(row.purposes))
                self._journal.note(connection, Kind.TOKEN, caller, {"token": row.id, "revoked": "yes"})
        return len(gone)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()


__all__ = ["Person", "Session", "SessionStore"]
