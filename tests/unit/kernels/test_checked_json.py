"""The JSON kernels never reach beyond an array: with bounds checked they do what they do without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared_data import shared

TESTS = Path(__file__).parents[2]
CACHE = Path.home() / ".cache" / "tocsin-boundscheck"
"""Kept from run to run: compiling with checks takes long."""
_FUZZ = """
import fuzz_readers
from tocsin.kernels.jit import CHECKED
assert CHECKED
print(*fuzz_readers.fuzz("json", 10, 1))
"""


def _checked(*command: object, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **more, "NUMBA_BOUNDSCHECK": "1", "XDG_CACHE_HOME": str(CACHE)}
    environment["PYTHONPATH"] = os.pathsep.join((str(TESTS), *sys.path))
    words = [sys.executable, *map(str, command)]
    return subprocess.run(words, env=environment, cwd=TESTS.parent, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.parametrize("tests", ["unit/kernels/test_json_kernel.py", "conformance/test_conformance.py"])
def test_tests_with_bounds_checked(tests: str) -> None:
    """The tests of the JSON kernel, and the cases that go through the kernels of codes, pass with every access checked."""
    done = _checked("-m", "pytest", "-q", "-p", "no:cacheprovider", TESTS / tests, "-k", "json_kernel or fast_reader")
    assert done.returncode == 0, done.stdout[-3000:]


def test_fuzzing_with_bounds_checked() -> None:
    """Changed lines are read the same with every access checked."""
    shared("otrf")
    done = _checked("-c", _FUZZ)
    assert done.returncode == 0, done.stderr[-3000:]
    rounds, fast = map(int, done.stdout.split())
    assert rounds > 20
    assert fast > rounds
