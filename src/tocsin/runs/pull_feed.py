"""Take in the events of a MISP feed that are new or changed, as its manifest tells; their values are held to its hashes.

Source: MISP documentation, "Feeds".
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec

from tocsin.errors import PeerError
from tocsin.feeds.misp_feed import HASHES, MANIFEST, read_feed
from tocsin.runs.intake import keep, terms
from tocsin.runs.outbound import Answer, Outbound
from tocsin.runs.peer_taxii import check_answer
from tocsin.runs.pull import Came, Pull, check_end

_ABSENT: Final = 404
_SHOWN: Final = 100
Manifest = dict[str, dict[str, Any]]


def pull_feed(pull: Pull, outbound: Outbound, came: Came) -> None:
    """Take in the events of a feed that changed since they were taken, in the order of their names.

    Raises: PeerError; those of the database.
    """
    feed = _Feed(pull, outbound)
    manifest = feed.manifest()
    seen = pull.node.cursors.seen(pull.name, pull.way)
    states = {name: _state(listed) for name, listed in manifest.items()}
    changed = sorted(name for name, state in states.items() if seen.get(name) != state)
    if not changed:
        return
    hashes = feed.hashes(set(changed))
    for name in changed:
        before = came.taken + came.known
        feed.take(name, manifest[name], None if hashes is None else hashes.get(name, b""), came)
        if came.taken + came.known > before:
            pull.node.cursors.see(pull.name, pull.way, name, states[name])
        check_end(pull, came)


class _Feed:
    """The folder of a feed at its address."""

    def __init__(self, pull: Pull, outbound: Outbound) -> None:
        self._pull = pull
        self._outbound = outbound
        self._at = pull.peer.url.rstrip("/")

    def manifest(self) -> Manifest:
        """Return what the manifest lists. Raises: PeerError."""
        answer = self._ask(MANIFEST)
        check_answer(answer, f"{self._at}/{MANIFEST}", 200)
        try:
            return msgspec.json.decode(answer.body, type=Manifest)
        except (ValueError, RecursionError) as error:
            why = str(error)[:_SHOWN]
            raise PeerError("N067", f"{self._at}/{MANIFEST} is no manifest of a MISP feed: {why}") from error

    def hashes(self, wanted: Collection[str]) -> dict[str, bytes] | None:
        """Return the lines of each wanted event in the file of hashes, None when the feed has none. Raises: PeerError."""
        answer = self._ask(HASHES)
        if answer.status == _ABSENT:
            return None
        check_answer(answer, f"{self._at}/{HASHES}", 200)
        found: dict[str, list[bytes]] = {}
        for line in answer.body.splitlines():
            name = line.strip().rpartition(b",")[2].decode("latin-1")
            if name in wanted:
                found.setdefault(name, []).append(line)
        return {name: b"\n".join(lines) + b"\n" for name, lines in found.items()}

    def take(self, name: str, listed: dict[str, Any], hashes: bytes | None, came: Came) -> None:
        """Take in one event; one that is not there, or is no event, is refused. Raises: PeerError."""
        if not _is_uuid(name):
            came.refuse(f"{name[:_SHOWN]!r} in the manifest: it is no UUID")
            return
        answer = self._ask(f"{name}.json")
        if answer.status == _ABSENT:
            came.refuse(f"event {name}: it is in the manifest, and not in the feed")
            return
        check_answer(answer, f"{self._at}/{name}.json", 200)
        digest = hashlib.sha256(answer.body).hexdigest()
        with tempfile.TemporaryDirectory(prefix="tocsin-feed-") as folder:
            for file, content in _files(name, listed, answer.body, hashes):
                (Path(folder) / file).write_bytes(content)
            read = list(read_feed(Path(folder), self._pull.name, terms(self._pull.node)))
        pull = self._pull
        told, _ = keep(pull.node, pull.caller, pull.collection, read, {"peer": pull.name, "sha256": digest})
        came.add(told)

    def _ask(self, file: str) -> Answer:
        return self._outbound.ask("GET", f"{self._at}/{file}", {"Accept": "*/*"})


def _files(name: str, listed: dict[str, Any], body: bytes, hashes: bytes | None) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a feed of one event."""
    yield MANIFEST, msgspec.json.encode({name: listed})
    yield f"{name}.json", body
    if hashes is not None:
        yield HASHES, hashes


def _state(listed: dict[str, Any]) -> str:
    """Return what tells whether an event changed: its timestamp, and its tags, are in what the manifest says of it."""
    return hashlib.sha256(msgspec.json.encode(listed, order="sorted")).hexdigest()


def _is_uuid(name: str) -> bool:
    try:
        return str(UUID(name)) == name.lower()
    except ValueError:
        return False


__all__ = ["pull_feed"]
