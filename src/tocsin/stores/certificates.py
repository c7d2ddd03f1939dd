"""Certificates that callers are known by: each is bound to an organisation by its fingerprint, the SHA-256 of its DER form."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Engine, LargeBinary, Row, String, Table, delete, insert, select

from tocsin.records.entry import Kind, time_text
from tocsin.sharing.decisions import Caller
from tocsin.stores.database import reading, writing
from tocsin.stores.grants import parted
from tocsin.stores.journal import Journal
from tocsin.stores.schema import metadata
from tocsin.stores.tokens import Access, Role

_ID_BYTES: Final = 6
certificate: Final = Table(
    "certificate",
    metadata,
    Column("fingerprint", LargeBinary, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("organisation", String, nullable=False),
    Column("purposes", String, nullable=False),
    Column("roles", String, nullable=False),
    Column("holder", String, nullable=False),
    Column("expires", BigInteger, nullable=False),
)


class CertificateStore:
    """Certificates in a database. `clock` gives the moment in microseconds since 1970 UTC."""

    def __init__(self, engine: Engine, clock: Callable[[], int], journal: Journal) -> None:
        self._engine = engine
        self._clock = clock
        self._journal = journal

    def bind(self, fingerprint: bytes, caller: Caller, roles: Iterable[Role], expires: int, holder: str) -> str:
        """Let the holder of a certificate call for an organisation until a moment, instead of whatever it was bound to.

        Returns the id by which it is revoked.
        """
        name = f"certificate-{secrets.token_hex(_ID_BYTES)}"
        values = {
            "fingerprint": fingerprint,
            "id": name,
            "organisation": caller.organisation,
            "purposes": "\n".join(sorted(caller.purposes)),
            "roles": "\n".join(sorted(roles)),
            "holder": holder,
            "expires": expires,
        }
        detail = {"token": name, "sha256": fingerprint.hex(), "expires": time_text(expires), "holder": holder}
        with writing(self._engine) as connection:
            connection.execute(delete(certificate).where(certificate.c.fingerprint == fingerprint))
            connection.execute(insert(certificate).values(values))
            self._journal.note(connection, Kind.TOKEN, caller, detail)
        return name

    def accept(self, fingerprint: bytes) -> Access | None:
        """Return what the holder of a certificate may do, or None when it is bound to nobody, or expired."""
        with reading(self._engine) as connection:
            row = connection.execute(select(certificate).where(certificate.c.fingerprint == fingerprint)).first()
        return self._access(row)

    def standing(self, name: str) -> Access | None:
        """Return what the binding of an id gives access to, or None: for what was given by it, never to let somebody in."""
        with reading(self._engine) as connection:
            row = connection.execute(select(certificate).where(certificate.c.id == name)).first()
        return self._access(row)

    def revoke(self, name: str) -> bool:
        """Revoke a certificate by the id of its binding, at once; return whether there was one."""
        with writing(self._engine) as connection:
            gone = connection.execute(
                delete(certificate)
                .where(certificate.c.id == name)
                .returning(certificate.c.organisation, certificate.c.purposes)
            ).first()
            if gone is not None:
                caller = Caller(gone.organisation, parted(gone.purposes))
                self._journal.note(connection, Kind.TOKEN, caller, {"token": name, "revoked": "yes"})
        return gone is not None

    def _access(self, row: Row[Any] | None) -> Access | None:
        if row is None or row.expires <= self._clock():
            return None
        caller = Caller(row.organisation, parted(row.purposes))
        roles = frozenset(Role(name) for name in parted(row.roles))
        return Access(token=row.id, holder=row.holder, caller=caller, roles=roles, networks=(), expires=row.expires)


__all__ = ["CertificateStore"]
