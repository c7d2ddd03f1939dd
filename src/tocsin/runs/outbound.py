"""Requests of a node to a peer: to addresses that its policy permits, by verified TLS, in bounded time and size.

The name is resolved here, and the connection made to the very address that was judged: what the name resolves to a moment later
changes nothing. Nothing is asked of another origin, whatever an answer says, and no proxy of the environment is used.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urljoin, urlsplit

import httpcore

from tocsin.errors import PeerError
from tocsin.runs.peers_file import Network, Peer

_GZIP: Final = 16 + zlib.MAX_WBITS
_MOVED: Final = {301, 302, 303, 307, 308}
_MOST_MOVES: Final = 3
_SHOWN: Final = 200
_PORTS: Final = {"http": 80, "https": 443}
_WRITTEN: Final = 1 << 16
_EMBEDDED: Final = ipaddress.ip_network("64:ff9b::/96")
_UNICAST: Final = ipaddress.ip_network("2000::/3")
_SIX_TO_FOUR: Final = ipaddress.ip_network("2002::/16")
_INSIDE: Final = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"))
)
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Policy:
    """Where a request may go, and what it may cost: bytes, packed and unpacked, and seconds from begin to end."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()
    most_bytes: int = 50 << 20
    most_seconds: float = 60.0

    @staticmethod
    def of(peer: Peer) -> Policy:
        """Return the policy for a peer."""
        return Policy(peer.networks, peer.hosts, peer.most_megabytes << 20, float(peer.most_seconds))

    def permits(self, host: str, address: Address) -> bool:
        """Return whether a host may be asked at an address that its name led to.

        A host that is named may be at private addresses too, and on this computer. All others need a network that is named:
        multicast, and link-local, where clouds keep secrets.
        """
        if any(address in network for network in self.networks):
            return True
        inner = _inner(address)
        return is_public(address) or (host in self.hosts and any(inner in network for network in _INSIDE))


def is_public(address: Address) -> bool:
    """Return whether an address is one of a host on the Internet. Pure."""
    inner = _inner(address)
    if isinstance(inner, ipaddress.IPv6Address) and (inner not in _UNICAST or inner in _SIX_TO_FOUR):
        return False
    return inner.is_global and not inner.is_multicast and not inner.is_reserved


def _inner(address: Address) -> Address:
    """Return the address of IPv4 that one of IPv6 stands for, where it does."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _EMBEDDED:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


@dataclass(frozen=True, slots=True)
class Answer:
    """What a peer answered, its body unpacked. Names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Outbound:
    """Requests to one origin, SCHEME://HOST:PORT, one after another. `headers` go with each, so secrets go nowhere else."""

    def __init__(self, origin: str, policy: Policy, headers: Mapping[str, str], trust: ssl.SSLContext) -> None:
        self._origin = _origin(urlsplit(origin))
        self._policy = policy
        self._headers = dict(headers)
        self._end = _End()
        self._pool = httpcore.ConnectionPool(
            ssl_context=trust, max_connections=1, keepalive_expiry=10, network_backend=_Network(policy, self._end)
        )

    def ask(self, method: str, url: str, headers: Mapping[str, str] | None = None, content: bytes = b"") -> Answer:
        """Return what is answered, whatever its status. A GET follows redirections within the origin.

        Raises: PeerError N060 to N065, N067.
        """
        self._end.at = time.monotonic() + self._policy.most_seconds
        for _ in range(_MOST_MOVES + 1):
            found = urlsplit(url)
            if _origin(found) != self._origin:
                hint = "if the peer moved, change its url in node.yml"
                raise PeerError("N063", f"{_shown(self._origin)} leads to {_shown(_origin(found))}", hint=hint)
            answer = self._ask(method, url.partition("#")[0], {**self._headers, **(headers or {})}, content)
            if answer.status not in _MOVED or method != "GET":
                return answer
            url = _joined(url, answer.headers.get("location", ""))
        raise PeerError("N063", f"{_shown(self._origin)} redirects without an end")

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()

    def __enter__(self) -> Outbound:
        """Return it, to be closed at the end of a block."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> Answer:
        told = {"Accept-Encoding": "gzip", "User-Agent": "tocsin", **headers}
        with (
            _as_peer_errors(_shown(self._origin), self._policy.most_seconds),
            self._pool.stream(method, url, headers=list(told.items()), content=content or None) as response,
        ):
            found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            body = self._read(response.iter_stream(), found)
        return Answer(response.status, found, body)

    def _read(self, parts: Iterable[bytes], headers: Mapping[str, str]) -> bytes:
        """Return a body, unpacked; nothing beyond the limit is ever held."""
        most = self._policy.most_bytes
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > most:
            raise self._too_large()
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip", "x-gzip", ""}:
            raise PeerError(
                "N067", f"{_shown(self._origin)} answers in the encoding {encoding[:40]!r}, which was not asked for"
            )
        found: list[bytes] = []
        size = 0
        for part in parts if encoding in {"identity", ""} else self._unpacked(parts):
            size += len(part)
            if size > most:
                raise self._too_large()
            self._end.left()
            found.append(part)
        return b"".join(found)

    def _unpacked(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        """Yield what gzip unpacks to, in pieces of bounded size, however much it is."""
        unpack = zlib.decompressobj(_GZIP)
        packed = 0
        try:
            for part in parts:
                packed += len(part)
                if packed > self._policy.most_bytes:
                    raise self._too_large()
                while part and not unpack.eof:
                    yield unpack.decompress(part, _WRITTEN)
                    part = unpack.unconsumed_tail
        except zlib.error as error:
            raise PeerError("N067", f"{_shown(self._origin)} answers gzip that is damaged: {error}") from error
        if packed and (not unpack.eof or unpack.unused_data):
            raise PeerError("N067", f"{_shown(self._origin)} answers gzip that does not end as one member")

    def _too_large(self) -> PeerError:
        most = self._policy.most_bytes >> 20
        return PeerError("N064", f"an answer of {_shown(self._origin)} has more than {most} MB", hint="see most_megabytes")


class _End:
    """When the request that is under way has to have ended. It is one moment for all that the request consists of."""

    def __init__(self) -> None:
        self.at = 0.0

    def left(self) -> float:
        """Return the seconds that are left. Raises: httpcore.TimeoutException."""
        found = self.at - time.monotonic()
        if found <= 0:
            raise httpcore.ReadTimeout("the whole time is over")
        return found


class _Network(httpcore.NetworkBackend):
    """Connects to addresses that were judged."""

    def __init__(self, policy: Policy, end: _End) -> None:
        self._policy = policy
        self._end = end
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first permitted address of a host that takes connections. Raises: PeerError, httpcore.ConnectError."""
        failed: Exception | None = None
        for address in permitted(self._policy, host, port):
            try:
                return _Stream(self._sockets.connect_tcp(str(address), port, self._end.left()), self._end)
            except httpcore.ConnectError as error:
                failed = error
        assert failed is not None
        raise failed


class _Stream(httpcore.NetworkStream):
    """A connection on which every wait ends when the request has to."""

    def __init__(self, inner: httpcore.NetworkStream, end: _End) -> None:
        self._inner = inner
        self._end = end

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what came."""
        return self._inner.read(max_bytes, self._end.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send what is given, in pieces, so that a slow reader cannot take the whole time for each of its bytes."""
        for at in range(0, len(buffer), _WRITTEN):
            self._inner.write(buffer[at : at + _WRITTEN], self._end.left())

    def close(self) -> None:
        """Close it."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Begin TLS for the name that was asked for."""
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, self._end.left()), self._end)

    def get_extra_info(self, info: str) -> Any:
        """Return what is known of the connection."""
        return self._inner.get_extra_info(info)


def permitted(policy: Policy, host: str, port: int) -> list[Address]:
    """Return the addresses of a host that may be asked, in the order of the resolver.

    Raises: PeerError N060 when it has none, N061 when none is permitted.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise PeerError("N060", f"{host[:_SHOWN]} has no address: {error}") from error
    addresses = list(dict.fromkeys(ipaddress.ip_address(item[4][0]) for item in found))
    good = [address for address in addresses if policy.permits(host.lower(), address)]
    if not good:
        told = ", ".join(map(str, addresses[:4]))
        hint = "only public addresses are asked; add its network or name to 'allow' of the peer"
        raise PeerError("N061", f"{host[:_SHOWN]} is at {told}, which is not permitted", hint=hint)
    return good


def trust_of(folder: Path, peer: Peer) -> ssl.SSLContext:
    """Return what is trusted for a peer, and the certificate that is shown to it. Raises: PeerError N068."""
    try:
        context = ssl.create_default_context(cafile=folder / peer.ca_file if peer.ca_file else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if peer.auth.certificate_file:
            context.load_cert_chain(folder / peer.auth.certificate_file, folder / peer.auth.key_file)
    except OSError as error:  # ssl.SSLError is one too
        raise PeerError("N068", f"the certificates for {peer.url} cannot be used: {error}") from error
    return context


@contextmanager
def _as_peer_errors(who: str, seconds: float) -> Iterator[None]:
    """Tell every fault of the way in the words of this project."""
    try:
        yield
    except httpcore.TimeoutException as error:
        hint = "see most_seconds of the peer"
        raise PeerError("N065", f"{who} did not answer whole within {seconds:g} seconds", hint=hint) from error
    except httpcore.NetworkError as error:
        cause = error.__cause__ or error.__context__
        if isinstance(cause, ssl.SSLError):
            hint = "give the authority that signed it as 'ca_file' of the peer"
            raise PeerError("N062", f"no TLS with {who}: {cause.reason or cause}: {_why(cause)}", hint=hint) from error
        raise PeerError("N060", f"{who} cannot be reached: {error or type(error).__name__}") from error
    except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
        raise PeerError("N067", f"{who} does not answer in HTTP: {str(error)[:_SHOWN]}") from error


def _why(error: ssl.SSLError) -> str:
    return str(getattr(error, "verify_message", "") or error.strerror or "")[:_SHOWN]


def _origin(url: SplitResult) -> tuple[str, str, int]:
    """Return scheme, host and port. Raises: PeerError N063 when a URL has none."""
    try:
        port = url.port or _PORTS.get(url.scheme, 0)
    except ValueError:
        port = 0
    if url.scheme not in _PORTS or not url.hostname or not port or url.username is not None:
        raise PeerError("N063", f"{url.geturl()[:_SHOWN]!r} is no address of HTTP that a peer may lead to")
    return url.scheme, url.hostname, port


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise PeerError("N063", f"{location[:_SHOWN]!r} is no address that a peer may lead to") from error


def _shown(origin: tuple[str, str, int]) -> str:
    scheme, host, port = origin
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


__all__ = ["Answer", "Outbound", "Policy", "is_public", "permitted", "trust_of"]
