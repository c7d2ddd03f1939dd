"""How rules give tables: every form is understood, and every problem is told with its place and a hint."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tocsin.errors import RulebookError
from tocsin.sharing.parse_rulebook import parse_rulebook
from tocsin.sharing.rulebook import Rulebook, digest
from tocsin.sharing.table_policies import Change, Condition, Shown, TablePolicy

PAGE = Path(__file__).resolve().parents[3] / "docs/tables.md"
START = """\
community: Water CERT
operator: cert
organisations:
  cert: {name: CERT, relations: [{member_of: community}]}
rules:
  - id: tables
    to: [community]
    collections: [events]
    types: [table]
    tables:
"""


def parse(tables: str) -> tuple[Rulebook, list[RulebookError]]:
    """Parse a rulebook whose one rule gives tables in some way."""
    return parse_rulebook((START + tables).encode(), "rulebook.yml")


def policy(text: str) -> TablePolicy:
    """Return how the table `logons` is given."""
    book, problems = parse(f"      logons: {text}\n")
    assert not problems
    given = book.rules[0].tables
    assert given is not None
    return given["default.logons"]


def test_every_form_is_understood() -> None:
    """All changes, conditions, and who looks alike become what they mean; what is dropped is not there."""
    found = policy(
        "{columns: {a: keep, b: drop, c: token, d: prefix, e: {time: hour}, f: {network: 16}, g: {network: [20, 64]},"
        " h: {bucket: 10}, i: {constant: 7}}, rows: {s: north, p: [1, 2], t: {from: 2030-01-01, below: 2031-01-01},"
        " u: {from: 3}, o: {recipient: true}, ok: true}, quasi: [e, h], subject: z}"
    )
    assert found.columns == (
        Shown("a"),
        Shown("c", Change.TOKEN),
        Shown("d", Change.PREFIX),
        Shown("e", Change.TIME, "hour"),
        Shown("f", Change.NETWORK, networks=(16, 48)),
        Shown("g", Change.NETWORK, networks=(20, 64)),
        Shown("h", Change.BUCKET, 10),
        Shown("i", Change.CONSTANT, 7),
    )
    assert found.rows == (
        Condition("s", ("north",)),
        Condition("p", (1, 2)),
        Condition("t", at_least="2030-01-01", below="2031-01-01"),
        Condition("u", at_least=3),
        Condition("o", recipient=True),
        Condition("ok", (True,)),
    )
    assert found.identifying() == ("e", "h")
    assert found.needs() == ("a", "c", "d", "e", "f", "g", "h", "s", "p", "t", "u", "o", "ok", "z")
    assert found.is_keyed
    assert found.is_of_recipient


def test_who_looks_alike_without_being_told() -> None:
    """Without `quasi` all columns that are given could tell of whom a row is, but constants and tokens."""
    assert policy("{columns: {a: keep, b: token, c: {constant: x}, d: {time: day}}}").identifying() == ("a", "d")


def test_the_example_of_the_documentation() -> None:
    """The rule that docs/tables.md shows is one."""
    shown = re.findall(r"```yaml\n(rules:.*?)```", PAGE.read_text(), re.DOTALL)[0]
    start = START.partition("rules:")[0].replace("operator: cert", "operator: cert\npurposes: {research: {pap: PAP:CLEAR}}")
    start = start.replace("  cert:", "  riverside-university: {name: University}\n  cert:")
    book, problems = parse_rulebook((start + shown).encode(), "rulebook.yml")
    assert not problems
    assert book.rules[0].tables


def test_another_policy_is_another_rulebook() -> None:
    """The digest of a rulebook depends on how tables are given, and on no order of keys within a table's forms."""
    texts = ("      x: {columns: {a: keep}}\n", "      x: {columns: {a: token}}\n", "      default.x: {columns: {a: keep}}\n")
    first, other, same = (digest(parse(text)[0]) for text in texts)
    assert first != other
    assert first == same


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("      logons: x\n", "B004", "expected a map"),
        ("      logons: {columns: {}}\n", "B003", "no column is given"),
        ("      logons: {rows: {a: 1}}\n", "B003", "no column is given"),
        ("      logons: {columns: {a: drop}}\n", "B003", "no column is given"),
        ("      logons: {columns: {a: kepe}}\n", "B004", "did you mean 'keep'"),
        ("      logons: {columns: {a: {time: week}}}\n", "B004", "cannot become a map"),
        ("      logons: {columns: {a: {network: 0}}}\n", "B004", "cannot become"),
        ("      logons: {columns: {a: {network: [24, 129]}}}\n", "B004", "cannot become"),
        ("      logons: {columns: {a: {network: [24, 48, 3]}}}\n", "B004", "cannot become"),
        ("      logons: {columns: {a: {bucket: 0}}}\n", "B004", "cannot become"),
        ("      logons: {columns: {a: {bucket: true}}}\n", "B004", "cannot become"),
        ("      logons: {columns: {a: {constant: [x]}}}\n", "B004", "cannot become"),
        ("      logons: {columns: {a: {time: day, bucket: 2}}}\n", "B004", "cannot become"),
        ("      logons: {columns: {a: 5}}\n", "B004", "cannot become 5"),
        ("      logons: {colums: {a: keep}}\n", "B002", "did you mean 'columns'"),
        ("      logons: {columns: {a: keep}, rows: {a: {until: 3}}}\n", "B002", "unknown key 'until'"),
        ("      logons: {columns: {a: keep}, rows: {a: []}}\n", "B004", "cannot be chosen"),
        ("      logons: {columns: {a: keep}, rows: {a: {}}}\n", "B004", "cannot be chosen"),
        ("      logons: {columns: {a: keep}, rows: {a: {recipient: false}}}\n", "B004", "cannot be chosen"),
        ("      logons: {columns: {a: keep}, rows: {a: {recipient: true, from: 2}}}\n", "B004", "cannot be chosen"),
        ("      logons: {columns: {a: keep}, rows: {a: }}\n", "B004", "cannot be chosen"),
        ("      logons: {columns: {a: keep}, quasi: [b]}\n", "B005", "no column that is given 'b'"),
        ("      Log ons: {columns: {a: keep}}\n", "B004", "no name of a table"),
        ("      ../x: {columns: {a: keep}}\n", "B004", "no name of a table"),
        ("      a.b.c: {columns: {a: keep}}\n", "B004", "no name of a table"),
        ("      x: {columns: {a: keep}}\n      default.x: {columns: {a: keep}}\n", "B006", "given twice"),
    ],
)
def test_problems(text: str, code: str, told: str) -> None:
    """What cannot be meant is a problem with its place, and such a rulebook gives nothing."""
    book, problems = parse(text)
    assert book.rules == ()
    found = [problem for problem in problems if problem.code == code and told in f"{problem.message} {problem.hint}"]
    assert found, problems
    assert found[0].where
    assert found[0].where.line >= 10
