"""The check of a rulebook: each contradiction and each part without effect is told at its place, and nothing else is."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tocsin.sharing.check import Checked, check
from tocsin.sharing.markings import Tlp
from tocsin.sharing.parse_rulebook import load_rulebook, parse_rulebook
from tocsin.sharing.rulebook import Rulebook
from tocsin.sharing.starter import starter_text

EXAMPLE = Path(__file__).resolve().parents[3] / "examples/sharing/rulebook.yml"
TODAY = date(2030, 6, 1)
SMALL = """\
community: Water CERT
operator: cert
organisations:
  cert: {name: CERT, identity: identity--1f4e5c1e-6c0b-4f0d-9a53-3b1de3a5a001, relations: [{member_of: community}]}
  mill: {name: Mill, identity: identity--1f4e5c1e-6c0b-4f0d-9a53-3b1de3a5a002, relations: [{member_of: community}]}
  shop: {name: Shop, identity: identity--1f4e5c1e-6c0b-4f0d-9a53-3b1de3a5a003, relations: [{client_of: mill}]}
  soc: {name: SOC, identity: identity--1f4e5c1e-6c0b-4f0d-9a53-3b1de3a5a004, relations: [{processor_of: mill}]}
groups:
  team: {members: [cert, mill]}
purposes:
  detect: {pap: PAP:RED}
rules:
  - {id: all, to: [community], collections: [indicators], purposes: [detect], up_to: TLP:GREEN}
  - {id: some, to: [team], collections: [indicators], purposes: [detect], clients: true}
"""


def parse(text: str) -> Rulebook:
    """Return a rulebook that can be read."""
    book, problems = parse_rulebook(text.encode(), "rulebook.yml")
    assert not problems, [str(item) for item in problems]
    return book


def codes(found: Checked) -> tuple[list[str], list[str]]:
    """Return the codes of problems and of warnings."""
    return [item.code for item in found.problems], [item.code for item in found.warnings]


def test_no_false_alarms() -> None:
    """The example, a small book and the book of a new node have nothing wrong with them."""
    new = starter_text(
        'Water: "CERT" #1', "cert", "CERT: water", "identity--1f4e5c1e-6c0b-4f0d-9a53-3b1de3a5a001", "indicators"
    )
    for book in (load_rulebook(EXAMPLE), parse(SMALL), parse(new)):
        assert codes(check(book, TODAY)) == ([], [])
    assert parse(new).community == 'Water: "CERT" #1'
    assert parse(new).default is Tlp.AMBER_STRICT


RULE = "collections: [warnings], purposes: [detect]"


@pytest.mark.parametrize(
    ("rule", "code", "trail", "message"),
    [
        (
            f"to: [shop], owners: [shop], permission: x, {RULE}",
            "B010",
            ("rules", 2, "owners"),
            "shop may read what it put",
        ),
        (f"to: [everyone], up_to: TLP:AMBER, {RULE}", "B011", ("rules", 2, "to", 0), "to everyone at most TLP:GREEN may go"),
        (f"to: [cert, community], up_to: TLP:AMBER, {RULE}", "B011", ("rules", 2, "to", 1), "to community at most TLP:GREEN"),
        (f"to: [team], up_to: TLP:RED, {RULE}", "B011", ("rules", 2, "to", 0), "to team at most TLP:AMBER+STRICT may go"),
        (f"to: [mill], processors: true, {RULE}", "B013", ("rules", 2, "processors"), "has no permission of the originator"),
    ],
)
def test_problems(rule: str, code: str, trail: tuple[object, ...], message: str) -> None:
    """A rule that contradicts itself or a marking is told at its place."""
    found = check(parse(f"{SMALL}  - {{id: third, {rule}}}\n"), TODAY)
    assert [(item.code, item.trail) for item in found.problems] == [(code, trail)]
    assert message in found.problems[0].message
    assert found.warnings == []


@pytest.mark.parametrize(
    ("rule", "code", "trail", "message"),
    [
        (
            "to: [mill], collections: [indicators], purposes: [detect]",
            "B012",
            ("rules", 2, "id"),
            "rule 'some' does not give",
        ),
        (f"to: [mill], expires: 2030-06-01, {RULE}", "B014", ("rules", 2, "expires"), "expired on 2030-06-01"),
        (f"to: [cert], clients: true, {RULE}", "B015", ("rules", 2, "clients"), "no organisation is client of its recipients"),
        (f"to: [community], clients: true, {RULE}", "B015", ("rules", 2, "clients"), "that are named, alone or in a group"),
        (f"to: [cert], processors: true, permission: x, {RULE}", "B015", ("rules", 2, "processors"), "is processor of its"),
        (f"to: [mill, shop], {RULE}", "B020", ("rules", 2, "to", 1), "to shop, which is no member of the community"),
        ("to: [cert], may: write, purposes: [detect]", "B021", ("rules", 2, "purposes"), "'purposes' has no effect"),
        (f"to: [mill], owners: [cert], {RULE}", "B022", ("rules", 2, "owners"), "is about what cert put here"),
        ("to: [cert], may: write, k: 3", "B021", ("rules", 2, "k"), "'k' has no effect"),
    ],
)
def test_warnings_of_rules(rule: str, code: str, trail: tuple[object, ...], message: str) -> None:
    """A rule without effect, or with one that is easily overlooked, is told at its place."""
    found = check(parse(f"{SMALL}  - {{id: third, {rule}}}\n"), TODAY)
    assert [(item.code, item.trail) for item in found.warnings] == [(code, trail)]
    assert message in found.warnings[0].message
    assert found.problems == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("identity: identity--1f4e5c1e-6c0b-4f0d-9a53-3b1de3a5a004, ", "", ([], ["B018"])),
        ("members: [cert, mill]", "members: [cert, {organisation: mill, expires: 2030-01-01}]", ([], ["B014", "B015"])),
        ("members: [cert, mill]", "members: [{organisation: mill, expires: 2030-01-01}]", (["B010"], ["B014", "B016", "B015"])),
        ("{client_of: mill}", "{client_of: mill, expires: 2030-01-01}", ([], ["B014", "B015"])),
        ("{processor_of: mill}", "{processor_of: mill}, {processor_of: shop}", ([], [])),
        ("[{client_of: mill}]", "[{processor_of: soc}]", ([], ["B015"])),
        ("[{client_of: mill}]", "[{client_of: mill}, {processor_of: soc}]", ([], [])),
        ("purposes:\n", "purposes:\n  block: {pap: PAP:GREEN}\n", ([], ["B019"])),
        ("groups:\n", "groups:\n  other: {members: [cert]}\n", ([], ["B019"])),
    ],
)
def test_parts(old: str, new: str, expected: tuple[list[str], list[str]]) -> None:
    """Parts that have expired, are empty or are not used are told, with what follows for rules."""
    assert codes(check(parse(SMALL.replace(old, new, 1)), TODAY)) == expected


@pytest.mark.parametrize(
    ("rows", "is_told"),
    [
        ("{port: {from: 5, below: 1}}", True),
        ("{port: {from: 5, below: 5}}", True),
        ("{port: {from: 1, below: 5}}", False),
        ("{at: {from: 2030-02-01, below: 2030-01-01}}", True),
        ("{at: {from: 2030-01-01, below: 2030-01-01T08:00:00Z}}", False),
        ("{at: {from: 2030-01-01}}", False),
        ("{name: {from: b, below: a}}", False),
    ],
)
def test_rows_that_cannot_be(rows: str, is_told: bool) -> None:
    """A table whose rows end before they begin is a contradiction; texts that may be numbers are left alone."""
    table = f"tables: {{logons: {{rows: {rows}, columns: {{port: keep}}}}}}"
    found = check(parse(f"{SMALL}  - {{id: third, to: [mill], collections: [events], types: [table], {table}}}\n"), TODAY)
    assert [(item.code, item.trail[:5]) for item in found.problems] == [
        ("B010", ("rules", 2, "tables", "default.logons", "rows")) for _ in range(is_told)
    ]
    assert found.warnings == []


def test_owners_who_may_write() -> None:
    """One owner of several that may write where the rule holds is enough; one that may write elsewhere is not."""
    about = "  - {id: third, to: [shop], owners: [cert, mill], collections: [warnings], up_to: TLP:CLEAR}\n"
    for there, expected in (("warnings", []), ("indicators", ["B022"])):
        puts = f"  - {{id: puts, may: write, to: [mill], collections: [{there}]}}\n"
        assert codes(check(parse(SMALL + about + puts), TODAY)) == ([], expected)


def test_a_circle_is_told_once() -> None:
    """Three organisations that work for each other in a circle are one contradiction; a line of three is none."""
    line = SMALL.replace("[{client_of: mill}]", "[{client_of: mill}, {processor_of: soc}]")
    assert codes(check(parse(line), TODAY)) == ([], [])
    circle = line.replace("Mill, identity", "Mill , identity").replace(
        "identity--1f4e5c1e-6c0b-4f0d-9a53-3b1de3a5a002, relations: [{member_of: community}]",
        "identity--1f4e5c1e-6c0b-4f0d-9a53-3b1de3a5a002, relations: [{member_of: community}, {processor_of: shop}]",
    )
    found = check(parse(circle), TODAY)
    assert [item.code for item in found.problems] == ["B017"]
    assert found.problems[0].message == "mill is a processor of shop is a processor of soc is a processor of mill"


def test_of_two_equal_rules_the_later_is_told() -> None:
    """Two rules that give the same are one warning, at the later; narrower in time or counted from fewer, they are none."""
    rule = "to: [mill], collections: [warnings], purposes: [detect]"
    found = check(parse(f"{SMALL}  - {{id: third, {rule}}}\n  - {{id: fourth, {rule}}}\n"), TODAY)
    assert [(item.code, item.trail) for item in found.warnings] == [("B012", ("rules", 3, "id"))]
    found = check(parse(f"{SMALL}  - {{id: third, {rule}, expires: 2031-01-01}}\n  - {{id: fourth, {rule}}}\n"), TODAY)
    assert [(item.code, item.trail) for item in found.warnings] == [("B012", ("rules", 2, "id"))]
    found = check(parse(f"{SMALL}  - {{id: third, {rule}, k: 3}}\n  - {{id: fourth, {rule}, expires: 2031-01-01}}\n"), TODAY)
    assert found.warnings == []
