"""Write what was learnt as a site file that a person goes through."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from tocsin.sites.learn import Learnt, Seen, Talk, TalkKey, network_of
from tocsin.sites.site import Address

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./ -]*[A-Za-z0-9]|[0-9]+(?:\.[0-9]+){3}(?:/[0-9]+)?")
_RESERVED: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
_HEAD: Final = """\
# A proposal, learnt from logs: whatever was seen is listed as expected, an intruder's traffic too. Go through it,
#   - name the zones and give them their Purdue level (0, 1, 2, 3, 3.5, 4, 5),
#   - name the assets, and move the guesses of proposed_roles that are right to roles: nothing is made of them before,
#   - take out conversations that should not be, and mind each one that has "writes: true".
# docs/site-file.md describes every key; `tocsin site check FILE` tells what is wrong.
"""


def site_text(learnt: Learnt) -> str:
    """Return the text of the proposed file."""
    return "\n".join((_HEAD, *_lines(learnt))) + "\n"


def _lines(learnt: Learnt) -> Iterator[str]:
    yield "site: unnamed"
    yield from ("", "zones:" if learnt.zones else "zones: {}")
    for network in learnt.zones:
        yield f"  {_text(_zone(network.network_address))}:"
        yield f"    networks: [{_text(str(network))}]"
    yield from ("", "assets:" if learnt.devices else "assets: {}")
    for address, roles in learnt.devices.items():
        yield f"  {_text(_asset(address))}:"
        yield f"    addresses: [{_text(str(address))}]"
        yield f"    zone: {_text(_zone(address))}"
        if roles:
            yield f"    proposed_roles: [{', '.join(roles)}]"
        yield f"    seen: {_seen(learnt.seen[address])}"
    yield from ("", "conversations:" if learnt.talks else "conversations: []")
    devices = {str(address) for address in learnt.devices}
    for key, talk in learnt.talks.items():
        yield from _conversation(key, talk, devices)


def _conversation(key: TalkKey, talk: Talk, devices: set[str]) -> Iterator[str]:
    yield f"  - from: {_text(_end(key.source, devices))}"
    yield f"    to: {_text(_end(key.target, devices))}"
    if key.protocol:
        yield f"    protocol: {_text(key.protocol)}"
    if key.port:
        yield f"    port: {key.port}"
    if talk.writes:
        yield "    writes: true"
    if talk.functions:
        yield "    functions:"
        yield from (f"      - {_text(name)} # seen {count:,}" for name, count in sorted(talk.functions.items()))
    yield f"    seen: {_seen(talk.seen)}"


def _seen(seen: Seen) -> str:
    times = f', first: "{seen.first}", last: "{seen.last}"' if seen.first else ""
    return f"{{count: {seen.count}{times}}}"


def _zone(address: Address) -> str:
    return f"net-{network_of(address).network_address}"


def _asset(address: Address) -> str:
    return f"host-{address}"


def _end(text: str, devices: set[str]) -> str:
    return f"host-{text}" if text in devices else text


def _text(text: str) -> str:
    """Return a text as YAML: plain where it can be nothing else, else quoted, with every unusual character escaped."""
    if _PLAIN.fullmatch(text) and text.casefold() not in _RESERVED:
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if " " <= char <= "~":
        return char
    return "\\ufffd" if "\ud800" <= char <= "\udfff" else f"\\U{ord(char):08x}"


__all__ = ["site_text"]
