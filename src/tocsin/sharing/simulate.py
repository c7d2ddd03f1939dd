"""Who would get what, if it were published: counted for each organisation and purpose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from tocsin.sharing.decisions import Caller, Label, decide
from tocsin.sharing.rulebook import Rulebook


class Published(NamedTuple):
    """The label of an object, and those that it has with each of the parts that can be left out of it."""

    label: Label
    parts: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """What one organisation would get: objects in all, for each purpose (empty: without one), by each rule.

    `partly` is how many of them it would get without some part; `withheld` holds why the others are kept from it, most objects
    first.
    """

    organisation: str
    given: int
    partly: int
    by_purpose: Mapping[str, int]
    by_rule: Mapping[str, int]
    withheld: Mapping[str, int]


def simulate(book: Rulebook, objects: Mapping[Published, int], today: date) -> tuple[Share, ...]:
    """Return what each organisation would get of objects with these labels, which are counted. Pure.

    Cost: a decision for each label, organisation and purpose.
    """
    return tuple(_share(book, organisation, objects, today) for organisation in book.organisations)


def _share(book: Rulebook, organisation: str, objects: Mapping[Published, int], today: date) -> Share:
    purposes: Counter[str] = Counter({"": 0, **dict.fromkeys(book.purposes, 0)})
    rules: Counter[str] = Counter()
    withheld: Counter[str] = Counter()
    partly = 0
    everything = Caller(organisation, tuple(book.purposes))
    for (label, parts), count in objects.items():
        for purpose in purposes:
            caller = Caller(organisation, (purpose,) if purpose else ())
            purposes[purpose] += count if decide(book, caller, label, today).allowed else 0
        decision = decide(book, everything, label, today)
        if decision.allowed:
            rules[decision.rule] += count
            partly += 0 if all(decide(book, everything, part, today).allowed for part in parts) else count
        else:
            withheld[decision.because] += count
    return Share(organisation, rules.total(), partly, dict(purposes), dict(rules.most_common()), dict(withheld.most_common()))


__all__ = ["Published", "Share", "simulate"]
