"""ATT&CK: the matrices of Enterprise and ICS with the names of their tactics and techniques, as data of the package."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

import msgspec
from msgspec import Struct


class Matrix(Struct, frozen=True):
    """A matrix: tactics by short name in their order, techniques by id with name and tactics."""

    tactics: dict[str, str]
    techniques: dict[str, tuple[str, tuple[str, ...]]]

    def name(self, technique: str) -> str:
        """Return the name of a technique, after that of the technique it is a part of; empty for an unknown one."""
        parent = technique.partition(".")[0]
        names = [self.techniques[key][0] for key in dict.fromkeys((parent, technique)) if key in self.techniques]
        return ": ".join(names)


class Attack(Struct, frozen=True):
    """Both matrices, with the notice that a copy needs."""

    notice: str
    licence: str
    enterprise: Matrix
    ics: Matrix


INDUSTRIAL: Final = "T0"
"""How the ids of ICS techniques begin; those of Enterprise begin with T1."""


@cache
def attack() -> Attack:
    """Return the matrices."""
    return msgspec.json.decode((files("tocsin.reports") / "attack.json").read_bytes(), type=Attack)


def technique_name(technique: str) -> str:
    """Return the name of a technique by its id in any case, empty when this version of ATT&CK does not have it."""
    found = technique.upper()
    return (attack().ics if found.startswith(INDUSTRIAL) else attack().enterprise).name(found)


def tactic_name(tactic: str) -> str:
    """Return the name of a tactic by its short name, which stands for itself when it is unknown."""
    known = attack().enterprise.tactics | attack().ics.tactics
    return known.get(tactic, tactic.replace("-", " ").capitalize())


__all__ = ["INDUSTRIAL", "Attack", "Matrix", "attack", "tactic_name", "technique_name"]
