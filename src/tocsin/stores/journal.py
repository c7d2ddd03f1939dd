"""Write into the record what a node takes, gives and refuses: in the transaction of what it is about, or before it is given."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping

from sqlalchemy import Connection, Engine

from tocsin.records.entry import Entry, Kind, Reference, entry_hash, new_salt
from tocsin.sharing.decisions import Caller
from tocsin.stores import record
from tocsin.stores.database import writing
from tocsin.stores.rulebooks import digest_in_force


class Journal:
    """Writes entries. `clock` gives microseconds since 1970 UTC, `salt` what hides an entry."""

    def __init__(self, engine: Engine, clock: Callable[[], int], salt: Callable[[], str] = new_salt) -> None:
        self._engine = engine
        self._clock = clock
        self._salt = salt

    def note(
        self,
        connection: Connection,
        kind: Kind,
        caller: Caller,
        detail: Mapping[str, str],
        objects: Iterable[Reference] = (),
    ) -> str:
        """Append one entry in the transaction of a connection, one for writing; return the hash of its leaf in hexadecimal.

        Raises: RecordError L010 for more than an entry can hold.
        """
        entry = Entry(
            self._clock(),
            kind,
            caller.organisation,
            caller.purposes,
            tuple(objects),
            rulebook=digest_in_force(connection),
            detail=detail,
            salt=self._salt(),
        )
        record.append(connection, [entry])
        return entry_hash(entry).hex()

    def commit(self, kind: Kind, caller: Caller, detail: Mapping[str, str], objects: Iterable[Reference] = ()) -> str:
        """Append one entry in a transaction of its own, and return when it is on the disk: then what it records may happen."""
        with writing(self._engine) as connection:
            return self.note(connection, kind, caller, detail, objects)

    def release(self, caller: Caller, detail: Mapping[str, str], content: bytes, objects: Iterable[Reference] = ()) -> str:
        """Record that an answer is given, with the digest of its body, and return the receipt. Then it may be given."""
        return self.commit(Kind.RELEASE, caller, {**detail, "sha256": hashlib.sha256(content).hexdigest()}, objects)


def reference(stix_id: str, body: bytes) -> Reference:
    """Return the reference to an object as it was given."""
    return Reference(stix_id, hashlib.sha256(body).hexdigest())


__all__ = ["Journal", "reference"]
