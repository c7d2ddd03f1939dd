"""Measure how to look for 50,000 indicators: as keywords of one plan, as a plan each, or as a search of its own.

Usage: python bench/decisions/indicators.py FILE.jsonl [NUMBER]. Prints CPU seconds of this process and its children.
"""

from __future__ import annotations

import hashlib
import io
import os
import random
import sys
import time

from tocsin.indicators import Indicator
from tocsin.inquiries.needles import of_indicator
from tocsin.inquiries.search import Search, Terms
from tocsin.plans.expr import Atom, Glob, Or, Plan
from tocsin.rules.condition import Name
from tocsin.rules.pattern import ANY
from tocsin.rules.rule import Logsource, Meta
from tocsin.runs.hunt import Hunt
from tocsin.runs.ruleset import RuleSet
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.sinks import JsonLinesSink


def indicators(number: int) -> list[Indicator]:
    """Return indicators of all kinds, and a file name that is there."""
    rng = random.Random(5)
    found = [Indicator("file name", "powershell.exe")]
    for at in range(number - 1):
        digest = hashlib.sha256(str(at).encode()).hexdigest()
        address = ".".join(str(rng.randint(11, 223)) for _ in range(4))
        choices = (
            ("hash", digest),
            ("hash", digest[:32]),
            ("address", address),
            ("domain", f"{digest[:9]}.com"),
            ("file name", f"{digest[:8]}.exe"),
            ("url", f"http://{digest[:8]}.net/{digest[8:14]}/x.php"),
        )
        found.append(Indicator(*choices[at % len(choices)]))
    return found


def plan(number: int, items: list[Indicator]) -> Plan:
    """Return a plan that holds where one of the indicators' needles does."""
    atoms = tuple(Atom("*", Glob((ANY, text, ANY))) for item in items for text in of_indicator(item))
    expr = Or(atoms) if len(atoms) > 1 else atoms[0]
    meta = Meta(str(number), f"indicator {number}")
    return Plan(meta, Logsource("", "", ""), {"s": expr}, Name("s"), ("*",), atoms)


def measure(name: str, run: Scan) -> None:
    """Print what a scan costs."""
    out = io.BytesIO()
    before, begun = os.times(), time.monotonic()
    run.run(JsonLinesSink(), out)
    after = os.times()
    cpu = sum(after[:4]) - sum(before[:4])
    print(
        f"{name:<24} {cpu:8.1f} s CPU {time.monotonic() - begun:8.1f} s wall {out.getvalue().count(chr(10).encode())} findings",
        flush=True,
    )


def main() -> None:
    """Measure."""
    path = sys.argv[1]
    items = indicators(int(sys.argv[2]) if len(sys.argv) > 2 else 50_000)
    measure("a search of its own", Scan(ScanOptions((path,), inquiry=Hunt(Search(Terms(), items))), RuleSet([], [])))
    measure("keywords of one plan", Scan(ScanOptions((path,)), RuleSet([plan(0, items)], [])))
    each = [plan(at, [item]) for at, item in enumerate(items)]
    measure("a plan each", Scan(ScanOptions((path,)), RuleSet(each, [])))


if __name__ == "__main__":
    main()
