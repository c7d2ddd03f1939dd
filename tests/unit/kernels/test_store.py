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


@pytest.mark.parametrize(("level", "mode"), [(1, 0o775), (1, 0o707), (0, 0o770), (0, 0o702), (0, 0o755)])
def test_not_kept_where_others_write(level: int, mode: int, tmp_path: Path) -> None:
    """In a folder that others may write to nothing is kept or taken; the temporary one is removed, nothing is started.

    Nor where they may go in, since files and folders in it may be theirs to write by the user's mask.
    """
    folder = Path(_run(_FOLDER, tmp_path).split()[0])
    _run(_MARK, tmp_path)
    changed = (folder, folder.parent)[level]
    changed.chmod(mode)
    found, compiled, kept = _run(_FOLDER, tmp_path).split()
    assert (compiled, kept) == ("False", "False")
    assert not Path(found).is_relative_to(tmp_path / "a")
    assert not Path(found).exists()
    assert _run(_START, tmp_path) == "False"
    changed.chmod(0o700)
    assert _run(_FOLDER, tmp_path) == f"{folder} True True"


def test_not_kept_behind_a_link(tmp_path: Path) -> None:
    """A link in the place of the folder is not followed: whoever set it chose the code."""
    folder = Path(_run(_FOLDER, tmp_path).split()[0])
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert _run(_FOLDER, tmp_path).endswith(" False False")
