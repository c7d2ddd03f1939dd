"""Give a peer what the rulebook gives its organisation, and take back there what is withdrawn here or no longer for it.

What may go is asked of the stores as if the peer's organisation asked: there is no question without a caller. Each release is
in the record before it is sent. What a peer was given is kept version by version with its receipts, also of the withdrawal.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec
from msgspec.json import decode, encode

from tocsin.errors import PeerError
from tocsin.feeds.carried import carried
from tocsin.feeds.interface import Incoming
from tocsin.feeds.stix import read_bodies
from tocsin.records.entry import Kind, Reference
from tocsin.runs.envelopes import envelope
from tocsin.runs.intake import terms
from tocsin.runs.node import Node, check_caller
from tocsin.runs.outbound import Outbound
from tocsin.runs.peer_taxii import Acknowledged, Root, TaxiiPeer
from tocsin.runs.peers_file import Peer
from tocsin.sharing.decisions import Caller
from tocsin.sharing.markings import Marks
from tocsin.sharing.moments import moment_text
from tocsin.stores.interface import MarkedPart, Page, Place, Query, Row, Versions
from tocsin.stores.pushed import Key, Pushed, Sent

_PAGE: Final = 500
_MOST_ROWS: Final = 1_000_000
_MOST_BYTES: Final = 10 << 20
_AROUND: Final = 1_000
_BESIDE: Final = 1_000
_TOLD: Final = 20
_LONGEST_RUN_S: Final = 3_600
_ALL: Final = frozenset({Versions.ALL})


@dataclass(slots=True)
class Went:
    """What came of a run: how many versions were given and withdrawn, refused by the peer, and withheld; and why of some."""

    given: int = 0
    withdrawn: int = 0
    refused: int = 0
    withheld: int = 0
    why: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def __str__(self) -> str:
        """Return the numbers in words."""
        words = f"{self.given:,} given, {self.withdrawn:,} withdrawn, {self.refused:,} refused"
        return f"{words}, {self.withheld:,} withheld" if self.withheld else words

    @property
    def is_quiet(self) -> bool:
        """Return whether nothing came of it that anybody has to be told."""
        return not (self.given or self.withdrawn or self.refused or self.withheld)

    @property
    def untold(self) -> int:
        """Return how many were refused or withheld whose reasons are not in `why`."""
        return max(0, self.refused + self.withheld - len(self.why))

    def tell(self, why: str) -> None:
        """Keep why something was not given, of the first ones."""
        if len(self.why) < _TOLD:
            self.why.append(why)


class _Reached(msgspec.Struct, frozen=True):
    """How far a push has come: the last row that was given, for which rules, and what was withdrawn by then."""

    place: tuple[int, str, int, str] | None = None
    rules: str = ""
    stamp: str = ""


class Push:
    """A peer to push to."""

    def __init__(self, node: Node, name: str, peer: Peer, outbound: Outbound) -> None:
        self._node = node
        self._name = name
        self._peer = peer
        self._caller = Caller(peer.organisation, tuple(sorted(set(peer.purposes))))
        self._collection = next(item for item in node.file.collections if item.alias == peer.local)
        self._taxii = TaxiiPeer(peer.url, peer.remote, outbound)
        self._target = target_of(name, peer)
        self._way = " ".join(("push", peer.url, peer.remote, peer.local, peer.organisation, *self._caller.purposes))
        self._terms = terms(node)
        self._said: Root | None = None
        self._digests: dict[tuple[Marks, tuple[MarkedPart, ...], tuple[str, ...]], str] = {}

    def run(self, went: Went) -> None:
        """Withdraw there what is no longer for the peer, then give what is new.

        Raises: PeerError; NodeError N007 when the rulebook does not know the organisation; those of the database.
        """
        text = self._node.cursors.cursor(self._name, self._way)
        reached = decode(text, type=_Reached) if text else _Reached()
        rules = f"{self._node.rules.digest} {self._node.today().isoformat()}"
        stamp = self._node.pushed.stamp()
        if (reached.rules, reached.stamp) != (rules, stamp):
            again = self._compare()
            reached = _Reached(reached.place if reached.rules == rules and not again else None, rules, stamp)
        refusal = self._withdraw(went)
        self._give_changed(went)
        self._check_readable()
        self._give_new(reached, went)
        if refusal is not None:
            raise refusal

    def _root(self) -> Root:
        """Return what the peer's API root says, which is asked once, and only when something is to be given."""
        self._said = self._said or self._taxii.root()
        return self._said

    def _check_readable(self) -> None:
        check_caller(self._node.rules.book, self._caller)
        found = self._node.collection(self._caller, self._collection.alias)
        if found is None or not found.can_read:
            hint = "add a rule that gives it something there"
            where = f"{self._peer.organisation} nothing of {self._collection.alias}"
            raise PeerError("N071", f"the rulebook gives {where}", hint=hint)

    def _query(self) -> Query:
        """Return the question for all that may go to the peer: not what its organisation put here itself."""
        parts, organisation = self._collection.parts, self._caller.organisation
        return Query(parts, versions=_ALL, limit=_PAGE, but_of=organisation, every_spec=True)

    def _compare(self) -> bool:
        """Note what the peer has and is no longer for it, and what is marked otherwise here than it was told.

        What it was given with other parts than it may have now is withdrawn, to be given again: return whether there is such.
        """
        again = False
        for outcome in (Sent.SENT, Sent.GIVEN, Sent.CHANGED):
            for given in self._node.pushed.walk(self._target, outcome):
                rows = {_key(row): row for row in self._rows([item.key for item in given], bodies=False)}
                due = [item.key for item in given if item.key not in rows]
                there = [item for item in given if item.key in rows and outcome is not Sent.SENT]  # what was sent is sent again
                other = [item for item in there if item.marks != self._marks(rows[item.key])]
                parts = [item.key for item in other if _parts(item.marks) != _parts(self._marks(rows[item.key]))]
                if parts and not again:  # before they are due: a run that ends here leaves them to be given again
                    self._node.cursors.move(self._name, self._way, encode(_Reached()).decode())
                self._node.pushed.change(self._target, [*due, *parts], Sent.DUE)
                self._node.pushed.change(self._target, {item.key for item in other} - set(parts), Sent.CHANGED)
                again = again or bool(parts)
        return again

    def _rows(self, keys: Sequence[Key], *, bodies: bool = True) -> list[Row]:
        """Return those of some versions that are for the peer."""
        query = replace(self._query(), ids=tuple(dict.fromkeys(key.id for key in keys)), limit=_MOST_ROWS)
        wanted = set(keys)
        return [row for row in self._node.objects.page(self._caller, query, bodies=bodies).rows if _key(row) in wanted]

    def _give_changed(self, went: Went) -> None:
        """Give again what is marked otherwise now. The same version there takes the narrower of both markings."""
        for given in self._node.pushed.walk(self._target, Sent.CHANGED):
            self._give(self._rows([item.key for item in given]), went)

    def _withdraw(self, went: Went) -> PeerError | None:
        """Withdraw at the peer what is due, and keep its receipts. What it refuses stays due; the last refusal is returned."""
        refusal: PeerError | None = None
        for due in self._node.pushed.walk(self._target, Sent.DUE):
            done = []
            try:
                for item in due:
                    receipt = self._taxii.withdraw(item.key.id, item.there, item.key.spec_version)
                    done.append(replace(item, outcome=Sent.WITHDRAWN, receipt=receipt or "it was not there any more"))
            except PeerError as error:
                if error.code != "N066":
                    raise
                refusal = error
            finally:
                went.withdrawn += len(done)
                self._keep_withdrawn(done)
        return refusal

    def _keep_withdrawn(self, done: Sequence[Pushed]) -> None:
        if done:
            self._node.pushed.keep(self._target, done)
            objects = [Reference(item.key.id, item.sha256) for item in done]
            detail = {"peer": self._name, "acknowledged": str(len(done))}
            self._node.journal.commit(Kind.WITHDRAWAL, self._caller, detail, objects)

    def _give_new(self, reached: _Reached, went: Went) -> None:
        """Give what follows the last row that was given, page by page; the cursor moves after each."""
        query = replace(self._query(), start=None if reached.place is None else Place(*reached.place))
        while True:
            page = self._node.objects.page(self._caller, query, bodies=False)
            known = self._node.pushed.known(self._target, list(map(_key, page.rows)))
            if any(self._is_new(row, known) for row in page.rows):
                rows = self._node.objects.page(self._caller, query).rows
                self._give([row for row in rows if self._is_new(row, known)], went)
            if page.rows:
                last = page.rows[-1].place
                reached = _at(reached, last)
                query = replace(query, start=last)
            self._node.cursors.move(self._name, self._way, encode(reached).decode())
            if not page.more:
                return
            if time.monotonic() - went.began > _LONGEST_RUN_S:
                said = f"{self._name} has not taken all after {_LONGEST_RUN_S:,} seconds; the next run goes on"
                raise PeerError("N065", said)

    def _is_new(self, row: Row, known: dict[Key, Pushed]) -> bool:
        """Return whether the peer has to be given a row: it was not, or was taken back, or its marking is another now."""
        before = known.get(_key(row))
        return before is None or before.outcome in {Sent.SENT, Sent.DUE, Sent.WITHDRAWN} or before.marks != self._marks(row)

    def _give(self, rows: Sequence[Row], went: Went) -> None:
        """Give rows to the peer. Before a request is sent it is in the record, and its rows among what the peer may have."""
        root = self._root()
        rows = rows if root.x_tocsin_marks else self._telling(rows, went)
        for part in self._parts(rows, root, went):
            content = envelope(part, self._terms if root.x_tocsin_marks else None)
            self._node.objects.release(self._caller, self._query(), Page(tuple(part), False), content, "push")
            sent = [self._sent(row) for row in part]
            known = self._node.pushed.known(self._target, [item.key for item in sent])
            had = {key for key, item in known.items() if item.is_there}
            self._node.pushed.keep(self._target, [item for item in sent if item.key not in had])
            done = self._taxii.post(content)
            pushed = [_answered(item, done, item.key in had) for item in sent]
            self._node.pushed.keep(self._target, pushed)
            lost = [item for item in pushed if item.outcome is not Sent.GIVEN]
            went.given += len(pushed) - len(lost)
            went.refused += len(lost)
            for item in lost:
                went.tell(f"refused {item.key.id}: {item.receipt}")
            if done.pending:
                went.tell(f"the peer has not looked at {done.pending:,} yet: {done.receipt}")

    def _sent(self, row: Row) -> Pushed:
        """Return what is kept of a row that is on its way."""
        there = "" if row.version == row.added else moment_text(row.version)
        return Pushed(_key(row), there, self._marks(row), hashlib.sha256(row.body).hexdigest(), Sent.SENT)

    def _telling(self, rows: Sequence[Row], went: Went) -> list[Row]:
        """Return the rows that say of themselves how restricted they are, for a peer that can be told in no other way."""
        good = []
        for row in rows:
            (item,) = read_bodies([row.body], [row.id], self._terms)
            meaning = self._terms.meaning(row.marks)
            if isinstance(item, Incoming) and item.marking.join(meaning) == item.marking:
                good.append(row)
                continue
            went.withheld += 1
            went.tell(f"withheld {row.id}: it is {meaning} here, which it does not say and the peer cannot be told")
        return good

    def _parts(self, rows: Sequence[Row], root: Root, went: Went) -> Iterator[list[Row]]:
        """Yield rows in parts that the peer takes at once."""
        most = min(_MOST_BYTES, root.max_content_length) if root.max_content_length > 0 else _MOST_BYTES
        part: list[Row] = []
        size = _AROUND
        for row in rows:
            cost = len(row.body) + _BESIDE
            if cost + _AROUND > most:
                went.withheld += 1
                went.tell(f"withheld {row.id}: it has {len(row.body):,} bytes, which the peer does not take")
                continue
            if size + cost > most:
                yield part
                part, size = [], _AROUND
            part.append(row)
            size += cost
        if part:
            yield part

    def _marks(self, row: Row) -> str:
        """Return digests of the marking that goes with a row, and of what is left out of it when something is.

        Rows share few of both, and each is worked out once.
        """
        key = row.marks, row.parts, row.left_out
        found = self._digests.get(key)
        if found is None:
            beside = (carried(row.marks, self._terms, row.parts), *([row.left_out] if row.left_out else []))
            found = self._digests[key] = ".".join(hashlib.sha256(encode(one)).hexdigest() for one in beside)
        return found


def _answered(sent: Pushed, done: Acknowledged, was_there: bool) -> Pushed:
    """Return what became of a version by what the peer says; one that it had before, and refuses to mark anew, it has still."""
    why = done.why_refused(sent.key.id, sent.key.version if sent.there else None)
    if not why:
        return replace(sent, outcome=Sent.GIVEN, receipt=done.receipt)
    return replace(sent, outcome=Sent.CHANGED if was_there else Sent.REFUSED, receipt=why)


def _parts(marks: str) -> str:
    """Return the digest of what was left out, empty when nothing was."""
    return marks.partition(".")[2]


def target_of(name: str, peer: Peer) -> str:
    """Return what a peer is called where it is kept what it was given."""
    return " ".join((name, peer.url, peer.remote))


def _at(reached: _Reached, last: Place) -> _Reached:
    return _Reached((last.added, last.id, last.version, last.spec_version), reached.rules, reached.stamp)


def _key(row: Row) -> Key:
    return Key(row.id, row.version, row.spec_version)


__all__ = ["Push", "Went", "target_of"]
