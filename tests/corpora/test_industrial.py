"""The industrial pack: rules match their events and leave others, attacks in captures are found, a quiet plant is quiet.

`TOCSIN_WRITE_DOCS=1` writes docs/packs/industrial.md anew.
"""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from compare import match_counts, parse_rules, read_records, reference_counts

import tocsin
from shared_data import shared
from tocsin.engine.executor import FastEngine
from tocsin.plans.expr import Plan
from tocsin.rules.logsource import why_no_source
from tocsin.runs.ruleset import RuleSet, load_rules, read_rule_files
from tocsin.sources import recognise
from tocsin.sources.interface import Records, Stream

PACK = Path(tocsin.__file__).parent / "packs" / "industrial"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "packs" / "industrial.md"
OF_SITE = ("baseline", "site")
"""Folders of rules that wait for a site file; `tests/unit/sites/test_baseline_rules.py` has the tests of the first."""
ALL_PATHS = sorted((PACK / "rules").rglob("*.yml"))
RULE_PATHS = [path for path in ALL_PATHS if path.parent.name != "baseline"]
FEWEST = 100
SITE = {
    "EngineeringStations": ["10.20.6.32", "ENG-WS-02"],
    "JumpHosts": ["10.20.5.10", "JUMP-01"],
    "Controllers": ["10.20.8.13", "WELL-2"],
    "MedicalDevices": ["10.30.2.40"],
    "ICSMasters": ["10.20.6.20", "SCADA-01"],
}
"""What a site file fills, for the rules that wait for one."""
HEAD = """# The industrial pack

{count} rules for the protocols of control systems, the stations around them, hospitals and telecoms. They read the logs of
Zeek with the ICSNPP parsers, the same events out of captures (`docs/captures.md`), and the logs of Windows and Linux. High is
what takes equipment out of the hands of its operator, or comes from where nobody belongs; what a plant does every day is
informational or low, so that a site can look back at it. Rules below `baseline` and `site` wait for a site file
(`docs/site-file.md`). `tests/corpora/test_industrial.py` writes this page from the rules, and fails when it is not true.

A rule finds each message: a download of a program is many findings, which `tocsin incidents` joins. Rules on `iec104`, and
those that read the address or the file of a DNP3 message, need a capture: the logs of Zeek do not have these fields.

The benign logs of the ICSNPP parsers raise this much of level high or above ({loud}):

{reasons}
"""
QUIET = {
    "S7 controller is stopped": (1, "a test client of snap7 stops its own server"),
}
"""What a quiet plant raises of level high or above: how often, and why."""
LOUD = ("high", "critical")
MOST_LOUD = 5
ATTACKS = {
    "quickdraw/CL5000EIP-Lock PLC Attempt.pcap": "Controller is locked against others over CIP",
    "quickdraw/CL5000EIP-Remote Mode Change Attempt.pcap": "Controller is stopped over CIP",
    "quickdraw/CL5000EIP-Software Download.pcap": "Program objects are created in a controller",
    "quickdraw/CL5000EIP-Control Protocol Change Attempt.pcap": "Device is reset over CIP",
    "dnp3/directoperate_and_response.pcap": "DNP3 outputs are operated without a selection",
    "dnp3/file_write.pcap": "File on a DNP3 outstation is opened for writing",
    "dnp3/enable_unsolicited_and_response.pcap": "DNP3 outstation is told to report by itself",
    "s7/step7_s300_download.pcapng": "Program block is loaded into an S7 controller",
    "s7/tia_s300_downloadOb1.pcapng": "Program block is loaded into an S7 controller",
    "modbus/modbus_test_data_part1.pcap": "Modbus device is silenced",
    "iec104/090813_diverse.pcap": "Command over IEC 60870-5-104",
}
"""Capture -> the title of the rule that finds its attack."""


@pytest.fixture(scope="module")
def pack() -> RuleSet:
    """Return the pack, compiled without a site file: the baseline rules that need one are unsupported."""
    return load_rules(read_rule_files([PACK]), {})


@pytest.fixture(scope="module")
def pack_engine(pack: RuleSet) -> FastEngine:
    """Return the engine of the pack."""
    return FastEngine(pack.plans)


@cache
def techniques() -> dict[str, set[str]]:
    """Return the techniques of ATT&CK for ICS that are in force, with their tactics."""
    found = {}
    for item in json.loads(shared("attack", "ics-attack.json").read_bytes())["objects"]:
        if item.get("type") != "attack-pattern" or item.get("revoked") or item.get("x_mitre_deprecated"):
            continue
        names = [ref["external_id"] for ref in item["external_references"] if ref["source_name"] == "mitre-attack"]
        found[names[0].lower()] = {phase["phase_name"].removesuffix("-ics") for phase in item["kill_chain_phases"]}
    return found


def _records(entry: dict[str, Any]) -> list[Records]:
    data = json.dumps(entry).encode() + b"\n"
    source = recognise(data)
    assert source is not None
    return [item for item in source.read(Stream(io.BytesIO(data), "x")) if isinstance(item, Records)]


def _titles(plans: list[Plan], engine: FastEngine, records: list[Records]) -> Counter[tuple[str, str]]:
    """Return how often each rule matches, by level and title."""
    of = {plan.meta.path: (plan.meta.level, plan.meta.title) for plan in plans}
    return Counter({of[path]: count for path, count in match_counts(engine, plans, records).items()})


def test_rules_compile(pack: RuleSet) -> None:
    """Every rule compiles or waits for the site file, has an id of its own, and sees events that Tocsin can read."""
    assert {item.code for item in pack.rejected} <= {"R030"}
    assert {path.parent.name for path in map(Path, (item.note.path for item in pack.rejected))} == set(OF_SITE)
    assert len({plan.meta.id for plan in pack.plans}) == len(pack.plans) >= FEWEST
    assert len(pack.plans) + len(pack.rejected) == len(ALL_PATHS)
    assert not [plan.meta.path for plan in pack.plans if why_no_source(plan.logsource)]


@pytest.mark.parametrize("path", RULE_PATHS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_rule(path: Path) -> None:
    """A rule matches its positive events and none of its negative ones, by both engines."""
    files = read_rule_files([path])
    rules, plans = parse_rules(files), load_rules(files, SITE).plans
    cases = yaml.safe_load((PACK / "tests" / path.relative_to(PACK / "rules")).read_bytes())
    assert cases["rule"] == plans[0].meta.id
    for name, expected in (("positive", True), ("negative", False)):
        assert cases[name]
        for entry in cases[name]:
            records = _records(entry)
            assert bool(match_counts(FastEngine(plans), plans, records)) is expected
            assert bool(reference_counts(rules, records, SITE)) is expected


@pytest.mark.parametrize("path", ALL_PATHS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_tags_are_those_of_attack(path: Path) -> None:
    """Each technique is one of ATT&CK for ICS that is in force, and each of them comes with a tactic that it serves."""
    tags = [tag.removeprefix("attack.") for tag in yaml.safe_load(path.read_bytes())["tags"]]
    named = [tag for tag in tags if tag[1:].isdecimal()]
    tactics = set(tags) - set(named)
    assert named
    for name in named:
        assert techniques()[name] & tactics
    assert tactics <= set().union(*(techniques()[name] for name in named))


@pytest.mark.parametrize("capture", ATTACKS)
def test_attack_is_found(capture: str, pack: RuleSet, pack_engine: FastEngine) -> None:
    """The attack of a capture is found by the rule that is named for it."""
    found = _titles(pack.plans, pack_engine, read_records([shared("ics", "pcap", *capture.split("/"))]))
    assert ATTACKS[capture] in {title for _, title in found}


def test_looking_at_a_device_raises_nothing_loud(pack: RuleSet, pack_engine: FastEngine) -> None:
    """Reading the state of a device is no attack."""
    path = shared("ics", "pcap", "quickdraw", "CL5000EIP-View Device Status.pcap")
    records = read_records([path])
    assert records
    assert not [title for level, title in _titles(pack.plans, pack_engine, records) if level in LOUD]


def test_a_quiet_plant_is_quiet(pack: RuleSet, pack_engine: FastEngine) -> None:
    """All the benign logs together raise hardly a finding that calls somebody out, and each is told here."""
    records = read_records(sorted(shared("ics", "zeek").rglob("*.log")))
    found = _titles(pack.plans, pack_engine, records)
    loud = {title: count for (level, title), count in found.items() if level in LOUD}
    assert sum(loud.values()) <= MOST_LOUD
    assert loud == {title: count for title, (count, _) in QUIET.items()}


def page() -> str:
    """Return the page of the pack: a table for each folder of rules."""
    reasons = "\n".join(f"- {title}: {why}" for title, (_, why) in QUIET.items())
    count = sum(number for number, _ in QUIET.values())
    lines = [HEAD.format(count=len(ALL_PATHS), loud=count, reasons=reasons)]
    folder = ""
    for path in ALL_PATHS:
        if path.parent.name != folder:
            folder = path.parent.name
            lines += [f"## {folder}\n", "| level | rule | log | ATT&CK for ICS |", "|---|---|---|---|"]
        rule = yaml.safe_load(path.read_bytes())
        named = sorted(tag.removeprefix("attack.").upper() for tag in rule["tags"] if tag[8:].isdecimal())
        log = "/".join(filter(None, (rule["logsource"].get(key) for key in ("product", "category", "service"))))
        lines.append(f"| {rule['level']} | {rule['title']} | {log} | {' '.join(named)} |")
        lines += [""] if path is ALL_PATHS[-1] or ALL_PATHS[ALL_PATHS.index(path) + 1].parent != path.parent else []
    return "\n".join(lines)


def test_page() -> None:
    """The page says what the pack holds."""
    text = page()
    if os.environ.get("TOCSIN_WRITE_DOCS"):
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(text, "utf-8")
    assert PAGE.read_text("utf-8") == text
