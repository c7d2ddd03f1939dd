"""Load and parse a rule corpus: the typed parser against pySigma, in CPU time. usage: rule_parsing.py SIGMA_FOLDER."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import yaml
from measure import cpu_s
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from tocsin.rules.condition import parse_condition
from tocsin.rules.parse import parse_text
from tocsin.rules.rule import Rule
from tocsin.runs.ruleset import load_rules, read_rule_files


def _ours(texts: list[bytes]) -> Counter[str]:
    found: Counter[str] = Counter()
    for text in texts:
        for _, parsed in parse_text(text, "rule.yml"):
            if isinstance(parsed, Rule):
                for condition in parsed.conditions:
                    parse_condition(condition, parsed.detections)
            found[getattr(parsed, "code", type(parsed).__name__)] += 1
    return found


def _theirs(texts: list[str]) -> Counter[str]:
    rules = [rule for text in texts for rule in SigmaCollection.from_yaml(text, collect_errors=True).rules]
    return Counter(_fault(rule) for rule in rules)


def _fault(rule: SigmaRule) -> str:
    if rule.errors:
        return str(rule.errors[0])
    try:
        return "" if [condition.parsed for condition in rule.detection.parsed_condition] else "no condition"
    except SigmaError as error:
        return str(error)


def main() -> None:
    """Measure and print."""
    files = read_rule_files(sorted(Path(sys.argv[1]).glob("rules*")))
    texts = [file.text for file in files]
    print(f"{len(files)} files, {sum(map(len, texts))} bytes")
    for name, loader in (("YAML, C loader", yaml.CSafeLoader), ("YAML, Python loader", yaml.SafeLoader)):
        cpu_s(name, lambda loader=loader: [list(yaml.load_all(text, loader)) for text in texts], 1)
    print(cpu_s("typed parser", lambda: _ours(texts)))
    print(cpu_s("pySigma", lambda: _theirs([text.decode() for text in texts]), 2))
    found = cpu_s("typed parser and compiler", lambda: load_rules(files, {}), 2)
    print(len(found.plans), "compiled;", Counter((item.outcome, item.code) for item in found.rejected))


if __name__ == "__main__":
    main()
