"""What a site file says, typed: zones, assets, expected conversations, working hours, lists of names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, tzinfo
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, Literal

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
EndpointKind = Literal["any", "external", "asset", "role", "zone", "network"]

CRITICALITIES: Final = ("low", "medium", "high", "critical")
LEVELS: Final = (0.0, 1.0, 2.0, 3.0, 3.5, 4.0, 5.0)
"""The levels of the Purdue model; 3.5 is the zone between plant and office."""
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Zone:
    """A part of the network; `level` is that of the Purdue model, None when it is not stated."""

    name: str
    level: float | None = None
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Asset:
    """A device. `zone` is the name of one, empty when none is given; `macs` are lower case with colons."""

    name: str
    addresses: tuple[Address, ...] = ()
    macs: tuple[str, ...] = ()
    hostnames: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    zone: str = ""
    criticality: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a conversation: an asset, role or zone by its name, a network, any address, or any outside all zones."""

    kind: EndpointKind
    name: str = ""
    network: Network | None = None

    def __str__(self) -> str:
        """Return the form that the site file has."""
        if self.kind in ("role", "zone"):
            return f"{self.kind}:{self.name}"
        return self.name or self.kind


@dataclass(frozen=True, slots=True)
class Conversation:
    """An expected conversation. An empty protocol and port 0 mean any; no functions mean that none were listed."""

    sources: tuple[Endpoint, ...]
    targets: tuple[Endpoint, ...]
    protocol: str = ""
    port: int = 0
    writes: bool = False
    functions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """When assets of some roles are worked with; `days` count from Monday, 0. An `end` before `begin` is on the next day."""

    time_zone: tzinfo
    zone_name: str
    days: frozenset[int]
    begin: time
    end: time
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """A whole site file, checked."""

    name: str
    zones: Mapping[str, Zone] = field(default_factory=dict)
    assets: Mapping[str, Asset] = field(default_factory=dict)
    conversations: tuple[Conversation, ...] = ()
    hours: tuple[WorkingHours, ...] = ()
    placeholders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


__all__ = [
    "CRITICALITIES",
    "DAYS",
    "LEVELS",
    "Address",
    "Asset",
    "Conversation",
    "Endpoint",
    "Network",
    "Site",
    "WorkingHours",
    "Zone",
]
