"""A node's own file, `node.yml`: what it is called, where it listens, which collections it has. Who gets what is elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4, uuid5

import msgspec
import yaml

from tocsin.errors import NodeError
from tocsin.records.note import is_key_name
from tocsin.runs.limits import Limits
from tocsin.runs.login_file import Login, check_login
from tocsin.runs.peers_file import Peer, check_peers
from tocsin.runs.shares_file import SharedTable, ShareEntry, read_shares

_NAMESPACE: Final = UUID("0f2a4c1e-8d0b-5a37-9c61-7f1d5a2e9b40")
_ALIAS: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_MOST_BYTES: Final = 1 << 20
_MEGABYTE: Final = 1 << 20
FIRST_COLLECTION: Final = "intelligence"
_STARTER: Final = """\
# What this node is called, where it listens and which collections it has. docs/node.md explains every key.
# Who may read and write them is in rulebook.yml.
title: {title}
record: {record}
listen: 127.0.0.1:8470
collections:
  {collection}:
    id: {collection_id}
    title: Intelligence
    description: Indicators, sightings and reports of this community
"""


class _Collection(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    title: str
    description: str = ""
    id: str = ""
    of: list[str] = []


class _File(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    title: str
    record: str
    collections: dict[str, _Collection]
    description: str = ""
    contact: str = ""
    listen: str = "127.0.0.1:8470"
    public_url: str = ""
    database: str = ""
    most_megabytes: int = 100
    page: int = 500
    limits: Limits = Limits()
    login: Login | None = None
    shares: dict[str, ShareEntry] = {}
    peers: dict[str, Peer] = {}


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection of objects. Rules name it by its alias, TAXII by its id as well.

    `parts` are the collections that hold its objects: itself, or those of an aggregate, which rules cannot name.
    """

    alias: str
    id: str
    title: str
    description: str
    parts: tuple[str, ...]

    @property
    def is_aggregate(self) -> bool:
        """Return whether it is a view of others."""
        return self.parts != (self.alias,)


@dataclass(frozen=True, slots=True)
class NodeFile:
    """What a node's file says. `record` names its record, `database` is the URL of PostgreSQL, empty for SQLite.

    `most_bytes` is a request's limit.
    """

    title: str
    record: str
    collections: tuple[Collection, ...]
    description: str
    contact: str
    listen: str
    public_url: str
    database: str
    most_bytes: int
    page: int
    limits: Limits
    login: Login | None
    tables: tuple[SharedTable, ...]
    peers: Mapping[str, Peer]

    def holding(self) -> list[str]:
        """Return what rules can name: the collections that hold objects, and the shares."""
        held = [item.alias for item in self.collections if not item.is_aggregate]
        return [*held, *dict.fromkeys(table.share for table in self.tables)]


def read_node_file(path: Path) -> NodeFile:
    """Return what the file of a node says.

    Raises: NodeError with the file and what is wrong in it; OSError.
    """
    text = path.read_bytes()
    if len(text) > _MOST_BYTES:
        raise NodeError("N006", f"{path}: the file is larger than {_MOST_BYTES // _MEGABYTE} MB")
    try:
        found = msgspec.convert(yaml.safe_load(text), _File)
    except (yaml.YAMLError, msgspec.ValidationError, RecursionError) as error:
        raise NodeError("N006", f"{path}: {error}", hint="docs/node.md lists the keys of node.yml") from error
    collections = tuple(_collection(alias, item, path) for alias, item in found.collections.items())
    own = [item.alias for item in collections if not item.is_aggregate]
    for item in collections:
        missing = next((name for name in item.parts if name not in own), None)
        if missing is not None:
            raise NodeError("N006", f"{path}: {item.alias} is of {missing!r}, which is no collection that holds objects")
    if not 1 <= found.page <= 10_000 or not 1 <= found.most_megabytes <= 1_000:
        raise NodeError("N006", f"{path}: page is from 1 to 10000, most_megabytes from 1 to 1000")
    if not is_key_name(found.record):
        raise NodeError("N006", f"{path}: record is a name without spaces and +", hint="never change it: it names the record")
    if found.login is not None:
        check_login(found.login, found.public_url, path)
    check_peers(found.peers, own, {item.alias for item in collections}, path)
    return NodeFile(
        found.title,
        found.record,
        collections,
        found.description,
        found.contact,
        found.listen,
        found.public_url.rstrip("/"),
        found.database,
        found.most_megabytes * _MEGABYTE,
        found.page,
        found.limits,
        found.login,
        read_shares(found.shares, path.parent, list(found.collections)),
        found.peers,
    )


def starter_node(title: str, record: str) -> str:
    """Return the text of the file that a new node begins with; `record` is the name of its record."""
    return _STARTER.format(
        title=json.dumps(title), record=json.dumps(record), collection=FIRST_COLLECTION, collection_id=uuid4()
    )


def _collection(alias: str, item: _Collection, path: Path) -> Collection:
    if not _ALIAS.fullmatch(alias):
        raise NodeError("N006", f"{path}: the collection {alias!r} has no alias of small letters, digits and dashes")
    try:
        number = UUID(item.id) if item.id else UUID(bytes=uuid5(_NAMESPACE, alias).bytes, version=4)  # TAXII asks for version 4
    except ValueError as error:
        raise NodeError("N006", f"{path}: the id of the collection {alias} is no UUID") from error
    return Collection(alias, str(number), item.title, item.description, tuple(dict.fromkeys(item.of)) or (alias,))


__all__ = ["FIRST_COLLECTION", "Collection", "NodeFile", "read_node_file", "starter_node"]
