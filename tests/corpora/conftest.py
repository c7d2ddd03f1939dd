"""The rule corpus, loaded once."""

from __future__ import annotations

import pytest
from compare import parse_rules

from shared_data import shared
from tocsin.engine.executor import FastEngine
from tocsin.rules.rule import Rule
from tocsin.runs.ruleset import RuleFile, RuleSet, load_rules, read_rule_files

FOLDERS = ("rules", "rules-compliance", "rules-emerging-threats", "rules-placeholder", "rules-threat-hunting")


@pytest.fixture(scope="session")
def rule_files() -> list[RuleFile]:
    """Return every rule file of the corpus."""
    return read_rule_files([shared("sigma", folder) for folder in FOLDERS])


@pytest.fixture(scope="session")
def rule_set(rule_files: list[RuleFile]) -> RuleSet:
    """Return the compiled corpus."""
    return load_rules(rule_files, {})


@pytest.fixture(scope="session")
def rules(rule_files: list[RuleFile], rule_set: RuleSet) -> list[Rule]:
    """Return the typed rules that compile."""
    compiled = {plan.meta.path for plan in rule_set.plans}
    return [rule for rule in parse_rules(rule_files) if rule.meta.path in compiled]


@pytest.fixture(scope="session")
def engine(rule_set: RuleSet) -> FastEngine:
    """Return one engine for all, so that its caches are used as in a long scan."""
    return FastEngine(rule_set.plans)
