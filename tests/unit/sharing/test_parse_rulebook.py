"""Rulebooks: every key is understood, and every problem is told with its place, a code and a hint."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tocsin.errors import RulebookError
from tocsin.sharing.markings import Pap, Tlp
from tocsin.sharing.parse_rulebook import MOST_BYTES, load_rulebook, parse_rulebook
from tocsin.sharing.rulebook import Action, Kind, Membership, Relation, Rulebook, digest

EXAMPLE = Path(__file__).resolve().parents[3] / "examples/sharing/rulebook.yml"
SMALL = """\
community: Water CERT
operator: cert
organisations:
  cert: {name: CERT, relations: [{member_of: community}]}
  utility: {name: Utility}
groups:
  team: {members: [cert]}
purposes:
  detect: {pap: PAP:RED}
rules:
  - {id: all, to: [community], collections: [indicators]}
"""


def parse(text: str) -> tuple[Rulebook, list[RulebookError]]:
    """Parse a text as the file rulebook.yml."""
    return parse_rulebook(text.encode(), "rulebook.yml")


def test_example() -> None:
    """All keys of the example become what they mean."""
    book = load_rulebook(EXAMPLE)
    assert (book.community, book.operator, book.default) == ("Water CERT", "water-cert", Tlp.AMBER_STRICT)
    assert book.organisations["guardline"].relations == (Relation(Kind.PROCESSOR, "riverdale-water", date(2031, 7, 1)),)
    team = book.groups["incident-team"]
    assert team.hidden
    assert team.members == (Membership("water-cert"), Membership("riverdale-water", date(2031, 3, 1)))
    declared = {item.name: (item.means, item.only) for item in book.markings.values()}
    assert declared == {
        "Incident team only": (Tlp.AMBER_STRICT, ("incident-team",)),
        "Copyright of MITRE": (None, ()),
    }
    assert {name: purpose.pap for name, purpose in book.purposes.items()} == {
        "detect": Pap.RED,
        "investigate": Pap.AMBER,
        "block": Pap.GREEN,
        "research": Pap.CLEAR,
    }
    rules = {rule.id: rule for rule in book.rules}
    provider = rules["riverdale-provider"]
    assert (provider.to, provider.processors, provider.of.owners) == (("riverdale-water",), True, ("water-cert",))
    assert provider.permission.startswith("service agreement")
    assert rules["research-sightings"].k == 3
    assert rules["incident-red"].up_to is Tlp.RED
    assert rules["members-report"].may is Action.WRITE


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "message"),
    [
        ("community: Water", "comunity: Water", "B002", 1, "unknown key 'comunity'"),
        ("member_of: community", "member_off: community", "B002", 4, "unknown key 'member_off'"),
        ("operator: cert\n", "", "B003", 1, "the key 'operator' is missing"),
        ("operator: cert", "operator: crt", "B005", 2, "there is no organisation 'crt'"),
        ("collections: [indicators]", "collections: []", "B003", 11, "the key 'collections' is empty"),
        ("collections: [indicators]", "collections: ", "B003", 11, "the key 'collections' is empty"),
        ("to: [community]", "to: [comunity]", "B005", 11, "there is no organisation or group 'comunity'"),
        ("to: [community], ", "", "B003", 11, "the key 'to' is missing"),
        ("to: [community]", "to: [cert, cert]", "B006", 11, "'cert' is given twice"),
        ("to: [community]", "to: [community], may: raed", "B004", 11, "'raed' is no action"),
        ("to: [community]", "to: [community], clients: maybe", "B004", 11, "'clients' is true or false, not 'maybe'"),
        ("to: [community]", "to: [community], expires: 2030-02-30", "B004", 11, "'2030-02-30' is no day"),
        ("to: [community]", "to: [community], expires: 20300228", "B004", 11, "20300228 is no day"),
        ("to: [community]", "to: [community], up_to: PAP:RED", "B004", 11, "'PAP:RED' is no level of TLP"),
        ("to: [community]", "to: [community], k: 0", "B004", 11, "0 is no number of organisations"),
        ("to: [community]", "to: [community], types: [Indicator]", "B004", 11, "'Indicator' is no type of STIX"),
        ("to: [community]", "to: [community], purposes: [detekt]", "B005", 11, "there is no purpose 'detekt'"),
        ("pap: PAP:RED", "pap: TLP:RED", "B004", 9, "'TLP:RED' is no level of PAP"),
        ("members: [cert]", "members: [cert, cert]", "B006", 7, "'cert' is given twice"),
        ("team:", "cert:", "B006", 7, "'cert' is an organisation and a group"),
        ("team:", "everyone:", "B004", 7, "'everyone' has a meaning of its own"),
        ("utility: {name: Utility}", "no: {name: Utility}", "B004", 4, "False is no id"),
        ("name: Utility", "name: 2030", "B004", 5, "'name' is a text, not 2030"),
        ("{name: Utility}", "{name: U, relations: [{client_of: utility}]}", "B004", 5, "'utility' cannot be client of itself"),
        (
            "{name: Utility}",
            "{name: U, relations: [{client_of: cert, member_of: community}]}",
            "B004",
            5,
            "a relation has one of",
        ),
        ("groups:", "markings: {unmarked: TLP:CLEAR}\ngroups:", "B004", 6, "what is unmarked cannot be TLP:CLEAR"),
        ("groups:", "markings: {unmarkt: TLP:RED}\ngroups:", "B004", 6, "'unmarkt' is no id of a marking definition"),
        (
            "groups:",
            "markings: {marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1: {means: TLP:GREEN}}\ngroups:",
            "B004",
            6,
            "is TLP:RED, which means the same everywhere",
        ),
        ("rules:", "rules: &a\n", "B001", 0, "an anchor or alias ('a') in line 10"),
        ("rules:\n", "rules: {}\n#", "B003", 10, "the key 'rules' is empty"),
    ],
)
def test_problems(old: str, new: str, code: str, line: int, message: str) -> None:
    """Each mistake is found with its code, its line and what it is, and leaves a book without rules."""
    assert parse(SMALL)[1] == []
    changed = SMALL.replace(old, new, 1)
    book, problems = parse(changed)
    found = [(item.code, item.where.line if item.where else -1) for item in problems if message in item.message]
    assert found == [(code, line)], [str(item) for item in problems]
    assert book.rules == ()


def test_limits() -> None:
    """A text that is too large, too deep or no YAML at all is refused with a code."""
    for text in (b"a: " + b"x" * MOST_BYTES, b"a: " + b"[" * 50_000, b"a: [", b"\xff\xfe\x00", b"", b"- 1", b"a: 1\n---\nb: 1"):
        book, problems = parse_rulebook(text, "rulebook.yml")
        assert problems[0].code in ("B001", "B004")
        assert not book.rules


def test_load_tells_the_first_problem(tmp_path: Path) -> None:
    """A file with several problems is refused with the first, and the command that lists all."""
    path = tmp_path / "rulebook.yml"
    path.write_text(SMALL.replace("operator: cert", "operator: crt").replace("pap: PAP:RED", "pap: 3"))
    with pytest.raises(RulebookError) as caught:
        load_rulebook(path)
    assert caught.value.code == "B005"
    assert f"'tocsin share check {path}' lists all 2 problems" in caught.value.hint


def test_collections_are_known() -> None:
    """Where the collections of a node are known, a rule cannot name another."""
    assert parse_rulebook(SMALL.encode(), "r.yml", ["indicators"])[1] == []
    problems = parse_rulebook(SMALL.encode(), "r.yml", ["indicator"])[1]
    assert [(item.code, item.hint) for item in problems] == [("B005", "did you mean 'indicator'?")]


def test_digest() -> None:
    """The digest changes with what is meant, and not with how it is written."""
    book = parse(SMALL)[0]
    assert digest(parse("# a comment\n" + SMALL.replace("{members: [cert]}", "\n    members:\n      - cert"))[0]) == digest(
        book
    )
    assert digest(parse(SMALL.replace("[indicators]", "[warnings]"))[0]) != digest(book)
    assert len(digest(book)) == 64
