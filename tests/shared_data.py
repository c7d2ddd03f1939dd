"""Where the shared test data lies: beside the checkout, in `../shared/data`."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "shared"
DATA = ROOT / "data"
REASON = "the shared test data (../shared) is not there"


def shared(*parts: str) -> Path:
    """Return a path of the shared data: skip the test without any shared data, fail when just this one is missing."""
    if not ROOT.exists():
        pytest.skip(REASON)
    path = DATA.joinpath(*parts)
    assert path.exists(), f"shared test data is incomplete: {path} is missing"
    return path


def need_shared() -> None:
    """Skip a whole module without the shared data."""
    if not ROOT.exists():
        pytest.skip(REASON, allow_module_level=True)


__all__ = ["DATA", "need_shared", "shared"]
