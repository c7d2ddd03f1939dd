"""Objects of STIX that are made here of what other tools say, with ids that follow from their origin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID, uuid5

import msgspec

from tocsin.feeds.forms import Json
from tocsin.feeds.interface import Incoming, Rejected, Terms
from tocsin.feeds.stix import read_bodies
from tocsin.indicators.observable_ids import observable_id
from tocsin.sharing.markings import PAP_2, TLP_2, Pap, Tlp, read_tags
from tocsin.sharing.moments import moment_text, read_moment

_NAMESPACE: Final = UUID("f3b4c0de-7a0e-5c0e-9a55-1d3f0c6f2b8e")
UNDATED: Final = "1970-01-01T00:00:00.000Z"
"""The moment of what has none."""
_LAST_SECOND: Final = 253402300799
_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Told:
    """What a file says about how far something may travel. `tlp` is None where it says nothing."""

    tlp: Tlp | None = None
    pap: Pap = Pap.CLEAR
    named: tuple[str, ...] = ()

    def join(self, other: Told) -> Told:
        """Return what is as restricted as both."""
        tlp = other.tlp if self.tlp is None else self.tlp if other.tlp is None else max(self.tlp, other.tlp)
        return Told(tlp, max(self.pap, other.pap), tuple(sorted({*self.named, *other.named})))

    def marks(self) -> Json:
        """Return the property of STIX that says this, or no property."""
        refs = [
            *([] if self.tlp is None else [TLP_2[self.tlp]]),
            *([PAP_2[self.pap]] if self.pap else []),
            *self.named,
        ]
        return {"object_marking_refs": refs} if refs else {}


def of_tags(tags: Iterable[str]) -> Told:
    """Return what tags say, those that are not about TLP and PAP passed over."""
    return Told(*read_tags(tags))


def of_group(uuid: object) -> Told:
    """Return the marking of a sharing group: known by its UUID if the rulebook declares it, and else TLP:RED."""
    try:
        return Told(named=(f"marking-definition--{UUID(str(uuid))}",))
    except ValueError:
        return Told(Tlp.RED)


@dataclass(frozen=True, slots=True)
class Dates:
    """When something was made and changed, as STIX writes it."""

    created: str
    modified: str


def dates(created: str, modified: str) -> Dates:
    """Return dates of which the later is never before the earlier."""
    first, last = read_moment(created) or 0, read_moment(modified) or 0
    return Dates(created, modified if first <= last else created)


def seconds_text(value: object) -> str:
    """Return the moment of seconds since 1970, written as a number or text; that of nothing when there is none."""
    try:
        seconds = int(str(value))
    except ValueError:
        return UNDATED
    return moment_text(seconds * 1_000_000) if 0 <= seconds <= _LAST_SECOND else UNDATED


def any_moment(value: object) -> str:
    """Return the moment of a date or time in ISO 8601, in UTC where it states no offset; empty when it is none."""
    text = str(value or "")
    try:
        if len(text) == 10:
            return f"{date.fromisoformat(text).isoformat()}T00:00:00.000Z"
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return ""
    found = read_moment(moment.isoformat(timespec="microseconds").replace("+00:00", "Z"))
    return "" if found is None else moment_text(found)


def dated(kind: str, seed: str, when: Dates, told: Told, content: Mapping[str, object]) -> Json:
    """Return a domain or relationship object whose id follows from a seed. Properties that are empty are left out."""
    return {
        "type": kind,
        "spec_version": "2.1",
        "id": named_id(kind, seed),
        "created": when.created,
        "modified": when.modified,
        **told.marks(),
        **{name: value for name, value in content.items() if value not in ("", None, [], {})},
    }


def named_id(kind: str, seed: str) -> str:
    """Return the id of what is made from a seed."""
    return f"{kind}--{uuid5(_NAMESPACE, f'{kind} {seed}')}"


def observable(kind: str, content: Json, contributing: Sequence[str], told: Told) -> Json:
    """Return an observable, with the id that its contributing properties give."""
    known = {name: content[name] for name in contributing if name in content}
    return {"type": kind, "spec_version": "2.1", "id": observable_id(kind, known), **told.marks(), **content}


@dataclass(frozen=True, slots=True)
class Made:
    """An object that was made, and the place of what it was made of."""

    place: str
    content: Json


def read_made(items: Iterable[Made | Rejected], terms: Terms) -> list[Incoming | Rejected]:
    """Check objects that were made, as if they had come as a package.

    What is there twice in the same form is there once, and so is an observable of which several parts tell: with all they tell.
    """
    items = list(items)
    made = _united([item for item in items if isinstance(item, Made)])
    once = list({_ENCODER.encode(item.content): item.place for item in made}.items())
    read = read_bodies([body for body, _ in once], [place for _, place in once], terms)
    return [*read, *(item for item in items if isinstance(item, Rejected))]


def _united(items: Sequence[Made]) -> list[Made]:
    """Return the objects with those joined that are one observable under the same markings: it has the lists of both."""
    found: list[Made] = []
    places: dict[str, int] = {}
    for item in items:
        at = places.get(item.content["id"]) if "created" not in item.content else None
        both = None if at is None else _union(found[at].content, item.content)
        if at is None or both is None:
            places[item.content["id"]] = len(found)
            found.append(item)
        else:
            found[at] = Made(found[at].place, both)
    return found


def _union(one: Json, other: Json) -> Json | None:
    """Return all that two objects say, None where they contradict each other or are marked differently."""
    if one.get("object_marking_refs") != other.get("object_marking_refs"):
        return None
    both = dict(one)
    for name, value in other.items():
        if isinstance(value, list) and isinstance(both.get(name), list):
            both[name] = [*both[name], *(item for item in value if item not in both[name])]
        elif both.setdefault(name, value) != value:
            return None
    return both


__all__ = [
    "UNDATED",
    "Dates",
    "Made",
    "Told",
    "any_moment",
    "dated",
    "dates",
    "named_id",
    "observable",
    "of_group",
    "of_tags",
    "read_made",
    "seconds_text",
]
