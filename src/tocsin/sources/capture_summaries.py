"""Summaries of captures: the logs `conn`, `dns`, `http` and `ssl`, with Zeek's names.

What they hold of a conversation is bounded: of very many, the oldest is told early.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.sources.capture_frames import Endpoint, Made, Origin, Roles, base_fields, number_of, present
from tocsin.sources.capture_lines import Packet
from tocsin.sources.capture_summary_names import CIPHERS, QCLASSES, QTYPES, RCODES, SERVICES, TLS_VERSIONS

_CONVERSATIONS: Final = 65536
_QUERIES: Final = 8192
_REQUESTS: Final = 64
_FIN: Final = 0x01
_SYN: Final = 0x02
_RST: Final = 0x04
_ACK: Final = 0x10
_ANSWERS: Final = ("cname", "a", "aaaa", "ptr.domain_name", "mx.mail_exchange", "ns", "srv.target", "txt")
_BEGAN: Final = 0x10000  # a SYN without ACK; above the flags of TCP
_CLIENT_HELLO: Final = "1"
_SERVER_HELLO: Final = "2"
_APPLICATION_DATA: Final = "23"


@dataclass
class _Conversation:
    """What is known of a conversation; lists have the originator's part first, then the responder's."""

    proto: str
    source: Endpoint
    target: Endpoint
    first: Packet
    last: float
    services: list[str] = field(default_factory=list)
    payload: list[int] = field(default_factory=lambda: [0, 0])
    sizes: list[int] = field(default_factory=lambda: [0, 0])
    packets: list[int] = field(default_factory=lambda: [0, 0])
    flags: list[int] = field(default_factory=lambda: [0, 0])
    depth: int = 0
    requests: list[tuple[Origin, dict[str, Any]]] = field(default_factory=list)
    hello: tuple[Origin, dict[str, Any]] | None = None

    def base(self) -> dict[str, Any]:
        """Return the fields that name it."""
        found = base_fields(self.first.flow, self.source, self.target, True)
        return {name: found[name] for name in ("uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p")}


class Summaries:
    """Follows the conversations of one capture."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, _Conversation] = OrderedDict()
        self._queries: OrderedDict[tuple[str, str], tuple[Origin, float, dict[str, Any]]] = OrderedDict()
        self._roles = Roles()

    def take(self, packet: Packet) -> Iterator[Made]:
        """Take a packet; yield what it completes."""
        found = self._open.get(packet.flow)
        if found is None:
            found = self._open[packet.flow] = self._begin(packet)
            if len(self._open) > _CONVERSATIONS:
                yield from self._end(self._open.popitem(last=False)[1])
        else:
            self._open.move_to_end(packet.flow)
        side = 0 if packet.source == found.source else 1
        found.last = max(found.last, packet.stamp)
        found.payload[side] += packet.payload
        found.sizes[side] += packet.size
        found.packets[side] += 1
        found.flags[side] |= packet.flags if packet.flags & _ACK or not packet.flags & _SYN else packet.flags | _BEGAN
        for name in packet.protocols:
            service = SERVICES.get(name)
            if service and service not in found.services:
                found.services.append(service)
        origin = Origin(packet.number, packet.time, found.base())
        if "dns_id" in packet.fields:
            yield from self._dns(packet, origin)
        if "http_request_method" in packet.fields or "http_response_code" in packet.fields:
            yield from _http(packet, origin, found)
        if "tls_record_content_type" in packet.fields:
            yield from _ssl(packet, origin, found)

    def flush(self) -> Iterator[Made]:
        """Yield what is left at the end."""
        while self._queries:
            origin, _, fields = self._queries.popitem(last=False)[1]
            yield Made("dns", origin, fields)
        while self._open:
            yield from self._end(self._open.popitem(last=False)[1])

    def _begin(self, packet: Packet) -> _Conversation:
        """Begin a conversation: who sends SYN is its originator, else it is told by ports."""
        if packet.flags & _SYN:
            is_orig = not packet.flags & _ACK
        else:
            is_orig = self._roles.is_orig(packet.proto, packet.source, packet.target)
        source, target = (packet.source, packet.target) if is_orig else (packet.target, packet.source)
        return _Conversation(packet.proto, source, target, packet, packet.stamp)

    def _end(self, found: _Conversation) -> Iterator[Made]:
        for origin, fields in found.requests:
            yield Made("http", origin, fields)
        if found.hello:
            yield Made("ssl", found.hello[0], {**found.hello[1], "established": False})
        fields = {
            "proto": found.proto,
            **present(service=",".join(found.services) or None),
            "duration": round(max(0.0, found.last - found.first.stamp), 6),
            "orig_bytes": found.payload[0],
            "resp_bytes": found.payload[1],
            "conn_state": _state(found),
            "orig_pkts": found.packets[0],
            "orig_ip_bytes": found.sizes[0],
            "resp_pkts": found.packets[1],
            "resp_ip_bytes": found.sizes[1],
        }
        yield Made("conn", Origin(found.first.number, found.first.time, found.base()), fields)

    def _dns(self, packet: Packet, origin: Origin) -> Iterator[Made]:
        """Yield a query with its answer, when it comes."""
        number = packet.text("dns.id") or ""
        key = (packet.flow, number)
        if not packet.flag("dns.flags.response"):
            self._queries[key] = (origin, packet.stamp, _query(packet, number))
            if len(self._queries) > _QUERIES:
                old, _, fields = self._queries.popitem(last=False)[1]
                yield Made("dns", old, fields)
            return
        code = packet.number_at("dns.flags.rcode")
        answers = [text for name in _ANSWERS for text in packet.texts(f"dns.{name}")]
        reply = present(
            rcode=code,
            rcode_name=None if code is None else RCODES.get(code, f"unknown-{code}"),
            AA=packet.flag("dns.flags.authoritative"),
            TC=packet.flag("dns.flags.truncated"),
            RA=packet.flag("dns.flags.recavail"),
            answers=answers or None,
            TTLs=[float(ttl) for text in packet.texts("dns.resp.ttl") if (ttl := number_of(text)) is not None] or None,
        )
        asked = self._queries.pop(key, None)
        if asked is None:
            yield Made("dns", origin, _query(packet, number) | reply)
        else:
            rtt = {"rtt": round(max(0.0, packet.stamp - asked[1]), 6)}
            yield Made("dns", asked[0], asked[2] | rtt | reply)


def _state(found: _Conversation) -> str:
    """Return how the conversation went, in Zeek's words."""
    orig, resp = found.flags
    if found.proto == "udp":
        return "SF" if all(found.packets) else "S0" if found.packets[0] else "SHR"
    began, answered = bool(orig & _BEGAN), bool(resp & _SYN and resp & _ACK)
    if began and answered:
        if orig & _RST or resp & _RST:
            return "RSTO" if orig & _RST else "RSTR"
        return {(1, 1): "SF", (1, 0): "S2", (0, 1): "S3", (0, 0): "S1"}[(orig & _FIN, resp & _FIN)]
    if began:
        return "REJ" if resp & _RST else "RSTOS0" if orig & _RST else "SH" if orig & _FIN else "S0"
    if answered:
        return "RSTRH" if resp & _RST else "SHR" if resp & _FIN else "OTH"
    return "OTH"


def _query(packet: Packet, number: str) -> dict[str, Any]:
    qtype, qclass = packet.number_at("dns.qry.type"), packet.number_at("dns.qry.class")
    return present(
        proto=packet.proto,
        trans_id=number_of(number),
        query=packet.text("dns.qry.name"),
        qclass=qclass,
        qclass_name=None if qclass is None else QCLASSES.get(qclass, f"qclass-{qclass}"),
        qtype=qtype,
        qtype_name=None if qtype is None else QTYPES.get(qtype, f"TYPE{qtype}"),
        RD=packet.flag("dns.flags.recdesired"),
    )


def _http(packet: Packet, origin: Origin, found: _Conversation) -> Iterator[Made]:
    """Yield requests with their responses, in the order of both."""
    methods = packet.texts("http.request.method")
    for at, method in enumerate(methods):
        found.depth += 1
        one = _Nth(packet, at, len(methods))
        user = (one.text("http.authbasic") or "").partition(":")[0]
        fields = present(
            trans_depth=found.depth,
            method=method,
            host=one.text("http.host"),
            uri=one.text("http.request.uri"),
            referrer=one.text("http.referer"),
            version=(one.text("http.request.version") or "").removeprefix("HTTP/") or None,
            user_agent=one.text("http.user_agent"),
            username=user or None,
        )
        found.requests.append((origin, fields))
        if len(found.requests) > _REQUESTS:
            yield Made("http", *found.requests.pop(0))
    codes = packet.texts("http.response.code")
    for at, code in enumerate(codes):
        one = _Nth(packet, at, len(codes))
        reply = present(
            status_code=number_of(code),
            status_msg=one.text("http.response.phrase"),
            response_body_len=number_of(one.text("http.content_length_header")),
        )
        start, fields = found.requests.pop(0) if found.requests else (origin, {})
        yield Made("http", start, fields | reply)


@dataclass(frozen=True)
class _Nth:
    """One of several messages of a packet; a field that not all of them have belongs to none."""

    packet: Packet
    at: int
    count: int

    def text(self, name: str) -> str | None:
        """Return the text of this message."""
        found = self.packet.texts(name)
        return found[self.at] if len(found) == self.count else None


def _ssl(packet: Packet, origin: Origin, found: _Conversation) -> Iterator[Made]:
    """Yield a session once it carries data, with what both sides said before."""
    kinds = packet.texts("tls.handshake.type")
    if _CLIENT_HELLO in kinds:
        if found.hello:
            yield Made("ssl", found.hello[0], {**found.hello[1], "established": False})
        found.hello = (origin, present(server_name=packet.text("tls.handshake.extensions_server_name")))
    if _SERVER_HELLO in kinds:
        start, fields = found.hello or (origin, {})
        found.hello = (start, fields | _server_hello(packet))
    if found.hello and _APPLICATION_DATA in packet.texts("tls.record.content_type"):
        yield Made("ssl", found.hello[0], {**found.hello[1], "established": True})
        found.hello = None


def _server_hello(packet: Packet) -> dict[str, Any]:
    version = packet.number_at("tls.handshake.extensions.supported_version")
    version = packet.number_at("tls.handshake.version") if version is None else version
    cipher = packet.number_at("tls.handshake.ciphersuite")
    return present(
        version=None if version is None else TLS_VERSIONS.get(version, f"unknown-{version}"),
        cipher=None if cipher is None else CIPHERS.get(cipher, f"unknown-{cipher}"),
        next_protocol=packet.text("tls.handshake.extensions_alpn_str"),
    )


__all__ = ["Summaries"]
