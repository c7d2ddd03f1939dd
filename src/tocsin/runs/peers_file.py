"""The peers of a node: whom it asks, how, and for which collection. In `node.yml`, under `peers`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Container, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from tocsin.errors import NodeError, RecordError
from tocsin.records.keys import Use, parse_key
from tocsin.runs.login_file import is_protected

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9])?")
_URL: Final = re.compile(r"[!-~]{1,2000}")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class PeerKind(StrEnum):
    """What a peer speaks."""

    TAXII = "taxii"
    MISP_FEED = "misp-feed"


class Direction(StrEnum):
    """Which way objects go."""

    PULL = "pull"
    PUSH = "push"


class Scheme(StrEnum):
    """How a secret is shown: as a token, as the password of `user`, or as it is, as MISP wants its keys."""

    BEARER = "bearer"
    BASIC = "basic"
    PLAIN = "plain"


class Auth(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """By what the node is known to a peer. The files are of the node's folder; the secret is never in `node.yml`."""

    token_file: str = ""
    scheme: Scheme = Scheme.BEARER
    user: str = ""
    certificate_file: str = ""
    key_file: str = ""


class Peer(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A peer: `url` is an API root of TAXII or the folder of a feed, `remote` its collection, `local` that of this node.

    What comes in is put there as by `organisation`; what goes out is what the rulebook gives it for `purposes`. `allow` are
    networks, and names of hosts, beside public addresses. `record_key` is that of its record, which this node cosigns then;
    `witness_key` that by which it cosigns the record of this node.
    `compare_every` is when what the peer withdrew is sought.
    """

    kind: PeerKind
    url: str
    organisation: str
    local: str
    remote: str = ""
    direction: Direction = Direction.PULL
    purposes: tuple[str, ...] = ()
    every: Annotated[int, msgspec.Meta(ge=10, le=30 * 24 * 3600)] = 3600
    compare_every: Annotated[int, msgspec.Meta(ge=0, le=365 * 24 * 3600)] = 0
    auth: Auth = Auth()
    allow: tuple[str, ...] = ()
    ca_file: str = ""
    most_megabytes: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    most_seconds: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 60
    most_objects: Annotated[int, msgspec.Meta(ge=1)] = 1_000_000
    record_key: str = ""
    witness_key: str = ""

    @property
    def networks(self) -> tuple[Network, ...]:
        """Return the networks of `allow`."""
        return tuple(found for found in map(_network, self.allow) if found is not None)

    @property
    def hosts(self) -> frozenset[str]:
        """Return the names of hosts of `allow`."""
        return frozenset(text.lower() for text in self.allow if _network(text) is None)


def check_peers(peers: Mapping[str, Peer], holding: Container[str], collections: Container[str], path: Path) -> None:
    """Raise NodeError N006 when a peer could not be asked, or only in the open. `holding` are collections to put objects in."""
    for name, peer in peers.items():
        why = _wrong(name, peer, collections if peer.direction is Direction.PUSH else holding)
        if why:
            raise NodeError("N006", f"{path}: the peer {name!r:.80} {why}", hint="docs/peers.md lists the keys of a peer")


def _wrong(name: str, peer: Peer, collections: Container[str]) -> str:
    """Return what is wrong with a peer, empty for nothing."""
    if not _NAME.fullmatch(name):
        return "has no name of small letters, digits and dashes"
    if peer.local not in collections:
        return f"has the local collection {peer.local!r:.80}, which is none that can be used so"
    if (peer.kind is PeerKind.TAXII) != bool(peer.remote):
        return "needs the collection of the other side in 'remote'" if not peer.remote else "is a feed, which has no 'remote'"
    if peer.direction is Direction.PUSH and peer.kind is not PeerKind.TAXII:
        return "is a feed, to which nothing can be pushed"
    if peer.direction is Direction.PULL and peer.purposes:
        return "has purposes, which only count where objects are pushed"
    if peer.compare_every and (peer.direction is Direction.PUSH or peer.kind is not PeerKind.TAXII):
        return "has compare_every, which only counts where objects are pulled by TAXII"
    return _wrong_url(peer.url) or _wrong_files(peer) or _wrong_keys(peer)


def _wrong_keys(peer: Peer) -> str:
    for name, line, use in (("record_key", peer.record_key, Use.LOG), ("witness_key", peer.witness_key, Use.WITNESS)):
        try:
            if line and parse_key(line).use is not use:
                return f"has a {name} that is one for another use"
        except RecordError as error:
            return f"has a {name} that is none: {error.message}"
    if peer.witness_key and peer.kind is not PeerKind.TAXII:
        return "is a feed, which cosigns nothing"
    return ""


def _wrong_url(url: str) -> str:
    if not _URL.fullmatch(url) or not is_protected(url):
        return "needs a URL of https without a user; only on this computer it may do without TLS"
    return "needs a URL that ends with its path" if urlsplit(url).query else ""


def _wrong_files(peer: Peer) -> str:
    odd = next((text for text in peer.allow if _network(text) is None and not _HOST.fullmatch(text.lower())), None)
    if odd is not None:
        return f"allows {odd!r:.80}, which is neither a network nor the name of a host"
    auth = peer.auth
    if (auth.scheme is Scheme.BASIC) != bool(auth.user):
        return "needs 'user' with the scheme basic, and only then"
    if bool(auth.certificate_file) != bool(auth.key_file):
        return "needs both certificate_file and key_file, or none"
    files = (auth.token_file, auth.certificate_file, auth.key_file, peer.ca_file)
    outside = next((text for text in files if text and (Path(text).is_absolute() or ".." in Path(text).parts)), None)
    return "" if outside is None else f"names the file {outside!r:.80}, which is not of the node's folder"


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


__all__ = ["Auth", "Direction", "Network", "Peer", "PeerKind", "Scheme", "check_peers"]
