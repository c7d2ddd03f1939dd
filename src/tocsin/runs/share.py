"""Ask a rulebook about objects that are not published yet: a bundle becomes labels, labels become decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import msgspec

from tocsin.errors import RulebookError, Where
from tocsin.rules.yaml_maps import near
from tocsin.sharing.decisions import Caller, Label
from tocsin.sharing.explain import Explanation, explain
from tocsin.sharing.markings import Marking, Tlp, read_refs
from tocsin.sharing.rulebook import Rulebook
from tocsin.sharing.simulate import Share, simulate

MOST_BYTES: Final = 256 << 20
"""The largest bundle, in bytes."""
_DEFINITION: Final = "marking-definition"


class _Granular(msgspec.Struct):
    marking_ref: str = ""


class StixObject(msgspec.Struct):
    """What a label needs of a STIX object."""

    id: str
    type: str
    object_marking_refs: list[str] = []
    granular_markings: list[_Granular] = []

    def marking(self, book: Rulebook) -> Marking:
        """Return what its markings say together; one of a part holds for the whole, which is given as a whole or not at all."""
        whole = read_refs(self.object_marking_refs, book.markings, book.default)
        parts = [item.marking_ref for item in self.granular_markings if item.marking_ref]
        return whole.join(read_refs(parts, book.markings, Tlp.CLEAR))


class _Bundle(msgspec.Struct):
    type: str
    objects: list[StixObject] = []


@dataclass(frozen=True, slots=True)
class Publication:
    """The objects of a bundle, the collection into which they would go, and who would put them there."""

    objects: tuple[StixObject, ...]
    collection: str
    owner: str

    def label(self, item: StixObject, book: Rulebook) -> Label:
        """Return the label that an object would have."""
        return Label(self.collection, self.owner, item.type, item.marking(book))


def read_publication(book: Rulebook, path: Path, collection: str, owner: str) -> Publication:
    """Return a bundle as it would be published; without an owner by the operator, without a collection into the only one.

    Raises: RulebookError B030 for what is no bundle, B031 when the owner or collection is not known; OSError.
    """
    with path.open("rb") as file:
        text = file.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise RulebookError(
            "B030", f"the bundle is larger than {MOST_BYTES >> 20} MiB", where=Where(str(path)), hint="split it"
        )
    try:
        bundle = msgspec.json.decode(text, type=_Bundle)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        hint = 'a bundle is {"type": "bundle", "objects": [...]}, and its objects have id and type'
        raise RulebookError("B030", f"no STIX 2.1 bundle: {error}", where=Where(str(path)), hint=hint) from error
    if bundle.type != "bundle":
        hint = "give a bundle, with objects in it"
        raise RulebookError("B030", f"no STIX 2.1 bundle, but {bundle.type!r}", where=Where(str(path)), hint=hint)
    known = sorted({name for rule in book.rules for name in rule.of.collections})
    if not collection and len(known) != 1:
        hint = f"give --collection; rules name {', '.join(known) or 'none'}"
        raise RulebookError("B031", "it is not clear into which collection this would go", hint=hint)
    if collection and known:
        _be_known("collection", collection, known)
    if owner:
        _be_known("organisation", owner, book.organisations)
    objects = tuple(item for item in bundle.objects if item.type != _DEFINITION)
    return Publication(objects, collection or known[0], owner or book.operator)


def _be_known(what: str, name: str, known: Collection[str]) -> None:
    """Raise RulebookError B031 when nothing has this name."""
    if name not in known:
        hint = near(name, known) or f"known are {', '.join(sorted(known)[:10])}"
        raise RulebookError("B031", f"there is no {what} {name!r} in the rulebook", hint=hint)


def labels_of(book: Rulebook, publication: Publication) -> Counter[Label]:
    """Return the labels of what would be published, each with its number of objects."""
    return Counter(publication.label(item, book) for item in publication.objects)


def simulate_publication(book: Rulebook, publication: Publication, today: date) -> tuple[Share, ...]:
    """Return what each organisation would get."""
    return simulate(book, labels_of(book, publication), today)


def explain_object(
    book: Rulebook, publication: Publication, object_id: str, recipient: str, purposes: Sequence[str], today: date
) -> tuple[Label, Explanation]:
    """Return the label of an object, and why a recipient would get it or not; of several versions the narrowest marking counts.

    Without purposes the recipient asks for all of the rulebook. Raises: RulebookError B031 for what is not there.
    """
    found = [publication.label(item, book) for item in publication.objects if item.id == object_id]
    if not found:
        hint = near(object_id, [item.id for item in publication.objects]) or "give the id of an object of the bundle"
        raise RulebookError("B031", f"there is no object {object_id!r} in the bundle", hint=hint)
    _be_known("organisation", recipient, book.organisations)
    for purpose in purposes:
        _be_known("purpose", purpose, book.purposes)
    label = found[0]
    for other in found[1:]:
        label = Label(label.collection, label.owner, label.type, label.marking.join(other.marking))
    return label, explain(book, Caller(recipient, tuple(purposes or book.purposes)), label, today)


__all__ = [
    "Publication",
    "StixObject",
    "explain_object",
    "labels_of",
    "read_publication",
    "simulate_publication",
]
