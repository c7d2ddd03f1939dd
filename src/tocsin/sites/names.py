"""Which asset an address or the name of a host belongs to, and which assets an event names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tocsin.events import Event
from tocsin.events.values import elements
from tocsin.sites.addresses import parse_address, parse_hostname, parse_mac
from tocsin.sites.site import Address, Asset, Network, Site

FIELDS: Final = (
    "id.orig_h",
    "id.resp_h",
    "source_h",
    "destination_h",
    "src_ip",
    "dest_ip",
    "dst_ip",
    "SourceIp",
    "DestinationIp",
    "SourceAddress",
    "DestAddress",
    "IpAddress",
    "ClientAddress",
    "c-ip",
    "s-ip",
    "orig_l2_addr",
    "resp_l2_addr",
    "SourceHostname",
    "DestinationHostname",
    "WorkstationName",
    "Workstation",
    "Computer",
    "hostname",
    "host",
)
"""The fields of events that hold an address or the name of a host; no other is looked at."""
_REMEMBERED: Final = 65_536
_LONGEST: Final = 255
"""The longest name of a host."""


@dataclass(frozen=True, slots=True)
class NamedAsset:
    """What the site knows of an address: `name` is empty for one that lies in a zone and belongs to no asset."""

    name: str
    roles: tuple[str, ...]
    zone: str


class Names:
    """Looks up addresses and names of hosts in a site. What was asked for is remembered, in bounded memory."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._assets: dict[object, Asset] = {}
        for asset in site.assets.values():
            keys = (*asset.addresses, *asset.macs, *asset.hostnames, parse_hostname(asset.name))
            self._assets.update((key, asset) for key in keys if key)
        networks = [(network, zone.name) for zone in site.zones.values() for network in zone.networks]
        self._networks: list[tuple[Network, str]] = sorted(networks, key=lambda item: -item[0].prefixlen)
        self._known: dict[str, tuple[Asset | None, str]] = {}

    def find(self, text: str) -> tuple[Asset | None, str]:
        """Return the asset that a text names, or None, and the zone: the asset's, else that of the smallest network."""
        if len(text) > _LONGEST:
            return None, ""
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[text] = self._find(text)
        return known

    def _find(self, text: str) -> tuple[Asset | None, str]:
        address = parse_address(text)
        if address is None:
            asset = self._assets.get(parse_mac(text) or parse_hostname(text)) or self._by_first_label(text)
            return asset, asset.zone if asset else ""
        asset = self._assets.get(address)
        return asset, (asset.zone if asset else "") or self._zone_of(address)

    def _by_first_label(self, text: str) -> Asset | None:
        """Return the asset of a full name of which the site has only the first part."""
        label, _, domain = parse_hostname(text).partition(".")
        return self._assets.get(label) if domain else None

    def _zone_of(self, address: Address) -> str:
        return next((zone for network, zone in self._networks if address in network), "")

    def of_event(self, event: Event) -> dict[str, NamedAsset]:
        """Return, by the text that the event has, what the site knows of it; unknown texts outside all zones are left out."""
        found: dict[str, NamedAsset] = {}
        for text in texts_of(event):
            asset, zone = self.find(text)
            if text not in found and (asset or zone):
                found[text] = NamedAsset(asset.name if asset else "", asset.roles if asset else (), zone)
        return found


def texts_of(event: Event) -> Iterator[str]:
    """Yield what an event has in the fields that hold an address or the name of a host."""
    if event.host:
        yield event.host
    for name in FIELDS:
        present, value = event.find(name)
        if present and not isinstance(value, dict):
            yield from (text for text in elements(value) if text)


__all__ = ["FIELDS", "NamedAsset", "Names", "texts_of"]
