"""Real evidence with random damage: both readers make the same of it. `make fuzz SECONDS=...` goes on for longer."""

from __future__ import annotations

import pytest

from fuzz_readers import fuzz
from shared_data import shared

SECONDS = 15


@pytest.mark.parametrize("kind", ["json", "evtx"])
def test_readers_agree_on_damage(kind: str) -> None:
    """Events, cells and losses are the same, round for round."""
    shared("otrf")
    rounds, fast = fuzz(kind, SECONDS, 1)
    assert rounds > SECONDS
    assert fast > rounds
