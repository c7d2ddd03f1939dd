"""What a node bears of its callers: how often, how long and how much. `node.yml` has them under `limits`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from threading import Lock
from typing import Annotated, Final

import msgspec

_MOST_BUCKETS: Final = 65_536
_MINUTE_US: Final = 60_000_000
_FILES: Final = 10
"""How many requests for files, in ranges, count as one other: a client makes some for each file that it was told of."""
_NEIGHBOURS: Final = 64
"""Bits of an IPv6 address that its holder did not choose: the rest is one caller."""

Rate = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=3_600)]


class Limits(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Limits of one node. `requests` are of one caller, `failures` failed authentications of one address."""

    requests_per_minute: Rate = 600
    requests_at_once: Rate = 300
    failures_per_minute: Rate = 10
    failures_at_once: Rate = 20
    connections: Rate = 256
    connections_of_address: Rate = 64
    head_seconds: Seconds = 10
    body_seconds: Seconds = 30
    expansion: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 100


class Buckets:
    """Token buckets, one for each key: each holds `most` and gains `per_minute`. `clock` gives microseconds.

    At most 65,536 are remembered; of more, the one that was used least recently is forgotten, and is full again.
    """

    def __init__(self, per_minute: int, most: int, clock: Callable[[], int]) -> None:
        self._cost = _MINUTE_US // per_minute
        self._most = most * self._cost
        self._clock = clock
        self._levels: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, key: str) -> int:
        """Take one from a bucket; return 0, or in how many seconds there will be one to take."""
        with self._lock:
            level, now = self._level(key)
            enough = level >= self._cost
            self._levels[key] = level - self._cost * enough, now
            self._levels.move_to_end(key)
            if len(self._levels) > _MOST_BUCKETS:
                self._levels.popitem(last=False)
            return 0 if enough else _seconds(self._cost - level)

    def wait(self, key: str) -> int:
        """Return in how many seconds there will be one to take, 0 when there is, and take none."""
        with self._lock:
            return _seconds(self._cost - self._level(key)[0])

    def _level(self, key: str) -> tuple[int, int]:
        """Return what is in a bucket now, in microseconds of gain, and the moment. A clock that is set back begins anew."""
        now = self._clock()
        level, before = self._levels.get(key, (self._most, now))
        if now < before:
            self._levels[key] = level, now
        return min(self._most, level + max(0, now - before)), now


class Rates:
    """How often callers may ask, and addresses may fail to authenticate."""

    def __init__(self, limits: Limits, clock: Callable[[], int]) -> None:
        self._requests = Buckets(limits.requests_per_minute, limits.requests_at_once, clock)
        self._files = Buckets(limits.requests_per_minute * _FILES, limits.requests_at_once * _FILES, clock)
        self._failures = Buckets(limits.failures_per_minute, limits.failures_at_once, clock)

    def ask(self, caller: str) -> int:
        """Count a request of a caller; return 0, or how many seconds it has to wait."""
        return self._requests.take(caller)

    def fetch(self, caller: str) -> int:
        """Count a request for a file by a caller's link; return 0, or how many seconds it has to wait."""
        return self._files.take(caller)

    def fail(self, address: str) -> None:
        """Count a failed authentication of an address."""
        self._failures.take(neighbourhood(address))

    def barred(self, address: str) -> int:
        """Return how many seconds an address has to wait before it may authenticate again, 0 when it may."""
        return self._failures.wait(neighbourhood(address))


def neighbourhood(address: str) -> str:
    """Return what counts as one address: itself for IPv4, its network of 64 bits for IPv6."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:_NEIGHBOURS]
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or ip_network((int(found), _NEIGHBOURS), strict=False))


def _seconds(microseconds: int) -> int:
    return -(-max(0, microseconds) // 1_000_000)


__all__ = ["Buckets", "Limits", "Rates", "neighbourhood"]
