"""Moments of STIX and TAXII: RFC 3339 in UTC on the wire, whole microseconds since 1970 inside."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MOMENT: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,12}))?Z", re.ASCII)


def read_moment(text: str) -> int | None:
    """Return a moment such as 2026-01-31T12:00:00.000Z, or None when it is none. Below a microsecond it is cut."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    try:
        whole = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    except ValueError:
        return None
    return (whole - _EPOCH) // _MICROSECOND + int((found[2] or "")[:6].ljust(6, "0"))


def moment_text(moment_us: int) -> str:
    """Return a moment with milliseconds, or with microseconds where it has them."""
    full = added_text(moment_us)
    return full if moment_us % 1000 else full[:-4] + "Z"


def added_text(moment_us: int) -> str:
    """Return a moment with microseconds, as TAXII dates what was added."""
    return (_EPOCH + moment_us * _MICROSECOND).isoformat(timespec="microseconds").replace("+00:00", "Z")


__all__ = ["added_text", "moment_text", "read_moment"]
