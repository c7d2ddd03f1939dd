"""Packets as tshark tells them: the tree of one packet, found values in it, and the conversation that it belongs to.

Everything here is told by tshark about hostile packets, so nothing is taken for granted: what is not of the form expected is
absent.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from tocsin.events.time import format_time, normal_time

SERVER_PORTS: Final = frozenset(
    (
        *(21, 22, 23, 25, 53, 80, 88, 102, 110, 123, 135, 137, 139, 143, 161, 389, 443, 445, 465, 502, 587, 636, 993, 995),
        *(1433, 1883, 2222, 2404, 3128, 3306, 3389, 4840, 5060, 5900, 5985, 5986, 8000, 8080, 8443, 8883, 20000, 44818, 47808),
    )
)
"""Ports that tell the server of a conversation whose beginning was not captured."""
_CONVERSATIONS: Final = 65536
_DIGITS: Final = 20
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_UID_CHARS: Final = 17
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Endpoint(NamedTuple):
    """An address and a port, as text and number."""

    host: str
    port: int


class Origin(NamedTuple):
    """Where an event comes from: number and time of the packet, and the fields that all events of it share."""

    number: int
    time: str
    base: dict[str, Any]


class Frame(NamedTuple):
    """A packet with its layers; `is_orig` tells that the originator of the conversation sent it."""

    origin: Origin
    flow: str
    is_orig: bool
    layers: dict[str, Any]


class Made(NamedTuple):
    """An event in the making: the log that it belongs to, and its own fields."""

    log: str
    origin: Origin
    fields: dict[str, Any]


class Roles:
    """Tells who began a conversation, when its beginning was not captured: by port, else who was seen first."""

    def __init__(self) -> None:
        self._first: OrderedDict[tuple[str, Endpoint, Endpoint], Endpoint] = OrderedDict()

    def is_orig(self, proto: str, source: Endpoint, target: Endpoint) -> bool:
        """Tell whether the sender is the originator."""
        known = source.port in SERVER_PORTS, target.port in SERVER_PORTS
        if known[0] != known[1]:
            return known[1]
        low, high = sorted((source, target))
        key = (proto, low, high)
        first = self._first.setdefault(key, source)
        self._first.move_to_end(key)
        if len(self._first) > _CONVERSATIONS:
            self._first.popitem(last=False)
        return first == source


@lru_cache(maxsize=_CONVERSATIONS)
def uid(proto: str, source: Endpoint, target: Endpoint, stream: str) -> str:
    """Return the name of a conversation in the form that Zeek gives; the same in every run and for either direction."""
    low, high = sorted((source, target))
    text = f"{proto} {low.host} {low.port} {high.host} {high.port} {stream}"
    number = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=13).digest(), "big")
    digits = ""
    for _ in range(_UID_CHARS):
        number, rest = divmod(number, len(_ALPHABET))
        digits += _ALPHABET[rest]
    return "C" + digits


def frame_time(text: str) -> str:
    """Return the time of a packet, told in seconds since the epoch or, by newer versions, as a date."""
    whole, _, fraction = text.partition(".")
    if not (whole.isascii() and whole.removeprefix("-").isdigit() and len(whole) <= _DIGITS):
        return normal_time(text)
    micros = int(fraction[:6].ljust(6, "0")) if fraction.isascii() and fraction.isdigit() else 0
    try:
        return format_time(_EPOCH + timedelta(seconds=int(whole), microseconds=micros))
    except OverflowError:
        return ""


def parse_tree(data: bytes) -> dict[str, Any] | None:
    """Return the layers of one packet out of tshark's JSON; None when it is not of the form expected."""
    start = data.find(b"{")
    end = data.rfind(b"}")
    try:
        found = msgspec.json.decode(data[start : end + 1])
    except (msgspec.DecodeError, RecursionError):
        return None
    layers = node(found, "_source", "layers") if isinstance(found, dict) else None
    return layers if isinstance(layers, dict) and "frame" in layers else None


def read_frame(layers: dict[str, Any], roles: Roles) -> Frame | None:
    """Return the packet of a tree; None without a number. One without addresses has no conversation."""
    number = first_number(layers.get("frame"), "frame.number")
    if number is None or number < 1:
        return None
    time = frame_time(first_text(layers.get("frame"), "frame.time_epoch") or "")
    ip = last_node(layers, "ip") or last_node(layers, "ipv6")
    name = "ip" if "ip" in layers and last_node(layers, "ip") else "ipv6"
    proto = next((name for name in ("tcp", "udp") if name in layers), "")
    transport = last_node(layers, proto)
    hosts = first_text(ip, f"{name}.src"), first_text(ip, f"{name}.dst")
    ports = first_number(transport, f"{proto}.srcport"), first_number(transport, f"{proto}.dstport")
    if not hosts[0] or not hosts[1] or ports[0] is None or ports[1] is None:
        return Frame(Origin(number, time, {}), "", True, layers)
    source, target = Endpoint(hosts[0], ports[0]), Endpoint(hosts[1], ports[1])
    name = uid(proto, source, target, first_text(transport, f"{proto}.stream") or "")
    is_orig = roles.is_orig(proto, source, target)
    return Frame(Origin(number, time, base_fields(name, source, target, is_orig)), name, is_orig, layers)


def base_fields(name: str, source: Endpoint, target: Endpoint, is_orig: bool) -> dict[str, Any]:
    """Return the fields by which the ICSNPP logs tell the conversation, and the direction in it."""
    orig, resp = (source, target) if is_orig else (target, source)
    return {
        "uid": name,
        "id.orig_h": orig.host,
        "id.orig_p": orig.port,
        "id.resp_h": resp.host,
        "id.resp_p": resp.port,
        "is_orig": is_orig,
        "source_h": source.host,
        "source_p": source.port,
        "destination_h": target.host,
        "destination_p": target.port,
    }


def nodes(value: object) -> list[dict[str, Any]]:
    """Return the objects of a value that is one, or a list of them."""
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]


def node(value: object, *path: str) -> Any:
    """Return what lies at a path of keys, through objects only; None when something is missing."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def last_node(layers: dict[str, Any], name: str) -> dict[str, Any] | None:
    """Return the innermost layer of a name."""
    found = nodes(layers.get(name))
    return found[-1] if found else None


def walk(value: object) -> Iterator[tuple[str, Any]]:
    """Yield the keys of a tree with what they hold, depth first, in order; those of a list as often as it is long."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        key, item = waiting.pop()
        if isinstance(item, list):
            waiting.extend((key, part) for part in reversed(item))
            continue
        yield key, item
        if isinstance(item, dict):
            waiting.extend(reversed(item.items()))


def all_texts(value: object, name: str) -> list[str]:
    """Return the texts of all fields of a name, anywhere in a tree."""
    return [item for key, item in walk(value) if key == name and isinstance(item, str)]


def first_text(value: object, name: str) -> str | None:
    """Return the text of the first field of a name, anywhere in a tree."""
    if isinstance(value, dict) and isinstance(found := value.get(name), str):
        return found
    return next((item for key, item in walk(value) if key == name and isinstance(item, str)), None)


def number_of(text: str | None) -> int | None:
    """Return a number that is written in decimal or, with `0x`, in hexadecimal digits."""
    if not text or len(text) > _DIGITS:
        return None
    try:
        return int(text, 16 if text.startswith("0x") else 10)
    except ValueError:
        return None


def first_number(value: object, name: str) -> int | None:
    """Return the number of the first field of a name, anywhere in a tree."""
    return number_of(first_text(value, name))


def all_numbers(value: object, name: str) -> list[int]:
    """Return the numbers of all fields of a name, anywhere in a tree."""
    return [number for text in all_texts(value, name) if (number := number_of(text)) is not None]


def flag(value: object, name: str) -> bool | None:
    """Return a yes or no, which versions of tshark write as 1 and 0 or as true and false."""
    text = first_text(value, name)
    if text is None:
        return next((item for key, item in walk(value) if key == name and isinstance(item, bool)), None)
    return {"1": True, "0": False, "true": True, "false": False, "True": True, "False": False}.get(text)


def present(**fields: object) -> dict[str, Any]:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def words(text: str) -> tuple[str, ...]:
    """Return the words of a table that is written as text."""
    return tuple(text.split())


def one_or_all(values: list[Any]) -> Any:
    """Return the only value, all of several, or None."""
    return None if not values else values[0] if len(values) == 1 else values


__all__ = [
    "SERVER_PORTS",
    "Endpoint",
    "Frame",
    "Made",
    "Origin",
    "Roles",
    "all_numbers",
    "all_texts",
    "base_fields",
    "first_number",
    "first_text",
    "flag",
    "frame_time",
    "last_node",
    "node",
    "nodes",
    "number_of",
    "one_or_all",
    "parse_tree",
    "present",
    "read_frame",
    "uid",
    "walk",
    "words",
]
