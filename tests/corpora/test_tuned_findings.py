"""Filters for findings of public rules on recorded attacks: in one scan with all, the marked go and the true stay."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path

import pytest

from shared_data import need_shared, shared
from tocsin.findings import Decision as Decided
from tocsin.rules.lint import lint
from tocsin.rules.parse import parse_text
from tocsin.rules.rule import Filter
from tocsin.runs.marks import Marks, Place
from tocsin.runs.ruleset import RuleFile, RuleSet, load_rules
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.runs.tune import Refused, Tuned, TuneOptions, Tuning
from tocsin.sinks import JsonLinesSink
from tocsin.tuning import Decision

need_shared()

EVIDENCE = (
    ("evtx-attack-samples", "Defense Evasion"),
    ("evtx-attack-samples", "Privilege Escalation"),
    ("otrf", "cmd_psexec_lsa_secrets_dump.zip"),
    ("otrf", "empire_wmic_add_user_backdoor.zip"),
    ("otrf", "covenant_wmi_wbemcomn_dll_hijack.zip"),
    ("otrf", "sh_binary_padding_dd.zip"),
)
DECISION = Decision("test", "test", date(2099, 1, 1))
EXPECTED = (61, 19)
"""Rules for which a filter proved right, and for which none tells true from false."""


def scan(rules: RuleSet, output: Path) -> tuple[Path, list[Decided]]:
    """Scan the evidence; return where the findings are, and what was decided about others."""
    paths = tuple(str(shared(*parts)) for parts in EVIDENCE)
    report = Scan(ScanOptions(paths, output=output), rules).run(JsonLinesSink(), None)
    return output, report.coverage.decisions


def places(path: Path) -> list[Place]:
    """Return the findings of a file."""
    rows = (json.loads(line) for line in path.read_bytes().splitlines())
    return [Place(row["rule"]["id"], row["source"]["path"], row["source"]["record"]) for row in rows]


def judged(found: list[Place]) -> Marks:
    """Mark of each rule with several findings every second one as false, at most six, and at most three others as true."""
    by_rule: dict[str, list[Place]] = defaultdict(list)
    for place in dict.fromkeys(found):
        by_rule[place.rule].append(place)
    marks = Marks()
    for members in by_rule.values():
        if len(members) > 1:
            marks.places |= dict.fromkeys(members[::2][:6], "false_positive") | dict.fromkeys(members[1::2][:3], "true")
    return marks


@pytest.fixture(scope="module")
def results(
    rule_files: list[RuleFile], rule_set: RuleSet, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Marks, list[Tuned | Refused]]:
    """Return the findings, the marks and what became of each rule."""
    findings = scan(rule_set, tmp_path_factory.mktemp("tuned") / "before.jsonl")[0]
    marks = judged(places(findings))
    tuning = Tuning(TuneOptions(findings, DECISION), rule_files, {}, rule_set)
    return findings, marks, tuning.run(marks)


def test_outcomes(results: tuple[Path, Marks, list[Tuned | Refused]]) -> None:
    """Exactly so many filters proved right, and every refusal is for want of a difference that lasts."""
    tuned = [result for result in results[2] if isinstance(result, Tuned)]
    refused = [result for result in results[2] if isinstance(result, Refused)]
    assert {result.error.code for result in refused} == {"T004"}
    assert (len(tuned), len(refused)) == EXPECTED


def test_all_filters_at_once(
    results: tuple[Path, Marks, list[Tuned | Refused]], rule_files: list[RuleFile], tmp_path: Path
) -> None:
    """A scan with every filter finds every true finding, no false positive that was tuned, and all that was not counted."""
    findings, marks, outcomes = results
    tuned = [result for result in outcomes if isinstance(result, Tuned)]
    text = "---\n".join(result.text for result in tuned).encode()
    assert all(isinstance(item, Filter) and lint(item) == [] for _, item in parse_text(text, "f.yml"))
    path, decided = scan(load_rules([*rule_files, RuleFile("f.yml", text)], {}), tmp_path / "after.jsonl")
    after = places(path)
    before = places(findings)
    ids = {result.rule.id for result in tuned}
    assert marks.of("true") <= set(after)
    assert not {place for place in marks.of("false_positive") if place.rule in ids} & set(after)
    assert len(before) - len(after) == sum(
        result.proof.unmarked + sum(before.count(place) for place in marks.of("false_positive") if place.rule == result.rule.id)
        for result in tuned
    )
    gone = Counter(place.rule for place in before)
    gone.subtract(place.rule for place in after)
    assert {rule.id: rule.findings for item in decided for rule in item.rules} == +gone
    assert sum(item.findings for item in decided) == len(before) - len(after)
