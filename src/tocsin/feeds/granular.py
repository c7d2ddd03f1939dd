"""Granular markings: which parts of an object can be left out for a reader who may not see them.

Source: STIX 2.1, section 7.2.3. Here such a marking only narrows: what the object's own marking keeps back stays kept back.
A selector that selects nothing counts for the whole object, since what it was meant to protect is not known.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, combinations
from typing import Final

import msgspec

from tocsin.feeds.check import valid
from tocsin.feeds.interface import Incoming, Part
from tocsin.sharing.redaction import redact

MOST: Final = 100
"""Selectors of one object; with more, each marking counts for the whole object."""
_MOST_PARTS: Final = 4
"""Parts of one object that can be left out: each choice of them is tried. With more the object is given whole."""


def are_separable(item: Incoming) -> bool:
    """Tell whether any choice of an object's parts can be left out of it, so that what is left is a valid object."""
    parts = item.parts
    if not parts or len(parts) > _MOST_PARTS:
        return False
    choices = chain.from_iterable(combinations(parts, count) for count in range(1, len(parts) + 1))
    return all(_can_go(item.body, choice) for choice in choices)


def _can_go(body: bytes, parts: Iterable[Part]) -> bool:
    left = redact(body, [selector for part in parts for selector in part.selectors])
    return left is not None and valid(msgspec.json.decode(left))


__all__ = ["MOST", "are_separable"]
