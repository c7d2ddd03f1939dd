"""Markings that travel beside objects: what a second community makes of them is never wider than what the first one did."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_samples import indicator
from tocsin.errors import UsageError
from tocsin.feeds.carried import PROPERTY, Beside, carried, narrowed, read_carried
from tocsin.feeds.interface import Incoming, Terms
from tocsin.feeds.stix import read_bundle
from tocsin.sharing.markings import PAP_2, TLP_2, Declared, Marks, Pap, Tlp, read_marks

IDS = [f"marking-definition--{number:08x}-0000-4000-8000-000000000000" for number in range(3)]
DECLARED = st.builds(Declared, st.sampled_from(IDS), st.none() | st.sampled_from(Tlp), st.sampled_from([(), ("team",)]))
DEFAULTS = st.sampled_from([level for level in Tlp if level])
TERMS = st.builds(Terms, st.lists(DECLARED, max_size=3).map(lambda found: {item.id: item for item in found}), DEFAULTS)
REFS = st.lists(st.sampled_from([*TLP_2.values(), *PAP_2.values(), *IDS]), max_size=3)
MARKS = st.lists(REFS.map(read_marks), min_size=1, max_size=3)


def joined(several: list[Marks]) -> Marks:
    """Return what is as restricted as all of them."""
    found = several[0]
    for marks in several[1:]:
        found = found.join(marks)
    return found


def taken(marks: Marks, own: list[str], here: Terms, there: Terms) -> Incoming:
    """Return an object that marks itself with some ids, as another community takes it with the marks that it has here."""
    said = indicator(1, None, **({"object_marking_refs": own} if own else {}))
    body = json.dumps({PROPERTY: [carried(marks, here)], "objects": [said]}).encode()
    beside = read_carried(body, "x")
    assert beside is not None
    (item,) = narrowed(read_bundle(body, "x", there), beside, there, "x")
    assert isinstance(item, Incoming)
    return item


@given(MARKS, st.sampled_from([[], [TLP_2[Tlp.CLEAR]], [IDS[0]]]), TERMS)
def test_a_community_with_the_same_terms_makes_the_same_of_it(several: list[Marks], own: list[str], terms: Terms) -> None:
    """On the way nothing is lost and nothing is added, whichever of its marks an object tells itself."""
    marks = joined([*several, read_marks(own)])
    assert taken(marks, own, terms, terms).marking == terms.meaning(marks)


@given(MARKS, st.sampled_from([[], [TLP_2[Tlp.CLEAR]], [IDS[0]]]), TERMS, TERMS)
def test_another_community_makes_nothing_wider_of_it(several: list[Marks], own: list[str], here: Terms, there: Terms) -> None:
    """Whatever its default is, and whatever it declares, TLP and PAP are at least as narrow as at the sender."""
    marks = joined([*several, read_marks(own)])
    before, after = here.meaning(marks), taken(marks, own, here, there).marking
    assert after.tlp >= before.tlp
    assert after.pap == before.pap
    assert after.tlp >= there.meaning(marks).tlp


def test_what_is_carried_cannot_widen() -> None:
    """A list that says CLEAR of what is AMBER changes nothing."""
    terms = Terms({}, Tlp.GREEN)
    body = json.dumps({PROPERTY: [[[TLP_2[Tlp.CLEAR]]]], "objects": [indicator(1, Tlp.AMBER)]}).encode()
    beside = read_carried(body, "x")
    assert beside is not None
    (item,) = narrowed(read_bundle(body, "x", terms), beside, terms, "x")
    assert isinstance(item, Incoming)
    assert item.marking.tlp is Tlp.AMBER


PART: dict[str, Any] = {"selectors": ["name"], "marks": [[TLP_2[Tlp.RED]]]}


def parted(marks: Marks, parts: list[tuple[tuple[str, ...], Marks]], here: Terms, there: Terms) -> Incoming:
    """Return an object whose name has a marking of its own, as another community takes it with what it carries here."""
    said = indicator(1, Tlp.GREEN, name="n", granular_markings=[{"selectors": ["name"], "marking_ref": IDS[0]}])
    body = json.dumps({PROPERTY: [msgspec.to_builtins(carried(marks, here, parts))], "objects": [said]}).encode()
    beside = read_carried(body, "x")
    assert beside is not None
    (item,) = narrowed(read_bundle(body, "x", there), beside, there, "x")
    assert isinstance(item, Incoming)
    return item


def test_parts_are_carried() -> None:
    """A part is as narrow as it was at the sender, whatever the reader makes of its marking, and the rest is not narrower."""
    here, there = Terms({}, Tlp.GREEN), Terms({IDS[0]: Declared(IDS[0], Tlp.CLEAR)}, Tlp.GREEN)
    green = read_marks([TLP_2[Tlp.GREEN]])
    parts = [(("name",), green.join(read_marks([IDS[0]], Tlp.CLEAR)))]
    assert parted(green, [], here, there).whole.tlp is Tlp.GREEN
    item = parted(green, parts, here, there)
    assert (item.marking.tlp, item.whole.tlp, [part.selectors for part in item.parts]) == (Tlp.GREEN, Tlp.RED, [("name",)])


def test_a_part_that_is_not_there_narrows_the_whole() -> None:
    """What is said of a part that the object does not tell of is kept for all of it."""
    terms = Terms({}, Tlp.GREEN)
    item = parted(read_marks([TLP_2[Tlp.GREEN]]), [(("labels",), read_marks([TLP_2[Tlp.AMBER]]))], terms, terms)
    assert item.marking.tlp is Tlp.AMBER


@pytest.mark.parametrize("given", [7, "x", [7], [["x"]], [[[7]]], {"a": []}, [{"marks": []}], [{"parts": [PART]}]])
def test_another_form_is_refused(given: Any) -> None:
    """A list that cannot be read is never left out."""
    with pytest.raises(UsageError) as raised:
        read_carried(json.dumps({PROPERTY: given, "objects": []}).encode(), "x")
    assert raised.value.code == "X004"


def test_too_few_and_too_many() -> None:
    """As many entries as objects are wanted; an object with too many sets is TLP:RED; none is none."""
    terms = Terms({}, Tlp.GREEN)
    with pytest.raises(UsageError, match="2 entries for 1 objects"):
        narrowed(
            read_bundle(json.dumps({"objects": [indicator(1)]}).encode(), "x", terms), [Beside(Marks(), {})] * 2, terms, "x"
        )
    beside = read_carried(json.dumps({PROPERTY: [[[]] * 17, {"marks": [[]], "parts": [PART] * 17}]}).encode(), "x")
    assert beside is not None
    assert [terms.meaning(item.marks).tlp for item in beside] == [Tlp.RED, Tlp.RED]
    assert read_carried(b'{"objects": []}', "x") is None


def test_pap_is_carried() -> None:
    """PAP goes with the first set."""
    terms = Terms({}, Tlp.GREEN)
    marks = read_marks([TLP_2[Tlp.AMBER], PAP_2[Pap.RED]])
    assert carried(marks, terms) == [[TLP_2[Tlp.AMBER], PAP_2[Pap.RED]]]
