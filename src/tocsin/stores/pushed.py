"""What a node gave to peers by itself, version by version: nothing is given twice, and what is withdrawn here is there too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Engine,
    Row,
    String,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from tocsin.stores import schema, state
from tocsin.stores.database import reading, writing
from tocsin.stores.intake import NARROWED

_ASKED: Final = 200
pushed: Final = Table(
    "pushed",
    schema.metadata,
    Column("target", String, primary_key=True),
    Column("stix_id", String, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("spec", String, primary_key=True),
    Column("there", String, nullable=False),
    Column("marks", String, nullable=False),
    Column("sha256", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("receipt", String, nullable=False),
)


class Sent(StrEnum):
    """What became of a version at a peer."""

    SENT = "sent"
    """It is on its way: the peer may have it, and has not said so."""
    GIVEN = "given"
    REFUSED = "refused"
    CHANGED = "changed"
    """Its marking here is another than the peer was told."""
    DUE = "due"
    """It has to be withdrawn there, and the peer has not said yet that it is."""
    WITHDRAWN = "withdrawn"


class Key(NamedTuple):
    """A version of an object."""

    id: str
    version: int
    spec_version: str


@dataclass(frozen=True, slots=True)
class Pushed:
    """A version that was given. `marks` is a digest of what went beside it, `at` is in microseconds, `receipt` the peer's.

    `there` is the version as the peer knows it, empty for what has none of its own.
    """

    key: Key
    there: str
    marks: str
    sha256: str
    outcome: Sent
    at: int = 0
    receipt: str = ""

    @property
    def is_there(self) -> bool:
        """Tell whether the peer said that it has it, however it is marked there."""
        return self.outcome in {Sent.GIVEN, Sent.CHANGED}


class PushStore:
    """What was given to targets, each a peer at its address. `clock` gives the moment in microseconds since 1970 UTC."""

    def __init__(self, engine: Engine, clock: Callable[[], int]) -> None:
        self._engine = engine
        self._clock = clock

    def stamp(self) -> str:
        """Return what changes whenever something is withdrawn here, or its marking narrows."""
        with reading(self._engine) as connection:
            gone = connection.execute(select(func.count()).select_from(schema.withdrawal)).scalar_one()
            return f"{gone} {state.get(connection, NARROWED) or ''}"

    def known(self, target: str, keys: Sequence[Key]) -> dict[Key, Pushed]:
        """Return those of some versions that a target was given, or refused."""
        found: dict[Key, Pushed] = {}
        wanted = set(keys)
        ids = list(dict.fromkeys(key.id for key in keys))
        with reading(self._engine) as connection:
            for at in range(0, len(ids), _ASKED):
                query = select(pushed).where(pushed.c.target == target, pushed.c.stix_id.in_(ids[at : at + _ASKED]))
                found |= {item.key: item for item in map(_read, connection.execute(query)) if item.key in wanted}
        return found

    def keep(self, target: str, items: Iterable[Pushed]) -> None:
        """Keep what became of versions, now."""
        now = self._clock()
        rows = [
            {
                "target": target,
                "stix_id": item.key.id,
                "version": item.key.version,
                "spec": item.key.spec_version,
                "there": item.there,
                "marks": item.marks,
                "sha256": item.sha256,
                "outcome": item.outcome.value,
                "at": now,
                "receipt": item.receipt,
            }
            for item in items
        ]
        if not rows:
            return
        keys = [{"which": row["stix_id"], "version_": row["version"], "spec_": row["spec"]} for row in rows]
        with writing(self._engine) as connection:
            connection.execute(delete(pushed).where(pushed.c.target == target, _is_key()), keys)
            connection.execute(insert(pushed), rows)

    def change(self, target: str, keys: Iterable[Key], outcome: Sent) -> None:
        """Keep another outcome of versions, from now on."""
        rows = [{"which": key.id, "version_": key.version, "spec_": key.spec_version} for key in keys]
        if rows:
            values = {"outcome": outcome.value, "at": self._clock()}
            with writing(self._engine) as connection:
                connection.execute(update(pushed).where(pushed.c.target == target, _is_key()).values(values), rows)

    def walk(self, target: str, outcome: Sent) -> Iterator[list[Pushed]]:
        """Yield all versions with an outcome, some ids at once, in their order. What changes meanwhile may be left out."""
        after = ""
        while True:
            same = pushed.c.target == target, pushed.c.outcome == outcome.value
            ids = select(pushed.c.stix_id).where(*same, pushed.c.stix_id > after).distinct()
            with reading(self._engine) as connection:
                names = connection.execute(ids.order_by(pushed.c.stix_id).limit(_ASKED)).scalars().all()
                query = select(pushed).where(*same, pushed.c.stix_id.in_(names))
                found = [_read(row) for row in connection.execute(query.order_by(pushed.c.stix_id, pushed.c.version))]
            if not names:
                return
            yield found
            after = names[-1]

    def counts(self, target: str) -> Mapping[Sent, tuple[int, int]]:
        """Return how many versions have each outcome, and since when the first of them is."""
        query = select(pushed.c.outcome, func.count(), func.min(pushed.c.at)).where(pushed.c.target == target)
        with reading(self._engine) as connection:
            return {Sent(name): (count, first) for name, count, first in connection.execute(query.group_by(pushed.c.outcome))}


def _is_key() -> ColumnElement[bool]:
    same = pushed.c.stix_id == bindparam("which"), pushed.c.version == bindparam("version_")
    return and_(*same, pushed.c.spec == bindparam("spec_"))


def _read(row: Row[Any]) -> Pushed:
    key = Key(row.stix_id, row.version, row.spec)
    return Pushed(key, row.there, row.marks, row.sha256, Sent(row.outcome), row.at, row.receipt)


__all__ = ["Key", "PushStore", "Pushed", "Sent"]
