"""Who may have what, worked out slowly from the text of the requirement, TLP 2.0 and PAP: as audiences, without ceilings."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import strategies as st

from tocsin.sharing.decisions import Caller, Label
from tocsin.sharing.markings import Declared, Marking, Pap, Tlp
from tocsin.sharing.rulebook import (
    Action,
    Group,
    Kind,
    Membership,
    Organisation,
    Purpose,
    Relation,
    Rule,
    Rulebook,
    Selection,
)

TODAY = date(2030, 1, 10)
ORGANISATIONS = ("ash", "birch", "cedar", "doug")
GROUPS = ("near", "far")
COLLECTIONS = ("indicators", "warnings")
TYPES = ("indicator", "sighting")
PURPOSES = ("detect", "block")
MARKINGS = tuple(f"marking-definition--{letter * 8}-0000-4000-8000-{letter * 12}" for letter in "ab")


def holds(expires: date | None, day: date) -> bool:
    """Return whether something still holds on a day."""
    return expires is None or day < expires


def may(book: Rulebook, caller: Caller, label: Label, day: date, action: Action = Action.READ) -> bool:
    """Return whether the caller may do it: it is its own, or some rule has the caller in the audience of the label."""
    if caller.organisation not in book.organisations:
        return False
    if action is Action.READ and label.owner == caller.organisation:
        return True
    return any(_gives(book, rule, caller, label, day) for rule in book.rules if rule.may is action)


def _gives(book: Rulebook, rule: Rule, caller: Caller, label: Label, day: date) -> bool:
    about = [
        (rule.of.collections, label.collection),
        (rule.of.owners, label.owner),
        (rule.of.types, label.type),
    ]
    if not holds(rule.expires, day) or any(wanted and is_there not in wanted for wanted, is_there in about):
        return False
    if rule.up_to is not None and label.marking.tlp > rule.up_to:
        return False
    if label.type == "sighting" and rule.k > 1 and rule.may is Action.READ:
        return False
    if rule.may is Action.WRITE:
        return caller.organisation in audience(book, rule, Tlp.CLEAR, day)
    for name in label.marking.named:
        kept = book.markings[name].only if name in book.markings else ()
        if caller.organisation not in set().union(*(in_group(book, group, day) for group in kept)):
            return False
    return caller.organisation in audience(book, rule, label.marking.tlp, day) and _has_use(book, rule, caller, label)


def _has_use(book: Rulebook, rule: Rule, caller: Caller, label: Label) -> bool:
    if not rule.purposes and label.marking.pap is Pap.CLEAR:
        return True
    uses = set(caller.purposes) & set(rule.purposes or book.purposes)
    return any(label.marking.pap <= book.purposes[use].pap for use in uses)


def in_group(book: Rulebook, group: str, day: date) -> set[str]:
    """Return who is in a group on a day."""
    return (
        {item.organisation for item in book.groups[group].members if holds(item.expires, day)}
        if group in book.groups
        else set()
    )


def who_is(book: Rulebook, kind: Kind, of: set[str], day: date) -> set[str]:
    """Return the organisations that are in a relation to one of these on a day."""
    return {
        organisation.id
        for organisation in book.organisations.values()
        for relation in organisation.relations
        if relation.kind is kind and relation.of in of and holds(relation.expires, day)
    }


def audience(book: Rulebook, rule: Rule, tlp: Tlp, day: date) -> set[str]:
    """Return the organisations to which a rule may give what has this level."""
    named = {name for name in rule.to if name in book.organisations}
    if tlp is Tlp.RED:
        return named if rule.up_to is Tlp.RED else set()
    chosen = named.union(*(in_group(book, name, day) for name in rule.to))
    processors = who_is(book, Kind.PROCESSOR, chosen, day) if rule.processors and rule.permission else set()
    if tlp is Tlp.AMBER_STRICT:
        return chosen | processors
    clients = who_is(book, Kind.CLIENT, chosen, day) if rule.clients else set()
    if tlp is Tlp.AMBER:
        return chosen | processors | clients
    community = who_is(book, Kind.MEMBER, {"community"}, day) if {"community", "everyone"} & set(rule.to) else set()
    everyone = set(book.organisations) if tlp is Tlp.CLEAR and "everyone" in rule.to else set()
    return chosen | processors | clients | community | everyone


days = st.sampled_from([TODAY + timedelta(days) for days in (-1, 0, 1, 5, 9)])
expiries = st.one_of(st.none(), days)


def some(names: tuple[str, ...], least: int = 0) -> st.SearchStrategy[tuple[str, ...]]:
    """Give a few of the names, in any order."""
    return st.lists(st.sampled_from(names), unique=True, min_size=least, max_size=3).map(tuple)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Give a rule of the small world."""
    of = Selection(draw(some(COLLECTIONS)), draw(some(ORGANISATIONS)), draw(some(TYPES)))
    return Rule(
        f"rule-{draw(st.integers(0, 99))}",
        draw(some((*ORGANISATIONS, *GROUPS, "community", "everyone"), 1)),
        of,
        draw(st.sampled_from([Action.READ, Action.READ, Action.WRITE])),
        up_to=draw(st.one_of(st.none(), st.sampled_from(Tlp))),
        purposes=draw(some(PURPOSES)),
        clients=draw(st.booleans()),
        processors=draw(st.booleans()),
        permission=draw(st.sampled_from(["", "contract 7"])),
        k=draw(st.sampled_from([1, 1, 3])) if "sighting" in of.types else 1,
        expires=draw(expiries),
    )


@st.composite
def organisations(draw: st.DrawFn, name: str) -> Organisation:
    """Give an organisation with relations."""
    others = [other for other in ORGANISATIONS if other != name]
    relations = draw(
        st.lists(
            st.one_of(
                st.builds(Relation, st.just(Kind.MEMBER), st.just("community"), expiries),
                st.builds(Relation, st.sampled_from([Kind.CLIENT, Kind.PROCESSOR]), st.sampled_from(others), expiries),
            ),
            max_size=3,
        )
    )
    return Organisation(name, name, relations=tuple(relations))


@st.composite
def books(draw: st.DrawFn) -> Rulebook:
    """Give a rulebook of the small world; an organisation, group or marking may be missing."""
    members = st.lists(st.builds(Membership, st.sampled_from(ORGANISATIONS), expiries), max_size=3).map(tuple)
    present = draw(st.lists(st.sampled_from(ORGANISATIONS), unique=True, min_size=2))
    means = st.one_of(st.none(), st.sampled_from(Tlp))
    return Rulebook(
        "Water CERT",
        "ash",
        {name: draw(organisations(name)) for name in present},
        {name: Group(name, draw(members)) for name in GROUPS},
        {name: Declared(name, draw(means), draw(some(GROUPS))) for name in draw(some(MARKINGS))},
        {name: Purpose(name, draw(st.sampled_from(Pap))) for name in PURPOSES},
        tuple(draw(st.lists(rules(), max_size=4))),
        draw(st.sampled_from([Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT, Tlp.RED])),
    )


callers = st.builds(Caller, st.sampled_from([*ORGANISATIONS, "stranger"]), some(PURPOSES))
markings = st.builds(
    Marking, st.sampled_from(Tlp), st.sampled_from(Pap), some(MARKINGS).map(lambda names: tuple(sorted(names)))
)
labels = st.builds(
    Label, st.sampled_from([*COLLECTIONS, "other"]), st.sampled_from(ORGANISATIONS), st.sampled_from([*TYPES, "tool"]), markings
)
