"""Which markings a caller may be given objects with, by the rules alone: it says nothing of what objects there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from tocsin.sharing.decisions import Caller, grants, keeps_from
from tocsin.sharing.markings import PAP_2, TLP_2
from tocsin.sharing.rulebook import Rulebook


@dataclass(frozen=True, slots=True)
class Permitted:
    """Ids of marking definitions, TLP and PAP from the widest on and then those declared; `unmarked` is what has no TLP."""

    refs: tuple[str, ...]
    unmarked: bool


def permitted(book: Rulebook, caller: Caller, collections: Iterable[str], today: date) -> Permitted:
    """Return the markings each of which some rule lets the caller read in one of the collections. Pure.

    Of several markings on one object all have to be permitted by one rule. What the caller put there itself is not among it.
    """
    names = set(collections)
    every = ((grant, set(grant.rule.of.collections)) for grant in grants(book, caller, today))
    found = [grant for grant, about in every if not about or names & about]
    paps = [grant.pap for grant in found if grant.pap is not None]
    levels = [ref for level, ref in sorted(TLP_2.items()) if any(level <= grant.tlp for grant in found)]
    actions = [ref for level, ref in sorted(PAP_2.items()) if any(level <= pap for pap in paps)]
    declared = [
        ref
        for ref, item in book.markings.items()
        if any((book.default if item.means is None else item.means) <= grant.tlp for grant in found)
        and not (item.only and keeps_from(book, ref, caller.organisation, today))
    ]
    return Permitted((*levels, *actions, *declared), any(book.default <= grant.tlp for grant in found))


__all__ = ["Permitted", "permitted"]
