"""What lines of daemons state beside being lines of syslog: a query of DNS, a virus, a packet, a request.

Such a line is looked at twice: as one of syslog, which rules for Linux search for keywords, and as what it states, for the
rules on names, addresses and requests. The second look does not count as an event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from tocsin.events import Event, Gate
from tocsin.sources import access_log, squid
from tocsin.sources.actions import blocked
from tocsin.sources.rows import RowDecoder

Stated = tuple[Gate, dict[str, Any]]

_FOUND: Final = re.compile(
    r"(?:.{0,64}?-> ?)?(?P<file>\S.*?): (?P<signature>[^\s:()]{1,255})(?:\([0-9a-f]{32}:\d+\))? FOUND", re.DOTALL
)
_BIND: Final = re.compile(
    r"(?:queries: )?(?:info: )?client (?:@0x[0-9a-f]+ )?(?P<client>[0-9A-Fa-f.:%]{2,80})#\d{1,5}(?: \([^)]{0,1024}\))?:"
    r" (?:view [^:\s]{1,255}: )?query: (?P<query>\S{1,1024}) (?P<class>[A-Z]{2,8}) (?P<record_type>[A-Z0-9]{1,16})"
    r" ?(?P<flags>.*)",
    re.DOTALL,
)
_DNSMASQ_QUERY: Final = re.compile(
    r"(?:\d+ \S+ )?query\[(?P<record_type>[A-Za-z0-9=]{1,24})\] (?P<query>\S{1,1024}) from (?P<client>\S{1,80})"
)
_DNSMASQ_REPLY: Final = re.compile(
    r"(?:\d+ \S+ )?(?:reply|cached|config|/etc/hosts) (?P<query>\S{1,1024}) is (?P<answer>.{1,1024})"
)
_UNBOUND: Final = re.compile(
    r"(?:\[\d+:[0-9a-f]+\] )?(?:info: )?(?P<client>[0-9A-Fa-f.:]{2,80}) (?P<query>\S{1,1024})"
    r" (?P<record_type>[A-Z0-9]{1,16}) IN(?: .*)?"
)
_PACKET: Final = re.compile(r"\b(IN|OUT|SRC|DST|PROTO|SPT|DPT)=([^\s=]{0,64})")
_UFW: Final = re.compile(r"\[UFW ([A-Z]+)")
_VERDICT: Final = re.compile(
    r"\b(ACCEPT|ALLOW|ALLOWED|PERMIT|DROP|DROPPED|DENY|DENIED|REJECT|REJECTED|BLOCK|BLOCKED)\b", re.IGNORECASE
)
_FILTERLOG_VERSION: Final = 8
_FILTERLOG: Final = {"4": (16, 18), "6": (12, 15)}
"""Version of IP -> the places of the protocol's name and of the source in a line of pf."""
_PF_ENDS: Final = ("src_ip", "dst_ip", "src_port", "dst_port")


def virus(message: str) -> Stated | None:
    """Return the file and signature of a line of ClamAV that ends in FOUND."""
    if not message.endswith(" FOUND"):
        return None
    found = _FOUND.fullmatch(message)
    if not found:
        return None
    signature = found["signature"].removesuffix(".UNOFFICIAL")
    return Gate("clamav", "detection", ""), {"file": found["file"], "signature": signature}


def bind(message: str) -> Stated | None:
    """Return the query of a line of BIND's query log."""
    found = _BIND.fullmatch(message) if "query: " in message else None
    return _query("bind", found) if found else None


def dnsmasq(message: str) -> Stated | None:
    """Return the query, or the answer, of a line of dnsmasq."""
    found = _DNSMASQ_QUERY.fullmatch(message) or _DNSMASQ_REPLY.fullmatch(message)
    return _query("dnsmasq", found) if found else None


def unbound(message: str) -> Stated | None:
    """Return the query of a line of Unbound."""
    found = _UNBOUND.fullmatch(message)
    return _query("unbound", found) if found else None


def _query(product: str, found: re.Match[str]) -> Stated:
    fields = {name: value for name, value in found.groupdict().items() if value}
    if "query" in fields:
        fields["query"] = fields["query"].rstrip(".") or "."
    return Gate(product, "query", ""), fields


def packet(message: str) -> Stated | None:
    """Return the packet of a line that iptables, nftables or UFW log."""
    if "SRC=" not in message:
        return None
    parts = dict(_PACKET.findall(message))
    if "DST" not in parts:
        return None
    names = {
        "SRC": "src_ip",
        "DST": "dst_ip",
        "SPT": "src_port",
        "DPT": "dst_port",
        "PROTO": "protocol",
        "IN": "in",
        "OUT": "out",
    }
    fields: dict[str, Any] = {names[name]: value for name, value in parts.items() if value}
    ufw = _UFW.search(message)
    verdict = ufw or _VERDICT.search(message.partition("IN=")[0])
    if verdict:
        fields["action"] = verdict[1].lower()
        answer = blocked(fields["action"])
        fields |= {"blocked": answer} if answer else {}
    return Gate("iptables", "firewall", ""), fields


def filterlog(message: str) -> Stated | None:
    """Return the packet of a line of pf, as pfSense and OPNsense write it with commas."""
    cells = message.split(",")
    places = _FILTERLOG.get(cells[_FILTERLOG_VERSION] if len(cells) > _FILTERLOG_VERSION else "")
    if places is None or len(cells) < places[1] + len(_PF_ENDS):
        return None
    protocol, source = cells[places[0]], places[1]
    ends = _PF_ENDS if protocol in ("tcp", "udp") else _PF_ENDS[:2]
    fields: dict[str, Any] = dict(zip(ends, cells[source:], strict=False))
    fields |= {"interface": cells[4], "action": cells[6], "direction": cells[7], "protocol": protocol}
    answer = blocked(cells[6])
    return Gate("pf", "firewall", ""), fields | ({"blocked": answer} if answer else {})


_STATES: Final[dict[str, Callable[[str], Stated | None]]] = {
    "clamd": virus,
    "clamav": virus,
    "clamscan": virus,
    "clamav-daemon": virus,
    "clamdscan": virus,
    "named": bind,
    "dnsmasq": dnsmasq,
    "unbound": unbound,
    "kernel": packet,
    "ulogd": packet,
    "ufw": packet,
    "": packet,
    "filterlog": filterlog,
}
"""Program -> what its message may state."""
_REQUESTS: Final = frozenset(
    {"httpd", "apache", "apache2", "nginx", "haproxy", "caddy", "lighttpd", "gunicorn", "tomcat", "squid"}
)


def looks(event: Event) -> Iterator[Event]:
    """Yield what a line of syslog states, as an event of its own."""
    program, message = event.gate.event_id, event.fields["message"]
    states = _STATES.get(program)
    stated = states(message) if states else None
    if stated:
        gate, fields = stated
        yield Event(gate, fields, event.original, event.time, event.host, event.record, event.text)
    elif program in _REQUESTS:
        yield from _request(event, message)


def _request(event: Event, message: str) -> Iterator[Event]:
    """Yield the request of a line of an access log that went through syslog."""
    cells = access_log.parse_line(message)
    decoder: RowDecoder = access_log.ACCESS
    gate = access_log.gate_of(cells) if cells else Gate("squid", "access", "")
    if cells is None and event.gate.event_id == "squid":
        cells, decoder = squid.parse_line(message.lstrip()), squid.SQUID
    if cells:
        found = decoder.event(gate, cells, event.record)
        time = event.time or found.time
        yield Event(gate, found.fields, event.original, time, event.host, event.record, event.text)


__all__ = ["Stated", "bind", "dnsmasq", "filterlog", "looks", "packet", "unbound", "virus"]
