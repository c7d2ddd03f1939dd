"""A finding: one rule matched one event."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType


class FoundRule(Struct, frozen=True):
    """What a finding tells of its rule."""

    id: str
    title: str
    level: str
    status: str
    tags: tuple[str, ...]
    author: str
    references: tuple[str, ...]
    path: str


class FoundLogsource(Struct, frozen=True):
    """The logsource of the rule."""

    product: str
    category: str
    service: str


class FoundSource(Struct, frozen=True):
    """Where the event was read: path (`archive!/member` inside an archive), format, record id or 1-based line."""

    path: str
    format: str
    record: int


class FoundAsset(Struct, frozen=True):
    """What the site file knows of an address or host: `name` is empty where only the zone of an address is known."""

    name: str
    roles: tuple[str, ...]
    zone: str

    @property
    def label(self) -> str:
        """Return the asset on one line: name, then roles and zone."""
        rest = ", ".join((*self.roles, *((f"zone {self.zone}",) if self.zone else ())))
        return f"{self.name} ({rest})".lstrip() if rest else self.name


class FoundDecision(Struct, frozen=True):
    """By whose decision a finding is suppressed, or has another level than its rule.

    `kind` is `filter`, `suppress` or `level`; `expires` is the day from which it is not applied, empty without one; `level` is
    that which the rule itself has, where it was changed.
    """

    kind: str
    title: str
    owner: str
    reason: str
    expires: str
    path: str
    level: str = ""


class Finding(Struct, frozen=True):
    """One finding, with the keys of its JSON form in their order.

    `time` is RFC 3339 in UTC, empty when unknown; `event` is the event as read; `matched` tells selection -> field -> the
    event's values that matched; `twin` that the event stood in for another (a Security 4688 for a Sysmon 1). `assets` has
    those of the event by the text that names them; the key is left out when no site file was given. `decision` is there only
    where somebody decided about the finding.
    """

    rule: FoundRule
    time: str
    host: str
    logsource: FoundLogsource
    telemetry: str
    twin: bool
    source: FoundSource
    event: Any
    matched: dict[str, dict[str, list[str]]]
    assets: dict[str, FoundAsset] | UnsetType = UNSET
    decision: FoundDecision | UnsetType = UNSET


__all__ = ["Finding", "FoundAsset", "FoundDecision", "FoundLogsource", "FoundRule", "FoundSource"]
