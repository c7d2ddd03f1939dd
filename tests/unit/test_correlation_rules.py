"""Correlation documents: what they come to, and each fault with its code and place."""

from __future__ import annotations

import pytest

from scan_samples import LOGON, WHOAMI
from tocsin.correlations.plan import condition_text
from tocsin.runs.ruleset import RuleFile, RuleSet, load_rules

LOGON_ID = "22222222-2222-4222-8222-222222222222"
COUNT = f"""\
title: Many logons
name: many
id: 33333333-3333-4333-8333-333333333334
level: high
correlation:
  type: event_count
  rules: [{LOGON_ID}]
  group-by: [User]
  timespan: 5m
  condition: {{gte: 3}}
"""
TEMPORAL = """\
title: Both
id: 33333333-3333-4333-8333-333333333335
correlation:
  type: temporal
  rules:
    - Whoami
    - many
  group-by: [who]
  timespan: 1h
  aliases:
    who:
      Whoami: Account
      many: User
"""


def load(*texts: str) -> RuleSet:
    """Load texts as one file each."""
    return load_rules([RuleFile(f"{number}.yml", text.encode()) for number, text in enumerate(texts)], {})


def test_rules_are_found_by_id_name_and_title() -> None:
    """A chain is linked in order, whichever file comes first, and its aliases are resolved for each rule."""
    found = load(TEMPORAL, COUNT, LOGON, WHOAMI)
    assert not found.rejected
    count, both = found.correlations
    assert (count.meta.title, count.reported, both.reported) == ("Many logons", False, True)
    assert [(item.rule, item.correlation, item.groups) for item in both.inputs] == [(1, -1, ("Account",)), (-1, 0, ("User",))]
    assert count.carries == ()
    assert condition_text(count) == "number of events >= 3 within 5m"
    assert condition_text(both) == "number of different rules >= 2 within 1h"


def test_fields_that_an_outer_correlation_reads_are_carried() -> None:
    """A correlation of a correlation groups by a field that the inner one does not group by."""
    found = load(TEMPORAL.replace("many: User", "many: Other"), COUNT, LOGON, WHOAMI)
    assert found.correlations[0].carries == ("Other",)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86_400), ("1w", 604_800), ("1M", 2_629_746), ("1y", 31_556_952)],
)
def test_timespans(text: str, seconds: int) -> None:
    """Each unit has its length; a month and a year are average ones."""
    assert load(COUNT.replace("5m", text), LOGON).correlations[0].timespan_us == seconds * 1_000_000


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("event_count", "event_sum", "R073", 6),
        ("  type: event_count\n", "", "R003", 5),
        (f"  rules: [{LOGON_ID}]\n", "", "R003", 5),
        (f"[{LOGON_ID}]", "[nothing]", "R070", 7),
        (f"[{LOGON_ID}]", "[1]", "R004", 7),
        (f"[{LOGON_ID}]", f"[{LOGON_ID}, Logon]", "R076", 7),
        (f"[{LOGON_ID}]", f"[{LOGON_ID}, {LOGON_ID}]", "R004", 7),
        (f"[{LOGON_ID}]", "[many]", "R071", 7),
        ("5m", "5", "R072", 9),
        ("5m", "0m", "R072", 9),
        ("5m", "-5m", "R072", 9),
        ("5m", "5 minutes", "R072", 9),
        ("5m", "1h30m", "R072", 9),
        ("5m", "101y", "R072", 9),
        ("  timespan: 5m\n", "", "R003", 5),
        ("  condition: {gte: 3}\n", "", "R003", 5),
        ("{gte: 3}", "{least: 3}", "R074", 10),
        ("{gte: 3}", "{gte: three}", "R074", 10),
        ("{gte: 3}", "{gte: 3, gt: 3}", "R074", 10),
        ("{gte: 3}", "{gte: 3, lt: 3}", "R074", 10),
        ("{gte: 3}", "{eq: 3, lt: 5}", "R074", 10),
        ("{gte: 3}", "{gte: 3, field: User}", "R074", 10),
        ("{gte: 3}", "{gte: 3, percentile: 5}", "R074", 10),
        ("{gte: 3}", "many and few", "R074", 10),
        ("{gte: 3}", "[3]", "R004", 10),
        ("event_count", "value_count", "R074", 10),
        ("event_count", "temporal", "R074", 10),
        ("event_count\n", "value_sum\n  ordered: true\n", "R004", 7),
        ("{gte: 3}\n", "{gte: 3}\n  generate: perhaps\n", "R004", 11),
        ("{gte: 3}\n", "{gte: 3}\n  aliases: {who: {Logon: User}}\n", "R075", 11),
        ("[User]", "[User, User]", "R004", 8),
    ],
)
def test_bad_correlation_is_placed(old: str, new: str, code: str, line: int) -> None:
    """Each fault is named with its code and line; the rule beside it compiles."""
    assert old in COUNT
    found = load(COUNT.replace(old, new), LOGON)
    (item,) = found.rejected
    assert (item.code, item.outcome) == (code, "invalid"), item.message
    assert item.message.startswith(f"0.yml:{line}:"), item.message
    assert [plan.meta.title for plan in found.plans] == ["Logon"]
    assert not found.correlations


@pytest.mark.parametrize(
    ("condition", "kind"),
    [
        ("{field: [a, b], gte: 2}", "value_sum"),
        ("{field: a, percentile: 101, gte: 2}", "value_percentile"),
        ("{field: a}", "value_avg"),
        ("{percentile: 5, gte: 1}", "value_percentile"),
    ],
)
def test_conditions_of_values(condition: str, kind: str) -> None:
    """A value type takes one field, a percentile from 0 to 100, and at least one comparison."""
    found = load(COUNT.replace("event_count", kind).replace("{gte: 3}", condition), LOGON)
    assert [item.code for item in found.rejected] == ["R074"]


def test_aliases_have_a_field_for_each_rule() -> None:
    """An alias that leaves a rule out, or names one that is not in the list, is an error."""
    for bad in (TEMPORAL.replace("      many: User\n", ""), TEMPORAL.replace("many: User", "most: User")):
        assert [item.code for item in load(bad, COUNT, LOGON, WHOAMI).rejected] == ["R075"]


def test_a_circle_of_two() -> None:
    """Correlations that name each other are both invalid."""
    other = COUNT.replace("Many logons", "Other").replace("name: many", "name: other").replace("334", "336")
    found = load(COUNT.replace(LOGON_ID, "other"), other.replace(LOGON_ID, "many"), LOGON)
    assert {item.code for item in found.rejected} == {"R071"}
    assert len(found.rejected) == 2


def test_rules_that_cannot_be_used() -> None:
    """A correlation of an invalid or unsupported rule is unsupported, and so is one of that correlation."""
    found = load(TEMPORAL, COUNT, LOGON.replace("User: SYSTEM", "User|expand: '%None%'"), WHOAMI)
    assert [(item.code, item.outcome, item.note.title) for item in found.rejected] == [
        ("R030", "unsupported", "Logon"),
        ("R077", "unsupported", "Both"),
        ("R077", "unsupported", "Many logons"),
    ]


def test_the_same_name_in_two_files() -> None:
    """Of several rules of a name the one in the same file is meant; without one the name is ambiguous."""
    named = LOGON.replace("title: Logon", "title: Logon\nname: logon")
    other = named.replace("22222222-2222", "22222222-2223")
    count = COUNT.replace(LOGON_ID, "logon")
    assert [item.code for item in load(count, named, other).rejected] == ["R076"]
    assert load(other, count + "---\n" + named).correlations[0].inputs[0].rule == 1


def test_correlations_with_one_id() -> None:
    """Of two correlations with one id the first is used."""
    found = load(COUNT, COUNT, LOGON)
    assert len(found.correlations) == 1
    assert [item.code for item in found.rejected] == ["R005"]
