"""Read STIX bundles, envelopes of TAXII and lists of objects: each object as it was received, checked, with its marking.

A package is held whole, since a marking spreads over all of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from io import BufferedIOBase
from typing import Any, BinaryIO, Final
from uuid import UUID, uuid5

import msgspec

from tocsin.errors import UsageError
from tocsin.feeds.check import FormError, check
from tocsin.feeds.interface import Incoming, Rejected, Terms
from tocsin.feeds.spreading import spread
from tocsin.feeds.statements import Reader, Stated, stated
from tocsin.sharing.markings import Marks

_BOM: Final = b"\xef\xbb\xbf"
_NAMESPACE: Final = UUID("b5a7f8e2-91c4-5f0d-8a41-6a2f0f3c9d10")
_SHOWN: Final = 150


class _Package(msgspec.Struct):
    objects: list[msgspec.Raw]


_PACKAGE: Final = msgspec.json.Decoder(_Package)
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])


def read_bundle(data: bytes, label: str, terms: Terms) -> list[Incoming | Rejected]:
    """Read the objects of a bundle, of an envelope of TAXII or of a plain list, in their order.

    `label` names the file in places. Raises: UsageError X004 when the data is none of these.
    """
    bodies = divide(data, label)
    return read_bodies(bodies, [f"{label}: objects[{at}]" for at in range(len(bodies))], terms)


def divide(data: bytes, label: str) -> list[bytes]:
    """Return the objects of a package, each as it was received.

    Raises: UsageError X004 when it is none, or has a key twice.
    """
    data = data.removeprefix(_BOM)
    try:
        if data.lstrip()[:1] == b"[":
            return [bytes(body) for body in _LIST.decode(data)]
        bodies = [bytes(body) for body in _PACKAGE.decode(data).objects]
        json.loads(_skeleton(data, bodies), object_pairs_hook=_single)
    except (ValueError, RecursionError) as error:
        why = str(error)[:_SHOWN] or "it is nested too deep"
        raise UsageError(
            "X004", f"{label}: it is no package of STIX: {why}", hint="give a bundle, or an object with a list 'objects'"
        ) from error
    return bodies


def write_bundle(out: BinaryIO | BufferedIOBase, bodies: Iterable[bytes], more: Callable[[], bytes] = bytes) -> None:
    """Write objects as a bundle, whose id follows from them. `more` gives members as JSON, each after a comma, at the end."""
    digest = hashlib.sha256()
    between = b'{"type":"bundle","objects":[\n'
    for body in bodies:
        digest.update(body)
        out.write(between + body)
        between = b",\n"
    if between.startswith(b"{"):
        out.write(between)
    out.write(b'\n],"id":"bundle--%b"%b}\n' % (str(uuid5(_NAMESPACE, digest.hexdigest())).encode(), more()))


def _skeleton(data: bytes, bodies: Iterable[bytes]) -> bytes:
    """Return a package with 0 for each of its objects, by which a second list of objects can be told."""
    parts: list[bytes] = []
    at = 0
    for body in bodies:
        if body[:1] != b"{":
            continue
        found = data.find(b"{", at)
        if not data.startswith(body, found):
            found = data.find(body, at)
        parts += (data[at:found], b"0")
        at = found + len(body)
    return b"".join([*parts, data[at:]])


def _single(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key stands twice in it")


def read_bodies(bodies: Sequence[bytes], places: Sequence[str], terms: Terms) -> list[Incoming | Rejected]:
    """Read objects that came together; `places` says for each where it stands."""
    read = [_read(body, place) for body, place in zip(bodies, places, strict=True)]
    good = [item for item in read if isinstance(item, Stated)]
    reader = Reader(terms, good)
    marks = iter(spread([item.links for item in good], [reader.own(item) for item in good]))
    return [
        item if isinstance(item, Rejected) else _incoming(item, body, place, next(marks), reader)
        for item, body, place in zip(read, bodies, places, strict=True)
    ]


def _read(body: bytes, place: str) -> Stated | Rejected:
    try:
        return stated(check(body))
    except FormError as error:
        return Rejected(place, error.code, str(error), _id(body))


def _id(body: bytes) -> str:
    """Return the id of an object that was refused, empty where it has none that can be told."""
    try:
        return msgspec.json.decode(body, type=_Identified).id[:_SHOWN]
    except (ValueError, RecursionError):
        return ""


class _Identified(msgspec.Struct):
    id: str


def _incoming(item: Stated, body: bytes, place: str, marks: Marks, reader: Reader) -> Incoming:
    parts = reader.parts(item, marks) if item.granular else ()
    meaning = reader.meaning(marks)
    return Incoming(item.links.id, item.type, item.version, item.spec_version, body, marks, meaning, parts, place)


__all__ = ["divide", "read_bodies", "read_bundle", "write_bundle"]
