"""An incident: findings that belong together, with what tells why."""

from __future__ import annotations

from msgspec import Struct


class Member(Struct, frozen=True):
    """A finding of an incident: its 1-based number in the order of the findings, and why it is in, in plain words.

    The first finding of an incident has no reason; each other one names another finding and what they share.
    """

    number: int
    time: str
    level: str
    title: str
    host: str
    reasons: tuple[str, ...]


class IncidentRule(Struct, frozen=True):
    """A rule of an incident's findings, and how many it found."""

    title: str
    level: str
    count: int


class Stage(Struct, frozen=True):
    """An ATT&CK tactic or technique by its tag without `attack.`, in the order of its first finding."""

    name: str
    first: str
    count: int


class Process(Struct, frozen=True):
    """A process of a tree: depth below the root, its image and command line, and the numbers of its findings.

    A process that only a child names has no command line unless the child tells it.
    """

    depth: int
    host: str
    image: str
    command_line: str
    time: str
    findings: tuple[int, ...]


class Incident(Struct, frozen=True):
    """Findings that belong together.

    `id` is stable for the same findings; `score` is 0 to 100; `level` is the highest of its findings; times are RFC 3339 in
    UTC, empty when no finding has one; `assets` are lines of the site file's assets; `processes` are trees in preorder.
    `findings` counts all, also those beyond the listed `members`; names are the first 50 of each kind.
    """

    id: str
    title: str
    score: int
    level: str
    first: str
    last: str
    findings: int
    summary: str
    rules: tuple[IncidentRule, ...]
    tactics: tuple[Stage, ...]
    techniques: tuple[Stage, ...]
    hosts: tuple[str, ...]
    users: tuple[str, ...]
    addresses: tuple[str, ...]
    assets: tuple[str, ...]
    processes: tuple[Process, ...]
    processes_left_out: int
    members: tuple[Member, ...]


__all__ = ["Incident", "IncidentRule", "Member", "Process", "Stage"]
