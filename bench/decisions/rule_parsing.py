"""Load and parse a rule corpus: the typed parser against pySigma, in CPU time. usage: rule_parsing.py SIGMA_FOLDER."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import yaml
from measure import cpu_s
from sigma.collection import SigmaCollection
from sigma.rule import SigmaRule

from tocsin.errors import RuleError
from tocsin.rules.condition import parse_condition
from tocsin.rules.parse import parse_text
from tocsin.rules.rule import Rule
from tocsin.runs.ruleset import load_rules, read_rule_files


def ours(texts: list[bytes]) -> Counter[str]:
    found: Counter[str] = Counter()
    for text in texts:
        for _, parsed in parse_text(text, "rule.yml"):
            if isinstance(parsed, Rule):
                for condition in parsed.conditions:
                    parse_condition(condition, parsed.detections)
            found[type(parsed).__name__ if not isinstance(parsed, RuleError) else parsed.code] += 1
    return found


def theirs(texts: list[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for text in texts:
        collection = SigmaCollection.from_yaml(text, collect_errors=True)
        for rule in collection.rules:
            errors = list(rule.errors)
            if isinstance(rule, SigmaRule) and not errors:
                for condition in rule.detection.parsed_condition:
                    try:
                        condition.parsed  # noqa: B018 - parsing happens here
                    except Exception as error:  # noqa: BLE001 - counted
                        errors.append(error)
            found[f"{type(errors[0]).__name__}: {str(errors[0])[:70]}" if errors else "rule"] += 1
    return found


def main() -> None:
    files = read_rule_files(sorted(Path(sys.argv[1]).glob("rules*")))
    texts = [file.text for file in files]
    print(f"{len(files)} files, {sum(map(len, texts))} bytes")
    for name, loader in (("YAML, C loader", yaml.CSafeLoader), ("YAML, Python loader", yaml.SafeLoader)):
        cpu_s(name, lambda loader=loader: [list(yaml.load_all(text, loader)) for text in texts], 1)  # noqa: S506
    print(cpu_s("typed parser", lambda: ours(texts)))
    print(cpu_s("pySigma", lambda: theirs([text.decode() for text in texts]), 2))
    found = cpu_s("typed parser and compiler", lambda: load_rules(files, {}), 2)
    print(len(found.plans), "compiled;", Counter((item.outcome, item.code) for item in found.rejected))


if __name__ == "__main__":
    main()
