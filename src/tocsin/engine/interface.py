"""What an engine is: a function from a batch of events of one gate to the rows that each rule matches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tocsin.errors import TocsinError
from tocsin.events import EventBatch


@dataclass(frozen=True, slots=True, order=True)
class Match:
    """Row of the batch, number of the rule in the set, number of the view it was seen in."""

    row: int
    rule: int
    view: int


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule that could not be decided on a row: never "no match"."""

    row: int
    rule: int
    error: TocsinError


@dataclass(frozen=True, slots=True)
class Matches:
    """The answer for one batch: matches sorted by row and rule, and what could not be decided.

    `kept` has the rows of the rules that an engine tells together, by view and rule; `keeps`: there would be some.
    """

    found: list[Match] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    kept: dict[tuple[int, int], list[npt.NDArray[np.int64]]] = field(default_factory=dict)
    keeps: bool = False


class Engine(Protocol):
    """An engine holds the rules; `match` is pure: the same batch gives the same answer, whatever came before."""

    def match(self, batch: EventBatch) -> Matches:
        """Return the rows that each rule matches."""
        ...


__all__ = ["Engine", "Fault", "Match", "Matches"]
