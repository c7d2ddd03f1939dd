"""Search real values with the corpus' expressions, in CPU time. usage: regular_expressions.py SIGMA DATA..."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import re2
import regex
from measure import cpu_s, distinct

from tocsin.plans.expr import Atom, Regex, atoms_of
from tocsin.rules.regexes import _re2_options, _with_flags, searcher
from tocsin.runs.ruleset import load_rules, read_rule_files

LINEAR, GUARDED, VALUE = r"^(a|aa)+$", r"^(?!x)(a|aa)+$", "a" * 34 + "!"


def _expressions(rules: Path) -> list[Atom]:
    plans = load_rules(read_rule_files(sorted(rules.glob("rules*"))), {}).plans
    atoms = [atom for plan in plans for expr in plan.selections.values() for atom in atoms_of(expr)]
    return [atom for atom in atoms if isinstance(atom.test, Regex)]


def _compiled_by(name: str, test: Regex) -> object:
    if name == "RE2":
        return re2.compile(_with_flags(test.expression, test.flags), _re2_options(test.flags))
    module = re if name == "re" else regex
    return module.compile(test.expression, sum(getattr(module, flag.upper()) for flag in test.flags))


def main() -> None:
    """Measure and print."""
    atoms = _expressions(Path(sys.argv[1]))
    print(len(atoms), "expressions;", Counter(atom.field for atom in atoms).most_common(4))
    folders = [Path(name) for name in sys.argv[2:]]
    values = {field: distinct(folders, field) for field in {atom.field for atom in atoms}}
    print(sum(len(values[atom.field]) for atom in atoms), "searches,", sum(map(len, values.values())), "distinct values")
    for name in ("RE2", "re", "regex"):
        accepted: list[tuple[Atom, object]] = []
        for atom in atoms:
            try:
                accepted.append((atom, _compiled_by(name, atom.test)))
            except (re2.error, re.error, regex.error):
                print("  refused:", atom.test.expression)
        calls = [(one.search, values[atom.field]) for atom, one in accepted]
        title = f"{name}, {len(accepted)} accepted"
        print(cpu_s(title, lambda use=calls: sum(search(v) is not None for search, found in use for v in found)), "found")
    for name, search in (("RE2", re2.compile(LINEAR).search), ("re", re.compile(LINEAR).search)):
        cpu_s(f"{name} on {LINEAR} and {len(VALUE)} characters", lambda search=search: search(VALUE), 1)
    try:
        print(searcher(GUARDED)("a" * 60 + "!"))
    except TimeoutError as error:
        print(f"the guard: {error}")


if __name__ == "__main__":
    main()
