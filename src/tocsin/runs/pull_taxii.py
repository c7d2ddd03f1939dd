"""Take in what a collection of TAXII has for this node, by the same way as what is posted to it.

The cursor moves only after what was read has been written. What is read again is known, not added.
"""

from __future__ import annotations

from typing import Final

from tocsin.errors import NodeError, PeerError, UsageError
from tocsin.feeds.stix import divide
from tocsin.runs.intake import Told, take_in
from tocsin.runs.outbound import Outbound
from tocsin.runs.peer_taxii import Page, TaxiiPeer
from tocsin.runs.pull import Came, Pull, check_end

_SETTLED_US: Final = 2_000_000
"""How long after a moment nothing is added any more that is dated with it: dates may be whole seconds."""
_MOST_TOGETHER: Final = 20_000
_MOST_BYTES: Final = 32 << 20


def pull_taxii(pull: Pull, outbound: Outbound, came: Came) -> None:
    """Take in what was added to a collection of TAXII since the last time; what is taken is counted as it is.

    Raises: PeerError, after what had come was taken in; those of the database.
    """
    text = pull.node.cursors.cursor(pull.name, pull.way)
    together = _Together(pull, came)
    try:
        for page in TaxiiPeer(pull.peer.url, pull.peer.remote, outbound).pages(int(text) if text else None):
            together.add(page)
            check_end(pull, came, together.count)
    except PeerError:
        together.take()
        raise
    together.take()


class _Together:
    """Pages that are taken in as one package, so that the marking of a report reaches what came on another page.

    A page whose markings came beside its objects needs no others.
    """

    def __init__(self, pull: Pull, came: Came) -> None:
        self._pull = pull
        self._came = came
        self._bodies: list[bytes] = []
        self._size = 0
        self._last: Page | None = None

    @property
    def count(self) -> int:
        """Return how many objects wait to be taken in."""
        return len(self._bodies)

    def add(self, page: Page) -> None:
        """Take in a page now, or with those that follow."""
        if page.is_marked:
            self.take()
            self._came.add(self._taken(page.body))
            self._move(page)
            return
        if self._bodies and (self._size + len(page.body) > _MOST_BYTES or len(self._bodies) + page.count > _MOST_TOGETHER):
            self.take()
        try:
            self._bodies += divide(page.body, self._pull.name) if page.count else []
        except UsageError as error:
            raise self._odd(error) from error
        self._size += len(page.body)
        self._last = page

    def take(self) -> None:
        """Take in what waits. Only then the cursor moves."""
        if self._bodies:
            self._came.add(self._taken(b'{"objects":[' + b",".join(self._bodies) + b"]}"))
        if self._last is not None:
            self._move(self._last)
        self._bodies, self._size, self._last = [], 0, None

    def _move(self, page: Page) -> None:
        if page.last is not None:
            self._pull.node.cursors.move(self._pull.name, self._pull.way, str(_reached(page)))

    def _taken(self, body: bytes) -> list[Told]:
        pull = self._pull
        try:
            told, _ = take_in(pull.node, pull.caller, pull.collection, body, {"peer": pull.name})
        except OverflowError as error:
            raise PeerError("N064", f"{pull.name} gives more objects at once than can be taken") from error
        except NodeError:
            raise
        except UsageError as error:
            raise self._odd(error) from error
        return told

    def _odd(self, error: UsageError) -> PeerError:
        return PeerError("N067", f"{self._pull.name} gives what is no envelope of objects: {error.message}")


def _reached(page: Page) -> int:
    """Return the moment after which to go on: a little before the last one as long as more may be added that is dated with it.

    In the middle of pages it always is, since a page may end between objects of one moment.
    """
    assert page.last is not None
    is_settled = not page.more and page.answered is not None and page.answered - page.last >= _SETTLED_US
    return page.last if is_settled else page.last - 1


__all__ = ["pull_taxii"]
