"""What a change of a rulebook widens: compared with every decision on every caller, label and day of a small world."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations, product

from hypothesis import given, settings
from hypothesis import strategies as st
from rulebook_reference import COLLECTIONS, MARKINGS, ORGANISATIONS, PURPOSES, TODAY, TYPES, books, rules

from tocsin.sharing.decisions import Caller, Label, counted, decide
from tocsin.sharing.markings import PAP_2, TLP_2, Pap, Tlp, read_refs
from tocsin.sharing.rulebook import Action, Rulebook
from tocsin.sharing.widening import compare

DAYS = [TODAY + timedelta(days) for days in (0, 1, 2, 5, 8, 9, 10)]

PARTS = ("rule", "all", "organisations", "groups", "markings", "purposes", "rules", "default", "expires", "fewer")


def subsets(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return all subsets."""
    return [found for size in range(len(names) + 1) for found in combinations(names, size)]


def newly_allowed(old: Rulebook, new: Rulebook) -> tuple[object, ...] | None:
    """Return the first that the new book allows and the old does not, by asking for everything."""
    stamps = [
        [*([TLP_2[tlp]] if tlp is not None else []), *([PAP_2[pap]] if pap else []), *named]
        for tlp, pap, named in product((None, *Tlp), Pap, subsets(MARKINGS))
    ]
    meant = {(read_refs(refs, old.markings, old.default), read_refs(refs, new.markings, new.default)) for refs in stamps}
    callers = [Caller(name, purposes) for name, purposes in product(ORGANISATIONS, subsets(PURPOSES))]
    places = list(product((*COLLECTIONS, "other"), ORGANISATIONS, (*TYPES, "tool")))
    for day, action, caller in product(DAYS, Action, callers):
        if not any(rule.may is action for rule in new.rules) and caller.organisation in old.organisations:
            continue
        for place, (before, after) in product(places, meant):
            has = openness(new, caller, Label(*place, after), day, action)
            if has > openness(old, caller, Label(*place, before), day, action):
                return caller, place, before, after, day, action
    return None


def openness(book: Rulebook, caller: Caller, label: Label, day: date, action: Action) -> float:
    """Return 1 for what is given, less for what is counted, the less the larger its `k`, and 0 for what is not given."""
    if decide(book, caller, label, day, action).allowed:
        return 1
    rule = counted(book, caller, label, day) if action is Action.READ else None
    return 0 if rule is None else 1 / rule.k


@st.composite
def changes(draw: st.DrawFn) -> tuple[Rulebook, Rulebook]:
    """Give two books, of which the second is often close to the first."""
    old = draw(books())
    other = draw(books())
    part = draw(st.sampled_from(PARTS))
    if part == "all":
        return old, other
    if part == "rule":
        return old, replace(old, rules=(*old.rules, draw(rules())))
    if part == "fewer":
        return old, replace(old, rules=old.rules[1:])
    if part == "expires":
        return old, replace(old, rules=tuple(replace(rule, expires=draw(rules()).expires) for rule in old.rules))
    return old, replace(old, **{part: getattr(other, part)})


@settings(max_examples=40, deadline=None)
@given(changes())
def test_exactly_what_decisions_say(change: tuple[Rulebook, Rulebook]) -> None:
    """A change widens access if, and only if, some decision on some day becomes an allowing one."""
    old, new = change
    found = compare(old, new, TODAY)
    assert bool(found.gains) == (newly_allowed(old, new) is not None), [str(gain) for gain in found.gains]


@settings(max_examples=100, deadline=None)
@given(books(), rules())
def test_a_rule_less_widens_nothing(book: Rulebook, rule: object) -> None:
    """Neither the same book nor one with a rule less widens anything."""
    assert not compare(book, book, TODAY).widens
    for at in range(len(book.rules)):
        assert not compare(book, replace(book, rules=book.rules[:at] + book.rules[at + 1 :]), TODAY).widens
