"""The kernels never reach beyond an array: with bounds checked they do what they do without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared_data import shared

TESTS = Path(__file__).parents[2]
CACHE = Path.home() / ".cache" / "tocsin-boundscheck"
"""Kept from run to run: compiling with checks takes half a minute."""
SECONDS = 10
_FUZZ = """
import sys
import fuzz_readers
from tocsin.kernels.jit import CHECKED
assert CHECKED
print(*fuzz_readers.fuzz(sys.argv[1], float(sys.argv[2]), 1_000_000))
"""
_UNITS = sorted(
    path for path in Path(__file__).parent.glob("test_*.py") if path.name not in (Path(__file__).name, "test_store.py")
)
_SCANS = [TESTS / "runs" / name for name in ("test_scan.py", "test_hunt_run.py", "test_isolation.py", "test_site_scan.py")]


def _checked(*words: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "XDG_CACHE_HOME": str(CACHE)}
    environment["PYTHONPATH"] = os.pathsep.join((str(TESTS), *sys.path))
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, env=environment, cwd=TESTS.parent, capture_output=True, text=True, timeout=900, check=False)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(_UNITS, id="kernels"),
        pytest.param([*_SCANS, TESTS / "conformance" / "test_conformance.py", "-k", "fast"], id="scans"),
    ],
)
def test_tests_with_bounds_checked(words: list[object]) -> None:
    """The tests of the kernels, and those of scans by fast readers, pass with every access checked."""
    done = _checked("-m", "pytest", "-q", "-p", "no:cacheprovider", *words)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("kind", ["json", "evtx"])
def test_fuzzing_with_bounds_checked(kind: str) -> None:
    """Damaged evidence is read the same with every access checked."""
    shared("otrf")
    done = _checked("-c", _FUZZ, kind, SECONDS)
    assert done.returncode == 0, done.stderr[-3000:]
    rounds, fast = map(int, done.stdout.split())
    assert rounds > SECONDS
    assert fast > rounds
