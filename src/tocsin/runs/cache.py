"""The cache of compiled rules: one file for each content, safe against damage, strangers and a second writer."""

from __future__ import annotations

import gc
import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

import tocsin

_MAGIC: Final = b"tocsin-cache 1\n"
_DIGEST_BYTES: Final = 32
_KEPT: Final = 8
T = TypeVar("T")


def default_cache_dir() -> Path:
    """Return the folder of the user's caches, by the XDG base directory specification."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "tocsin")


def digest_of(files: Iterable[tuple[str, bytes]], placeholders: Mapping[str, Sequence[str]]) -> str:
    """Return the key of a rule set: version, compiler, placeholders, and the label and content of every file.

    The compiler is told by the source of the whole package, so that a changed one never meets plans that another made.
    """
    whole = hashlib.sha256(f"{tocsin.__version__} {sys.version_info[:2]}".encode())
    whole.update(source_digest(Path(tocsin.__file__).parent))
    whole.update(msgspec.msgpack.encode({key: list(values) for key, values in sorted(placeholders.items())}))
    for label, text in files:
        whole.update(hashlib.sha256(label.encode("utf-8", "surrogateescape")).digest() + hashlib.sha256(text).digest())
    return whole.hexdigest()


def source_digest(root: Path) -> bytes:
    """Return the digest of all Python files of a package and its rooms. Cost: 3 ms; fewer rooms would save 2."""
    whole = hashlib.sha256()
    for path in sorted([*root.glob("*.py"), *root.glob("*/*.py")]):
        name, text = str(path.relative_to(root)).encode("utf-8", "surrogateescape"), path.read_bytes()
        whole.update(hashlib.sha256(name).digest() + hashlib.sha256(text).digest())
    return whole.digest()


class RuleCache:
    """Files in a folder that only the user may write. Nothing that goes wrong here stops a scan: `problem` tells of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.problem = ""

    def load(self, key: str, kind: type[T]) -> T | None:
        """Return the stored value, or None when there is none that can be trusted."""
        path = self._folder / f"{key}.bin"
        try:
            with path.open("rb") as file:
                self._check_owner(os.fstat(file.fileno()))
                data = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            self.problem = f"{path}: {error}"
            return None
        try:
            return self._decode(key, data, kind)
        except (ValueError, msgspec.MsgspecError) as error:
            self.problem = f"{path}: {error}; the rules were compiled again"
            return None

    def _check_owner(self, found: os.stat_result) -> None:
        if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError("the cache can be written by others and is not used")

    def _decode(self, key: str, data: bytes, kind: type[T]) -> T:
        body = data[len(_MAGIC) + _DIGEST_BYTES :]
        head = _MAGIC + hashlib.sha256(key.encode() + body).digest()
        if not data.startswith(head):
            raise ValueError("damaged")
        was_enabled = gc.isenabled()
        gc.disable()  # a quarter of a million new objects, none of them garbage: collecting doubles the time
        try:
            return msgspec.msgpack.decode(body, type=kind)
        finally:
            if was_enabled:
                gc.enable()

    def save(self, key: str, value: object) -> None:
        """Store a value: written aside and renamed, so that a reader sees a whole file or none."""
        body = msgspec.msgpack.encode(value)
        data = _MAGIC + hashlib.sha256(key.encode() + body).digest() + body
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
                file.write(data)
            Path(file.name).replace(self._folder / f"{key}.bin")
            self._forget_old()
        except OSError as error:
            self.problem = f"{self._folder}: {error}; the rules will be compiled again next time"

    def _forget_old(self) -> None:
        files = sorted(self._folder.glob("*.bin"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in files[_KEPT:]:
            path.unlink(missing_ok=True)


__all__ = ["RuleCache", "default_cache_dir", "digest_of", "source_digest"]
