"""Gather from exchanges what a site file could say: devices, who talks to whom, which functions, who writes, when.

What is gathered does not depend on the order of events. Roles are guesses and marked as such: they stand under
`proposed_roles`, of which nothing is made until the operator has moved them to `roles`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tocsin.errors import SiteError
from tocsin.sites.addresses import parse_address
from tocsin.sites.protocols import INDUSTRIAL, LOGS, Exchange, is_transfer
from tocsin.sites.site import Address, Network

MOST: Final = 200_000
"""Conversations, and functions in them, that are held."""
_MOST_PORTS: Final = 16
_EXTERNAL: Final = "external"
_V4_PREFIX: Final = 24
_V6_PREFIX: Final = 64
_OUTSTATIONS: Final = frozenset({"dnp3", "iec104"})
_ROLES_BY_PROTOCOL: Final = {"bacnet": "building_controller", "opcua": "opc_server"}


@dataclass(slots=True)
class Seen:
    """How often something was seen, by log, and when first and last; times are empty when no event had one."""

    counts: dict[str, int] = field(default_factory=dict)
    first: str = ""
    last: str = ""

    def add(self, log: str, time: str) -> None:
        """Count one more."""
        self.counts[log] = self.counts.get(log, 0) + 1
        if time:
            self.first = min(self.first or time, time)
            self.last = max(self.last, time)

    @property
    def count(self) -> int:
        """Return the count of the log that tells most, since several logs tell of the same."""
        return max(self.counts.values(), default=0)


@dataclass(slots=True)
class Talk:
    """What was seen of one conversation."""

    seen: Seen = field(default_factory=Seen)
    functions: dict[str, int] = field(default_factory=dict)
    writes: bool = False


@dataclass(frozen=True, slots=True, order=True)
class TalkKey:
    """A conversation by its ends, protocol (empty when nobody knows) and port."""

    source: str
    target: str
    protocol: str
    port: int


@dataclass(frozen=True, slots=True)
class Learnt:
    """What was gathered: devices with their proposed roles, and conversations by their keys, each in order."""

    devices: dict[Address, tuple[str, ...]]
    seen: dict[Address, Seen]
    zones: dict[Network, list[Address]]
    talks: dict[TalkKey, Talk]


class Learner:
    """Takes exchanges in any order."""

    def __init__(self) -> None:
        self._talks: dict[TalkKey, Talk] = {}
        self._devices: dict[Address, Seen] = {}
        self._held = 0

    def add(self, log: str, exchange: Exchange, time: str) -> None:
        """Take one exchange of a log; a public address is a device only where it speaks an industrial protocol.

        Raises: SiteError S008 when there are too many conversations.
        """
        industrial = not INDUSTRIAL.isdisjoint(exchange.protocols)
        log = log if log in LOGS else exchange.protocols[0]
        source = self._end(exchange.source, industrial, True, log, time)
        target = self._end(exchange.target, industrial, exchange.answered, log, time)
        if not source or not target or source == target == _EXTERNAL:
            return
        for protocol in exchange.protocols or ("",):
            talk = self._talk(TalkKey(source, target, protocol, exchange.port))
            talk.seen.add(log, time)
            talk.writes = talk.writes or exchange.writes
            if exchange.function:
                self._hold(exchange.function not in talk.functions)
                talk.functions[exchange.function] = talk.functions.get(exchange.function, 0) + 1

    def _talk(self, key: TalkKey) -> Talk:
        found = self._talks.get(key)
        if found is None:
            self._hold(True)
            found = self._talks[key] = Talk()
        return found

    def _hold(self, more: bool) -> None:
        self._held += more
        if self._held > MOST:
            hint = "learn from the logs of the control network"
            raise SiteError("S008", f"there are more than {MOST:,} conversations and functions", hint=hint)

    def _end(self, text: str, industrial: bool, exists: bool, log: str, time: str) -> str:
        """Return an address as a conversation names it, noting the device; empty for one that is of no device."""
        address = parse_address(text)
        if address is None or address.is_multicast or address.is_unspecified or str(address) == "255.255.255.255":
            return ""
        if address.is_global and not industrial:
            return _EXTERNAL
        if exists:
            self._devices.setdefault(address, Seen()).add(log, time)
        return str(address)

    def result(self) -> Learnt:
        """Return what was gathered, in an order that does not depend on that of the events."""
        devices = sorted(self._devices, key=lambda address: (address.version, int(address)))
        zones: dict[Network, list[Address]] = {}
        for address in devices:
            zones.setdefault(network_of(address), []).append(address)
        talks = dict(sorted(_joined(self._talks)))
        roles = _proposed_roles(talks)
        return Learnt(
            {address: roles.get(str(address), ()) for address in devices},
            {address: self._devices[address] for address in devices},
            zones,
            talks,
        )


def network_of(address: Address) -> Network:
    """Return the network that is proposed as the zone of an address."""
    if address.is_loopback:
        return ipaddress.ip_network("127.0.0.0/8" if address.version == 4 else "::1/128")
    return ipaddress.ip_network((address, _V4_PREFIX if address.version == 4 else _V6_PREFIX), strict=False)


def _joined(talks: dict[TalkKey, Talk]) -> Iterator[tuple[TalkKey, Talk]]:
    """Yield the conversations, those of two ends over very many unknown ports as one over any."""
    unknown: dict[tuple[str, str], list[TalkKey]] = {}
    for key in talks:
        if not key.protocol:
            unknown.setdefault((key.source, key.target), []).append(key)
    many = {ends: keys for ends, keys in unknown.items() if len(keys) > _MOST_PORTS}
    for key, talk in talks.items():
        if key.protocol or (key.source, key.target) not in many:
            yield key, talk
    for (source, target), keys in many.items():
        whole = Talk()
        for key in keys:
            seen = talks[key].seen
            for log, count in seen.counts.items():
                whole.seen.counts[log] = whole.seen.counts.get(log, 0) + count
            whole.seen.first = min(filter(None, (whole.seen.first, seen.first)), default="")
            whole.seen.last = max(whole.seen.last, seen.last)
        yield TalkKey(source, target, "", 0), whole


def _proposed_roles(talks: dict[TalkKey, Talk]) -> dict[str, tuple[str, ...]]:
    """Guess roles from what devices do in industrial protocols; only those that are told by it."""
    found: dict[str, set[str]] = {}
    for key, talk in talks.items():
        if key.protocol not in INDUSTRIAL or not talk.functions:
            continue
        if key.target != _EXTERNAL:
            role = "rtu" if key.protocol in _OUTSTATIONS else _ROLES_BY_PROTOCOL.get(key.protocol, "plc")
            found.setdefault(key.target, set()).add(role)
        if key.source != _EXTERNAL:
            role = "engineering_station" if any(map(is_transfer, talk.functions)) else "hmi" if talk.writes else "historian"
            found.setdefault(key.source, set()).add(role)
    return {text: tuple(sorted(roles)) for text, roles in found.items()}


__all__ = ["MOST", "Learner", "Learnt", "Seen", "Talk", "TalkKey", "network_of"]
