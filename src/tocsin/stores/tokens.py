"""API tokens: 256 random bits, shown once; only their SHA-256 is kept, so that what is stolen from the store opens nothing."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Engine, Row, insert, select, update

from tocsin.records.entry import Kind, time_text
from tocsin.sharing.decisions import Caller
from tocsin.stores import schema
from tocsin.stores.database import reading, writing
from tocsin.stores.grants import parted
from tocsin.stores.journal import Journal

PREFIX: Final = "tocsin_"
_SECRET_BYTES: Final = 32
_ID_BYTES: Final = 6
_LONGEST: Final = 200


class Role(StrEnum):
    """What the holder of a token may ask for at all; the rulebook says what it gets."""

    READ = "read"
    WRITE = "write"
    OPERATE = "operate"


@dataclass(frozen=True, slots=True)
class Access:
    """A token that was accepted. `holder` names the person or program that it was issued to, empty for none.

    `networks` are those it may be used from, all when there are none.
    """

    token: str
    holder: str
    caller: Caller
    roles: frozenset[Role]
    networks: tuple[str, ...]
    expires: int

    def may_come_from(self, address: str) -> bool:
        """Return whether the token may be used from an address."""
        if not self.networks:
            return True
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in ipaddress.ip_network(network) for network in self.networks)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a token is issued for: `expires` is a moment in microseconds; the others as in `Access`."""

    roles: tuple[Role, ...]
    expires: int
    networks: tuple[str, ...] = ()
    holder: str = ""


class TokenStore:
    """Tokens in a database. `clock` gives the moment in microseconds since 1970 UTC."""

    def __init__(self, engine: Engine, clock: Callable[[], int], journal: Journal) -> None:
        self._engine = engine
        self._clock = clock
        self._journal = journal

    def issue(self, caller: Caller, terms: Terms) -> str:
        """Return a new token, which nobody can be told again."""
        name = secrets.token_hex(_ID_BYTES)
        text = f"{PREFIX}{name}_{secrets.token_urlsafe(_SECRET_BYTES)}"
        values = {
            "id": name,
            "digest": _digest(text),
            "organisation": caller.organisation,
            "holder": terms.holder,
            "purposes": "\n".join(sorted(caller.purposes)),
            "roles": "\n".join(sorted(terms.roles)),
            "networks": "\n".join(sorted(str(ipaddress.ip_network(network)) for network in terms.networks)),
            "created": self._clock(),
            "expires": terms.expires,
            "revoked": False,
        }
        with writing(self._engine) as connection:
            connection.execute(insert(schema.token).values(values))
            detail = {
                "token": name,
                "issued": " ".join(sorted(terms.roles)),
                "expires": time_text(terms.expires),
                "holder": terms.holder,
            }
            self._journal.note(connection, Kind.TOKEN, caller, detail)
        return text

    def accept(self, text: str) -> Access | None:
        """Return what a token gives access to, or None when it is unknown, expired or revoked."""
        if len(text) > _LONGEST or not text.startswith(PREFIX):
            return None
        table = schema.token
        with reading(self._engine) as connection:
            row = connection.execute(select(table).where(table.c.digest == _digest(text))).first()
        return self._access(row)

    def standing(self, name: str) -> Access | None:
        """Return what the token of an id gives access to, or None: for what was given by it, never to let somebody in."""
        table = schema.token
        with reading(self._engine) as connection:
            row = connection.execute(select(table).where(table.c.id == name)).first()
        return self._access(row)

    def revoke(self, name: str) -> bool:
        """Revoke a token by its id, at once; return whether there was one to revoke."""
        table = schema.token
        valid = table.c.id == name, table.c.revoked.is_(False)
        with writing(self._engine) as connection:
            row = connection.execute(
                update(table).where(*valid).values(revoked=True).returning(table.c.organisation, table.c.purposes)
            ).first()
            if row is not None:
                caller = Caller(row.organisation, parted(row.purposes))
                self._journal.note(connection, Kind.TOKEN, caller, {"token": name, "revoked": "yes"})
        return row is not None

    def _access(self, row: Row[Any] | None) -> Access | None:
        if row is None or row.revoked or row.expires <= self._clock():
            return None
        roles = frozenset(Role(name) for name in parted(row.roles))
        return Access(
            row.id, row.holder, Caller(row.organisation, parted(row.purposes)), roles, parted(row.networks), row.expires
        )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


__all__ = ["PREFIX", "Access", "Role", "Terms", "TokenStore"]
