"""What was made of tables: for each policy the version that is given, its files, and what it was made of. One row for each."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import Column, Engine, LargeBinary, String, Table, delete, insert, select

from tocsin.stores.database import reading, writing
from tocsin.stores.schema import metadata

release: Final = Table(
    "release",
    metadata,
    Column("policy", String, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)


class ReleaseStore:
    """Rows of releases in a database. What a body says is for `runs/tables.py`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, policy: str) -> bytes | None:
        """Return what was kept for a policy, or None."""
        with reading(self._engine) as connection:
            found: bytes | None = connection.execute(select(release.c.body).where(release.c.policy == policy)).scalar()
        return found

    def put(self, policy: str, body: bytes) -> None:
        """Keep a body for a policy; it is on the disk when this returns."""
        with writing(self._engine) as connection:
            connection.execute(delete(release).where(release.c.policy == policy))
            connection.execute(insert(release).values(policy=policy, body=body))

    def policies(self) -> list[str]:
        """Return all policies that something is kept for, sorted."""
        with reading(self._engine) as connection:
            return list(connection.execute(select(release.c.policy).order_by(release.c.policy)).scalars())

    def forget(self, policies: Collection[str]) -> None:
        """Forget what was kept for policies."""
        with writing(self._engine) as connection:
            for policy in sorted(policies):
                connection.execute(delete(release).where(release.c.policy == policy))


__all__ = ["ReleaseStore"]
