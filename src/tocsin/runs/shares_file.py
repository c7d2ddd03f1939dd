"""The shares in `node.yml`: named tables, whose they are, and how they are marked. Who gets what is in the rulebook."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec

from tocsin.errors import TableError
from tocsin.sharing.markings import PAP_2, TLP_2, Pap, Tlp, read_name
from tocsin.sharing.parse_tables import DEFAULT_SCHEMA, TABLE_NAME
from tocsin.sharing.tables import Listed

_SHARE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_DEFINITION: Final = re.compile(r"marking-definition--[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ShareEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What `node.yml` says of a share: its owner, its tables' folders by name, its markings, and the epoch of its keys."""

    owner: str
    tables: dict[str, str]
    marking: list[str] = []
    epoch: Annotated[int, msgspec.Meta(ge=1)] = 1


@dataclass(frozen=True, slots=True)
class SharedTable:
    """A table of a share as `node.yml` has it. `name` is `SCHEMA.TABLE`; `refs` are the ids of its markings.

    Who gets it is decided by how it was listed when that was adopted, not by `owner` and `refs` here.
    """

    share: str
    name: str
    path: Path
    owner: str
    refs: tuple[str, ...]
    epoch: int

    @property
    def listed(self) -> Listed:
        """Return what of it has to be adopted."""
        return Listed(self.share, self.name, self.owner, self.refs)

    @property
    def schema(self) -> str:
        """Return the name of its schema."""
        return self.name.partition(".")[0]

    @property
    def table(self) -> str:
        """Return its name within the schema."""
        return self.name.partition(".")[2]


def read_shares(entries: Mapping[str, ShareEntry], folder: Path, taken: list[str]) -> tuple[SharedTable, ...]:
    """Return the tables of all shares, sorted. `taken` are names of collections, which no share may have.

    Raises: TableError D007.
    """
    found = []
    for share, entry in sorted(entries.items()):
        if not _SHARE.fullmatch(share) or share in taken:
            why = "is the name of a collection" if share in taken else "is no name of lower case letters, digits, '-' and '_'"
            raise TableError("D007", f"the share {share!r} {why}", hint="rename it")
        refs = tuple(_reference(share, text) for text in entry.marking)
        names: set[str] = set()
        for key, path in sorted(entry.tables.items()):
            name = key if "." in key else f"{DEFAULT_SCHEMA}.{key}"
            if not TABLE_NAME.fullmatch(name) or name in names:
                why = "stands twice" if name in names else "is no name of a table"
                raise TableError("D007", f"{share}: {key!r} {why}", hint="write SCHEMA.TABLE or TABLE, each once")
            names.add(name)
            found.append(SharedTable(share, name, folder / path, entry.owner, refs, entry.epoch))
    return tuple(found)


def _reference(share: str, text: str) -> str:
    level = read_name(text)
    if isinstance(level, Tlp):
        return TLP_2[level]
    if isinstance(level, Pap) and level in PAP_2:
        return PAP_2[level]
    if not _DEFINITION.fullmatch(text):
        hint = "such as TLP:AMBER, PAP:GREEN or marking-definition--, then a UUID"
        raise TableError("D007", f"{share}: {text!r} is no marking", hint=hint)
    return text


__all__ = ["ShareEntry", "SharedTable", "read_shares"]
