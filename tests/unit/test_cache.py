"""The rule cache: whole or not at all, ours or not at all."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from pathlib import Path

import pytest

import tocsin
from tocsin.runs.cache import RuleCache, digest_of, source_digest

VALUE = {"a": ["x" * 100] * 50}
KIND = dict[str, list[str]]


@pytest.fixture
def cache(tmp_path: Path) -> RuleCache:
    """Return a cache that holds a value."""
    cache = RuleCache(tmp_path)
    cache.save("k", VALUE)
    assert not cache.problem
    return cache


def test_round_trip(cache: RuleCache, tmp_path: Path) -> None:
    """A value comes back; an unknown key does not, without a problem."""
    assert cache.load("k", KIND) == VALUE
    assert cache.load("other", KIND) is None
    assert not cache.problem
    assert [path.name for path in tmp_path.iterdir()] == ["k.bin"]
    assert (tmp_path / "k.bin").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["cut", "empty", "flip", "other", "kind"])
def test_damage(cache: RuleCache, tmp_path: Path, damage: str) -> None:
    """A file that is cut, empty, changed, of another key or kind is not used, and the problem is told."""
    path = tmp_path / "k.bin"
    data = path.read_bytes()
    key, kind = "k", KIND
    if damage == "cut":
        path.write_bytes(data[:-3])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "flip":
        path.write_bytes(data[:90] + bytes([data[90] ^ 1]) + data[91:])
    elif damage == "other":
        key = "k2"
        path.rename(tmp_path / "k2.bin")
    else:
        kind = list[int]
    assert cache.load(key, kind) is None
    assert f"{key}.bin" in cache.problem


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_writable_by_others(cache: RuleCache, tmp_path: Path, mode: int) -> None:
    """A file that others may write is not used."""
    (tmp_path / "k.bin").chmod(mode)
    assert cache.load("k", KIND) is None
    assert "written by others" in cache.problem


def test_foreign_owner(cache: RuleCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of another user is not used."""
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    assert cache.load("k", KIND) is None
    assert cache.problem


def test_folder_cannot_be_written(tmp_path: Path) -> None:
    """A folder that cannot be made is a problem, not an error."""
    (tmp_path / "file").write_text("x")
    cache = RuleCache(tmp_path / "file" / "sub")
    cache.save("k", VALUE)
    assert cache.problem


def test_only_a_few_are_kept(tmp_path: Path) -> None:
    """Old files are removed."""
    cache = RuleCache(tmp_path)
    for number in range(20):
        cache.save(f"k{number}", VALUE)
    assert len(list(tmp_path.glob("*.bin"))) == 8
    assert cache.load("k19", KIND) == VALUE


def _write_many(folder: Path, number: int, problems: object) -> None:
    cache = RuleCache(folder)
    for _ in range(200):
        cache.save("k", {"a": [str(number)] * 2000})
        found = cache.load("k", KIND)
        if found is None or len(set(found["a"])) != 1 or cache.problem:
            problems.put(cache.problem or "mixed")
            return


def test_two_writers(tmp_path: Path) -> None:
    """Two processes that write at once never leave, or see, a file that is not whole."""
    context = multiprocessing.get_context("fork")
    problems = context.SimpleQueue()
    members = [context.Process(target=_write_many, args=(tmp_path, number, problems)) for number in range(2)]
    for member in members:
        member.start()
    for member in members:
        member.join()
    assert problems.empty() or problems.get() == ""
    assert [member.exitcode for member in members] == [0, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["k.bin"]


def test_digest() -> None:
    """The key depends on labels, contents, order and placeholders."""
    one = digest_of([("a", b"x"), ("b", b"y")], {})
    others = [
        digest_of([("a", b"xb"), ("", b"y")], {}),
        digest_of([("b", b"y"), ("a", b"x")], {}),
        digest_of([("a", b"x")], {}),
        digest_of([("a", b"x"), ("b", b"y")], {"N": ["v"]}),
        digest_of([("a", b"x"), ("b", b"z")], {}),
    ]
    assert len({one, *others}) == 6
    assert digest_of([("a", b"x"), ("b", b"y")], {}) == one


@pytest.mark.parametrize(
    "name", ["errors.py", "events/values.py", "events/new.py", "rules/parse.py", "plans/lower.py", "runs/ruleset.py"]
)
def test_any_changed_source_changes_the_key(tmp_path: Path, name: str) -> None:
    """A plan depends on more than the compiler's own rooms, so every file of the package counts."""
    copy = tmp_path / "tocsin"
    shutil.copytree(Path(tocsin.__file__).parent, copy, ignore=shutil.ignore_patterns("packs", "__pycache__"))
    before = source_digest(copy)
    assert source_digest(copy) == before
    with (copy / name).open("a") as file:
        file.write("# another\n")
    assert source_digest(copy) != before
