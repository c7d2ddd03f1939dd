"""Modifiers: which exist, and which go together."""

from __future__ import annotations

import pytest

from tocsin.errors import RuleError
from tocsin.rules.modifiers import MODIFIERS, check_modifiers

SPECIFIED = (
    "all contains startswith endswith exists cased neq re i m s base64 base64offset wide utf16le utf16be utf16 windash cidr "
    "lt lte gt gte fieldref expand minute hour day week month year"
)


def test_all_of_the_specification() -> None:
    """Every modifier of the specification is known, and no other."""
    assert set(MODIFIERS) == set(SPECIFIED.split())


@pytest.mark.parametrize(
    "modifiers",
    [
        "contains|all",
        "re|i|m|s",
        "wide|base64offset|contains",
        "utf16|base64",
        "fieldref|startswith",
        "hour|gte",
        "neq|all",
        "expand|contains",
    ],
)
def test_good(modifiers: str) -> None:
    """Chains that have a meaning pass."""
    check_modifiers("f", tuple(modifiers.split("|")), ())


@pytest.mark.parametrize(
    ("modifiers", "code"),
    [
        ("containz", "R012"),
        ("i", "R013"),
        ("re|contains", "R013"),
        ("contains|re", "R013"),
        ("lt|gt", "R013"),
        ("cidr|contains", "R013"),
        ("exists|contains", "R013"),
        ("contains|exists", "R013"),
        ("wide", "R016"),
        ("base64|wide", "R016"),
        ("", "R012"),
    ],
)
def test_bad(modifiers: str, code: str) -> None:
    """Chains without a meaning are errors of the right kind."""
    with pytest.raises(RuleError) as caught:
        check_modifiers("f", tuple(modifiers.split("|")), ())
    assert caught.value.code == code


def test_hint() -> None:
    """A modifier that is nearly one is named."""
    with pytest.raises(RuleError) as caught:
        check_modifiers("f", ("startwith",), ())
    assert "'startswith'" in caught.value.hint
