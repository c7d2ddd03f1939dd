"""The corpus' own regression cases: each rule finds what its authors recorded, in EVTX and in its JSON twin."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from compare import match_counts, read_records, reference_counts

from shared_data import DATA, need_shared
from tocsin.engine.executor import FastEngine
from tocsin.rules.rule import Rule
from tocsin.runs.ruleset import RuleSet

need_shared()
CASES = sorted((DATA / "sigma-regression").rglob("*.evtx"))


def _wanted(path: Path) -> int:
    info = yaml.safe_load((path.parent / "info.yml").read_bytes())
    return next((test.get("match_count", 1) for test in info["regression_tests_info"]), 1)


def test_all_cases_are_there() -> None:
    """There are 91 cases, each with both files and its statement."""
    assert len(CASES) == 91
    for path in CASES:
        assert path.with_suffix(".json").is_file()
        assert (path.parent / "info.yml").is_file()


@pytest.mark.parametrize("suffix", [".evtx", ".json"])
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.parent.name)
def test_case(path: Path, suffix: str, engine: FastEngine, rule_set: RuleSet, rules: list[Rule]) -> None:
    """The rule that the file is named after matches as often as stated, by the fast engine and by the reference."""
    records = read_records([path.with_suffix(suffix)])
    rule = next(rule for rule in rules if rule.meta.id == path.stem)
    found = match_counts(engine, rule_set.plans, records)[rule.meta.path]
    assert found >= _wanted(path)
    assert found == reference_counts([rule], records)[rule.meta.path]
