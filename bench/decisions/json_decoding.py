"""Decode real events, in CPU time for each record. usage: json_decoding.py OTRF_FOLDER RULES..."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec
import orjson
from measure import SHARPDUMP, cpu_s, otrf_lines

from tocsin.engine.executor import FastEngine
from tocsin.events import Gate, cell_column
from tocsin.events.values import encode
from tocsin.runs.ruleset import load_rules, read_rule_files
from tocsin.sources.interface import Records
from tocsin.sources.json import JsonSorter
from tocsin.sources.json_text import LossCounter


def _sorted_by_gate(lines: list[bytes]) -> list[Records]:
    found = JsonSorter().sort(enumerate(lines, 1), LossCounter("measured"))
    return [item for item in found if isinstance(item, Records)]


def _columns_by_orjson(lines: list[bytes], engine: FastEngine) -> int:
    groups: dict[Gate, list[dict[str, object]]] = {}
    for line in lines:
        record = orjson.loads(line)
        groups.setdefault(Gate("windows", str(record.get("Channel")), str(record.get("EventID"))), []).append(record)
    wanted = [(rows, name) for gate, rows in groups.items() for name in engine.gate_plan(gate).demand.fields]
    return len([cell_column([encode(row[name]) if name in row else None for row in rows]) for rows, name in wanted])


def _columns_of(groups: Iterable[Records], engine: FastEngine) -> int:
    return sum(
        len(group.decoder.columns(group.gate, group.raws, plan.demand))
        for group in groups
        if (plan := engine.gate_plan(group.gate)).views
    )


def main() -> None:
    """Measure and print."""
    lines = list(otrf_lines(Path(sys.argv[1]), SHARPDUMP))
    print(f"{len(lines)} records, {sum(map(len, lines))} bytes")
    for decode in (json.loads, orjson.loads, msgspec.json.decode):
        cpu_s(f"{decode.__module__}.{decode.__name__}", lambda decode=decode: [None for line in lines if decode(line) is None])
    groups = cpu_s("the probe: gate of each record", lambda: _sorted_by_gate(lines))
    for name in sys.argv[2:]:
        engine = FastEngine(load_rules(read_rule_files([Path(name)]), {}).plans)
        count = cpu_s(f"after it, columns for {Path(name).name}", lambda use=engine: _columns_of(groups, use))
        other = cpu_s(f"orjson.loads and columns, {Path(name).name}", lambda use=engine: _columns_by_orjson(lines, use))
        print(f"{count} and {other} columns of {len(groups)} groups")


if __name__ == "__main__":
    main()
