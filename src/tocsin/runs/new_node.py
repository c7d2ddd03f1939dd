"""Make a node in a folder: its rulebook, its file, its key, its database, and the first token of its operator."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path
from typing import Final
from uuid import UUID, uuid5

from tocsin.errors import NodeError
from tocsin.records.keys import Signer
from tocsin.runs.adoption import adopt
from tocsin.runs.node import NODE_FILE, PSEUDONYMS, RULEBOOK, TABLES_KEY, open_node
from tocsin.runs.node_file import FIRST_COLLECTION, starter_node
from tocsin.runs.record import KEY
from tocsin.sharing.decisions import Caller
from tocsin.sharing.pseudonyms import KEY_BYTES
from tocsin.sharing.starter import starter_text
from tocsin.stores.tokens import Role, Terms

_FIRST_TOKEN_US: Final = 30 * 24 * 3600 * 1_000_000
_NAMESPACE: Final = UUID("9d6f7a1a-3f4c-5d0e-8f61-54c0a7f2b7d1")


def init_node(folder: Path, operator: str, name: str, community: str) -> str:
    """Make a node in a folder that is empty or not there, and return the first token of its operator, which is told once.

    Raises: NodeError when something is in the way; RulebookError when an argument cannot stand in a rulebook; OSError.
    """
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise NodeError("N005", f"{folder} is not empty", hint="give a folder that is new or empty")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as half:
        made = Path(half) / "node"
        token = _make(made, operator, name, community)
        made.rename(folder)
    return token


def _make(folder: Path, operator: str, name: str, community: str) -> str:
    """Make a node in a folder that is not there yet, and return the first token of its operator."""
    origin = f"tocsin/{operator}/{secrets.token_hex(8)}"
    identity = f"identity--{uuid5(_NAMESPACE, operator)}"
    folder.mkdir(0o700)
    (folder / KEY).parent.mkdir(0o700)
    _write(folder / RULEBOOK, starter_text(community, operator, name, identity, FIRST_COLLECTION).encode())
    _write(folder / NODE_FILE, starter_node(f"{name}: sharing node", origin).encode())
    _write(folder / KEY, Signer.new(origin).pem())
    for key in (PSEUDONYMS, TABLES_KEY):
        _write(folder / key, secrets.token_bytes(KEY_BYTES))
    node = open_node(folder)
    try:
        adopt(node)
        purposes = tuple(sorted(node.rules.book.purposes))
        return node.tokens.issue(Caller(operator, purposes), Terms(tuple(Role), node.clock() + _FIRST_TOKEN_US))
    finally:
        node.close()


def _write(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


__all__ = ["init_node"]
