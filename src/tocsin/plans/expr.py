"""The compiled form of a rule: tests on fields, joined by and, or, not.

Every class is a plain, frozen structure, so that a plan can be cached and sent to another process as data.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from tocsin.rules.condition import AllOf, Condition, Name, NotOf
from tocsin.rules.pattern import Pattern
from tocsin.rules.rule import Logsource, Meta
from tocsin.rules.view import Tag


class Glob(Struct, frozen=True, array_like=True, tag="glob"):
    """The whole value matches the pattern; folded on both sides unless `cased`."""

    pattern: Pattern
    cased: bool = False


class Regex(Struct, frozen=True, array_like=True, tag="regex"):
    """The expression is found in the value. `flags` holds letters of `ims`."""

    expression: str
    flags: str = ""


class Cidr(Struct, frozen=True, array_like=True, tag="cidr"):
    """The value is an address inside the network."""

    network: str


class Order(Struct, frozen=True, array_like=True, tag="order"):
    """The value is a number that compares so (`lt lte gt gte`) with `number`."""

    how: str
    number: int | float


class TimePart(Struct, frozen=True, array_like=True, tag="time"):
    """The part of the value's time in UTC compares so (`eq lt lte gt gte`) with `number`."""

    part: str
    how: str
    number: int | float


class Null(Struct, frozen=True, array_like=True, tag="null"):
    """The field is absent, null or the empty text."""


class Exists(Struct, frozen=True, array_like=True, tag="exists"):
    """The field is present, with whatever value."""


class Reference(Struct, frozen=True, array_like=True, tag="reference"):
    """The value compares so (`equals contains startswith endswith`) with that of another field."""

    other: str
    how: str = "equals"
    cased: bool = False


Test = Glob | Regex | Cidr | Order | TimePart | Null | Exists | Reference


class Atom(Struct, frozen=True, array_like=True, tag="atom"):
    """A test on a field; the field `*` stands for every value of the event."""

    field: str
    test: Test


class And(Struct, frozen=True, array_like=True, tag="and"):
    """Every part holds."""

    parts: tuple[Atom | And | Or | Not | Constant, ...]


class Or(Struct, frozen=True, array_like=True, tag="or"):
    """One part holds."""

    parts: tuple[Atom | And | Or | Not | Constant, ...]


class Not(Struct, frozen=True, array_like=True, tag="not"):
    """The part does not hold."""

    part: Atom | And | Or | Not | Constant


class Constant(Struct, frozen=True, array_like=True, tag="constant"):
    """A value that is known before any event is read."""

    value: bool


Expr = Atom | And | Or | Not | Constant


class Plan(Struct, frozen=True, array_like=True):
    """A compiled rule.

    `selections` are the detections by name, those of filters under a prefix; `condition` is the tree over them. `fields`
    and `witness` are what the passes found, kept so that a gate's program is made without walking every rule; `witness`
    is None when the rule has no necessary condition; `asks_presence` tells whether some test asks if a field exists.
    """

    meta: Meta
    logsource: Logsource
    selections: dict[str, Expr]
    condition: Condition
    fields: tuple[str, ...] = ()
    witness: tuple[Atom | Not, ...] | None = None
    asks_presence: bool = False

    @property
    def expr(self) -> Expr:
        """Return the condition with the selections put in."""
        return put_in(self.condition, self.selections)


def every(parts: list[Expr]) -> Expr:
    """Join by and, flattening, with constants folded."""
    flat: list[Expr] = []
    for part in parts:
        if isinstance(part, Constant):
            if not part.value:
                return part
        elif isinstance(part, And):
            flat += part.parts
        else:
            flat.append(part)
    if not flat:
        return Constant(True)
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def either(parts: list[Expr]) -> Expr:
    """Join by or, flattening, with constants folded."""
    flat: list[Expr] = []
    for part in parts:
        if isinstance(part, Constant):
            if part.value:
                return part
        elif isinstance(part, Or):
            flat += part.parts
        else:
            flat.append(part)
    if not flat:
        return Constant(False)
    return flat[0] if len(flat) == 1 else Or(tuple(flat))


def negate(part: Expr) -> Expr:
    """Negate, with constants and double negations folded."""
    if isinstance(part, Constant):
        return Constant(not part.value)
    return part.part if isinstance(part, Not) else Not(part)


def put_in(condition: Condition, selections: Mapping[str, Expr]) -> Expr:
    """Return the expression of a condition with the selections put in."""
    if isinstance(condition, Name):
        return selections[condition.name]
    if isinstance(condition, NotOf):
        return negate(put_in(condition.part, selections))
    parts = [put_in(part, selections) for part in condition.parts]
    return every(parts) if isinstance(condition, AllOf) else either(parts)


def atoms_of(expr: Expr) -> list[Atom]:
    """Return every test of an expression, in order."""
    if isinstance(expr, Atom):
        return [expr]
    if isinstance(expr, Not):
        return atoms_of(expr.part)
    if isinstance(expr, Constant):
        return []
    return [atom for part in expr.parts for atom in atoms_of(part)]


def fields_of(expr: Expr) -> frozenset[str]:
    """Return the fields that an expression reads."""
    atoms = atoms_of(expr)
    others = {atom.test.other for atom in atoms if isinstance(atom.test, Reference)}
    return frozenset({atom.field for atom in atoms} | others)


def require(expr: Expr, tags: tuple[Tag, ...]) -> Expr:
    """Add what the logsource asks for: one of the tags must hold (semantics 18)."""
    if not tags or any(not tag.field for tag in tags):
        return expr
    wanted: list[Expr] = [Atom(tag.field, Glob((value,))) for tag in tags for value in tag.values]
    return every([either(wanted), expr])


__all__ = [
    "And",
    "Atom",
    "Cidr",
    "Constant",
    "Exists",
    "Expr",
    "Glob",
    "Not",
    "Null",
    "Or",
    "Order",
    "Plan",
    "Reference",
    "Regex",
    "Test",
    "TimePart",
    "atoms_of",
    "either",
    "every",
    "fields_of",
    "negate",
    "put_in",
    "require",
]
