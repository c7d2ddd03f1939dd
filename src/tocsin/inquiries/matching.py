"""What an indicator says of one text: whole hashes, whole addresses, domains on label borders, whole URLs and file names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from tocsin.indicators.interface import ADDRESS, DOMAIN, FILE_NAME, HASH, NETWORK, URL

FoldTest = Callable[[str], bool]
_V4_BEFORE: Final = r"(?<![\w.])"
_V4_AFTER: Final = r"(?!\w|\.\w)"
_V4: Final = re.compile(rf"{_V4_BEFORE}\d{{1,3}}(?:\.\d{{1,3}}){{3}}{_V4_AFTER}", re.ASCII)
_V6: Final = re.compile(r"(?<![\w:.])[0-9a-f]{0,4}:[0-9a-f:.]+(?!\w)", re.ASCII)
_URL_AFTER: Final = r"/?(?![\w%/?#&=~+@:-]|\.\w)"
_NO_SCHEME: Final = r"(?<![\w.@/-])"
_FORMS: Final = {
    HASH: "(?<![0-9a-z]){}(?![0-9a-z])",
    ADDRESS: _V4_BEFORE + "{}" + _V4_AFTER,
    DOMAIN: r"(?<![\w-]){}(?![\w-]|\.\w)",
    FILE_NAME: r"(?<![\w.$~@+-]){}(?![\w$~@+-]|\.\w)",
}


@lru_cache(maxsize=8192)
def fold_test(kind: str, value: str) -> FoldTest:
    """Return what tells whether a folded text holds an indicator; `kind` and `value` are in their normal form."""
    if kind == NETWORK:
        return _network_test(value)
    if kind == ADDRESS and ":" in value:
        wanted = ip_address(value)
        return lambda fold: any(address == wanted for address in _addresses(fold, 6))
    search = re.compile(_url(value) if kind == URL else _FORMS[kind].format(re.escape(value))).search
    return lambda fold: search(fold) is not None


def _url(value: str) -> str:
    """Return the expression of a URL: with its own scheme, or without one where a path tells that it is no mere name."""
    scheme, _, body = value.rpartition("://")
    with_scheme = f"{re.escape(scheme)}://" if scheme else r"[a-z][a-z0-9+.-]*://"
    start = with_scheme if not body.strip("/").count("/") and "?" not in body else f"(?:{with_scheme}|{_NO_SCHEME})"
    return f"{start}{re.escape(body)}{_URL_AFTER}"


def network_test(text: str) -> FoldTest:
    """Return what tells whether a folded text holds an address of a network, a v4-mapped v6 address taken as its v4."""
    return _network_test(text)


def _network_test(text: str) -> FoldTest:
    network = ip_network(text)
    return lambda fold: any(address in network for address in _addresses(fold, network.version))


def _addresses(fold: str, version: int) -> Iterator[IPv4Address | IPv6Address]:
    """Yield the addresses of a version that stand in a folded text."""
    for found in (_V4 if version == 4 else _V6).finditer(fold):
        try:
            yield ip_address(found[0].rstrip(".") if found[0].endswith("::") else found[0].rstrip(":."))
        except ValueError:
            continue


__all__ = ["FoldTest", "fold_test", "network_test"]
