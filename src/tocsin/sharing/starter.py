"""The rulebook that a new node begins with: its operator, one collection, and nothing for anybody else."""

from __future__ import annotations

import json
from typing import Final

_TEXT: Final = """\
# Who may get what. A rule grants, a marking limits; what no rule gives, nobody gets.
# docs/rulebook.md explains every key. After a change: tocsin share check rulebook.yml

community: {community}
operator: {operator}

organisations:
  {operator}:
    name: {name}
    identity: {identity}
    relations: [{{member_of: community}}]
  # riverdale-water:
  #   name: Riverdale Water
  #   identity: identity--00000000-0000-4000-8000-000000000000   # the id of its STIX identity object
  #   relations: [{{member_of: community, expires: 2031-01-01}}]

markings:
  unmarked: TLP:AMBER+STRICT   # what has no TLP marking; never TLP:CLEAR
  # an id that is not listed is TLP:RED; a statement says nothing about TLP
  marking-definition--fa42a846-8d90-4e51-bc29-71d5b4802168: {{name: copyright of MITRE, means: statement}}   # in ATT&CK

purposes:
  detect: {{pap: PAP:RED, text: "search one's own logs and sensors"}}
  block: {{pap: PAP:GREEN, text: stop traffic and mail}}

rules:
  - id: members-read
    to: [community]
    collections: [{collection}]
    up_to: TLP:GREEN
    purposes: [detect, block]
  - id: operator-writes
    may: write
    to: [{operator}]
    collections: [{collection}]
"""


def starter_text(community: str, operator: str, name: str, identity: str, collection: str) -> str:
    """Return the text of a rulebook; `operator` and `collection` are ids, the others any text but empty."""
    return _TEXT.format(
        community=json.dumps(community), operator=operator, name=json.dumps(name), identity=identity, collection=collection
    )


__all__ = ["starter_text"]
