"""A server of PostgreSQL for tests, named by TOCSIN_TEST_POSTGRESQL: each node gets a schema of its own, gone afterwards."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import pytest
from sqlalchemy import create_engine, text

ENVIRONMENT = "TOCSIN_TEST_POSTGRESQL"


def server_url() -> str:
    """Return the URL of the server: skip the test when none is named, but fail in CI, which has one."""
    url = os.environ.get(ENVIRONMENT, "")
    if not url and os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{ENVIRONMENT} is not set: .ci/run starts a server of PostgreSQL")
    if not url:
        pytest.skip(f"{ENVIRONMENT} names no server of PostgreSQL (CONTRIBUTING.md says how to start one)")
    return url


@contextmanager
def new_database() -> Iterator[str]:
    """Give the URL of an empty database."""
    url, name = server_url(), f"test_{uuid.uuid4().hex}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    try:
        yield f"{url}{'&' if '?' in url else '?'}options={quote(f'-csearch_path={name}')}"
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
        engine.dispose()


__all__ = ["ENVIRONMENT", "new_database", "server_url"]
