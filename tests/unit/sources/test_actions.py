"""The words of firewalls for their decisions."""

import pytest

from tocsin.sources.actions import blocked


@pytest.mark.parametrize(
    ("word", "expected"), [("Deny", "true"), (" DROP ", "true"), ("accept", "false"), ("log", None), ("", None), (None, None)]
)
def test_blocked(word, expected):
    """A decision becomes what rules ask for; another word says nothing."""
    assert blocked(word) == expected
