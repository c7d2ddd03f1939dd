"""Errors: codes that are documented, messages with a place, and pickling."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

from tocsin.errors import CODES, OutputError, RuleError, SourceError, TocsinError, UnsupportedRule, UsageError, Where

DOCS = Path(__file__).resolve().parents[2] / "docs" / "errors.md"
SRC = Path(__file__).resolve().parents[2] / "src"


def test_every_code_is_documented() -> None:
    """docs/errors.md lists exactly the codes that can be printed, each once."""
    found = []
    for line in DOCS.read_text().splitlines():
        first = line.split("|")[1] if line.startswith("|") else line if line.startswith("#") else ""
        found += re.findall(r"`([A-Z]\d{3})`", first)
    assert sorted(found) == sorted(CODES)


def test_every_code_is_used() -> None:
    """No code is listed that nothing can print."""
    text = "\n".join(path.read_text() for path in SRC.rglob("*.py") if path.name != "errors.py")
    assert not [code for code in CODES if code not in text]


def test_unknown_code() -> None:
    """A code that is not listed cannot be raised."""
    with pytest.raises(KeyError):
        TocsinError("X999", "nothing")


def test_render() -> None:
    """The full form has place, message, code, source line, caret and hint."""
    where = Where("r.yml", 14, 5, "    Image|containz: x", 14)
    error = RuleError("R012", "unknown modifier 'containz'", where=where, hint="did you mean 'contains'?")
    assert error.render() == (
        "r.yml:14:5: unknown modifier 'containz' [R012]\n"
        "  14 |     Image|containz: x\n"
        "     |     ^^^^^^^^^^^^^^\n"
        "hint: did you mean 'contains'?"
    )


@pytest.mark.parametrize("kind", [UsageError, RuleError, UnsupportedRule, SourceError, OutputError])
def test_pickle(kind: type[TocsinError]) -> None:
    """An error keeps all its parts on the way between processes."""
    error = kind("R012", "m", where=Where("p", 1, 2, "s", 3), hint="h", trail=("a", 1))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.code, again.message, again.where, again.hint, again.trail) == ("R012", "m", error.where, "h", ("a", 1))
    assert again.render() == error.render()


def test_builtins() -> None:
    """Errors are kinds of the builtins that they resemble."""
    assert issubclass(UsageError, ValueError)
    assert issubclass(RuleError, ValueError)
    assert issubclass(SourceError, OSError)
    assert issubclass(OutputError, OSError)
