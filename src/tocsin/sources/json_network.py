"""The JSON of network sensors: Suricata's EVE, and Zeek's logs as Zeek, Corelight and shippers write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from tocsin.events import Event, Gate
from tocsin.events.time import normal_time
from tocsin.sources.zeek_logs import DOTTED, log_of_keys

NAMES: Final = ("_path", "@stream", "@path")
"""The keys under which writers name a Zeek log, in order."""
EVE_KEYS: Final = frozenset({"event_type"})
ZEEK_KEYS: Final = frozenset({"ts"})
_SENSOR_KEYS: Final = frozenset({"flow_id", "src_ip", "pcap_cnt", "in_iface", "stats", "engine"})
_DOTLESS: Final = frozenset(DOTTED)
_REST_OF_TIME: Final = re.compile(r"T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}\.[0-9]{1,9}(?:Z|[+-][01][0-9]:?[0-5][0-9])")
_DAY: Final = 10
_EARLIEST: Final = 1e8
_LATEST: Final = 1e11


def eve_shape(inner: Mapping[str, Any], found: Mapping[str, Any], number: int) -> Event | None:
    """Return the event of an object of Suricata's EVE, or None."""
    kind, time = inner.get("event_type"), normal_time(inner.get("timestamp"))
    if not isinstance(kind, str) or not kind or not time or _SENSOR_KEYS.isdisjoint(inner):
        return None
    return Event(Gate("suricata", kind, ""), inner, found, time, "", number)


def zeek_shape(inner: Mapping[str, Any], found: Mapping[str, Any], number: int) -> Event | None:
    """Return the event of a row of a Zeek log, or None; the log is told by its name, or else by the keys."""
    time = normal_time(inner.get("ts"))
    if not time:
        return None
    name = next((name for key in NAMES if (name := inner.get(key)) and isinstance(name, str)), "")
    name = name or log_of_keys(frozenset(inner))
    if not name:
        return None
    return Event(Gate("zeek", name, ""), dotted(inner), found, time, "", number)


def dotted(inner: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a row whose fields have Zeek's own names, where the writer has put `_` for the dots."""
    if _DOTLESS.isdisjoint(inner):
        return inner
    return {key if (name := DOTTED.get(key, key)) in inner else name: value for key, value in inner.items()}


def surely_time(value: str | float | None) -> bool:
    """Tell of the usual forms, quickly, that they are times; False when it takes more to know."""
    if isinstance(value, str):
        return _is_day(value[:_DAY]) and _REST_OF_TIME.fullmatch(value, _DAY) is not None
    return value is not None and _EARLIEST <= value < _LATEST


@lru_cache(maxsize=1024)
def _is_day(text: str) -> bool:
    return "1970" <= text < "2900" and bool(normal_time(f"{text}T00:00:00Z"))


__all__ = ["EVE_KEYS", "NAMES", "ZEEK_KEYS", "dotted", "eve_shape", "surely_time", "zeek_shape"]
