"""Search real values with the corpus' expressions, in CPU time. usage: regular_expressions.py SIGMA DATA..."""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from pathlib import Path

import re2
import regex
from measure import cpu_s, distinct

from tocsin.plans.expr import Atom, Regex, atoms_of
from tocsin.rules.regexes import _re2_options, _with_flags, searcher
from tocsin.runs.ruleset import load_rules, read_rule_files

HANGS, VALUE = r"^(?!x)(\w+\s?)+$", "powershell " * 6 + "!"


def expressions(rules: Path) -> list[Atom]:
    plans = load_rules(read_rule_files(sorted(rules.glob("rules*"))), {}).plans
    atoms = [atom for plan in plans for expr in plan.selections.values() for atom in atoms_of(expr)]
    return [atom for atom in atoms if isinstance(atom.test, Regex)]


def compiled_by(name: str, test: Regex) -> object:
    if name == "RE2":
        return re2.compile(_with_flags(test.expression, test.flags), _re2_options(test.flags))
    module = re if name == "re" else regex
    return module.compile(test.expression, sum(getattr(module, flag.upper()) for flag in test.flags))


def main() -> None:
    atoms = expressions(Path(sys.argv[1]))
    print(len(atoms), "expressions;", Counter(atom.field for atom in atoms).most_common(4))
    folders = [Path(name) for name in sys.argv[2:]]
    values = {field: distinct(folders, field) for field in {atom.field for atom in atoms}}
    pairs = sum(len(values[atom.field]) for atom in atoms)
    print(f"{sum(map(len, values.values()))} distinct values, {pairs} searches")
    for name in ("RE2", "re", "regex"):
        accepted: list[tuple[Atom, object]] = []
        for atom in atoms:
            try:
                accepted.append((atom, compiled_by(name, atom.test)))
            except (re2.error, re.error, regex.error) as error:
                print(f"  {name} refuses {atom.test.expression[:60]!r}: {error}")
        found = cpu_s(
            f"{name}, {len(accepted)} accepted",
            lambda use=accepted: sum(one.search(v) is not None for atom, one in use for v in values[atom.field]),
        )
        print(f"  {found} found")
    begun = time.process_time()
    try:
        print(searcher(HANGS)(VALUE))
    except TimeoutError as error:
        print(f"the guard: {error} ({time.process_time() - begun:.2f} s)")


if __name__ == "__main__":
    main()
