"""Why a recipient gets an object, or does not: the decision, and what every rule said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from tocsin.sharing.decisions import Caller, Considered, Decision, Label, consider, decide
from tocsin.sharing.rulebook import Action, Rulebook


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision, the purposes that would each suffice for it, and what each rule said, in the order of the rulebook."""

    decision: Decision
    purposes: tuple[str, ...]
    considered: tuple[Considered, ...]


def explain(book: Rulebook, caller: Caller, label: Label, today: date, action: Action = Action.READ) -> Explanation:
    """Return why the caller may, or may not, do this with what carries the label. Pure."""
    decision = decide(book, caller, label, today, action)
    purposes = tuple(
        name for name in caller.purposes if decide(book, Caller(caller.organisation, (name,)), label, today, action).allowed
    )
    known = caller.organisation in book.organisations
    considered = [consider(book, rule, caller, label, today) for rule in book.rules if known and rule.may is action]
    return Explanation(decision, purposes if decision.allowed else (), tuple(considered))


__all__ = ["Explanation", "explain"]
