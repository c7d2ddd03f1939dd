"""Open a node's database: SQLite in a file, or PostgreSQL by its URL. Writers take turns; readers never wait for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

_BY_VALUES: Final = text("SET LOCAL plan_cache_mode = force_custom_plan")
"""A plan of PostgreSQL for any 500 ids, made while there were few rows, reads all rows for each."""
_WAIT_MS: Final = 30_000
_WRITERS: Final = 0x746F6373  # the key of the lock that writers of one PostgreSQL database take
_PRAGMAS: Final = ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_WAIT_MS}", "foreign_keys=ON", "cache_size=-65536")


def open_database(url: str) -> Engine:
    """Return the engine of a database. What is acknowledged is on the disk: SQLite syncs each commit.

    Raises: sqlalchemy.exc.SQLAlchemyError when it cannot be reached, at the first use.
    """
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection in a transaction that no other writer is in; it is kept when the block ends, else undone."""
    with engine.connect() as connection:
        connection = connection.execution_options(tocsin_writes=True)
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITERS})
                connection.execute(_BY_VALUES)
            yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection that sees the database as it is at its first statement, whatever is written meanwhile."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with connection.begin():
            yield connection


def _prepare(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    """Set what a connection to SQLite needs, and leave the begin of transactions to us."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("tocsin_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


__all__ = ["open_database", "reading", "writing"]
