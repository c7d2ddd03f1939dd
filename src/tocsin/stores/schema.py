"""The tables of a node's objects, grants and access, for SQLite and PostgreSQL alike.

`label.marks` is what objects carry; `label.tlp` is the level that the rulebook in force makes of it, for the record.
`entry.parted` says that some of an object may be kept from who may see the rest: its rows in `part` have labels of their own.

A moment is a whole number of microseconds since 1970 in UTC. `entry.seq` grows with every object added; one batch, what was
added at once, has one moment `added`, and a later batch a later one, so that the order of `seq` is that of `added`.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

metadata: Final = MetaData()
_KEY: Final = BigInteger().with_variant(Integer, "sqlite")

label = Table(
    "label",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("collection", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("type", String, nullable=False),
    Column("marks", String, nullable=False),
    Column("tlp", Integer, nullable=False),
    Column("rows", BigInteger, nullable=False, default=0),
    UniqueConstraint("collection", "owner", "type", "marks"),
)
caller = Table(
    "caller",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("organisation", String, nullable=False),
    Column("purposes", String, nullable=False),
    UniqueConstraint("organisation", "purposes"),
)
grant = Table(
    "grant_row",
    metadata,
    Column("caller", Integer, ForeignKey("caller.id"), primary_key=True, autoincrement=False),
    Column("label", Integer, ForeignKey("label.id"), primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
batch = Table(
    "batch",
    metadata,
    Column("added", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
entry = Table(
    "entry",
    metadata,
    Column("seq", _KEY, primary_key=True, autoincrement=False),
    Column("label", Integer, ForeignKey("label.id"), nullable=False),
    Column("collection", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("stix_id", String, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("spec", String, nullable=False),
    Column("added", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("parted", Boolean, nullable=False, default=False),
    UniqueConstraint("collection", "stix_id", "version", "spec", "owner"),
    Index("entry_by_label", "label", "seq"),
    Index("entry_by_collection", "collection", "seq", "label"),
)
part = Table(
    "part",
    metadata,
    Column("seq", _KEY, ForeignKey("entry.seq", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("label", Integer, ForeignKey("label.id"), nullable=False),
    Column("selectors", String, nullable=False),
    sqlite_with_rowid=False,
)
sighting = Table(
    "sighting",
    metadata,
    Column("seq", _KEY, ForeignKey("entry.seq", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("of", String, nullable=False),
    Column("times", BigInteger, nullable=False),
    Column("first", BigInteger),
    Column("last", BigInteger),
    Index("sighting_by_object", "of", "seq"),
)
withdrawal = Table(
    "withdrawal",
    metadata,
    Column("seq", _KEY, primary_key=True, autoincrement=False),
    Column("label", Integer, ForeignKey("label.id"), nullable=False),
    Column("stix_id", String, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)
status = Table(
    "status",
    metadata,
    Column("id", String, primary_key=True),
    Column("organisation", String, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
token = Table(
    "token",
    metadata,
    Column("id", String, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("organisation", String, nullable=False),
    Column("holder", String, nullable=False),
    Column("purposes", String, nullable=False),
    Column("roles", String, nullable=False),
    Column("networks", String, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("revoked", Boolean, nullable=False, default=False),
)
rulebook = Table(
    "rulebook",
    metadata,
    Column("digest", String, primary_key=True),
    Column("text", LargeBinary, nullable=False),
    Column("at", BigInteger, nullable=False),
)
approval = Table(
    "approval",
    metadata,
    Column("rulebook", String, primary_key=True),
    Column("instead_of", String, primary_key=True),
    Column("holder", String, primary_key=True),
    Column("organisation", String, nullable=False),
    Column("at", BigInteger, nullable=False),
)
state = Table(
    "state",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", String, nullable=False),
)

__all__ = [
    "approval",
    "batch",
    "caller",
    "entry",
    "grant",
    "label",
    "metadata",
    "part",
    "rulebook",
    "sighting",
    "state",
    "status",
    "token",
    "withdrawal",
]
