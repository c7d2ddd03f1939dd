"""Run what `node.yml` says of a peer, once: what came in, or the fault, is kept. No fault of one peer reaches another."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from tocsin.errors import NodeError, PeerError, TocsinError
from tocsin.runs.mirror import mirror
from tocsin.runs.node import Node
from tocsin.runs.outbound import Outbound, Policy, trust_of
from tocsin.runs.peers_file import Auth, Direction, Peer, PeerKind, Scheme
from tocsin.runs.pull import Came, pull_of
from tocsin.runs.pull_feed import pull_feed
from tocsin.runs.pull_taxii import pull_taxii
from tocsin.runs.push import Push, Went
from tocsin.runs.witnessing import ask_cosignature

_LONGEST_SECRET = 4_096


@dataclass(slots=True)
class Synced:
    """A run with a peer: what came in until its end, and the fault that ended it, empty when all went well.

    `cosigned` is the size at which the peer cosigned the record, None when it did not.
    """

    name: str
    came: Came | Went = field(default_factory=Came)
    fault: str = ""
    hint: str = ""
    cosigned: int | None = None


def sync_peer(node: Node, name: str) -> Synced:
    """Run what a node's file says of a peer; every fault is kept, and returned.

    Raises: NodeError N070 when there is no such peer.
    """
    peer = peer_of(node, name)
    done = Synced(name, Came() if peer.direction is Direction.PULL else Went())
    try:
        node.cursors.begin(name)
        done.cosigned = _run(node, name, peer, done.came)
        node.cursors.succeed(name)
    except Exception as error:  # noqa: BLE001 - one peer is isolated: its fault is kept and told, whatever it is
        done.fault, done.hint = _told(error)
        node.cursors.fail(name, done.fault)
    return done


def peer_of(node: Node, name: str) -> Peer:
    """Return what a node's file says of a peer. Raises: NodeError N070."""
    peer = node.file.peers.get(name)
    if peer is None:
        known = ", ".join(node.file.peers) or "no peers"
        raise NodeError("N070", f"node.yml has no peer {name!r:.80}", hint=f"it has {known}")
    return peer


def _run(node: Node, name: str, peer: Peer, came: Came | Went) -> int | None:
    """Do what is to be done with a peer; return at which size it cosigned the record, if it did."""
    headers = headers_of(node, peer.auth)
    with Outbound(peer.url, Policy.of(peer), headers, trust_of(node.folder, peer)) as outbound:
        if isinstance(came, Went):
            Push(node, name, peer, outbound).run(came)
        elif peer.kind is PeerKind.TAXII:
            pull = pull_of(node, name, peer)
            pull_taxii(pull, outbound, came)
            mirror(pull, outbound, came)
        else:
            pull_feed(pull_of(node, name, peer), outbound, came)
        return ask_cosignature(node, peer, outbound) if peer.witness_key else None


def headers_of(node: Node, auth: Auth) -> dict[str, str]:
    """Return the headers by which a peer knows the node. Raises: PeerError N068."""
    if not auth.token_file:
        return {}
    path = node.folder / auth.token_file
    try:
        if not path.resolve().is_relative_to(node.folder.resolve()):
            raise PeerError("N068", f"{path} is not of the node's folder")
        with path.open() as file:
            secret = file.read(_LONGEST_SECRET).strip()
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, PeerError):
            raise
        raise PeerError("N068", f"the secret of the peer cannot be read from {path}: {error}") from error
    if not secret.isascii() or not secret.isprintable() or not secret:
        raise PeerError("N068", f"{path} holds no secret that a header can carry")
    if auth.scheme is Scheme.PLAIN:
        return {"Authorization": secret}
    if auth.scheme is Scheme.BEARER:
        return {"Authorization": f"Bearer {secret}"}
    return {"Authorization": f"Basic {base64.b64encode(f'{auth.user}:{secret}'.encode()).decode()}"}


def _told(error: Exception) -> tuple[str, str]:
    """Return a fault in one line, and what to do."""
    if isinstance(error, TocsinError):
        return str(error), error.hint
    if isinstance(error, SQLAlchemyError):
        return f"the node cannot use its database: {error.__cause__ or error} [N020]", ""
    return f"{type(error).__name__}: {error}", "this is a fault of Tocsin; please report it"


__all__ = ["Synced", "headers_of", "peer_of", "sync_peer"]
