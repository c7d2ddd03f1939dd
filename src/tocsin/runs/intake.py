"""Take in what a caller sends to a collection: read it, keep it with what it carries, say of each object what became of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.errors import UsageError
from tocsin.feeds.carried import narrowed, read_carried
from tocsin.feeds.granular import are_separable
from tocsin.feeds.interface import Incoming, Rejected, Terms
from tocsin.feeds.stix import read_bundle
from tocsin.runs.node import Node
from tocsin.runs.node_file import Collection
from tocsin.sharing.decisions import Caller, Decision, Label, decide
from tocsin.sharing.markings import Marking, Tlp
from tocsin.sharing.moments import added_text, moment_text
from tocsin.sharing.rulebook import Action
from tocsin.stores.interface import Item, Kept, MarkedPart, Result

MOST_OBJECTS: Final = 50_000
"""Objects of one request: all of them are taken in one transaction, and in memory until then."""
_MOST_COMMAS: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one object: its id and version, why it was not kept, or empty, and whether it was here already.

    `place` is where it stood, `code` that of what stands against it, `tlp` how far it may go as a whole.
    """

    id: str
    version: str
    why_not: str = ""
    known: bool = False
    place: str = ""
    code: str = ""
    tlp: Tlp | None = None


def take_in(
    node: Node, caller: Caller, collection: Collection, body: bytes, detail: Mapping[str, str] | None = None
) -> tuple[list[Told], str]:
    """Keep the objects of an envelope or bundle for a collection; return what became of each, and the receipt.

    The record has `detail` too. Raises: UsageError, a ValueError, when the body is neither; OverflowError when there are too
    many objects in it.
    """
    if body.count(b",") > _MOST_COMMAS:  # before there is something in memory for each
        raise OverflowError
    if not body.lstrip().startswith(b"{"):
        raise UsageError("X004", "the body: it is no envelope", hint='send {"objects": [...]}')
    known = terms(node)
    read = read_bundle(body, "the body", known)
    if len(read) > MOST_OBJECTS:
        raise OverflowError
    beside = read_carried(body, "the body")
    if beside is not None:
        read = narrowed(read, beside, known, "the body")
    return keep(node, caller, collection, read, {"sha256": hashlib.sha256(body).hexdigest(), **(detail or {})})


def terms(node: Node) -> Terms:
    """Return what the rulebook of a node makes of markings."""
    book = node.rules.book
    return Terms(book.markings, book.default)


def keep(
    node: Node,
    caller: Caller,
    collection: Collection,
    read: Iterable[Incoming | Rejected],
    detail: Mapping[str, str] | None = None,
) -> tuple[list[Told], str]:
    """Keep what was read for a collection; return what became of each, and the receipt. The record has `detail` too.

    What the rules that let the caller write there are not about is refused: another type, or what is more restricted.
    """
    read = list(_permitted(node, caller, collection, read))
    items = _items(read)
    told = {"rejected": str(len(read) - len(items)), **(detail or {})}
    found, receipt = node.objects.add(caller, collection.alias, items, told)
    results, now = iter(found), added_text(node.clock())
    return [_refused(item, now) if isinstance(item, Rejected) else _told(item, next(results)) for item in read], receipt


def _permitted(
    node: Node, caller: Caller, collection: Collection, read: Iterable[Incoming | Rejected]
) -> Iterator[Incoming | Rejected]:
    """Yield what was read, and in place of what the rulebook does not take from the caller why."""
    book, today = node.rules.book, node.today()
    decided: dict[tuple[str, Marking], Decision] = {}
    for item in read:
        if isinstance(item, Rejected):
            yield item
            continue
        key = item.type, item.whole
        if key not in decided:
            label = Label(collection.alias, caller.organisation, item.type, item.whole)
            decided[key] = decide(book, caller, label, today, Action.WRITE)
        told = decided[key]
        yield item if told.allowed else Rejected(item.place, "X042", f"the rulebook does not take it: {told.because}", item.id)


def _items(read: Sequence[Incoming | Rejected]) -> list[Item]:
    return [_item(item) for item in read if isinstance(item, Incoming)]


def _item(item: Incoming) -> Item:
    """Return what is kept. An object is as restricted as its most restricted part where that cannot be left out of it."""
    head = item.id, item.type, item.version, item.spec_version, item.body
    if not are_separable(item):
        return Item(*head, item.whole_marks)
    return Item(*head, item.marks, tuple(MarkedPart(part.selectors, part.marks) for part in item.parts))


def _refused(item: Rejected, now: str) -> Told:
    return Told(item.id, now, f"{item.why} [{item.code}]", place=item.place, code=item.code)


def _told(item: Incoming, result: Result) -> Told:
    why_not, code = ("this version is here with another content", "X040") if result.kept is Kept.CONFLICT else ("", "")
    return Told(item.id, moment_text(result.version), why_not, result.kept is Kept.KNOWN, item.place, code, item.whole.tlp)


__all__ = ["MOST_OBJECTS", "Told", "keep", "take_in", "terms"]
