"""What tshark tells of every packet, a line each: addresses, sizes and flags, and the fields that summaries need."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from tocsin.sources.capture_frames import Endpoint, frame_time, number_of, uid, words
from tocsin.sources.capture_tshark import View

_FIELDS: Final = words(
    "frame.number frame.time_epoch frame.protocols ip.src ip.dst ip.len ipv6.src ipv6.dst ipv6.plen"
    " tcp.srcport tcp.dstport tcp.stream tcp.len tcp.flags udp.srcport udp.dstport udp.stream udp.length"
    " dns.id dns.flags.response dns.flags.authoritative dns.flags.truncated dns.flags.recdesired dns.flags.recavail"
    " dns.flags.rcode dns.qry.name dns.qry.type dns.qry.class dns.a dns.aaaa dns.cname dns.ptr.domain_name"
    " dns.mx.mail_exchange dns.ns dns.txt dns.srv.target dns.resp.ttl"
    " http.request.method http.request.uri http.request.version http.host http.user_agent http.referer http.authbasic"
    " http.response.code http.response.phrase http.response.version http.content_length_header"
    " tls.record.content_type tls.handshake.type tls.handshake.version tls.handshake.ciphersuite"
    " tls.handshake.extensions_server_name tls.handshake.extensions.supported_version tls.handshake.extensions_alpn_str"
)
_IPV6_HEADER: Final = 40
_UDP_HEADER: Final = 8
_MANY: Final = 256


class _Line(Struct):
    layers: dict[str, list[Any]] = {}


_decode: Final = msgspec.json.Decoder(_Line).decode


class Packet(NamedTuple):
    """A packet of a conversation: number, time, protocol, the two ends, bytes of payload and of IP, flags of TCP."""

    number: int
    time: str
    stamp: float
    proto: str
    source: Endpoint
    target: Endpoint
    flow: str
    payload: int
    size: int
    flags: int
    protocols: tuple[str, ...]
    fields: dict[str, list[Any]]

    def texts(self, name: str) -> list[str]:
        """Return the texts of a field, bounded in number."""
        return [text for item in self.fields.get(name.replace(".", "_"), [])[:_MANY] if (text := _text(item))]

    def text(self, name: str) -> str | None:
        """Return the first text of a field."""
        return next(iter(self.texts(name)), None)

    def number_at(self, name: str) -> int | None:
        """Return the first number of a field."""
        return number_of(self.text(name))

    def flag(self, name: str) -> bool | None:
        """Return a yes or no."""
        text = self.text(name)
        return None if text is None else text in ("1", "true", "True")


def lines_view(link_layers: frozenset[str], services: frozenset[str]) -> View:
    """Return what tshark is asked for: a line of JSON for each packet."""
    fields = (part for name in _FIELDS for part in ("-e", name))
    return View("lines", ("-T", "ek", *fields), link_layers | services, re.compile(rb"\n"))


def parse_line(data: bytes) -> dict[str, list[Any]] | None:
    """Return the fields of a line; empty for one that is none of a packet, None when it is not of the form expected."""
    if data.startswith(b'{"index"') or data.isspace():
        return {}
    try:
        return _decode(data).layers
    except (msgspec.DecodeError, RecursionError):
        return None


def packet_number(fields: dict[str, list[Any]]) -> int | None:
    """Return the number of the packet of a line."""
    number = number_of(_first(fields, "frame_number"))
    return number if number and number > 0 else None


def read_packet(fields: dict[str, list[Any]], number: int) -> Packet | None:
    """Return the packet of a line; None when it belongs to no conversation of TCP or UDP."""
    proto = "tcp" if "tcp_srcport" in fields else "udp"
    version = "ip" if "ip_src" in fields else "ipv6"
    hosts = _last(fields, f"{version}_src"), _last(fields, f"{version}_dst")
    ports = number_of(_last(fields, f"{proto}_srcport")), number_of(_last(fields, f"{proto}_dstport"))
    if hosts[0] is None or hosts[1] is None or ports[0] is None or ports[1] is None:
        return None
    source, target = Endpoint(hosts[0], ports[0]), Endpoint(hosts[1], ports[1])
    if proto == "tcp":
        payload = number_of(_last(fields, "tcp_len")) or 0
    else:
        payload = max(0, (number_of(_last(fields, "udp_length")) or 0) - _UDP_HEADER)
    if version == "ip":
        size = number_of(_last(fields, "ip_len")) or 0
    else:
        size = (number_of(_last(fields, "ipv6_plen")) or 0) + _IPV6_HEADER
    epoch = _first(fields, "frame_time_epoch") or ""
    flow = uid(proto, source, target, _last(fields, f"{proto}_stream") or "")
    flags = number_of(_last(fields, "tcp_flags")) or 0
    protocols = tuple((_first(fields, "frame_protocols") or "").split(":"))
    time = frame_time(epoch)
    return Packet(number, time, _seconds(epoch), proto, source, target, flow, payload, size, flags, protocols, fields)


def _seconds(epoch: str) -> float:
    try:
        return float(epoch)
    except ValueError:
        return 0.0


def _text(item: object) -> str | None:
    if isinstance(item, bool):
        return "true" if item else "false"
    return str(item) if isinstance(item, (str, int, float)) else None


def _first(fields: dict[str, list[Any]], name: str) -> str | None:
    found = fields.get(name)
    return _text(found[0]) if found else None


def _last(fields: dict[str, list[Any]], name: str) -> str | None:
    """Return the innermost of a field, which tunnels repeat."""
    found = fields.get(name)
    return _text(found[-1]) if found else None


__all__ = ["Packet", "lines_view", "packet_number", "parse_line", "read_packet"]
