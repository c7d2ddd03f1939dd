"""STIX objects that the suite posts. Their ids are new in every run."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4, uuid5

from exchange import Collection, Json

_OBSERVABLES = UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
BORN = "2021-03-01T08:00:00.000Z"
VERSIONS = (BORN, "2021-04-02T09:30:00.123Z", "2022-05-03T10:45:00.000Z")


def indicator(modified: str = BORN, stix_id: str = "", **more: Any) -> Json:
    """Return an indicator."""
    made: Json = {"type": "indicator", "spec_version": "2.1", "id": stix_id or new_id("indicator")}
    made |= {"created": BORN, "modified": modified, "name": f"Conformance test {modified}"}
    made |= {"pattern": "[domain-name:value = 'conformance.example']", "pattern_type": "stix", "valid_from": BORN}
    return made | more


def malware(**more: Any) -> Json:
    """Return a malware object."""
    made: Json = {"type": "malware", "spec_version": "2.1", "id": new_id("malware"), "created": BORN, "modified": BORN}
    return made | {"name": "Conformance test", "is_family": False} | more


def identity(**more: Any) -> Json:
    """Return an identity."""
    made: Json = {"type": "identity", "spec_version": "2.1", "id": new_id("identity"), "created": BORN, "modified": BORN}
    return made | {"name": "Conformance test", "identity_class": "system"} | more


def relationship(source: Json, target: Json) -> Json:
    """Return a relationship between two objects."""
    made: Json = {"type": "relationship", "spec_version": "2.1", "id": new_id("relationship")}
    made |= {"created": BORN, "modified": BORN, "relationship_type": "indicates"}
    return made | {"source_ref": source["id"], "target_ref": target["id"]}


def statement() -> Json:
    """Return a marking definition: it has `created`, and is never modified."""
    made: Json = {"type": "marking-definition", "spec_version": "2.1", "id": new_id("marking-definition"), "created": BORN}
    return made | {"definition_type": "statement", "definition": {"statement": "Made by a conformance test"}}


def domain() -> Json:
    """Return an observable: it has neither `created` nor `modified`, and its id follows from its value."""
    value = f"{uuid4()}.example"
    made = uuid5(_OBSERVABLES, json.dumps({"value": value}, separators=(",", ":")))
    return {"type": "domain-name", "spec_version": "2.1", "id": f"domain-name--{made}", "value": value}


def older(made: Json) -> Json:
    """Return an object as of STIX 2.0, which had no `spec_version`."""
    copy = deepcopy(made)
    del copy["spec_version"]
    copy["labels"] = ["malicious-activity"]
    copy.pop("pattern_type", None)
    return copy


def new_id(kind: str) -> str:
    """Return an id that no object has."""
    return f"{kind}--{uuid4()}"


@dataclass
class Library:
    """What most cases look at: three batches, added one after the other.

    The indicator is in three versions, one in each batch; the others have one version.
    """

    indicator: list[Json] = field(default_factory=list)
    others: dict[str, Json] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        """Return the id of every object, once."""
        return [self.indicator[0]["id"], *(item["id"] for item in self.others.values())]

    @property
    def id(self) -> str:
        """Return the id of the indicator that has three versions."""
        return str(self.indicator[0]["id"])

    @property
    def all(self) -> list[Json]:
        """Return every version of every object."""
        return [*self.indicator, *self.others.values()]

    @property
    def mine(self) -> dict[str, str]:
        """Return the parameters that keep an answer to this library."""
        return {"match[id]": ",".join(self.ids)}

    def of(self, kind: str) -> list[str]:
        """Return the ids of a type, sorted."""
        return sorted({item["id"] for item in self.all if item["type"] == kind})


def fill(collection: Collection) -> Library:
    """Add a library to a collection, batch by batch."""
    made = Library()
    stix_id = new_id("indicator")
    made.indicator = [indicator(version, stix_id) for version in VERSIONS]
    bad, maker = malware(), identity()
    made.others = {"malware": bad, "identity": maker, "relationship": relationship(made.indicator[0], bad)}
    made.others |= {"statement": statement(), "domain": domain(), "second": malware(name="Second")}
    collection.add(made.indicator[0], bad)
    collection.add(made.indicator[1], maker, made.others["relationship"])
    collection.add(made.indicator[2], made.others["statement"], made.others["domain"], made.others["second"])
    return made


__all__ = [
    "BORN",
    "VERSIONS",
    "Library",
    "domain",
    "fill",
    "identity",
    "indicator",
    "malware",
    "new_id",
    "older",
    "relationship",
    "statement",
]
