"""Withdraw what a peer withdrew, and narrow what it marks more narrowly now: TAXII has no word for either.

So the manifest of the peer is compared with what came from it, and a peer that tells markings is read again from its beginning.

Only what the peer's organisation has in the collection is looked at. Of the manifest 64 bits are held for each version, so that
a million of them fit; two that share them keep an object here that is withdrawn there, and never withdraw another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b
from typing import Final

from tocsin.errors import NodeError, PeerError, UsageError
from tocsin.runs.intake import take_in
from tocsin.runs.outbound import Outbound
from tocsin.runs.peer_taxii import TaxiiPeer
from tocsin.runs.pull import Came, Pull
from tocsin.sharing.moments import read_moment
from tocsin.stores.interface import Query, Row, Versions

_COMPARED: Final = "compared"
_PAGE: Final = 500
_BYTES: Final = 8


def mirror(pull: Pull, outbound: Outbound, came: Came) -> None:
    """Compare with the peer when it is time to: withdraw here what it has no more, and take its markings where narrower.

    Raises: PeerError, and then nothing was withdrawn; those of the database.
    """
    node = pull.node
    began = node.clock()
    last = int(node.cursors.seen(pull.name, pull.way).get(_COMPARED, "0"))
    if not pull.peer.compare_every or 0 <= began - last < pull.peer.compare_every * 1_000_000:
        return
    there = _there(pull, outbound)
    for row in _own(pull):
        if row.added < began and _code(row.id, "" if row.version == row.added else row.version) not in there:
            which = Query((pull.collection.alias,), ids=(row.id,), versions=frozenset(), exact=(row.version,))
            gone, _, _ = node.objects.remove(pull.caller, replace(which, spec_versions=(row.spec_version,)))
            came.withdrawn += gone
    _read_again(pull, outbound)
    node.cursors.see(pull.name, pull.way, _COMPARED, str(began))


def _read_again(pull: Pull, outbound: Outbound) -> None:
    """Take in again what a peer gives that tells how it is marked. What is here already only becomes more restricted.

    What is new there stays new: the cursor is where it was. Raises: PeerError.
    """
    read = 0
    for page in TaxiiPeer(pull.peer.url, pull.peer.remote, outbound).pages(None):
        if not page.is_marked:
            return
        read += page.count
        if read > pull.peer.most_objects:
            raise PeerError("N069", f"{pull.name} gives more than {pull.peer.most_objects:,} objects in one run")
        try:
            take_in(pull.node, pull.caller, pull.collection, page.body, {"peer": pull.name, "what": "markings"})
        except (OverflowError, UsageError) as error:
            if isinstance(error, NodeError):
                raise
            raise PeerError("N067", f"{pull.name} gives what is no envelope of objects: {error}") from error


def _there(pull: Pull, outbound: Outbound) -> set[bytes]:
    """Return codes of what the peer has: of each version, and of each object, for those that have no versions of their own."""
    found: set[bytes] = set()
    for part in TaxiiPeer(pull.peer.url, pull.peer.remote, outbound).manifest():
        for item in part:
            version = read_moment(item.version)
            if version is None:
                raise PeerError("N067", f"the manifest of {pull.name} has a version that is no moment: {item.version[:40]!r}")
            found |= {_code(item.id, version), _code(item.id, "")}
        if len(found) > 2 * pull.peer.most_objects:
            hint = "raise most_objects of the peer if this is expected"
            raise PeerError("N069", f"the manifest of {pull.name} has more than {pull.peer.most_objects:,} entries", hint=hint)
    return found


def _own(pull: Pull) -> Iterator[Row]:
    """Yield what the peer's organisation has in the collection, without its content."""
    every = Query((pull.collection.alias,), versions=frozenset({Versions.ALL}), limit=_PAGE, every_spec=True)
    query = replace(every, only_of=pull.caller.organisation)
    while True:
        page = pull.node.objects.page(pull.caller, query, bodies=False)
        yield from page.rows
        if not page.more:
            return
        query = replace(query, start=page.rows[-1].place)


def _code(stix_id: str, version: int | str) -> bytes:
    return blake2b(f"{stix_id} {version}".encode(), digest_size=_BYTES).digest()


__all__ = ["mirror"]
