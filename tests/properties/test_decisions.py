"""Decisions on random rulebooks: they agree with a naive reference, and only what may widen access does."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st
from rulebook_reference import ORGANISATIONS, TODAY, books, callers, days, labels, markings, may, rules

from tocsin.sharing.decisions import Caller, Decision, Label, decide, grants, keeps_from, selects
from tocsin.sharing.markings import Marking, Tlp, read_refs
from tocsin.sharing.rulebook import Action, Kind, Relation, Rule, Rulebook

actions = st.sampled_from(Action)
MANY = settings(max_examples=500, deadline=None)
SOME = settings(max_examples=150, deadline=None)


@MANY
@given(books(), callers, labels, days, actions)
def test_agrees_with_the_reference(book: Rulebook, caller: Caller, label: Label, day: date, action: Action) -> None:
    """Every decision is that of the naive reference."""
    assert decide(book, caller, label, day, action).allowed == may(book, caller, label, day, action)


@MANY
@given(books(), callers, labels, days, actions)
def test_grants_agree_with_decisions(book: Rulebook, caller: Caller, label: Label, day: date, action: Action) -> None:
    """What a caller is granted, with its own, is what decisions allow it."""
    given_it = [
        grant
        for grant in grants(book, caller, day, action)
        if selects(grant.rule, label)
        and label.marking.tlp <= grant.tlp
        and grant.pap is not None
        and label.marking.pap <= grant.pap
    ]
    kept = action is Action.READ and any(
        keeps_from(book, name, caller.organisation, day) for name in label.marking.named if given_it
    )
    own = action is Action.READ and caller.organisation == label.owner and caller.organisation in book.organisations
    assert decide(book, caller, label, day, action).allowed == (own or (bool(given_it) and not kept))


@SOME
@given(books(), callers, labels, markings, days)
def test_a_narrower_marking_never_gives_more(book: Rulebook, caller: Caller, label: Label, more: Marking, day: date) -> None:
    """What is allowed under two markings together is allowed under each of them."""
    narrower = replace(label, marking=label.marking.join(more))
    if decide(book, caller, narrower, day).allowed:
        assert decide(book, caller, label, day).allowed


@SOME
@given(books(), rules(), callers, labels, days, actions, st.integers(0, 4))
def test_a_rule_more_takes_nothing_away(
    book: Rulebook, rule: Rule, caller: Caller, label: Label, day: date, action: Action, at: int
) -> None:
    """What is allowed stays so when a rule is added, wherever it stands."""
    if decide(book, caller, label, day, action).allowed:
        wider = replace(book, rules=(*book.rules[:at], rule, *book.rules[at:]))
        assert decide(wider, caller, label, day, action).allowed


@SOME
@given(books(), callers, labels, days, days, actions)
def test_time_only_takes_away(book: Rulebook, caller: Caller, label: Label, one: date, other: date, action: Action) -> None:
    """What is allowed on a day was allowed before."""
    if decide(book, caller, label, max(one, other), action).allowed:
        assert decide(book, caller, label, min(one, other), action).allowed


@SOME
@given(books(), callers, labels, st.randoms(use_true_random=False), actions)
def test_the_order_of_rules_allows_nothing(book: Rulebook, caller: Caller, label: Label, dice: object, action: Action) -> None:
    """Whether something is allowed does not depend on the order of rules."""
    mixed = list(book.rules)
    dice.shuffle(mixed)  # type: ignore[attr-defined]
    allowed = decide(replace(book, rules=tuple(mixed)), caller, label, TODAY, action).allowed
    assert allowed == decide(book, caller, label, TODAY, action).allowed


@SOME
@given(books(), callers, labels, st.uuids())
def test_an_unknown_marking_is_red(book: Rulebook, caller: Caller, label: Label, unknown: object) -> None:
    """An object with a marking that nobody knows goes where one with TLP:RED goes."""
    refs = [f"marking-definition--{unknown}"]
    as_red = decide(book, caller, replace(label, marking=Marking(Tlp.RED)), TODAY)
    assert decide(book, caller, replace(label, marking=read_refs(refs, book.markings, book.default)), TODAY) == as_red


@SOME
@given(books(), callers, labels, st.sampled_from(ORGANISATIONS), st.sampled_from(["ash", "birch"]))
def test_a_processor_is_never_its_client(book: Rulebook, caller: Caller, label: Label, processor: str, client: str) -> None:
    """Working for an organisation opens nothing, but by a rule that names processors and has the originator's permission."""
    if processor not in book.organisations:
        return
    strict = replace(book, rules=tuple(rule for rule in book.rules if not (rule.processors and rule.permission)))
    before = strict.organisations[processor]
    works = replace(before, relations=(*before.relations, Relation(Kind.PROCESSOR, client)))
    after = replace(strict, organisations={**strict.organisations, processor: works})
    assert decide(after, caller, label, TODAY).allowed == decide(strict, caller, label, TODAY).allowed


@SOME
@given(books(), callers, labels, days, actions)
def test_every_decision_has_a_reason(book: Rulebook, caller: Caller, label: Label, day: date, action: Action) -> None:
    """A decision has a sentence, and one that a rule made names a rule of the book with that action."""
    found = decide(book, caller, label, day, action)
    assert isinstance(found, Decision)
    assert found.because
    assert not found.because.endswith(".")
    if found.rule:
        assert found.rule in {rule.id for rule in book.rules if rule.may is action}
        assert found.rule in found.because
