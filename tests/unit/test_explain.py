"""Explanations: what a finding shows as matched."""

from __future__ import annotations

from typing import Any

from scan_samples import rules
from tocsin.events import Event, Gate
from tocsin.plans.explain import holds, matched, outline, verdicts
from tocsin.plans.expr import Plan

HEAD = "title: T\nid: t\nlevel: low\nlogsource: {product: windows}\ndetection:\n"


def _plan(detection: str) -> Plan:
    return rules(HEAD + detection).plans[0]


def _event(**fields: Any) -> Event:
    return Event(Gate("windows", "x", "1"), fields, fields)


def test_matched_values() -> None:
    """The values that matched are named by selection and field; a selection under `not` is no reason."""
    plan = _plan(
        "  s:\n    A|contains: ['x', 'y']\n    B: '1'\n  o:\n    C: c\n  f:\n    D: d\n  condition: (s or o) and not f\n"
    )
    event = _event(A=["ax", "b", "y"], B=1, C="z")
    assert holds(plan, event)
    assert matched(plan, event) == {"s": {"A": ["ax", "y"], "B": ["1"]}}
    assert not holds(plan, _event(A="x", B="1", D="D"))


def test_matched_keywords_and_null() -> None:
    """Keywords name the values that hold them; null has none to name."""
    plan = _plan("  k: [needle]\n  n:\n    Gone: null\n  condition: k and n\n")
    assert matched(plan, _event(A="a needle b", B="c")) == {"k": {"*": ["a needle b"]}, "n": {"Gone": []}}


def test_verdicts() -> None:
    """Each test says whether it held, on which values, and whether the field was there."""
    plan = _plan("  s:\n    A|startswith: x\n    B|re: '^y'\n    C|exists: false\n  condition: s\n")
    found = verdicts(plan.selections["s"], _event(A="xa", B="z"))
    assert [(item.field, item.held, item.present, item.matched) for item in found] == [
        ("A", True, True, ("xa",)),
        ("B", False, True, ()),
        ("C", True, False, ()),
    ]


def test_outline() -> None:
    """An outline shows fields and tests in the order of the rule."""
    plan = _plan("  s:\n    A: [x, 'y*']\n    B|cidr: 10.0.0.0/8\n  condition: s\n")
    assert outline(plan.selections["s"]) == ["all of", "  one of", "    A 'x'", "    A 'y*'", "  B cidr 10.0.0.0/8"]
