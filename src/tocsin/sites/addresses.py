"""Texts that name a device: addresses, hardware addresses, names of hosts."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from tocsin.sites.site import Address, Network

_MAC: Final = re.compile(r"[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}|[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}")
_HOST: Final = re.compile(r"(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*", re.IGNORECASE)
_DOTTED: Final = re.compile(r"[0-9.]+")
_LONGEST: Final = 64


def parse_address(text: str) -> Address | None:
    """Return the address that a text is, or None. One of v4 mapped into v6 is of v4; a zone index is left out."""
    if len(text) > _LONGEST or not (":" in text or "." in text):
        return None
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found


def parse_network(text: str) -> Network | None:
    """Return the network that a text is, a single address included; None when it is none or has host bits."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def parse_mac(text: str) -> str:
    """Return a hardware address in lower case with colons, empty when the text is none."""
    lower = text.casefold()
    if not _MAC.fullmatch(lower):
        return ""
    digits = re.sub(r"[^0-9a-f]", "", lower)
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def parse_hostname(text: str) -> str:
    """Return the name of a host as it is compared, empty when the text cannot be one, such as a wrong address."""
    name = text.strip().lstrip("\\").rstrip(".")
    return "" if _DOTTED.fullmatch(name) or not _HOST.fullmatch(name) else name.casefold()


def spellings(address: Address) -> tuple[str, ...]:
    """Return the forms in which logs write an address, the usual one first."""
    if isinstance(address, ipaddress.IPv4Address):
        return (str(address), f"::ffff:{address}")
    groups = ":".join(f"{int(group, 16):x}" for group in address.exploded.split(":"))
    return tuple(dict.fromkeys((str(address), groups)))


__all__ = ["parse_address", "parse_hostname", "parse_mac", "parse_network", "spellings"]
