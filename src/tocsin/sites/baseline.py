"""What is new at a site: assets, conversations across zones and functions that its file does not list, work out of hours.

These are checks that no Sigma rule can say: they compare two ends of an event with each other, count a new thing once, or ask
for the local time. What a rule can say, such as a write from a station that is no master, is one: `packs/industrial`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final, NamedTuple

from tocsin.sites.addresses import parse_address
from tocsin.sites.names import Names
from tocsin.sites.protocols import INDUSTRIAL, INTERACTIVE, Exchange, family, log_of
from tocsin.sites.site import Address, Asset, Conversation, Endpoint, Network, Site, WorkingHours

Why = dict[str, dict[str, list[str]]]
_EXTERNAL: Final = "external"
_MINUTE: Final = 16  # 2026-10-06T21:44
_REMEMBERED: Final = 65_536
_REFERENCE: Final = "https://attack.mitre.org/techniques/"


@dataclass(frozen=True, slots=True)
class Check:
    """One check, with what a finding tells of its rule."""

    id: str
    name: str
    title: str
    level: str
    tags: tuple[str, ...]

    @property
    def references(self) -> tuple[str, ...]:
        """Return the pages of the techniques."""
        return tuple(f"{_REFERENCE}{tag[7:].upper()}" for tag in self.tags if tag.startswith("attack.t"))


NEW_ASSET: Final = Check(
    "5b2d9f0e-6c1a-4f0b-9a35-8f6d3c1e7a01",
    "new-asset",
    "Address in a zone of the site that belongs to no asset",
    "medium",
    ("attack.initial-access", "attack.t0864", "attack.t0860"),
)
NEW_CONVERSATION: Final = Check(
    "5b2d9f0e-6c1a-4f0b-9a35-8f6d3c1e7a02",
    "new-conversation",
    "Conversation across zones that the site does not expect",
    "medium",
    ("attack.lateral-movement", "attack.t0886", "attack.command-and-control", "attack.t0885"),
)
NEW_FUNCTION: Final = Check(
    "5b2d9f0e-6c1a-4f0b-9a35-8f6d3c1e7a03",
    "new-function",
    "Function of an industrial protocol that was never seen here",
    "medium",
    ("attack.impair-process-control", "attack.t0855", "attack.execution", "attack.t0821"),
)
OUT_OF_HOURS: Final = Check(
    "5b2d9f0e-6c1a-4f0b-9a35-8f6d3c1e7a04",
    "out-of-hours",
    "Engineering work outside working hours",
    "medium",
    ("attack.persistence", "attack.lateral-movement", "attack.t0859"),
)
CHECKS: Final = (NEW_ASSET, NEW_CONVERSATION, NEW_FUNCTION, OUT_OF_HOURS)
"""All checks, in the order of reports."""


class Deviation(NamedTuple):
    """Something new: the check, the key of the new thing, and what shows it in the form of a finding's `matched`."""

    check: Check
    key: str
    why: Why


def missing(site: Site, check: Check) -> str:
    """Return what a site file lacks for a check, empty when nothing."""
    networks = any(zone.networks for zone in site.zones.values())
    if check is NEW_ASSET and not networks:
        return "the site file gives no networks of zones"
    if check is NEW_CONVERSATION and not networks and not any(asset.zone for asset in site.assets.values()):
        return "the site file puts nothing into zones"
    if check is NEW_CONVERSATION and not site.conversations:
        return "the site file lists no conversations"
    if check is NEW_FUNCTION and not any(item.functions for item in site.conversations):
        return "the site file lists no functions of conversations"
    if check is OUT_OF_HOURS:
        roles = {role for hours in site.hours for role in hours.roles}
        if not roles:
            return "the site file gives no working hours"
        if not any(roles.intersection(asset.roles) for asset in site.assets.values()):
            return f"the site file has no asset of the role {' or '.join(sorted(roles))}"
    return ""


class Baseline:
    """Compares exchanges with a site, by those of the checks for which its file has what they need."""

    def __init__(self, site: Site, names: Names, checks: tuple[Check, ...] = CHECKS) -> None:
        self._names = names
        self._hours = site.hours
        self._checks = frozenset(check for check in checks if not missing(site, check))
        self._expected = _Expected(site, names)
        self._broadcast = set(_shared_addresses(site))
        self._known: dict[tuple[str, Exchange], tuple[Deviation, ...]] = {}
        self._minutes: dict[tuple[int, str], bool] = {}

    def deviations(self, channel: str, exchange: Exchange, time: str) -> Iterator[Deviation]:
        """Yield what is new in an exchange of a log. `time` is RFC 3339 in UTC or empty; without it there are no hours."""
        yield from self.lasting(channel, exchange)
        yield from self.out_of_hours(exchange, time)

    def lasting(self, channel: str, exchange: Exchange) -> tuple[Deviation, ...]:
        """Return what is new in an exchange of a log at any time. Cost: remembered."""
        key = (channel, exchange)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[key] = tuple(self._lasting(channel, exchange))
        return known

    def has_hours(self, exchange: Exchange) -> bool:
        """Tell whether an exchange is work that has hours."""
        return any(self._worked_with(exchange))

    def out_of_hours(self, exchange: Exchange, time: str) -> Iterator[Deviation]:
        """Yield the assets that are worked with outside their hours."""
        for asset, hours, field, text in self._worked_with(exchange) if time else ():
            if any(self._is_within(item, time) for item in hours):
                continue
            local = _local(time, hours[0].time_zone)
            reason = f"{asset.name} is worked with outside {describe(hours[0])}"
            key = "\t".join((asset.name, exchange.protocols[0], f"{local:%Y-%m-%d}"))
            yield Deviation(OUT_OF_HOURS, key, {reason: {"ts": [f"{local:%a %Y-%m-%d %H:%M:%S%z}"], field: [text]}})

    def _is_within(self, hours: WorkingHours, time: str) -> bool:
        """Tell whether a time lies in working hours, which begin and end with a minute. Cost: remembered by minute."""
        key = (id(hours), time[:_MINUTE])
        known = self._minutes.get(key)
        if known is None:
            if len(self._minutes) >= _REMEMBERED:
                self._minutes.clear()
            known = self._minutes[key] = is_within(hours, time)
        return known

    def _worked_with(self, exchange: Exchange) -> Iterator[tuple[Asset, list[WorkingHours], str, str]]:
        """Yield the ends that are worked with by hand: asset, its hours, and the field and text that name it."""
        if OUT_OF_HOURS not in self._checks:
            return
        spoken = frozenset(exchange.protocols)
        ends = [(exchange.source, exchange.fields[0])] if spoken & (INDUSTRIAL | INTERACTIVE) else []
        ends += [(exchange.target, exchange.fields[1])] if spoken & INTERACTIVE else []
        for text, field in ends:
            asset, _ = self._names.find(text)
            hours = [item for item in self._hours if asset and not set(item.roles).isdisjoint(asset.roles)]
            if asset is not None and hours:
                yield asset, hours, field, text

    def _lasting(self, channel: str, exchange: Exchange) -> Iterator[Deviation]:
        """Yield what does not depend on the time."""
        if NEW_ASSET in self._checks:
            yield from self._new_assets(exchange)
        if NEW_CONVERSATION in self._checks and self._is_device(exchange.target):
            yield from self._new_conversation(exchange)
        if NEW_FUNCTION in self._checks and exchange.function:
            yield from self._new_function(channel, exchange)

    def _is_device(self, text: str) -> bool:
        address = parse_address(text)
        return address is not None and not _is_group(address) and address not in self._broadcast

    def _new_assets(self, exchange: Exchange) -> Iterator[Deviation]:
        ends = [(exchange.fields[0], exchange.source)]
        ends += [(exchange.fields[1], exchange.target)] if exchange.answered else []
        for field, text in ends:
            asset, zone = self._names.find(text)
            if asset is None and zone and self._is_device(text):
                yield Deviation(NEW_ASSET, text, {f"no asset of zone {zone} has the address": {field: [text]}})

    def _new_conversation(self, exchange: Exchange) -> Iterator[Deviation]:
        (source, source_zone), (target, target_zone) = self._names.find(exchange.source), self._names.find(exchange.target)
        if source_zone == target_zone or (source and not source_zone) or (target and not target_zone):
            return
        if any(_fits(item, exchange) for item in self._expected.between(exchange.source, exchange.target)):
            return
        there = exchange.target if target or exchange.answered else _zone(target_zone)  # a sweep of nobody is one thing
        ends = (exchange.source if source_zone else _EXTERNAL, there if target_zone else _EXTERNAL)
        spoken = exchange.protocols[0] if exchange.protocols else exchange.transport
        reason = f"no conversation is listed from {_zone(source_zone)} to {_zone(target_zone)} over {_spoken(exchange)}"
        shown = {
            exchange.fields[0]: [exchange.source],
            exchange.fields[1]: [exchange.target],
            "id.resp_p": [str(exchange.port)],
        }
        yield Deviation(NEW_CONVERSATION, "\t".join((*ends, spoken)), {reason: shown})

    def _new_function(self, channel: str, exchange: Exchange) -> Iterator[Deviation]:
        protocol = exchange.protocols[0]
        listed = self._expected.functions(exchange.source, exchange.target, protocol)
        if listed is None or exchange.function.casefold() in listed:
            return
        log = log_of(channel)
        field = log.functions[0] if log and log.functions else "function"
        shown = {
            field: [exchange.function],
            exchange.fields[0]: [exchange.source],
            exchange.fields[1]: [exchange.target],
        }
        key = "\t".join((exchange.source, exchange.target, protocol, exchange.function.casefold()))
        yield Deviation(NEW_FUNCTION, key, {f"not among the functions listed for {protocol}": shown})


class _Expected:
    """The conversations of a site by their ends."""

    def __init__(self, site: Site, names: Names) -> None:
        self._names = names
        self._networks: list[Network] = []
        self._between: dict[tuple[str, str], list[Conversation]] = {}
        self._to: dict[str, list[Conversation]] = {}
        for item in site.conversations:
            targets = [self._key(end) for end in item.targets]
            for target in targets:
                self._to.setdefault(target, []).append(item)
                for source in item.sources:
                    self._between.setdefault((self._key(source), target), []).append(item)
        self._known: dict[str, tuple[str, ...]] = {}

    def _key(self, end: Endpoint) -> str:
        if end.network is not None:
            if end.network not in self._networks:
                self._networks.append(end.network)
            return f"network:{end.network}"
        return f"{end.kind}:{end.name}"

    def _keys(self, text: str) -> tuple[str, ...]:
        """Return the ends that an address belongs to."""
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[text] = tuple(self._find_keys(text))
        return known

    def _find_keys(self, text: str) -> Iterator[str]:
        asset, zone = self._names.find(text)
        address = parse_address(text)
        yield "any:"
        if asset:
            yield f"asset:{asset.name}"
            yield from (f"role:{role}" for role in asset.roles)
        if zone:
            yield f"zone:{zone}"
        elif not asset:
            yield f"{_EXTERNAL}:"
        if address is not None:
            yield from (f"network:{network}" for network in self._networks if address in network)

    def between(self, source: str, target: str) -> Iterator[Conversation]:
        """Yield the conversations from one address to another."""
        targets = self._keys(target)
        for begin in self._keys(source):
            for end in targets:
                yield from self._between.get((begin, end), ())

    def functions(self, source: str, target: str, protocol: str) -> frozenset[str] | None:
        """Return the functions listed for two addresses, folded; else those for the target; None when any may be used."""
        between = list(self.between(source, target))
        found = [item for item in between if item.protocol in ("", protocol)]
        found = found or [item for item in between if item.functions and _speaks(item, protocol)]
        if not found:
            to = (item for key in self._keys(target) for item in self._to.get(key, ()))
            found = [item for item in to if item.functions and _speaks(item, protocol)]
        if not found or not all(item.functions for item in found):
            return None
        return frozenset(function.casefold() for item in found for function in item.functions)


def _speaks(item: Conversation, protocol: str) -> bool:
    return not item.protocol or item.protocol in family(protocol)


def _fits(item: Conversation, exchange: Exchange) -> bool:
    """Tell whether an exchange is part of a conversation; one whose protocol nobody knows must have its port."""
    if item.port and item.port != exchange.port:
        return False
    if not item.protocol or (item.port and not exchange.protocols):
        return True
    return any(item.protocol in family(protocol) for protocol in exchange.protocols)


def _is_group(address: Address) -> bool:
    return address.is_multicast or address.is_unspecified or str(address) == "255.255.255.255"


def _shared_addresses(site: Site) -> Iterator[Address]:
    """Yield the addresses of the networks themselves and those of all their hosts."""
    for zone in site.zones.values():
        for network in zone.networks:
            if network.num_addresses > 2:
                yield network.network_address
                yield network.broadcast_address


def _zone(name: str) -> str:
    return f"zone {name}" if name else "outside"


def _spoken(exchange: Exchange) -> str:
    return ", ".join(exchange.protocols) or f"{exchange.transport} port {exchange.port}"


def is_within(hours: WorkingHours, time: str) -> bool:
    """Tell whether a time, RFC 3339 in UTC, lies in working hours."""
    local = _local(time, hours.time_zone)
    day, clock = local.weekday(), local.time()
    if hours.begin < hours.end:
        return day in hours.days and hours.begin <= clock < hours.end
    return (day in hours.days and clock >= hours.begin) or ((day - 1) % 7 in hours.days and clock < hours.end)


def _local(time: str, zone: tzinfo) -> datetime:
    """Return a time in a time zone; one at the end of all years stays in UTC."""
    moment = datetime.fromisoformat(time)
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment


def describe(hours: WorkingHours) -> str:
    """Return working hours in words."""
    return f"{hours.begin:%H:%M}-{hours.end:%H:%M} {hours.zone_name}"


__all__ = [
    "CHECKS",
    "NEW_ASSET",
    "NEW_CONVERSATION",
    "NEW_FUNCTION",
    "OUT_OF_HOURS",
    "Baseline",
    "Check",
    "Deviation",
    "describe",
    "is_within",
    "missing",
]
