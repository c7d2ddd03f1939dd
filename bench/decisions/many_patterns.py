"""Find which of many literals occur in real values, in CPU time. usage: many_patterns.py SIGMA_FOLDER DATA_FOLDER..."""

from __future__ import annotations

import sys
from pathlib import Path

import hyperscan
from ahocorasick_rs import AhoCorasick, MatchKind
from measure import cpu_s, distinct

from tocsin.engine.executor import FastEngine
from tocsin.engine.prefilter import _compile
from tocsin.events import Gate
from tocsin.rules.windows_channels import POWERSHELL, SYSMON
from tocsin.runs.ruleset import load_rules, read_rule_files

FIELDS = {"CommandLine": Gate("windows", SYSMON, "1"), "ScriptBlockText": Gate("windows", POWERSHELL[0], "4104")}


def _by_hyperscan(database: hyperscan.Database, values: list[str]) -> list[frozenset[int]]:
    found, hits = [], []
    for value in values:
        hits.clear()
        database.scan(value.encode(), match_event_handler=lambda number, start, end, flags, context: hits.append(number))
        found.append(frozenset(hits))
    return found


def _by_aho_corasick(automaton: AhoCorasick, values: list[str]) -> list[frozenset[int]]:
    indexes = automaton.find_matches_as_indexes
    return [frozenset(number for number, _, _ in indexes(value, overlapping=True)) for value in values]


def _one_by_one(needles: list[str], values: list[str]) -> list[frozenset[int]]:
    return [frozenset(at for at, needle in enumerate(needles) if needle in value) for value in values]


def main() -> None:
    """Measure and print."""
    engine = FastEngine(load_rules(read_rule_files(sorted(Path(sys.argv[1]).glob("rules*"))), {}).plans)
    for field, gate in FIELDS.items():
        program = engine._gate(gate)[1][0]
        needles = list(program.filters[program.fields.index(field)]._needles)
        found = distinct([Path(name) for name in sys.argv[2:]], field)
        values = [value.casefold().encode("utf-8", "replace").decode() for value in found]
        print(f"{field}: {len(needles)} needles, {len(values)} distinct values, {sum(map(len, values))} characters")
        database = cpu_s("build Hyperscan", lambda needles=needles: _compile(needles))
        automaton = cpu_s("build Aho-Corasick", lambda needles=needles: AhoCorasick(needles, matchkind=MatchKind.Standard))
        hyper = cpu_s("scan Hyperscan", lambda use=database, values=values: _by_hyperscan(use, values))
        aho = cpu_s("scan Aho-Corasick", lambda use=automaton, values=values: _by_aho_corasick(use, values))
        plain = cpu_s("scan one by one", lambda needles=needles, values=values: _one_by_one(needles, values), 1)
        print("same answers:", hyper == aho == plain, "; hits:", sum(map(len, hyper)))


if __name__ == "__main__":
    main()
