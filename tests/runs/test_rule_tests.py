"""Tests of rules are run as a scan would read their events, and what fails is told by its place."""

from __future__ import annotations

import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tocsin.errors import UsageError
from tocsin.runs.packs import resolve_rules
from tocsin.runs.rule_tests import RuleTest, junit, run_tests
from tocsin.runs.ruleset import RuleFile, load_rules, read_rule_files

ID = "44444444-4444-4444-8444-444444444444"
RULE = f"""\
title: Whoami
id: {ID}
level: low
logsource: {{product: windows, category: process_creation}}
detection:
  s: {{CommandLine|contains: whoami}}
  condition: s
"""
EVENT = (
    "{{Channel: Microsoft-Windows-Sysmon/Operational, EventID: 1, Provider_Name: Microsoft-Windows-Sysmon, CommandLine: {}}}"
)


def cases(positive: str = "whoami", negative: str = "hostname", rule: str = ID) -> str:
    """Return a file of tests."""
    return f"rule: {rule}\npositive: [{EVENT.format(positive)}]\nnegative: [{EVENT.format(negative)}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a rule."""
    (tmp_path / "rules" / "deep").mkdir(parents=True)
    (tmp_path / "tests" / "deep").mkdir(parents=True)
    (tmp_path / "rules" / "deep" / "a.yml").write_text(RULE)
    return tmp_path


def run(folder: Path, text: str | None) -> RuleTest:
    """Return what became of the rule with a test."""
    if text is not None:
        (folder / "tests" / "deep" / "a.yml").write_text(text)
    (result,) = run_tests(folder, {})
    return result


@pytest.mark.parametrize(
    ("text", "outcome", "problem"),
    [
        (cases(), "passed", ""),
        (None, "untested", "there is no"),
        (cases(positive="hostname"), "failed", "positive event 1 does not match"),
        (cases(negative="whoami /all"), "failed", "negative event 1 matches, and must not"),
        (f"rule: {ID}\npositive: []\nnegative: []\n", "failed", "positive needs a list of events"),
        (f"rule: {ID}\nother: 1\n", "failed", "a test has the keys"),
        ("a: [", "failed", "R001"),
        (cases().replace("positive: [{", "positive: [nonsense, {"), "failed", "positive event 1 cannot be read"),
    ],
)
def test_outcomes(text: str | None, outcome: str, problem: str, folder: Path) -> None:
    """Each way in which a test can end is told."""
    result = run(folder, text)
    assert (result.outcome, result.title, result.rule) == (outcome, "Whoami", ID)
    assert problem in "; ".join(result.problems)
    assert bool(result.problems) is (outcome != "passed")


CORRELATION = f"""\
title: Many
id: 55555555-5555-4555-8555-555555555555
level: high
correlation: {{type: event_count, rules: [{ID}], group-by: [Computer], timespan: 1m, condition: {{gte: 3}}}}
---
{RULE}"""
SEQUENCE = """\
rule: 55555555-5555-4555-8555-555555555555
positive: [[{{at: 0, times: {}, every: 5, event: {}}}]]
negative: [[{{at: 0, times: 2, event: {}}}]]
"""


@pytest.mark.parametrize(("times", "outcome"), [(3, "passed"), (2, "failed")])
def test_correlation(times: int, outcome: str, folder: Path) -> None:
    """A correlation is tested by sequences of events; the rule that only serves it needs no test."""
    (folder / "rules" / "deep" / "a.yml").write_text(CORRELATION)
    event = EVENT.format("whoami").replace("EventID: 1,", "EventID: 1, Computer: A,")
    result = run(folder, SEQUENCE.format(times, event, event))
    assert (result.title, result.outcome, result.events) == ("Many", outcome, times + 2)


def test_correlation_without_entries(folder: Path) -> None:
    """Events in place of sequences, and entries without a time, fail."""
    (folder / "rules" / "deep" / "a.yml").write_text(CORRELATION)
    event = EVENT.format("whoami")
    result = run(folder, f"rule: 55555555-5555-4555-8555-555555555555\npositive: [{event}]\nnegative: [[{{event: {event}}}]]\n")
    assert result.outcome == "failed"
    assert "is no list of entries" in result.problems[0]
    assert "without at" in result.problems[1]


def write(folder: Path, files: dict[str, str]) -> None:
    """Write rules and tests by their paths in a folder."""
    for name, text in files.items():
        (folder / name).write_text(text)


FILTER = """\
title: Ours
id: 66666666-6666-4666-8666-666666666666
logsource: {product: windows, category: process_creation}
filter: {rules: any, s: {CommandLine|endswith: who%s}, condition: not s}
"""
MANY = EVENT.format("whoami").replace("EventID: 1,", "EventID: 1, Computer: A,")


def test_tests_that_belong_to_nothing_fail(folder: Path) -> None:
    """A test of an id that its file has not, and one that cannot be read beside a correlation alone, are told."""
    write(folder, {"rules/deep/a.yml": RULE, "tests/deep/a.yml": cases(rule="x")})
    found = [(item.title, item.outcome) for item in run_tests(folder, {})]
    assert found == [("Whoami", "untested"), ("a", "failed")]
    correlation, rule = CORRELATION.split("---\n")
    write(folder, {"rules/deep/a.yml": rule, "tests/deep/a.yml": cases(), "rules/b.yml": correlation, "tests/b.yml": "a: ["})
    assert [(item.title, item.outcome) for item in run_tests(folder, {})] == [("Many", "failed"), ("Whoami", "passed")]


def test_files_of_a_folder_go_together(folder: Path) -> None:
    """A correlation is tested with the rule that it names in another file, and every rule with the folder's filters."""
    correlation, rule = CORRELATION.split("---\n")
    test = SEQUENCE.format(3, MANY, MANY)
    write(folder, {"rules/deep/a.yml": rule, "rules/b.yml": correlation, "tests/deep/a.yml": cases(), "tests/b.yml": test})
    assert [(item.title, item.outcome) for item in run_tests(folder, {})] == [("Many", "passed"), ("Whoami", "passed")]
    write(folder, {"rules/filter.yml": FILTER % "else"})
    assert {item.outcome for item in run_tests(folder, {})} == {"passed"}
    write(folder, {"rules/filter.yml": FILTER % "ami"})
    found = list(run_tests(folder, {}))
    assert [item.outcome for item in found] == ["failed", "failed"]
    assert "its rules have the filter 'Ours' of" in found[0].problems[0]
    assert "taken by the filter 'Ours' of" in found[1].problems[0]


def test_filters_from_elsewhere(folder: Path) -> None:
    """Further filters are applied too, and are not themselves told of; a filter of a rule that is not there is unusable."""
    write(folder, {"rules/deep/a.yml": RULE, "tests/deep/a.yml": cases()})
    further = [RuleFile("elsewhere.yml", (FILTER % "ami").encode())]
    (found,) = run_tests(folder, {}, further)
    assert (found.outcome, "of elsewhere.yml" in found.problems[0]) == ("failed", True)
    write(folder, {"rules/filter.yml": (FILTER % "ami").replace("any", "[gone]")})
    assert [item.outcome for item in run_tests(folder, {})] == ["unusable", "passed"]


def test_tests_are_no_rules(tmp_path: Path) -> None:
    """A folder and a zip with rules and `tests` hold no invalid rule; a rule in a folder of that name stays one."""
    (tmp_path / "tests").mkdir()
    write(tmp_path, {"a.yml": RULE, "tests/a.yml": cases(), "tests/rule.yml": RULE.replace("444", "777")})
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in sorted(tmp_path.rglob("*.yml")):
            archive.write(path, path.relative_to(tmp_path))
    for path in (tmp_path, tmp_path / "all.zip"):
        found = load_rules(read_rule_files([path]), {})
        assert (len(found.plans), found.rejected) == (2, [])


def test_unusable_rule(folder: Path) -> None:
    """A rule that cannot be used is no success."""
    (folder / "rules" / "deep" / "a.yml").write_text(RULE.replace("condition: s", "condition: x"))
    assert run(folder, cases()).outcome == "unusable"


def test_test_without_a_rule(folder: Path) -> None:
    """A test whose rule was removed or renamed fails."""
    (folder / "tests" / "old.yml").write_text(cases())
    assert [result.outcome for result in run_tests(folder, {})] == ["untested", "failed"]


def test_folder_without_rules(tmp_path: Path) -> None:
    """A folder without rules, and a file, are errors."""
    with pytest.raises(UsageError, match="no rule file"):
        list(run_tests(tmp_path, {}))
    (tmp_path / "x.yml").write_text(RULE)
    with pytest.raises(UsageError, match="is no folder"):
        list(run_tests(tmp_path / "x.yml", {}))
    assert [result.outcome for result in run_tests(tmp_path, {})] == ["untested"]


def test_packs_that_ship() -> None:
    """Every rule of the packs passes its test, or waits for a site file."""
    outcomes = {
        result.outcome for pack in ("essentials", "industrial") for result in run_tests(*resolve_rules((pack,), ()), {})
    }
    assert outcomes == {"passed", "waiting"}


def test_junit(folder: Path) -> None:
    """The XML can be read whatever the texts hold, and counts what it tells."""
    hostile = RuleTest("a\x00<b>\ud800\x1b[31m", "p&q", "", "failed", 1, ("\x08&<", "]]>"))
    root = ET.fromstring(junit([hostile, run(folder, cases()), RuleTest("t", "p", "", "untested", 0, ("x",))], "n"))
    assert (root.get("tests"), root.get("failures"), root.get("errors"), root.get("skipped")) == ("3", "1", "0", "1")
    tags = [[child.tag for child in case] for case in root.iter("testcase")]
    assert tags == [["failure"], [], ["skipped"]]
