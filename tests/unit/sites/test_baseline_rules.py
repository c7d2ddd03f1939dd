"""The rules of the baseline in the industrial pack: with a site's masters, a write from any other station is found."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import tocsin
from scan_samples import scan
from shared_data import shared
from tocsin.runs.ruleset import RuleSet, load_rules, read_rule_files
from tocsin.sites.parse import parse_site
from tocsin.sites.placeholders import placeholders_of

PACK = Path(tocsin.__file__).parent / "packs" / "industrial"
RULES = sorted((PACK / "rules" / "baseline").glob("*.yml"))
SITE = """\
site: x
assets:
  SCADA-1: {addresses: [10.20.6.20]}
  PLC-1: {addresses: [10.20.7.11]}
conversations: [{from: SCADA-1, to: PLC-1, writes: true}]
"""


@pytest.fixture(scope="module")
def pack() -> RuleSet:
    """Return the rules, compiled for the site."""
    site, problems, _ = parse_site(SITE.encode(), "site.yml")
    assert not problems
    return load_rules(read_rule_files([PACK / "rules" / "baseline"]), placeholders_of(site))


def _cases(path: Path) -> dict[str, Any]:
    return yaml.safe_load((PACK / "tests" / "baseline" / path.name).read_bytes())


def _found(events: list[dict[str, Any]], pack: RuleSet, folder: Path) -> set[str]:
    path = folder / "events.jsonl"
    text = io.StringIO()
    for item in events:
        text.write(json.dumps(item, default=str) + "\n")
    path.write_text(text.getvalue())
    return {item["rule"]["id"] for item in scan(path, found=pack)[1]}


def test_rules_compile(pack: RuleSet) -> None:
    """All rules compile with a site, and without one each is unsupported for want of its masters."""
    assert not pack.rejected
    assert len(pack.plans) == len(RULES) == 9
    without = load_rules(read_rule_files([PACK / "rules" / "baseline"]), {})
    assert [(item.outcome, item.code) for item in without.rejected] == [("unsupported", "R030")] * 9


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_rule(path: Path, pack: RuleSet, tmp_path: Path) -> None:
    """Each positive event is found, no negative one, and none that a master sends."""
    cases = _cases(path)
    rule = yaml.safe_load(path.read_bytes())["id"]
    assert cases["rule"] == rule
    for item in cases["positive"]:
        assert rule in _found([item], pack, tmp_path)
        own = {key: "10.20.6.20" if value == "10.20.9.66" else value for key, value in item.items()}
        assert rule not in _found([own], pack, tmp_path)
    assert rule not in _found(cases["negative"], pack, tmp_path)


def test_real_writes(pack: RuleSet) -> None:
    """In real logs, of which no station is a master here, every request that writes is found, and nothing else."""
    report, found, _ = scan(shared("ics", "zeek", "dnp3"), found=pack)
    assert {item["event"]["fc_request"] for item in found} == {"SELECT", "OPERATE"}
    assert report.tally.findings == 242
    report, found, _ = scan(shared("ics", "zeek", "s7comm"), found=pack)
    asked = {(item["telemetry"], item["event"]["function_name"]) for item in found}
    assert asked == {
        ("s7comm", "PLC Control"),
        ("s7comm", "PLC Stop"),
        ("s7comm", "Write Variable"),
        ("s7comm_plus", "Set Multi Variables"),
        ("s7comm_plus", "Set Variable"),
    }
    assert report.tally.findings == 3 + 1 + 10 + 28


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_tags_are_techniques(path: Path) -> None:
    """Each technique is one of ATT&CK for ICS under one of the rule's tactics, and each tactic has one."""
    objects = json.loads(shared("attack", "ics-attack.json").read_bytes())["objects"]
    known = {
        item["external_references"][0]["external_id"].lower(): {phase["phase_name"] for phase in item["kill_chain_phases"]}
        for item in objects
        if item["type"] == "attack-pattern" and not item.get("revoked")
    }
    names = [tag.removeprefix("attack.") for tag in yaml.safe_load(path.read_bytes())["tags"]]
    tactics = {name for name in names if not name.startswith("t0")}
    techniques = [known[name] for name in names if name.startswith("t0")]
    assert all(found & tactics for found in techniques)
    assert tactics <= set().union(*techniques)
