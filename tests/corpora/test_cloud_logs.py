"""Logs of clouds, identity providers, applications and macOS reach every rule that a documented event can match."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from compare import match_counts, read_records, reference_counts

from shared_data import shared
from tocsin.engine.executor import FastEngine
from tocsin.events import KEYWORDS, Event
from tocsin.rules.logsource import admits, views, why_no_source
from tocsin.rules.rule import Rule
from tocsin.rules.twins import see
from tocsin.runs.ruleset import RuleFile, RuleSet, load_rules
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.sinks import SINKS
from tocsin.sources import recognise
from tocsin.sources.interface import Loss, Records, Stream

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cloud_logs.yml").read_bytes())
PRODUCTS = {
    *("aws", "azure", "bitbucket", "gcp", "github", "gitlab", "kubernetes"),
    *("m365", "macos", "okta", "onelogin", "opencanary", "qualys", "rpc_firewall"),
}
NEVER_MATCHED = {
    "0055ad1f-be85-4798-83cf-a6da17c993b3": "asks for a sentence with a misspelling that no log has",
    "f7b5b004-dece-46e4-a4a5-f6fd0e1c6947": "asks for two activities in one event",
    "340ee172-4b67-4fb4-832f-f961bdc1f3aa": "asks for the letters UPN where the name of a user stands",
    "60f6535a-760f-42a9-be3f-c9a0a025906e": "asks for the letters UPN where the name of a user stands",
    "b4a6d707-9430-4f5f-af68-0337f52d5c42": "asks for other words than those of the error 53003",
    "234f9f48-904b-4736-a34c-55d23919e4b7": "asks for the path of the REST method; the log has ReidentifyContent",
    "6ad91e31-53df-4826-bd27-0166171c8040": "the method begins with io.k8s., and the rule anchors what follows that",
    "cd3a808c-c7b7-4c50-a2f3-f4cfcd436435": "asks for the name of a type; the method is io.k8s.batch.v1.jobs.create",
    "13f81a90-a69c-4fab-8f07-b5bb55416a9f": "asks for the path of the REST method; the log has DeleteServiceAccount",
    "6b67c12e-5e40-47c6-b3b0-1e6b571184cc": "asks for the path of the REST method; the log has CreateServiceAccount",
    "1a395cbc-a84a-463a-9086-ed8a70e573c7": "reads results of a vulnerability scanner, which are no events",
    "6b2066c8-3dc7-4db7-9db0-6cc1d7b0dde9": "reads results of a vulnerability scanner, which are no events",
}
"""Rules that no documented event can match, and why."""
UNSTATED = {
    ("aws", "src_country"): "no record of CloudTrail says where an address lies",
    ("macos", "OriginalFileName"): "a program of macOS has no such resource",
}
"""Product and field that no event states, and why."""


PLACEHOLDERS = {
    "ApprovedUserUpn": ["weber@example.org"],
    "Approved_Inviters": ["weber@example.org"],
    "HomeTenantID": ["h"],
    "Important_AppIds": ["a"],
    "KNOWN_LOCATION": ["FR"],
    "Known_Location": ["FR"],
    "Legitimate_Countries": ["FR"],
    "Legitimate_IP_Ranges": ["192.0.2.1"],
    "UnApprovedDevice": ["d"],
    "UnApprovedIp": ["198.51.100.7"],
    "UnLegitCountries": ["DE"],
    "legtimate_identifiers": ["weber@example.org"],
}


@pytest.fixture(scope="module")
def filled(rule_files: list[RuleFile]) -> RuleSet:
    """Return the corpus with values for the placeholders of these products."""
    return load_rules(rule_files, PLACEHOLDERS)


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return an object with another laid over it, inside too."""
    inner = {
        key: merged(base[key], value)
        for key, value in over.items()
        if isinstance(value, dict) and isinstance(base.get(key), dict)
    }
    return base | over | inner


def data_of(case: dict[str, Any]) -> bytes:
    """Return the log of a case."""
    if "text" in case:
        return str(case["text"]).encode()
    events = [merged(case["base"], event) for event in case["events"]]
    if "wrap" in case:
        return json.dumps({case["wrap"]: events}).encode()
    return "".join(f"{json.dumps(event)}\n" for event in events).encode()


@cache
def records_of(name: str) -> list[Records]:
    """Return the records of the case of that name; nothing may be lost."""
    data = data_of(next(case for case in CASES if case["name"] == name))
    source = recognise(data)
    assert source is not None
    items = list(source.read(Stream(io.BytesIO(data), name)))
    assert not [item for item in items if isinstance(item, Loss)]
    return [item for item in items if isinstance(item, Records)]


def events_of(records: list[Records]) -> list[Event]:
    """Return the events of records."""
    return [item.decoder.event(item.gate, raw, n) for item in records for raw, n in zip(item.raws, item.numbers, strict=True)]


each = pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))


@each
def test_rules_that_match(case: dict[str, Any], rules: list[Rule], rule_set: RuleSet, engine: FastEngine) -> None:
    """The log is matched by just the rules that are named, by the reference and by the fast engine."""
    records = records_of(case["name"])
    found = reference_counts(rules, records)
    assert match_counts(engine, rule_set.plans, records) == found
    ids = {rule.meta.path: rule.meta.id for rule in rules}
    assert Counter({ids[path]: count for path, count in found.items()}) == case["rules"]


@each
def test_gates_and_times(case: dict[str, Any]) -> None:
    """Every event of the log is told, and has its time."""
    events = events_of(records_of(case["name"]))
    assert len(events) == len(case.get("events", [0]))
    assert {event.gate[:2] for event in events} == {tuple(case["gate"])}
    assert {event.time[:19] for event in events} == {"2026-10-06T06:12:01"}


def test_every_rule_is_matched(rules: list[Rule]) -> None:
    """Each rule of these products is matched by some log, save those that cannot be; their logsources have a source."""
    matched = {name for case in CASES for name in case["rules"]}
    own = [rule for rule in rules if rule.logsource.product in PRODUCTS]
    assert {rule.meta.id for rule in own} - matched == set(NEVER_MATCHED)
    without = {rule.logsource.product for rule in own if why_no_source(rule.logsource)}
    assert without == {"qualys"}


def test_rules_with_placeholders(rule_set: RuleSet, filled: RuleSet) -> None:
    """Each rule with placeholders is matched too, when they have values, save one whose word for the outcome is misspelt."""
    known = {plan.meta.id for plan in rule_set.plans}
    own = [plan for plan in filled.plans if plan.logsource.product in PRODUCTS and plan.meta.id not in known]
    engine = FastEngine(own)
    matched = {path for case in CASES for path in match_counts(engine, own, records_of(case["name"]))}
    assert len(own) == 9
    assert {plan.meta.id for plan in own if plan.meta.path not in matched} == {"c98184ba-4a27-4e10-b7b7-da48e71f4d25"}


def test_fields_that_no_event_states(filled: RuleSet) -> None:
    """Every field that a rule of these products reads is stated by some event of its logsource, save those named here."""
    stated: dict[tuple[str, str, str], set[str]] = {}
    for event in (event for case in CASES for event in events_of(records_of(case["name"]))):
        for view in views(event.gate):
            seen = see(event, view)
            for plan in (plan for plan in filled.plans if plan.logsource.product in PRODUCTS and admits(view, plan.logsource)):
                place = (plan.logsource.product, plan.logsource.category, plan.logsource.service)
                stated.setdefault(place, set()).update(name for name in plan.fields if seen.find(name)[0])
    missing = set()
    for plan in (plan for plan in filled.plans if plan.logsource.product in PRODUCTS - {"qualys"}):
        place = (plan.logsource.product, plan.logsource.category, plan.logsource.service)
        missing |= {(place[0], name) for name in plan.fields if name not in stated.get(place, set()) and name != KEYWORDS}
    assert missing == set(UNSTATED)


def test_a_scan_tells_that_they_can_be_shown(tmp_path: Path, reader: str, rule_set: RuleSet) -> None:
    """A scan of all these logs finds what the engines do, and its coverage lists none of their rules as blind to them."""
    for case in CASES:
        tmp_path.joinpath(case["name"]).write_bytes(data_of(case))
    report = Scan(ScanOptions((str(tmp_path),)), rule_set).run(SINKS["jsonl"](), io.BytesIO())
    assert {file.status for file in report.coverage.files} == {"read"}
    assert report.coverage.events == sum(len(case.get("events", [0])) for case in CASES)
    assert report.tally.findings == sum(sum(case["rules"].values()) for case in CASES)
    products = {plan.meta.id: plan.logsource.product for plan in rule_set.plans}
    hidden = {note.id for note in report.coverage.rules.not_evaluable if products[note.id] in PRODUCTS}
    assert {name for name in hidden if products[name] != "qualys"} == set()


def _texts(name: str) -> list[str]:
    with zipfile.ZipFile(shared("otrf", name)) as archive:
        return [archive.read(member).decode() for member in archive.namelist()]


def test_real_logs_are_counted(rules: list[Rule], rule_set: RuleSet, engine: FastEngine) -> None:
    """The real logs of AWS and Linux are read whole, by independent counts, and matched by these rules."""
    lines = {
        "aws_s3_honeybucketlogs.zip": sum(1 for _ in csv.reader(io.StringIO(_texts("aws_s3_honeybucketlogs.zip")[0]))) - 1,
        "ec2_proxy_s3_exfiltration.zip": len(_texts("ec2_proxy_s3_exfiltration.zip")[0].splitlines()),
        "sh_arp_cache.zip": len(_texts("sh_arp_cache.zip")[0].splitlines()),
        "sh_binary_padding_dd.zip": len(_texts("sh_binary_padding_dd.zip")[0].splitlines()),
    }
    ids = {rule.meta.path: rule.meta.id for rule in rules}
    found: dict[str, dict[str, int]] = {}
    for name, count in lines.items():
        records = read_records([shared("otrf", name)])
        assert sum(len(item.raws) for item in records if item.counted) == count
        counts = match_counts(engine, rule_set.plans, records)
        assert counts == reference_counts(rules, records)
        found[name] = {ids[path]: n for path, n in counts.items()}
    assert lines == dict(zip(lines, (301, 103, 12, 6), strict=True))
    assert found == {
        "aws_s3_honeybucketlogs.zip": {},
        "ec2_proxy_s3_exfiltration.zip": {"905d389b-b853-46d0-9d3d-dea0d3a3cd49": 11},
        "sh_arp_cache.zip": {"11063ec2-de63-4153-935e-b1a8b9e616f1": 1},
        "sh_binary_padding_dd.zip": {
            "c52a914f-3d8b-4b2a-bb75-b3991e75f8ba": 1,
            "37222991-11e9-4b6d-8bdf-60fbe48f753e": 1,
        },
    }
