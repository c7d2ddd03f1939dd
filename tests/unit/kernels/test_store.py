"""Compiled kernels are kept where only the user can write, whatever the mask of new files; else nowhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_FOLDER = "from tocsin.kernels import store; print(store.folder(), store.is_compiled(), store.can_keep())"
_MARK = "from tocsin.kernels import store; store.mark_compiled()"
_START = "from tocsin.runs.readers import Readers, compiling; print(compiling(Readers(wanted=True)))"


def _run(program: str, home: Path, mask: int = 0o022) -> str:
    """Return what a program prints that leaves no temporary folder."""
    cache, temporary = home / "a" / "b", home / "temporary"
    temporary.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(cache),
        "TMPDIR": str(temporary),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, env=environment, umask=mask, capture_output=True, text=True, check=True)
    assert not list(temporary.iterdir())
    return done.stdout.strip()


@pytest.mark.parametrize("mask", [0o000, 0o002, 0o022, 0o077])
def test_kept_with_any_mask(mask: int, tmp_path: Path) -> None:
    """A process finds what an earlier one kept, and each new level of folders is the user's alone."""
    found = _run(_FOLDER, tmp_path, mask)
    assert found.endswith(" False True")
    folder = Path(found.split()[0])
    levels = [folder, *folder.parents]
    assert {level.stat().st_mode & 0o777 for level in levels[: levels.index(tmp_path)]} == {0o700}
    _run(_MARK, tmp_path, mask)
    assert _run(_FOLDER, tmp_path, mask) == f"{folder} True True"


def test_not_kept_where_others_write(tmp_path: Path) -> None:
    """In a folder that others may write to nothing is kept or taken; the temporary one is removed, nothing is started."""
    folder = Path(_run(_FOLDER, tmp_path).split()[0])
    _run(_MARK, tmp_path)
    folder.parent.chmod(0o775)
    found, compiled, kept = _run(_FOLDER, tmp_path).split()
    assert (compiled, kept) == ("False", "False")
    assert not Path(found).is_relative_to(tmp_path / "a")
    assert not Path(found).exists()
    assert _run(_START, tmp_path) == "False"
    folder.parent.chmod(0o700)
    assert _run(_FOLDER, tmp_path) == f"{folder} True True"
