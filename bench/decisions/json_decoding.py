"""Decode real events, in CPU time for each record. usage: json_decoding.py OTRF_FOLDER."""

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


def sorted_by_gate(lines: list[bytes]) -> list[Records]:
    found = JsonSorter().sort(enumerate(lines, 1), LossCounter("measured"))
    return [item for item in found if isinstance(item, Records)]


def columns_by_orjson(lines: list[bytes], engine: FastEngine) -> int:
    groups: dict[Gate, list[dict[str, object]]] = {}
    for line in lines:
        record = orjson.loads(line)
        groups.setdefault(Gate("windows", str(record.get("Channel")), str(record.get("EventID"))), []).append(record)
    count = 0
    for gate, rows in groups.items():
        for name in engine.gate_plan(gate).demand.fields:
            cell_column([encode(row[name]) if name in row else None for row in rows])
            count += 1
    return count


def columns_of(groups: Iterable[Records], engine: FastEngine) -> int:
    return sum(
        len(group.decoder.columns(group.gate, group.raws, plan.demand))
        for group in groups
        if (plan := engine.gate_plan(group.gate)).views
    )


def main() -> None:
    lines = list(otrf_lines(Path(sys.argv[1]), SHARPDUMP))
    print(f"{len(lines)} records, {sum(map(len, lines))} bytes")
    cpu_s("json.loads", lambda: [None for line in lines if json.loads(line) is None])
    cpu_s("orjson.loads", lambda: [None for line in lines if orjson.loads(line) is None])
    untyped = msgspec.json.Decoder().decode
    cpu_s("msgspec, untyped", lambda: [None for line in lines if untyped(line) is None])
    groups = cpu_s("the probe: gate of each record", lambda: sorted_by_gate(lines))
    packs = {name: load_rules(read_rule_files([Path(name)]), {}).plans for name in sys.argv[2:]}
    for name, plans in packs.items():
        engine = FastEngine(plans)
        count = cpu_s(f"columns for {len(plans)} rules", lambda use=engine: columns_of(groups, use))
        print(f"  {count} columns of {len(groups)} gates, {name}")
        count = cpu_s("  orjson.loads, then the same columns", lambda use=engine: columns_by_orjson(lines, use))
        print(f"  {count} columns")


if __name__ == "__main__":
    main()
