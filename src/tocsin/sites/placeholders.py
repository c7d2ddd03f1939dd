"""The placeholders of Sigma rules that a site fills: one for each role, some that are derived, and the site's own lists."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tocsin.sites.addresses import spellings
from tocsin.sites.roles import CONTROLLERS, MASTERS, placeholder_name
from tocsin.sites.site import Asset, Endpoint, Site

ICS_MASTERS: Final = "ICSMasters"
ALL_CONTROLLERS: Final = "Controllers"
SITE_ASSETS: Final = "SiteAssets"


def placeholders_of(site: Site) -> dict[str, list[str]]:
    """Return the values of every placeholder that the site fills, sorted by name; none is empty.

    An asset stands for its addresses, in the spellings of logs, its names of hosts and its own name. The site's own list of a
    name is joined with what the roles give.
    """
    members: dict[str, list[Asset]] = {SITE_ASSETS: list(site.assets.values())}
    for asset in site.assets.values():
        for role in asset.roles:
            members.setdefault(placeholder_name(role), []).append(asset)
        if not CONTROLLERS.isdisjoint(asset.roles):
            members.setdefault(ALL_CONTROLLERS, []).append(asset)
    found = {name: [text for asset in assets for text in names_of(asset)] for name, assets in members.items()}
    found[ICS_MASTERS] = list(_masters(site))
    for name, values in site.placeholders.items():
        found[name] = [*found.get(name, ()), *values]
    return {name: list(dict.fromkeys(values)) for name, values in sorted(found.items()) if values}


def names_of(asset: Asset) -> Iterable[str]:
    """Yield every text by which logs name an asset."""
    for address in asset.addresses:
        yield from spellings(address)
    yield from asset.hostnames
    yield from asset.macs
    yield asset.name


def _masters(site: Site) -> Iterable[str]:
    """Yield the names of the assets that may write to controllers: by their role, or by a conversation that may write."""
    ends = [end for conversation in site.conversations if conversation.writes for end in conversation.sources]
    for asset in site.assets.values():
        if not MASTERS.isdisjoint(asset.roles) or any(_holds(end, asset) for end in ends):
            yield from names_of(asset)
    for end in ends:
        if end.kind == "network" and end.network is not None and end.network.num_addresses == 1:
            yield from spellings(end.network.network_address)


def _holds(end: Endpoint, asset: Asset) -> bool:
    if end.kind == "network" and end.network is not None:
        return any(address in end.network for address in asset.addresses)
    return end.name in {"asset": (asset.name,), "role": asset.roles, "zone": (asset.zone,)}.get(end.kind, ())


__all__ = ["ALL_CONTROLLERS", "ICS_MASTERS", "SITE_ASSETS", "names_of", "placeholders_of"]
