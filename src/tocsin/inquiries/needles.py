"""Needles: plain texts of which an event must hold one for a search to find anything in it.

They are looked for in raw records before anything is decoded. A needle may be poor, never wrong.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, IPv6Network, ip_network
from typing import Final

from tocsin.events import KEYWORDS
from tocsin.indicators.interface import ADDRESS, NETWORK, URL, Indicator
from tocsin.plans.expr import Atom, Glob
from tocsin.plans.gates import longest_plain
from tocsin.plans.regex_literal import required_literal
from tocsin.rules.pattern import Pattern

_MARKS: Final = re.compile(r"[{}\[\]:, ]+")
_NUMBER: Final = re.compile(r"[0-9+-]{0,20}\.?[0-9+-]{0,20}(?:e[0-9+-]{0,4})?")
"""What may be a part of a number, which JSON writes in more than one way: `1000.0` may stand there as `1e3`."""
_OCTET: Final = 8
_HEXTET: Final = 16
_FOUR_DIGITS: Final = 0x1000


class Needles(tuple[str, ...]):
    """Needles as a key that is looked up for every few records: the hash of ten thousands of texts is made once."""

    def __hash__(self) -> int:
        """Return the hash of the texts."""
        found: int | None = self.__dict__.get("known")
        if found is None:
            found = self.__dict__["known"] = super().__hash__()
        return found

    __eq__ = tuple.__eq__


def of_pattern(pattern: Pattern) -> tuple[str, ...]:
    """Return the needle of a text with wildcards; nothing when there is none."""
    found = longest_plain(Atom(KEYWORDS, Glob(pattern)))
    return (found,) if found and not _NUMBER.fullmatch(found) else ()


def of_field(pattern: Pattern) -> tuple[str, ...]:
    """Return the needle of a field's value, which may be an object: its JSON may have been written with other spaces."""
    found = max((part for text in of_pattern(pattern) for part in _MARKS.split(text)), key=len, default="")
    return (found,) if found else ()


def of_regex(expression: str) -> tuple[str, ...]:
    """Return the needle of a regular expression; nothing when there is none."""
    literal = required_literal(expression)
    return of_pattern((literal,)) if literal else ()


def of_network(text: str) -> tuple[str, ...]:
    """Return the beginnings of all addresses of a network; nothing when that cannot be said."""
    network = ip_network(text)
    if isinstance(network, IPv6Network):
        whole = network.prefixlen // _HEXTET
        return _of_hextets(network.network_address, whole, whole == _HEXTET // 2)
    count = -(-network.prefixlen // _OCTET)
    if not count:
        return ()
    last = network.network_address.packed[count - 1]
    head = ".".join(map(str, network.network_address.packed[: count - 1]))
    end = "" if count == len(network.network_address.packed) else "."
    return tuple(
        ".".join(filter(None, (head, str(number)))) + end
        for number in range(last, last + (1 << (count * _OCTET - network.prefixlen)))
    )


def _of_hextets(address: IPv6Address, count: int, is_whole: bool) -> tuple[str, ...]:
    """Return the longest text that the first groups of an address have in every way to write it.

    A group may be written with leading zeros, and groups of zeros may be left out.
    """
    groups = [int.from_bytes(address.packed[at : at + 2], "big") for at in range(0, 2 * count, 2)]
    runs, run = [""], ""
    for number, group in enumerate(groups):
        if not group:
            run = ""
            continue
        run = f"{run}:{group:x}" if run and group >= _FOUR_DIGITS else f"{group:x}"
        runs.append(run if is_whole and number == len(groups) - 1 else f"{run}:")
    best = max(runs, key=len)
    return (best,) if best else ()


def of_indicator(indicator: Indicator) -> tuple[str, ...]:
    """Return the needles of an indicator; nothing when there are none."""
    if indicator.kind == NETWORK:
        return of_network(indicator.value)
    if indicator.kind == ADDRESS and ":" in indicator.value:
        return _of_hextets(IPv6Address(indicator.value), _OCTET, True)
    value = indicator.value.partition("://")[2] or indicator.value if indicator.kind == URL else indicator.value
    return of_pattern((value,))


__all__ = ["Needles", "of_field", "of_indicator", "of_network", "of_pattern", "of_regex"]
