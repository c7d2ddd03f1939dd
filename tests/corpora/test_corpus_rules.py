"""The rule corpus compiles, as counted, and comes back from the cache the same."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path

from compare import parse_rules

from tocsin.plans.explain import outline
from tocsin.rules.condition import write_condition
from tocsin.rules.rule import Rule
from tocsin.runs.cache import RuleCache
from tocsin.runs.ruleset import RuleFile, RuleSet, load_rules


def test_outcomes(rule_files: list[RuleFile], rule_set: RuleSet) -> None:
    """Each of the 3,780 rules has one outcome, and only unset placeholders keep a rule from compiling."""
    assert len(rule_files) == 3780
    assert len(rule_set.plans) == 3755
    assert Counter((item.outcome, item.code) for item in rule_set.rejected) == {("unsupported", "R030"): 25}


def test_placeholders(rule_files: list[RuleFile], rule_set: RuleSet) -> None:
    """With a value for each placeholder every rule compiles."""
    rejected = {item.note.path for item in rule_set.rejected}
    files = [file for file in rule_files if file.label in rejected]
    names = {name for file in files for name in re.findall(r"%([\w-]+)%", file.text.decode())}
    found = load_rules(files, {name: ["value"] for name in names})
    assert (len(found.plans), found.rejected) == (25, [])


def test_rejected_are_placed(rule_set: RuleSet) -> None:
    """Every rule that is not compiled is named with its path, line and column, the source line and a caret."""
    for item in rule_set.rejected:
        first, source, caret, hint = item.message.splitlines()
        assert first.startswith(f"{item.note.path}:")
        assert first.endswith("% has no value [R030]")
        assert "|expand" in source or "%" in source
        assert set(caret.partition("|")[2].strip()) == {"^"}
        assert hint.startswith("hint: ")


def test_cache(rule_files: list[RuleFile], rule_set: RuleSet, tmp_path: Path) -> None:
    """A second load is equal, comes from the cache, and costs little."""
    cache = RuleCache(tmp_path / "cache")
    assert load_rules(rule_files, {}, cache) == rule_set
    compiled: list[int] = []
    begun = time.process_time()
    again = load_rules(rule_files, {}, cache, lambda done, total: compiled.append(done))
    assert time.process_time() - begun < 3
    assert again == rule_set
    assert not compiled
    assert not cache.problem


def test_order_of_files_is_kept(rule_files: list[RuleFile], rule_set: RuleSet, rules: list[Rule]) -> None:
    """Plans come in the order of the files, so that rule numbers mean the same everywhere."""
    order = {file.label: number for number, file in enumerate(rule_files)}
    numbers = [order[plan.meta.path] for plan in rule_set.plans]
    assert numbers == sorted(numbers)
    assert [rule.meta.path for rule in rules] == [plan.meta.path for plan in rule_set.plans]
    assert len(parse_rules(rule_files)) == 3780


def test_every_rule_can_be_shown(rule_set: RuleSet) -> None:
    """The condition of every rule can be written and every selection outlined, naming each field it reads."""
    for plan in rule_set.plans:
        written = write_condition(plan.condition)
        for name, expr in plan.selections.items():
            assert outline(expr), (plan.meta.path, name)
        assert set(written.replace("(", " ").replace(")", " ").split()) - {"and", "or", "not"} <= set(plan.selections)
