"""What became of requests to add objects, for the organisation that asked alone."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from sqlalchemy import Engine, delete, insert, select

from tocsin.sharing.decisions import Caller
from tocsin.stores import schema
from tocsin.stores.database import reading, writing


class StatusStore:
    """Statuses in a database, for as long as they are kept. Moments are in microseconds since 1970 UTC."""

    def __init__(self, engine: Engine, clock: Callable[[], int], kept_us: int) -> None:
        self._engine = engine
        self._clock = clock
        self._kept_us = kept_us

    def put(self, caller: Caller, body: Callable[[str], bytes]) -> tuple[str, bytes]:
        """Keep the status that `body` makes of its new id; return both."""
        name = str(uuid4())
        made = body(name)
        now = self._clock()
        with writing(self._engine) as connection:
            connection.execute(delete(schema.status).where(schema.status.c.at < now - self._kept_us))
            connection.execute(insert(schema.status).values(id=name, organisation=caller.organisation, at=now, body=made))
        return name, made

    def get(self, caller: Caller, name: str) -> bytes | None:
        """Return a status that the caller's organisation asked for, or None."""
        table = schema.status
        query = select(table.c.body).where(table.c.id == name, table.c.organisation == caller.organisation)
        with reading(self._engine) as connection:
            found: bytes | None = connection.execute(query).scalar_one_or_none()
        return found


__all__ = ["StatusStore"]
