"""What a change of a rulebook widens: compared with every decision on every caller, label and day of a small world."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations, product

from hypothesis import given, settings
from hypothesis import strategies as st
from rulebook_reference import COLLECTIONS, MARKINGS, ORGANISATIONS, PURPOSES, TODAY, TYPES, books, rules

from tocsin.sharing.check import check
from tocsin.sharing.decisions import TABLE, Caller, Label, counted, decide
from tocsin.sharing.markings import PAP_2, TLP_2, Pap, Tlp, read_refs
from tocsin.sharing.rulebook import Action, Organisation, Rule, Rulebook, Selection
from tocsin.sharing.table_policies import Change, Shown, TablePolicy
from tocsin.sharing.tables import Books, Listed, table_grant, tables_gained
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


LOOKS = (TablePolicy((Shown("a", Change.KEEP),)), TablePolicy((Shown("a", Change.KEEP), Shown("b", Change.KEEP))))
looks = st.sampled_from(LOOKS)
tables = st.one_of(st.none(), st.dictionaries(st.sampled_from(("t", "u")), looks))


@st.composite
def table_rules(draw: st.DrawFn) -> Rule:
    """Give a rule about tables, half of them open enough that several give one table to the same callers."""
    rule = replace(draw(rules()), tables=draw(tables), k=draw(st.sampled_from((1, 1, 4))), may=Action.READ)
    if draw(st.booleans()):
        end = draw(st.sampled_from((None, None, TODAY + timedelta(5))))
        rule = replace(rule, to=("everyone", *ORGANISATIONS), of=Selection(), purposes=(), up_to=None, expires=end)
    return replace(rule, of=replace(rule.of, types=draw(st.sampled_from(((), (TABLE,), ("indicator",))))))


@st.composite
def table_changes(draw: st.DrawFn) -> tuple[Rulebook, Rulebook]:
    """Give two books with rules about tables; the second has them in another order, fewer, ending earlier, or others."""
    book = draw(books())
    old = replace(book, rules=tuple(draw(st.lists(table_rules(), min_size=1, max_size=4))))
    others = (
        st.permutations(old.rules).map(tuple),
        st.just(old.rules[1:]),
        st.just(tuple(replace(rule, expires=draw(rules()).expires) for rule in old.rules)),
        st.just(tuple(replace(rule, tables=rule.tables and dict.fromkeys(rule.tables, draw(looks))) for rule in old.rules)),
        st.just((draw(table_rules()), *old.rules)),
    )
    return old, replace(old, rules=draw(st.one_of(*others)))


def newly_given_table(old: Rulebook, new: Rulebook) -> tuple[object, ...] | None:
    """Return the first table that the new book gives and the old does not, or not so, by asking for each."""
    stamps = [
        [*([TLP_2[tlp]] if tlp is not None else []), *([PAP_2[pap]] if pap else []), *named]
        for tlp, pap, named in product((None, *Tlp), Pap, subsets(MARKINGS)[:-1])
    ]
    meant = {(read_refs(refs, old.markings, old.default), read_refs(refs, new.markings, new.default)) for refs in stamps}
    callers = [Caller(name, purposes) for name, purposes in product(ORGANISATIONS, ((), *((name,) for name in PURPOSES)))]
    places = list(product((*COLLECTIONS, "other"), ORGANISATIONS))
    for day, caller, place, (before, after), name in product(DAYS, callers, places, meant, ("t", "u")):
        has = table_grant(new, caller, Label(*place, TABLE, after), name, day)
        if has is None or not has.rule:
            continue
        had = table_grant(old, caller, Label(*place, TABLE, before), name, day)
        if had is None or had.policy != has.policy or had.k > has.k:
            return caller, place, before, after, name, day
    return None


@settings(max_examples=60, deadline=None)
@given(table_changes())
def test_tables_are_given_as_grants_say(change: tuple[Rulebook, Rulebook]) -> None:
    """A change widens access to a table if, and only if, somebody is given it newly, or by a rule that shows it otherwise."""
    old, new = change
    found = [gain for gain in compare(old, new, TODAY).gains if gain.types[:1] in {("the table t",), ("the table u",)}]
    assert bool(found) == (newly_given_table(old, new) is not None), [str(gain) for gain in found]


@st.composite
def listings(draw: st.DrawFn) -> tuple[Listed, ...]:
    """Give a table or two, each listed with an owner and markings."""
    stamps = st.lists(st.sampled_from((*TLP_2.values(), *PAP_2.values(), *MARKINGS)), max_size=2).map(tuple)
    names = draw(st.sampled_from((("t",), ("t", "u"))))
    return tuple(Listed(COLLECTIONS[0], name, draw(st.sampled_from(ORGANISATIONS)), draw(stamps)) for name in names)


def newly_seen(old: Books, new: Books) -> set[tuple[str, str]]:
    """Return who newly gets which table, or gets it otherwise, on some day, by asking for each."""
    callers = [Caller(name, purposes) for name, purposes in product(ORGANISATIONS, ((), *((name,) for name in PURPOSES)))]
    known = {item.name: item for item in old.tables}
    found = set()
    for day, caller, table in product(DAYS, callers, new.tables):
        has = table_grant(new.book, caller, table.label(new.book), table.name, day)
        before = known.get(table.name)
        had = table_grant(old.book, caller, before.label(old.book), table.name, day) if before else None
        had_all = had is not None and had.policy is None
        if has and not had_all and (had is None or had.policy != has.policy or had.k > has.k):
            found.add((caller.organisation, table.name))
    return found


@settings(max_examples=200, deadline=None)
@given(table_changes(), listings(), listings())
def test_shares_that_change_give_as_grants_say(
    change: tuple[Rulebook, Rulebook], before: tuple[Listed, ...], after: tuple[Listed, ...]
) -> None:
    """Another owner or marking of a table, or a new table, widens if, and only if, somebody gets more of it."""
    old, new = Books(change[0], before), Books(change[1], after)
    found = list(tables_gained(old, new, TODAY))
    listed_otherwise = {item.name for item in set(after) - set(before)}
    seen = newly_seen(old, new)
    told = {(gain.organisation, gain.types[0].removeprefix("the table ")) for gain in found}
    assert told == {item for item in seen if item[1] in listed_otherwise}, [str(gain) for gain in found]
    assert not seen or found or compare(old.book, new.book, TODAY).widens
    assert not list(tables_gained(new, new, TODAY))


def test_the_order_of_rules_shows_more_of_a_table() -> None:
    """Of two rules that give a table, the first decides: to turn them round, to take it out, or to end it, widens."""
    book = Rulebook("C", "ash", {"ash": Organisation("ash", "Ash"), "birch": Organisation("birch", "Birch")})
    narrow, wide = (
        Rule(name, ("birch",), Selection(("s",)), tables={"t": look})
        for name, look in zip(("narrow", "wide"), LOOKS, strict=True)
    )
    old = replace(book, rules=(narrow, wide))
    for changed in ((wide, narrow), (wide,), (replace(narrow, expires=TODAY + timedelta(5)), wide)):
        (gain,) = compare(old, replace(book, rules=changed), TODAY).gains
        assert (gain.organisation, gain.rule, gain.types) == ("birch", "wide", ("the table t",))
    assert not compare(old, replace(book, rules=(narrow,)), TODAY).widens
    assert "B012" in [item.code for item in check(old, TODAY).warnings]


@settings(max_examples=100, deadline=None)
@given(books(), rules())
def test_a_rule_less_widens_nothing(book: Rulebook, rule: object) -> None:
    """Neither the same book nor one with a rule less widens anything."""
    assert not compare(book, book, TODAY).widens
    for at in range(len(book.rules)):
        assert not compare(book, replace(book, rules=book.rules[:at] + book.rules[at + 1 :]), TODAY).widens
