"""The necessary condition of a rule: a few tests of which one must hold wherever the rule does.

Only rows that carry a witness are evaluated at all; the choice may be poor, never wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tocsin.plans.expr import And, Atom, Cidr, Constant, Exists, Expr, Glob, Not, Null, Or, Order, Reference, Regex
from tocsin.rules.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Witness:
    """Alternatives of which one must hold, and a guess at how many rows hold one (0 to 1)."""

    atoms: tuple[Atom | Not, ...]
    share: float


_FLAGS: Final = frozenset({"true", "false", "0", "1", "-", "high", "medium", "system"})
_USUAL: Final = frozenset({"get", "post", "200"})
"""What nearly every request to a web server is, and how it ends."""
_FILLER: Final = re.compile(
    r"c:\\|\\?windows\\|system32\\|syswow64\\|\\?users\\|\\?appdata\\|local\\|roaming\\|program(?: files(?: \(x86\))?|data)\\"
    r"|ntdll|kernelbase|kernel32|svchost|microsoft|software\\|hklm\\|currentversion\\|\.exe|\.dll"
)
_COMMON: Final = (
    ".exe",
    "c:\\windows\\",
    "\\system32\\",
    "c:\\",
    "\\windows\\",
    "\\software\\",
    "microsoft",
    ".dll",
    "http",
    "powershell",
)
_WIDE_TESTS: Final = 0.3
_REGEX_SHARE: Final = 0.06
_NEGATED_SHARE: Final = 0.8
_USUAL_SHARE: Final = 0.9


def find_witness(expr: Expr) -> Witness | None:
    """Return the cheapest witness of an expression; None when there is none but "always"."""
    if isinstance(expr, Atom):
        return _of_atom(expr)
    if isinstance(expr, Not):
        return _of_not(expr)
    if isinstance(expr, Constant):
        return None if expr.value else Witness((), 0.0)
    if isinstance(expr, And):
        found = [w for w in map(find_witness, expr.parts) if w]
        return min(found, key=lambda witness: witness.share) if found else None
    return _of_or(expr.parts)


def _of_or(parts: tuple[Expr, ...]) -> Witness | None:
    found = [find_witness(part) for part in parts]
    known = [witness for witness in found if witness]
    if len(known) < len(found):
        return None
    atoms = tuple(dict.fromkeys(atom for witness in known for atom in witness.atoms))
    return Witness(atoms, min(1.0, sum(witness.share for witness in known)))


def _of_atom(atom: Atom) -> Witness | None:
    test = atom.test
    if isinstance(test, Reference):
        return Witness((Atom(atom.field, Exists()),), 1.0)
    if isinstance(test, Glob):
        return Witness((atom,), _glob_share(test.pattern))
    if isinstance(test, Regex):
        return Witness((atom,), _REGEX_SHARE)
    if isinstance(test, Null):
        return Witness((atom,), 0.5)
    if isinstance(test, Exists):
        return Witness((atom,), 0.9)
    return Witness((atom,), _WIDE_TESTS / 3 if isinstance(test, (Cidr, Order)) else _WIDE_TESTS)


def _of_not(expr: Not) -> Witness | None:
    part = expr.part
    if isinstance(part, Atom) and not isinstance(part.test, Reference):
        return Witness((expr,), _NEGATED_SHARE)
    if isinstance(part, Or):
        return find_witness(And(tuple(_negated(p) for p in part.parts)))
    if isinstance(part, And):
        return _of_or(tuple(_negated(p) for p in part.parts))
    return None


def _negated(part: Expr) -> Expr:
    return part.part if isinstance(part, Not) else Not(part)


def longest_literal(pattern: Pattern) -> str:
    """Return the longest literal text of a pattern, folded; empty when it has none."""
    return max((token.casefold() for token in pattern if isinstance(token, str)), key=len, default="")


def _glob_share(pattern: Pattern) -> float:
    text = longest_literal(pattern)
    if all(isinstance(token, str) for token in pattern):
        return _USUAL_SHARE if text in _USUAL else 0.5 if text in _FLAGS else 0.02
    if not text:
        return 1.0
    if any(text in common for common in _COMMON):
        return 0.5
    return 0.25 * 0.75 ** len(_FILLER.sub("", text)) + 0.001


__all__ = ["Witness", "find_witness", "longest_literal"]
