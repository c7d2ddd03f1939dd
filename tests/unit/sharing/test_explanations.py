"""What explanations, simulations and comparisons of the example say."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tocsin.sharing.decisions import Caller, Label, Stage, decide
from tocsin.sharing.explain import explain
from tocsin.sharing.markings import Marking, Pap, Tlp, read_refs
from tocsin.sharing.parse_rulebook import load_rulebook
from tocsin.sharing.rulebook import Action, Rulebook
from tocsin.sharing.simulate import Published, simulate
from tocsin.sharing.widening import compare

BOOK = load_rulebook(Path(__file__).resolve().parents[3] / "examples/sharing/rulebook.yml")
DAY = date(2030, 6, 1)
TEAM_ONLY = "marking-definition--6c3b7f0e-52f4-4c0c-8f3c-5d8f2a7e9b10"


def label(tlp: Tlp, collection: str = "indicators", pap: Pap = Pap.CLEAR, named: tuple[str, ...] = ()) -> Label:
    """Return the label of an indicator of the CERT."""
    return Label(collection, "water-cert", "indicator", Marking(tlp, pap, named))


@pytest.mark.parametrize(
    ("organisation", "given"),
    [
        ("riverdale-water", "GREEN AMBER AMBER_STRICT"),
        ("lakeside-services", "GREEN AMBER AMBER_STRICT"),
        ("hilltown", "GREEN AMBER"),  # a client of a recipient
        ("guardline", "GREEN AMBER AMBER_STRICT"),  # a processor, with the originator's permission
        ("riverside-university", "GREEN"),  # a member, who is in no group
        ("water-cert", "GREEN AMBER AMBER_STRICT RED"),  # its own
    ],
)
def test_levels(organisation: str, given: str) -> None:
    """Each kind of recipient gets what TLP 2.0 permits it, and no more."""
    caller = Caller(organisation, tuple(BOOK.purposes))
    assert [tlp.name for tlp in Tlp if tlp and decide(BOOK, caller, label(tlp), DAY).allowed] == given.split()


def without_permission(book: Rulebook) -> Rulebook:
    """Return the book without the originators' permissions."""
    return replace(book, rules=tuple(replace(rule, permission="") for rule in book.rules))


def test_a_provider_needs_the_permission_of_the_originator() -> None:
    """Without it, what goes to a customer does not go to who works for it; not even TLP:CLEAR."""
    provider = Caller("guardline", ("detect",))
    assert not any(decide(without_permission(BOOK), provider, label(tlp), DAY).allowed for tlp in Tlp)
    assert decide(BOOK, provider, label(Tlp.AMBER), date(2031, 6, 30)).allowed
    assert not decide(BOOK, provider, label(Tlp.AMBER), date(2031, 7, 1)).allowed


@pytest.mark.parametrize(
    ("caller", "asked", "because"),
    [
        (
            Caller("guardline", ("block",)),
            label(Tlp.AMBER),
            "rule riverdale-provider is for detect, and guardline asks for block",
        ),
        (
            Caller("riverdale-water", ("block",)),
            label(Tlp.AMBER, pap=Pap.RED),
            "rule utilities-warnings gives it for block, which PAP:RED does not permit",
        ),
        (
            Caller("lakeside-services", ("detect",)),
            label(Tlp.AMBER, named=(TEAM_ONLY,)),
            "rule utilities-warnings reaches lakeside-services as one of utilities, but 'Incident team only' keeps it to "
            "incident-team",
        ),
        (
            Caller("riverdale-water", ("detect",)),
            label(Tlp.RED, "incidents"),
            "rule incident-red gives it to riverdale-water by its name, and TLP:RED permits it",
        ),
        (
            Caller("hilltown", ("detect",)),
            label(Tlp.GREEN, "incidents"),
            "no rule gives indicator in incidents of water-cert to hilltown",
        ),
        (Caller("nobody"), label(Tlp.CLEAR), "nobody is no organisation of the rulebook"),
        (Caller("water-cert"), label(Tlp.RED), "water-cert put it here itself"),
    ],
)
def test_sentences(caller: Caller, asked: Label, because: str) -> None:
    """The sentence of a decision names what decided it."""
    assert decide(BOOK, caller, asked, DAY).because == because


def test_explain_names_every_rule() -> None:
    """Each rule that lets recipients read says how near it came, and the purposes that suffice are told."""
    found = explain(BOOK, Caller("guardline", tuple(BOOK.purposes)), label(Tlp.AMBER), DAY)
    assert found.decision.rule == "riverdale-provider"
    assert found.purposes == ("detect",)
    assert {item.rule: item.stage for item in found.considered} == {
        "members-indicators": Stage.NOBODY,
        "utilities-warnings": Stage.NOBODY,
        "riverdale-provider": Stage.GIVES,
        "incident-exchange": Stage.OTHER,
        "incident-red": Stage.OTHER,
        "research-sightings": Stage.OTHER,
    }
    assert explain(BOOK, Caller("nobody"), label(Tlp.CLEAR), DAY).considered == ()
    writes = explain(BOOK, Caller("hilltown"), label(Tlp.CLEAR), DAY, Action.WRITE)
    assert [(item.rule, item.stage) for item in writes.considered] == [
        ("members-report", Stage.NOBODY),
        ("team-reports", Stage.OTHER),
    ]


def test_simulate_counts_what_decisions_allow() -> None:
    """Objects given and withheld are all there are, for each organisation."""
    parted = Published(label(Tlp.GREEN), (label(Tlp.AMBER), label(Tlp.RED)))
    others = {label(Tlp.GREEN): 2, label(Tlp.AMBER, pap=Pap.RED): 2, label(Tlp.RED): 1}
    objects = {parted: 1, **{Published(one): count for one, count in others.items()}}
    shares = {item.organisation: item for item in simulate(BOOK, objects, DAY)}
    assert [shares[name].partly for name in ("water-cert", "riverdale-water", "guardline")] == [0, 1, 1]
    assert set(shares) == set(BOOK.organisations)
    assert all(item.given + sum(item.withheld.values()) == 6 for item in shares.values())
    assert shares["riverdale-water"].given == 5
    assert shares["riverdale-water"].by_purpose == {"": 3, "detect": 5, "investigate": 3, "block": 3, "research": 3}
    assert shares["riverdale-water"].by_rule == {"members-indicators": 3, "utilities-warnings": 2}
    assert shares["guardline"].by_purpose == {"": 0, "detect": 5, "investigate": 0, "block": 0, "research": 0}


@pytest.mark.parametrize(
    ("part", "change", "expected"),
    [
        ("expires", {"expires": date(2032, 1, 1)}, []),  # the relation ends on the same day as before
        ("up_to", {"up_to": Tlp.RED}, []),  # a processor never gets TLP:RED; the name is Riverdale's, which may not ask so
        ("purposes", {"purposes": ("detect", "block")}, ["guardline may read for block"]),
        ("owners", {"of": replace(BOOK.rules[2].of, owners=())}, ["guardline may read for detect"]),
        ("clients", {"clients": True}, []),  # Riverdale has no clients
    ],
)
def test_compare(part: str, change: dict[str, object], expected: list[str]) -> None:
    """A change of the provider's rule widens what the provider gets, exactly when it does."""
    rules = list(BOOK.rules)
    assert rules[2].id == "riverdale-provider"
    rules[2] = replace(rules[2], **change)  # type: ignore[arg-type]
    found = compare(BOOK, replace(BOOK, rules=tuple(rules)), DAY)
    told = [str(gain) for gain in found.gains if gain.organisation == "guardline"]
    assert [sentence[: len(start)] for sentence, start in zip(told, expected, strict=True)] == expected, part
    assert not found.others


def test_compare_others() -> None:
    """What no decision shows widens access too: who operates, who is known to be in a group, whose identity is whose."""
    groups = {**BOOK.groups, "incident-team": replace(BOOK.groups["incident-team"], hidden=False)}
    assert compare(BOOK, replace(BOOK, groups=groups), DAY).others == ("who is in incident-team is no longer hidden",)
    assert compare(BOOK, replace(BOOK, operator="guardline"), DAY).others == (
        "guardline operates the node instead of water-cert",
    )
    assert not compare(replace(BOOK, groups=groups), BOOK, DAY).widens
    counted = replace(BOOK, rules=tuple(replace(rule, k=1) for rule in BOOK.rules))
    assert [gain.rule for gain in compare(BOOK, counted, DAY).gains] == ["research-sightings"]
    assert not compare(counted, BOOK, DAY).widens


def test_a_default_that_is_wider_widens() -> None:
    """Another meaning of what is unmarked counts, though no rule changes."""
    found = compare(BOOK, replace(BOOK, default=Tlp.AMBER), DAY)
    assert {gain.organisation for gain in found.gains} == {"hilltown", "riverside-university"}
    assert {level for gain in found.gains for level in gain.levels} == {"unmarked"}  # two whose way ends at TLP:AMBER
    assert not compare(BOOK, replace(BOOK, default=Tlp.RED), DAY).widens


def test_statements_and_ids_of_tlp() -> None:
    """A statement leaves an object unmarked, and no declaration changes what TLP means."""
    statement = "marking-definition--fa42a846-8d90-4e51-bc29-71d5b4802168"
    assert read_refs([statement], BOOK.markings, Tlp.AMBER_STRICT) == Marking(Tlp.AMBER_STRICT)
    red = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"
    lying = {red: replace(BOOK.markings[statement], id=red, means=Tlp.CLEAR)}
    assert read_refs([red], lying, Tlp.GREEN) == Marking(Tlp.RED)
