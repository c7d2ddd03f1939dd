"""The SQL of questions about objects. Each joins the grants of the one who asks: what has no grant is in no answer.

The version that is last, and which of two equal ones is told, depend on what the caller may see and on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, false, func, or_, select, union_all
from sqlalchemy.sql.selectable import FromClause

from tocsin.stores import schema
from tocsin.stores.interface import Place, Query, Versions

_SPARSE: Final = 8
"""A caller who may see less than one in so many rows of a collection has them sought label by label."""
_MOST_LABELS: Final = 300
_ENTRY: Final = schema.entry
Condition = ColumnElement[bool]
Entries = FromClause
Asked = Callable[[Entries], Condition]
Relation = Callable[[Entries, Entries], Condition]


class _Reader(NamedTuple):
    """Who asks: the number of a caller, and an organisation where only what that put there is looked at."""

    caller: int
    owner: str | None = None


def select_page(connection: Connection, caller: int, query: Query, *, bodies: bool) -> Select[Any]:
    """Return the rows of a page and one more, in the order in which they were added."""
    reader = _Reader(caller, query.only_of or None)
    asked = _conditions(connection, reader, query)
    columns = ("seq", "label", "stix_id", "version", "spec", "added", "parted", *(["body"] if bodies else []))
    labels = _sparse_labels(connection, caller, query)
    apart = [("collection", name) for name in query.collections] if labels is None else [("label", each) for each in labels]
    if not apart:
        return _visible(reader, columns, lambda e: false())
    parts = [_visible(reader, columns, asked, only).order_by("seq").limit(query.limit + 1) for only in apart]
    if len(parts) == 1:
        return parts[0]
    every = union_all(*(select(part.subquery()) for part in parts)).subquery()
    return select(every).order_by(every.c.seq).limit(query.limit + 1)


def select_owned(connection: Connection, caller: int, owner: str, query: Query) -> Select[Any]:
    """Return all rows of an owner that match a query, whatever its limit and whatever others put there, with their labels."""
    reader = _Reader(caller, owner)
    columns = ("seq", "label", "stix_id", "version", "body")
    return _visible(reader, columns, _conditions(connection, reader, query)).order_by("seq")


def select_known(caller: int, collections: Sequence[str], stix_id: str) -> Select[Any]:
    """Return a row when the caller may see any version of an object in one of the collections."""

    def asked(e: Entries) -> Condition:
        return and_(e.c.collection.in_(collections), e.c.stix_id == stix_id)

    return _visible(_Reader(caller), ("seq",), asked).limit(1)


def _visible(reader: _Reader, columns: Sequence[str], asked: Asked, only: tuple[str, str | int] | None = None) -> Select[Any]:
    """Return the columns of entries, of all or of those with one value in a column, that the reader has a grant for."""
    e = _ENTRY.alias("e")
    found = select(*(e.c[name] for name in columns)).where(_granted(e, reader), asked(e))
    return found if only is None else found.where(e.c[only[0]] == only[1])


def _granted(e: Entries, reader: _Reader) -> Condition:
    """Return whether the reader has a grant for an entry. It is no join, so that the order of the entries leads the search."""
    held = schema.grant.alias()
    granted = exists(select(1).where(held.c.label == e.c.label, held.c.caller == reader.caller))
    return granted if reader.owner is None else and_(e.c.owner == reader.owner, granted)


def _conditions(connection: Connection, reader: _Reader, query: Query) -> Asked:
    """Return the condition of a query, to be asked of an alias of the entries."""
    after, not_before = _beginning(connection, reader, query)
    numbers = _labels_of_types(connection, query) if query.types else None

    def conditions(e: Entries) -> Condition:
        parts: list[Condition] = [e.c.collection.in_(query.collections)]
        parts += [e.c.seq > after] if after is not None else []
        parts += [e.c.added > query.after] if query.after is not None else []
        parts += [e.c.added >= not_before] if not_before is not None else []
        parts += [e.c.stix_id.in_(query.ids)] if query.ids else []
        parts += [e.c.label.in_(numbers)] if numbers is not None else []
        parts += [e.c.spec.in_(query.spec_versions)] if query.spec_versions else []
        parts += [e.c.owner != query.but_of] if query.but_of else []
        return and_(*parts, _versions(e, reader, query))

    return conditions


def _versions(e: Entries, reader: _Reader, query: Query) -> Condition:
    """Return the condition of `match[version]`; without `match[spec_version]` only the latest specification is told."""
    hides: list[Relation] = [_twin] if query.spec_versions or query.every_spec else [_twin, _newer_spec]
    asked: list[Condition] = [e.c.version.in_(query.exact)] if query.exact else []
    if query.versions == {Versions.LAST} and not query.exact:
        hides.append(_later)
    elif Versions.ALL not in query.versions:
        asked += [~_exists(e, reader, query, [_later])] if Versions.LAST in query.versions else []
        asked += [~_exists(e, reader, query, [_earlier])] if Versions.FIRST in query.versions else []
    unhidden = ~_exists(e, reader, query, hides)
    return and_(unhidden, or_(*asked)) if asked else unhidden


def _exists(e: Entries, reader: _Reader, query: Query, relations: Sequence[Relation]) -> Condition:
    """Return whether the reader may see another entry of the same object that is in one of the relations to this one."""
    other = _ENTRY.alias()
    same = other.c.collection.in_(query.collections), other.c.stix_id == e.c.stix_id
    related = or_(*(relation(e, other) for relation in relations))
    return exists(select(1).where(*same, related, _granted(other, reader)))


def _twin(e: Entries, other: Entries) -> Condition:
    """Return whether another entry is the same version of another owner, added before.

    The sum keeps SQLite from seeking it by `seq`: the entries of one object are few.
    """
    return and_(other.c.version == e.c.version, other.c.spec == e.c.spec, other.c.seq + 0 < e.c.seq)


def _newer_spec(e: Entries, other: Entries) -> Condition:
    return other.c.spec > e.c.spec


def _later(e: Entries, other: Entries) -> Condition:
    return and_(other.c.spec == e.c.spec, other.c.version > e.c.version)


def _earlier(e: Entries, other: Entries) -> Condition:
    return and_(other.c.spec == e.c.spec, other.c.version < e.c.version)


def _beginning(connection: Connection, reader: _Reader, query: Query) -> tuple[int | None, int | None]:
    """Return the `seq` after which rows begin and the moment before which none was added, None where there is no such bound."""
    bounds = [_last_of(connection, schema.batch.c.added <= query.after)] if query.after is not None else []
    not_before = None
    if query.start is not None:
        found = _seq_of(connection, reader, query.collections, query.start)
        not_before = query.start.added if found is None else None
        bounds.append(_last_of(connection, schema.batch.c.added < query.start.added) if found is None else found)
    return max(bounds, default=None), not_before


def _last_of(connection: Connection, condition: Condition) -> int:
    """Return the `seq` of the last row of the batches that meet a condition, 0 when there are none."""
    return connection.execute(select(func.max(schema.batch.c.last)).where(condition)).scalar() or 0


def _seq_of(connection: Connection, reader: _Reader, collections: Sequence[str], place: Place) -> int | None:
    """Return the `seq` of a place, None when its row is no more: then what was added with it follows again, and none is missed.

    Rows that are asked for by such a place are told by their moments alone: a batch has hidden rows, and ends with one of them.
    """

    def at_place(e: Entries) -> Condition:
        same = e.c.version == place.version, e.c.spec == place.spec_version
        return and_(e.c.collection.in_(collections), e.c.stix_id == place.id, *same)

    twins = connection.execute(_visible(reader, ("seq", "added"), at_place)).all()
    return min((int(row.seq) for row in twins if row.added == place.added), default=None)


def _labels_of_types(connection: Connection, query: Query) -> list[int]:
    table = schema.label
    wanted = select(table.c.id).where(table.c.collection.in_(query.collections), table.c.type.in_(query.types))
    return list(connection.execute(wanted).scalars())


def _sparse_labels(connection: Connection, caller: int, query: Query) -> list[int] | None:
    """Return the labels to seek one by one, or None when reading the collection in its order costs less."""
    if query.ids:
        return None
    table, held = schema.label, schema.grant
    joined = table.outerjoin(held, and_(held.c.label == table.c.id, held.c.caller == caller))
    rows = connection.execute(
        select(table.c.id, table.c.type, table.c.rows, held.c.caller)
        .select_from(joined)
        .where(table.c.collection.in_(query.collections))
    ).all()
    mine = [row for row in rows if row.caller is not None and (not query.types or row.type in query.types)]
    if len(mine) > _MOST_LABELS or sum(row.rows for row in mine) * _SPARSE >= sum(row.rows for row in rows):
        return None
    return sorted(row.id for row in mine)


__all__ = ["select_known", "select_owned", "select_page"]
