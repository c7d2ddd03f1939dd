"""Read a site file: every problem is told with its place, and names that are almost right are answered with the right one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import UTC, time, tzinfo
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from tocsin.errors import RuleError, SiteError
from tocsin.rules.documents import load_documents
from tocsin.rules.yaml_maps import Codes, MapReader, Trail, first_of, near, placed, shown
from tocsin.sites.addresses import parse_address, parse_hostname, parse_mac, parse_network
from tocsin.sites.protocol_names import FUNCTIONS, PROTOCOLS, is_function
from tocsin.sites.protocols import canonical
from tocsin.sites.roles import ROLES, is_role
from tocsin.sites.site import (
    CRITICALITIES,
    DAYS,
    LEVELS,
    Address,
    Asset,
    Conversation,
    Endpoint,
    Network,
    Site,
    WorkingHours,
    Zone,
)

_CODES: Final = Codes("S002", "S003", "S004", "S005", "S006")
_NOTES: Final = ("description", "proposed_roles", "seen")
"""Keys for people, and those of a proposal: nothing is made of them."""
_SITE: Final = ("site", "description", "zones", "assets", "conversations", "working_hours", "placeholders")
_ZONE: Final = ("level", "networks", "description")
_ASSET: Final = ("addresses", "roles", "zone", "criticality", *_NOTES)
_CONVERSATION: Final = ("from", "to", "protocol", "port", "writes", "functions", "description", "seen")
_HOURS: Final = ("time_zone", "days", "from", "until", "roles", "description")
_CLOCK: Final = re.compile(r"([01]?[0-9]|2[0-4]):([0-5][0-9])")
_FORMS: Final[dict[str | int, str]] = {
    "": "a site file has keys such as 'site: Riverdale Water', 'zones:', 'assets:'",
    "zones": "write each as NAME: {level: 2, networks: [10.20.6.0/24]}, without a dash before it",
    "assets": "write each as NAME: {addresses: [10.20.6.5], roles: [hmi]}, without a dash before it",
    "conversations": "write each as - {from: PANEL-01, to: PLC-1, protocol: modbus, port: 502}",
    "working_hours": 'write {time_zone: UTC, days: [mon], from: "06:00", until: "18:00"}',
    "placeholders": "write each as NAME: [value, value]",
}
"""Key of the file -> how its entries are written."""
_START: Final = "begin with the name of the site, such as 'site: Riverdale Water'; `tocsin site learn` proposes a file"
_TIME_ZONE: Final = "a name such as Europe/Berlin or UTC, of the time zones that this computer has"
_PLACEHOLDER: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")


def load_site(path: Path) -> Site:
    """Return the site of a file.

    Raises: SiteError for its first problem, naming how many more there are; OSError when it cannot be read.
    """
    site, problems, _ = parse_site(path.read_bytes(), str(path))
    if problems:
        raise first_of(problems, f"tocsin site check {path}")
    return site


def parse_site(text: bytes, path: str) -> tuple[Site, list[SiteError], list[SiteError]]:
    """Return the site that a text describes, its problems, and what is doubtful about it; each with its place.

    A site with problems lacks what they are about.
    """
    try:
        documents = load_documents(text, path, base_60=False)
    except RuleError as error:
        return Site(""), [SiteError("S001", error.message, where=error.where, hint=error.hint)], []
    reader = _Reader()
    if len(documents) == 1:
        site = reader.site(documents[0])
    else:
        site = Site("")
        hint = "put everything into one, without lines of '---'" if documents else _START
        reader.wrong("S004", f"a site file has one document, this one has {len(documents) or 'none'}", (), hint)
    return site, placed(reader.problems, text, path), placed(reader.warnings, text, path)


class _Reader(MapReader[SiteError]):
    """Reads the parts of a site file."""

    def __init__(self) -> None:
        super().__init__(SiteError, _CODES, _FORMS)
        self._zones: dict[str, Zone] = {}
        self._assets: dict[str, Asset] = {}
        self._roles: set[str] = set()

    def site(self, body: Any) -> Site:
        """Return the site of a document."""
        found = self.read_map(body, (), _SITE)
        name = self.read_text(found, (), "site", _START)
        self._read_zones(found.get("zones"))
        self._read_assets(found.get("assets"))
        conversations = tuple(
            item
            for at, entry in enumerate(self.read_list(found, (), "conversations"))
            if (item := self._conversation(entry, ("conversations", at)))
        )
        hours = tuple(self._working_hours(found.get("working_hours")))
        return Site(name, self._zones, self._assets, conversations, hours, self._placeholders(found.get("placeholders")))

    def _read_zones(self, body: Any) -> None:
        taken: dict[Network, str] = {}
        for name, entry in (self.read_map(body, ("zones",), ()) if body is not None else {}).items():
            trail: Trail = ("zones", name)
            found = self.read_map(entry if entry is not None else {}, trail, _ZONE)
            networks = [item for item in self._networks(found, trail) if self._is_free(item[1], taken, name, item[0])]
            self._zones[name] = Zone(name, self._level(found, trail), tuple(network for _, network in networks))

    def _level(self, found: dict[str, Any], trail: Trail) -> float | None:
        value = found.get("level")
        if value is None:
            return None
        if isinstance(value, (int, float)) and float(value) in LEVELS:
            return float(value)
        self.wrong("S004", f"{shown(value)} is no level of the Purdue model", (*trail, "level"), "0, 1, 2, 3, 3.5, 4 or 5")
        return None

    def _networks(self, found: dict[str, Any], trail: Trail) -> Iterator[tuple[Trail, Network]]:
        for at, text in self.read_texts(found, trail, "networks"):
            network = parse_network(text)
            if network is None:
                self.wrong("S004", f"{text!r} is no network", at, "write for example 10.20.6.0/24, without host bits")
            else:
                yield at, network

    def _is_free(self, key: Any, taken: dict[Any, str], name: str, trail: Trail) -> bool:
        if taken.setdefault(key, name) == name:
            return True
        self.wrong("S006", f"{str(key)!r} is given to {taken[key]!r} and to {name!r}", trail, "leave it in one place")
        return False

    def _read_assets(self, body: Any) -> None:
        taken: dict[Any, str] = {}
        for name, entry in (self.read_map(body, ("assets",), ()) if body is not None else {}).items():
            self._assets[name] = self._asset(name, entry, taken)
        for asset in self._assets.values():
            self._roles.update(asset.roles)

    def _asset(self, name: str, entry: Any, taken: dict[Any, str]) -> Asset:
        trail: Trail = ("assets", name)
        found = self.read_map(entry if entry is not None else {}, trail, _ASSET)
        addresses: list[Address] = []
        macs: list[str] = []
        hosts: list[str] = []
        own_name = parse_hostname(name)
        if own_name:
            self._is_free(own_name, taken, name, (*trail[:-1], f"key:{name}"))
        for at, text in self.read_texts(found, trail, "addresses"):
            address, mac = parse_address(text), parse_mac(text)
            host = "" if address or mac else parse_hostname(text)
            if not (address or mac or host) or text.isdecimal():
                hint = "one address each, networks belong to zones"
                self.wrong("S004", f"{text!r} is no address and no name of a host", at, hint)
            elif self._is_free(address or mac or host, taken, name, at):
                addresses += [address] if address else []
                macs += [mac] if mac else []
                hosts += [host] if host else []
        zone = self._zone_of(found, trail)
        asset = Asset(
            name,
            tuple(addresses),
            tuple(macs),
            tuple(hosts),
            self._asset_roles(found, trail),
            zone,
            self._criticality(found, trail),
        )
        self._check_zone(asset, trail)
        return asset

    def _zone_of(self, found: dict[str, Any], trail: Trail) -> str:
        zone = self.read_text(found, trail, "zone")
        if zone and zone not in self._zones:
            self.unknown("zone", zone, self._zones, (*trail, "zone"))
            return ""
        return zone

    def _asset_roles(self, found: dict[str, Any], trail: Trail) -> tuple[str, ...]:
        roles = []
        for at, role in self.read_texts(found, trail, "roles"):
            if not is_role(role):
                self.wrong("S004", f"{role!r} is no role", at, "lower case words joined with '_', such as engineering_station")
                continue
            roles.append(role)
            hint = near(role, ROLES, 0.85) if role not in ROLES else ""
            if hint:
                self.doubtful("S005", f"the role {role!r} is not a known one", at, hint)
        return tuple(dict.fromkeys(roles))

    def _criticality(self, found: dict[str, Any], trail: Trail) -> str:
        value = self.read_text(found, trail, "criticality")
        return self.one_of(value, CRITICALITIES, (*trail, "criticality"), "criticality") if value else ""

    def _check_zone(self, asset: Asset, trail: Trail) -> None:
        networks = self._zones[asset.zone].networks if asset.zone else ()
        for address in asset.addresses:
            if networks and not any(address in network for network in networks):
                message = f"{address} lies outside the networks of the zone {asset.zone!r}"
                self.doubtful("S007", message, (*trail, "zone"), "correct one of them")

    def _conversation(self, entry: Any, trail: Trail) -> Conversation | None:
        found = self.read_map(entry, trail, _CONVERSATION)
        if not found:
            return None
        ends = {}
        for key in ("from", "to"):
            if found.get(key) is None:
                self.wrong("S003", f"the key {key!r} is missing or empty", trail, "'any' stands for every address")
            ends[key] = tuple(end for at, text in self.read_texts(found, trail, key) if (end := self._endpoint(text, at)))
        protocol = self._protocol(found, trail)
        functions = tuple(self._functions(found, trail, protocol))
        writes = found.get("writes", False)
        if not isinstance(writes, bool):
            self.wrong("S004", f"'writes' is true or false, not {shown(writes)}", (*trail, "writes"))
        return Conversation(ends["from"], ends["to"], protocol, self._port(found, trail), writes is True, functions)

    def _protocol(self, found: dict[str, Any], trail: Trail) -> str:
        """Return the protocol, empty for any; one that no log is known to name is doubtful, unless it was learnt from a log."""
        written = self.read_text(found, trail, "protocol")
        protocol = canonical(written)
        if protocol in ("", "any"):
            return ""
        if protocol not in PROTOCOLS:
            alike = near(protocol, PROTOCOLS, 0.75)
            if alike or "seen" not in found:
                hint = alike or "the names are those of logs, such as modbus, s7comm, http; docs/site-file.md lists them"
                self.doubtful("S005", f"the protocol {written!r} is not a known one", (*trail, "protocol"), hint)
        return protocol

    def _functions(self, found: dict[str, Any], trail: Trail, protocol: str) -> Iterator[str]:
        for at, text in self.read_texts(found, trail, "functions"):
            if not is_function(protocol, text):
                known = sorted(FUNCTIONS[protocol])
                begun = [name for name in known if name.startswith(f"{text.upper()}_")]
                hint = f"did you mean {', '.join(begun[:4])}?" if begun else near(text, known)
                hint = hint or f"logs write for example {', '.join(known[:4])}"
                self.doubtful("S005", f"no log of {protocol} can have the function {text!r}", at, hint)
            yield text

    def _port(self, found: dict[str, Any], trail: Trail) -> int:
        value = found.get("port")
        if value is None or value == "any":
            return 0
        if type(value) is int and 0 < value < 65536:
            return value
        self.wrong("S004", f"{shown(value)} is no port", (*trail, "port"), "a number from 1 to 65535, or leave it out for any")
        return 0

    def _endpoint(self, text: str, trail: Trail) -> Endpoint | None:
        if text == "any":
            return Endpoint("any")
        if text == "external":
            return Endpoint("external")
        if text in self._assets:
            return Endpoint("asset", text)
        kind, _, name = text.partition(":")
        if kind == "zone" and name:
            return self._named_end("zone", name, self._zones, trail)
        if kind == "role" and name:
            return self._named_end("role", name, self._roles.union(ROLES), trail)
        network = parse_network(text)
        if network is not None:
            return Endpoint("network", text, network)
        names = [*self._assets, *(f"zone:{zone}" for zone in self._zones), *(f"role:{role}" for role in self._roles), "any"]
        hint = near(text, names) or "write an asset, role:NAME, zone:NAME, an address, a network, 'external' or 'any'"
        self.wrong("S005", f"there is no asset {text!r}", trail, hint)
        return None

    def _named_end(self, kind: Any, name: str, known: Collection[str], trail: Trail) -> Endpoint | None:
        if name in known:
            if kind == "role" and name not in self._roles:
                hint = near(name, self._roles) or "give the role to an asset, or name the asset itself"
                self.doubtful("S005", f"no asset has the role {name!r}", trail, hint)
            return Endpoint(kind, name)
        self.unknown(kind, name, known, trail)
        return None

    def _working_hours(self, body: Any) -> Iterator[WorkingHours]:
        if body is None:
            return
        several = isinstance(body, list)
        for at, entry in enumerate(body if several else [body]):
            trail: Trail = ("working_hours", at) if several else ("working_hours",)
            found = self.read_map(entry, trail, _HOURS)
            if found and (hours := self._hours(found, trail)):
                yield hours

    def _hours(self, found: dict[str, Any], trail: Trail) -> WorkingHours | None:
        zone_name = self.read_text(found, trail, "time_zone", _TIME_ZONE)
        zone = self._time_zone(zone_name, trail)
        days = [
            DAYS.index(day)
            for at, text in self.read_texts(found, trail, "days")
            if (day := self.one_of(text.casefold()[:3], DAYS, at, "day of the week"))
        ]
        begin, end = self._clock(found, trail, "from"), self._clock(found, trail, "until")
        known = self._roles.union(ROLES)
        named = [self._named_end("role", role, known, at) for at, role in self.read_texts(found, trail, "roles")]
        roles = tuple(role.name for role in named if role)
        if not found.get("days"):
            self.wrong("S003", "the key 'days' is missing or empty", trail, f"a list of {', '.join(DAYS)}")
        if zone is None or begin is None or end is None:
            return None
        return WorkingHours(zone, zone_name, frozenset(days), begin, end, roles or ("engineering_station",))

    def _time_zone(self, name: str, trail: Trail) -> tzinfo | None:
        if name.upper() == "UTC":  # known without the database of time zones
            return UTC
        try:
            return ZoneInfo(name) if name else None
        except (KeyError, OSError, ValueError):  # an unknown name, a folder, a name with NUL or leading out of the database
            self.wrong("S004", f"{name!r} is no time zone", (*trail, "time_zone"), _TIME_ZONE)
            return None

    def _clock(self, found: dict[str, Any], trail: Trail, key: str) -> time | None:
        value = found.get(key)
        if value is None:
            self.wrong("S003", f"the key {key!r} is missing or empty", trail, 'a time of day such as "06:00"')
            return None
        match = _CLOCK.fullmatch(str(value))
        if match is None or (match[1] == "24" and match[2] != "00"):
            self.wrong("S004", f"{shown(value)} is no time of day", (*trail, key), 'such as "06:00", from 00:00 to 24:00')
            return None
        return time(int(match[1]) % 24, int(match[2]))

    def _placeholders(self, body: Any) -> dict[str, tuple[str, ...]]:
        found = self.read_map(body, ("placeholders",), ()) if body is not None else {}
        for name in found:
            if not _PLACEHOLDER.fullmatch(name):
                hint = "the name without the percent signs"
                self.wrong("S004", f"{name!r} is no name of a placeholder", ("placeholders", f"key:{name}"), hint)
        return {name: tuple(text for _, text in self.read_texts(found, ("placeholders",), name)) for name in found}


__all__ = ["load_site", "parse_site"]
