"""Every scan of these tests is done by the slow and by the fast readers."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="module")
def both(reader: str) -> str:
    """Name the readers."""
    return reader
