"""What an indicator is: a value that was seen in an attack, by its kind, with what its source calls it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

HASH: Final = "hash"
ADDRESS: Final = "address"
NETWORK: Final = "network"
DOMAIN: Final = "domain"
URL: Final = "url"
FILE_NAME: Final = "file name"
KINDS: Final = (HASH, ADDRESS, NETWORK, DOMAIN, URL, FILE_NAME)
"""Every kind of indicator that can be looked for."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """A value to look for, in the normal form of its kind (see `values.normal`).

    `id` tells it from all others; `name` is what its source calls it; `origin` the file that it comes from.
    """

    kind: str
    value: str
    id: str = ""
    name: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Unusable:
    """What a file of indicators holds that is not looked for: what it is, where it stands, and why not."""

    what: str
    where: str
    reason: str


@dataclass(slots=True)
class Indicators:
    """What was read of files of indicators. `repeated` counts values that were there before."""

    found: list[Indicator] = field(default_factory=list)
    unusable: list[Unusable] = field(default_factory=list)
    repeated: int = 0


__all__ = ["ADDRESS", "DOMAIN", "FILE_NAME", "HASH", "KINDS", "NETWORK", "URL", "Indicator", "Indicators", "Unusable"]
