"""Checkpoints between peers: a node asks peers to cosign those of its record, and cosigns theirs when they go on from the last.

Then no node can show one history to some and another to others: what a peer cosigned cannot be told differently later.
Source: C2SP, tlog-witness.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from tocsin.errors import PeerError, RecordError
from tocsin.records.bundle import Consistency
from tocsin.records.checkpoint import read_checkpoint
from tocsin.records.keys import PublicKey, Use, parse_key
from tocsin.records.peers import submission_text, with_cosignatures
from tocsin.runs.node import Node
from tocsin.runs.outbound import Answer, Outbound
from tocsin.runs.peers_file import Peer
from tocsin.stores import record as store
from tocsin.stores import state
from tocsin.stores.database import reading, writing

PATH: Final = "/record/add-checkpoint"
SIZE_TYPE: Final = "text/x.tlog.size"
_LONGEST_SIZE: Final = 20


def ask_cosignature(node: Node, peer: Peer, outbound: Outbound) -> int | None:
    """Let a peer cosign the record as it is now; return the size that was cosigned, None when the last one was.

    Raises: PeerError N072 when the peer refuses, or its cosignature is wrong; those of `Outbound.ask`.
    """
    key = witness_key(peer)
    note = node.record.checkpoint()
    size = read_checkpoint(note).size
    with reading(node.engine) as connection:
        last = int(state.get(connection, _state(key)) or 0)
    if last == size:
        return None
    answer = _ask(node, peer, outbound, min(last, size))
    if answer.status == 409:  # it saw another size last, such as when an answer was lost
        answer = _ask(node, peer, outbound, _size(answer, size))
    if answer.status != 200:
        said = answer.body[:200].decode(errors="replace")
        raise PeerError("N072", f"{key.name} does not cosign the record at {size:,}: {answer.status} {said!r}")
    try:
        cosigned = with_cosignatures(note, answer.body.decode(errors="replace"), [key])
    except RecordError as error:
        raise PeerError("N072", f"{key.name} answers with no cosignature: {error.message}") from error
    with writing(node.engine) as connection:
        kept = store.kept_checkpoint(connection, size)
        for signature in cosigned.signatures:
            if kept is not None and signature not in kept.signatures:
                kept = kept.with_signature(signature)
        store.keep_checkpoint(connection, kept or cosigned)
        state.put(connection, _state(key), str(size))
    return size


def witness_key(peer: Peer) -> PublicKey:
    """Return the key by which a peer cosigns. Raises: RecordError L009."""
    return _key(peer.witness_key, Use.WITNESS)


def known_records(node: Node) -> list[PublicKey]:
    """Return the keys of the records that this node cosigns: those of its peers. Raises: RecordError L009."""
    return [_key(peer.record_key, Use.LOG) for peer in node.file.peers.values() if peer.record_key]


def _key(line: str, use: Use) -> PublicKey:
    key = parse_key(line)
    if key.use is not use:
        wanted = "signs a record" if use is Use.LOG else "cosigns"
        raise RecordError("L009", f"the key of {key.name} is not one that {wanted}")
    return key


def _ask(node: Node, peer: Peer, outbound: Outbound, old: int) -> Answer:
    note = node.record.checkpoint()
    size = read_checkpoint(note).size
    with reading(node.engine) as connection:
        link = store.consistency(connection, old, size) if old else Consistency(0, size, ())
    url = urlsplit(peer.url)
    return outbound.ask("POST", f"{url.scheme}://{url.netloc}{PATH}", content=submission_text(link, note).encode())


def _size(answer: Answer, size: int) -> int:
    """Return at which size the peer saw the record last, as it says. Raises: PeerError N072."""
    text = answer.body[:_LONGEST_SIZE].decode(errors="replace").strip()
    if not text.isascii() or not text.isdecimal() or int(text) > size:
        hint = "if the node was restored from a copy, its record lost entries that it told of"
        raise PeerError("N072", f"the peer saw the record at {text!r}, and it is at {size:,}", hint=hint)
    return int(text)


def _state(key: PublicKey) -> str:
    return f"cosigned {key.id.hex()}"


__all__ = ["PATH", "SIZE_TYPE", "ask_cosignature", "known_records", "witness_key"]
