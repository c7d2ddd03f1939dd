"""Parts of the values of findings, by the texts of their rules."""

from __future__ import annotations

import pytest

from tocsin.findings.finding import FoundRule
from tocsin.reports.matching import Parts

TEXT = r"""
title: One
logsource: {product: windows, category: process_creation}
detection:
  tool:
    Image|endswith: ['\cmd.exe', '\powershell.exe']
    CommandLine|contains|all: ['-enc', 'http']
    User: 'root'
    ParentImage|re: '[a-z]+\.tmp'
    Hash|expand: '%known%'
  words: ['passw', 'secret*key']
  condition: tool or words
level: low
"""
RULE = FoundRule("", "One", "low", "", (), "", (), "one.yml")


@pytest.mark.parametrize(
    ("field", "value", "parts"),
    [
        ("Image", "C:\\Windows\\CMD.exe", ("\\CMD.exe",)),
        ("CommandLine", "x -ENC http://a", ("-ENC", "http")),
        ("User", "root", ()),
        ("ParentImage", "C:\\a.tmp\\b.exe", ("a.tmp",)),
        ("Hash", "00", ()),
        ("Other", "C:\\Windows\\cmd.exe", ("\\cmd.exe",)),
    ],
)
def test_parts_of_fields(field: str, value: str, parts: tuple[str, ...]) -> None:
    """Each test tells what of a value it was about; a field under another name is asked of all tests."""
    without = TEXT.replace("    Hash|expand: '%known%'\n", "")
    assert Parts({"one.yml": without}).of(RULE, "tool", field, value) == parts


def test_parts_of_keywords() -> None:
    """Keywords stand anywhere in an event."""
    assert Parts({"one.yml": TEXT}).of(RULE, "words", "*", "the Secret is a KEY") == ("Secret", "KEY")


def test_no_text_no_parts() -> None:
    """Without a text, with one that cannot be read or used, or of another rule, the whole value is shown."""
    for texts in ({}, {"one.yml": "title: ["}, {"one.yml": TEXT.replace("One", "Two")}, {"one.yml": ""}):
        assert Parts(texts).of(RULE, "tool", "Image", "C:\\cmd.exe") == ()
    assert Parts({"one.yml": TEXT}).of(RULE, "tool", "Image", "C:\\cmd.exe") == ()  # the placeholder has no value
    assert Parts({"one.yml": TEXT}).of(RULE, "none", "Image", "C:\\cmd.exe") == ()
