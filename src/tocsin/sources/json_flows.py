"""Flow records as JSON: what Filebeat and Logstash make of NetFlow and IPFIX, and the output of nfdump and pmacct."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tocsin.events import Event, Gate
from tocsin.events.time import normal_time

Object = Mapping[str, Any]

FLOW_KEYS: Final = frozenset({"netflow", "src4_addr", "src6_addr", "ip_src"})
"""Keys of which a flow has at least one."""
_DESTINATIONS: Final = ("destination", "destination.ip", "dst4_addr", "dst6_addr", "ip_dst")
_TIMES: Final = ("@timestamp", "first", "t_first", "timestamp_start", "stamp_inserted")


def flow_shape(inner: Object, found: Object, number: int) -> Event | None:
    """Return the flow that an object tells, or None."""
    netflow = inner.get("netflow")
    told = isinstance(netflow, dict) and any(name.startswith(("ipv4_", "dst", "l4_")) for name in netflow)
    if not told and not any(name in inner for name in _DESTINATIONS):
        return None
    time = next((time for name in _TIMES if (time := normal_time(inner.get(name)))), "")
    return Event(Gate("netflow", "flow", ""), inner, found, time, "", number)


__all__ = ["FLOW_KEYS", "flow_shape"]
