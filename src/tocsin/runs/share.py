"""Ask a rulebook about a file that is not published yet: its objects become labels, labels become decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from tocsin.errors import RulebookError
from tocsin.feeds.granular import are_separable
from tocsin.feeds.interface import Incoming, Rejected, Terms
from tocsin.rules.yaml_maps import near
from tocsin.runs.shared_files import read_file
from tocsin.sharing.decisions import Caller, Decision, Label, decide
from tocsin.sharing.explain import Explanation, explain
from tocsin.sharing.rulebook import Rulebook
from tocsin.sharing.simulate import Published, Share, simulate

_DEFINITION: Final = "marking-definition"


@dataclass(frozen=True, slots=True)
class Publication:
    """The objects of a file, as restricted as a node would keep them, and what of it would be refused.

    `collection` is where they would go, `owner` who would put them there.
    """

    objects: tuple[Incoming, ...]
    refused: tuple[Rejected, ...]
    collection: str
    owner: str

    def published(self, item: Incoming) -> Published:
        """Return the labels that an object and its parts would have."""
        if not are_separable(item):
            return Published(Label(self.collection, self.owner, item.type, item.whole))
        of_parts = tuple(Label(self.collection, self.owner, item.type, part.marking) for part in item.parts)
        return Published(Label(self.collection, self.owner, item.type, item.marking), of_parts)


@dataclass(frozen=True, slots=True)
class Explained:
    """Why a recipient would get an object or not: its label, and for each part of it the selectors and the decision."""

    label: Label
    whole: Explanation
    parts: tuple[tuple[tuple[str, ...], Decision], ...]


def read_publication(book: Rulebook, path: Path, collection: str, owner: str) -> Publication:
    """Return a file as it would be published; without an owner by the operator, without a collection into the only one.

    It is any that a node imports. Raises: UsageError X001 to X004 for what is none; RulebookError B031 when the owner or
    collection is not known.
    """
    known = sorted({name for rule in book.rules for name in rule.of.collections})
    if not collection and len(known) != 1:
        hint = f"give --collection; rules name {', '.join(known) or 'none'}"
        raise RulebookError("B031", "it is not clear into which collection this would go", hint=hint)
    if collection and known:
        _be_known("collection", collection, known)
    if owner:
        _be_known("organisation", owner, book.organisations)
    read = list(read_file(path, str(path), Terms(book.markings, book.default)))
    objects = tuple(item for item in read if isinstance(item, Incoming) and item.type != _DEFINITION)
    refused = tuple(item for item in read if isinstance(item, Rejected))
    return Publication(objects, refused, collection or known[0], owner or book.operator)


def _be_known(what: str, name: str, known: Collection[str]) -> None:
    """Raise RulebookError B031 when nothing has this name."""
    if name not in known:
        hint = near(name, known) or f"known are {', '.join(sorted(known)[:10])}"
        raise RulebookError("B031", f"there is no {what} {name!r} in the rulebook", hint=hint)


def count_published(publication: Publication) -> Counter[Published]:
    """Return the labels of what would be published, each with its number of objects."""
    return Counter(map(publication.published, publication.objects))


def simulate_publication(book: Rulebook, publication: Publication, today: date) -> tuple[Share, ...]:
    """Return what each organisation would get."""
    return simulate(book, count_published(publication), today)


def explain_object(
    book: Rulebook, publication: Publication, object_id: str, recipient: str, purposes: Sequence[str], today: date
) -> Explained:
    """Return why a recipient would get an object or not, and each of its parts; of several versions the last one counts.

    Without purposes the recipient asks for all of the rulebook. Raises: RulebookError B031 for what is not there.
    """
    found = [item for item in publication.objects if item.id == object_id]
    if not found:
        hint = near(object_id, [item.id for item in publication.objects]) or "give the id of an object of the file"
        raise RulebookError("B031", f"there is no object {object_id!r} in the file", hint=hint)
    _be_known("organisation", recipient, book.organisations)
    for purpose in purposes:
        _be_known("purpose", purpose, book.purposes)
    item = max(found, key=lambda one: one.version or 0)
    label, of_parts = publication.published(item)
    caller = Caller(recipient, tuple(purposes or book.purposes))
    parts = tuple(
        (part.selectors, decide(book, caller, other, today)) for part, other in zip(item.parts, of_parts, strict=False)
    )
    return Explained(label, explain(book, caller, label, today), parts)


__all__ = [
    "Explained",
    "Publication",
    "count_published",
    "explain_object",
    "read_publication",
    "simulate_publication",
]
