"""The rulebook: six concepts, and no more, that say who may get what.

organisations   who takes part, with relations to others: member, client, processor
groups          organisations under one name
markings        what TLP, PAP and the community's own marking definitions mean here
purposes        what information may be used for, and how noticeable that use is (PAP)
rules           who may read or write which of a node's collections and tables, for which purpose
expiry          the day from which a relation, a membership or a rule no longer holds

A marking is a ceiling, a rule is a grant: a recipient gets what a rule gives it and no marking keeps from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from hashlib import sha256
from typing import Final

import msgspec

from tocsin.sharing.markings import Declared, Pap, Tlp
from tocsin.sharing.table_policies import Policies

COMMUNITY: Final = "community"
"""In a relation: the community itself. In a rule's recipients: every member of it."""
EVERYONE: Final = "everyone"
"""In a rule's recipients: every organisation that the rulebook names, member or not."""


class Kind(StrEnum):
    """What an organisation is to another, or to the community."""

    MEMBER = "member"
    CLIENT = "client"
    PROCESSOR = "processor"


class Action(StrEnum):
    """What a rule lets a recipient do."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Relation:
    """That an organisation is a member, client or processor of another (by its id) or of the community, until a day."""

    kind: Kind
    of: str
    expires: date | None = None


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who takes part. `identity` is the id of its STIX identity object, empty when it has none."""

    id: str
    name: str
    identity: str = ""
    relations: tuple[Relation, ...] = ()


@dataclass(frozen=True, slots=True)
class Membership:
    """That an organisation is in a group, until a day."""

    organisation: str
    expires: date | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Organisations under one name. `hidden` keeps who is in it from those who are not its operator."""

    id: str
    members: tuple[Membership, ...]
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Purpose:
    """What information may be used for. `pap` is the narrowest PAP level under which this use is still permitted."""

    id: str
    pap: Pap
    text: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a rule is about; an empty part selects all. `types` are those of STIX objects, or `table`."""

    collections: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    def parts(self) -> tuple[tuple[str, ...], ...]:
        """Return the three parts."""
        return self.collections, self.owners, self.types


@dataclass(frozen=True, slots=True)
class Rule:
    """That recipients may read or write what is selected, for purposes, until a day.

    `to` holds ids of organisations and groups, COMMUNITY or EVERYONE. `clients` reaches the clients of those named,
    `processors` their processors: the latter needs `permission`, the reference of the originator's consent.
    `up_to` is the narrowest level that the rule gives; None is all that its recipients may have, without TLP:RED.
    With a `k` above 1 sightings are not given but counted, from those of `k` other organisations on; with `pseudonyms` under
    a name for each of them that changes every month. `tables` says how tables are given; without it a rule gives none. With a
    `k` a table is given only when in it no fewer rows, or subjects, look alike.
    """

    id: str
    to: tuple[str, ...]
    of: Selection = Selection()
    may: Action = Action.READ
    up_to: Tlp | None = None
    purposes: tuple[str, ...] = ()
    clients: bool = False
    processors: bool = False
    permission: str = ""
    expires: date | None = None
    k: int = 1
    pseudonyms: bool = False
    reason: str = ""
    tables: Policies | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All that is agreed. `default` is the level of what has no TLP marking; it is never TLP:CLEAR."""

    community: str
    operator: str
    organisations: Mapping[str, Organisation] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    markings: Mapping[str, Declared] = field(default_factory=dict)
    purposes: Mapping[str, Purpose] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    default: Tlp = Tlp.AMBER_STRICT

    def __post_init__(self) -> None:
        if self.default is Tlp.CLEAR:
            raise ValueError("what is unmarked cannot be TLP:CLEAR")


def digest(book: Rulebook) -> str:
    """Return the SHA-256 of a rulebook as 64 hexadecimal digits: of its JSON with sorted keys, so that only meaning counts."""
    return sha256(msgspec.json.encode(book, order="sorted")).hexdigest()


__all__ = [
    "COMMUNITY",
    "EVERYONE",
    "Action",
    "Group",
    "Kind",
    "Membership",
    "Organisation",
    "Purpose",
    "Relation",
    "Rule",
    "Rulebook",
    "Selection",
    "digest",
]
