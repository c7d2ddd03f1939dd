"""Runs with peers in the background: each peer in a thread of its own, so that one that hangs holds up no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from threading import Event, Thread
from typing import Final

from tocsin.runs.node import Node
from tocsin.runs.peers_file import Peer
from tocsin.runs.sync import Synced, peer_of, sync_peer
from tocsin.stores.cursors import Progress

_FIRST_RETRY_S: Final = 60
_LONGEST_RETRY_S: Final = 3_600
_MOST_DOUBLED: Final = 16
_STOP_S: Final = 5
_SECOND_US: Final = 1_000_000


def seconds_until(progress: Progress, every_s: int, now: int) -> float:
    """Return in how many seconds a peer is due, 0 for now. `now` is in microseconds since 1970 UTC. Pure.

    After a fault it is tried again after a minute, and then after twice as long each time, up to an hour, or as often as
    `node.yml` says when that is more seldom.
    """
    wait = every_s
    if progress.failures:
        retry = _FIRST_RETRY_S << min(progress.failures - 1, _MOST_DOUBLED)
        wait = min(retry, max(every_s, _LONGEST_RETRY_S))
    since = now - progress.tried
    return 0.0 if since < 0 else max(0.0, wait - since / _SECOND_US)


class Schedule:
    """The runs of a node with its peers, or some of them. What came and what failed is told to `say`, and kept by the node.

    Raises: NodeError N070 when there is no such peer.
    """

    def __init__(self, node: Node, say: Callable[[str], None], names: Iterable[str] | None = None) -> None:
        self._node = node
        self._say = say
        self._stopped = Event()
        peers = {name: peer_of(node, name) for name in (node.file.peers if names is None else names)}
        self._threads = [Thread(target=self._run, args=item, name=f"peer-{item[0]}", daemon=True) for item in peers.items()]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin no more runs, and wait a little for those that are under way; what they have not written is read again."""
        self._stopped.set()
        until = time.monotonic() + _STOP_S
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, until - time.monotonic()))

    def wait(self) -> None:
        """Wait until it is stopped."""
        self._stopped.wait()

    def _run(self, name: str, peer: Peer) -> None:
        wait = 0.0
        while not self._stopped.wait(wait):
            try:
                wait = seconds_until(self._node.cursors.progress(name), peer.every, self._node.clock())
                if not wait:
                    self._tell(sync_peer(self._node, name))
            except Exception as error:  # noqa: BLE001 - the thread has to go on; sync_peer keeps all but faults of the store
                self._say(f"peer {name}: the node cannot use its database: {error}")
                wait = float(_FIRST_RETRY_S)

    def _tell(self, done: Synced) -> None:
        if not done.came.is_quiet:
            self._say(f"peer {done.name}: {done.came}")
        if done.fault:
            self._say(f"peer {done.name} failed: {done.fault}")


__all__ = ["Schedule", "seconds_until"]
