"""What a database says of itself: texts by their keys."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from tocsin.stores.schema import state


def get(connection: Connection, key: str) -> str | None:
    """Return the text of a key, or None."""
    found: str | None = connection.execute(select(state.c.value).where(state.c.key == key)).scalar()
    return found


def put(connection: Connection, key: str, value: str) -> None:
    """Set the text of a key."""
    changed = connection.execute(update(state).where(state.c.key == key).values(value=value))
    if not changed.rowcount:
        connection.execute(insert(state).values(key=key, value=value))


__all__ = ["get", "put"]
