"""Text logs of web servers, proxies, firewalls, devices, DNS, scanners and applications reach the rules that ask for them."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from compare import fast, reference_counts

from tocsin.events import KEYWORDS
from tocsin.rules.logsource import admits, views, why_no_source
from tocsin.rules.rule import Logsource, Rule
from tocsin.rules.twins import see
from tocsin.runs.ruleset import RuleSet
from tocsin.sources import recognise
from tocsin.sources.interface import Records, Stream

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "text_logs.yml").read_bytes())
FAMILIES = ("antivirus", "database", "dns", "firewall", "proxy", "webserver")
SERVICES = (
    *(("", "apache"), ("", "nginx"), ("", "netflow"), ("cisco", "aaa"), ("cisco", "bgp"), ("cisco", "duo"), ("cisco", "ldp")),
    *(("cisco", "syslog"), ("fortigate", "event"), ("fortios", "sslvpnd"), ("huawei", "bgp"), ("juniper", "bgp")),
)
APPLICATIONS = ("django", "jvm", "nodejs", "python", "ruby_on_rails", "spring", "sql", "velocity")
LOGSOURCES = (
    *(Logsource("", family, "") for family in FAMILIES),
    *(Logsource(product, "", service) for product, service in SERVICES),
    *(Logsource(product, "application", "") for product in APPLICATIONS),
    Logsource("paloalto", "appliance", "globalprotect"),
)
UNSTATED = {"cs-content-type"}
"""Fields of these rules that none of the lines states: no usual format logs the content type of a request."""


def _records(case: dict[str, Any]) -> list[Records]:
    stream = Stream(io.BytesIO(case["text"].encode()), case["name"])
    source = recognise(stream.head)
    assert source is not None
    return [item for item in source.read(stream) if isinstance(item, Records)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_rules_that_match(case: dict[str, Any], rules: list[Rule], rule_set: RuleSet) -> None:
    """The lines are matched by just the rules that are named, by the reference and by the fast engine."""
    records = _records(case)
    ids = {rule.meta.path: rule.meta.id for rule in rules}
    found = reference_counts(rules, records)
    assert fast(rule_set.plans, records) == found
    assert Counter({ids[path]: count for path, count in found.items()}) == case["rules"]


def test_every_logsource_is_shown(rules: list[Rule]) -> None:
    """Each logsource that text logs feed has a line that one of its rules matches."""
    matched = {name for case in CASES for name in case["rules"]}
    shown = {rule.logsource for rule in rules if rule.meta.id in matched}
    assert [str(logsource) for logsource in LOGSOURCES if logsource not in shown] == []
    assert not [logsource for logsource in LOGSOURCES if why_no_source(logsource)]


def _stated(item: Records) -> dict[Logsource, set[str]]:
    """Return the fields that records state, for each logsource whose rules see them."""
    found: dict[Logsource, set[str]] = {}
    events = [item.decoder.event(item.gate, raw, number) for raw, number in zip(item.raws, item.numbers, strict=True)]
    for view in views(item.gate):
        fields = {name for event in events for name in see(event, view).fields}
        for logsource in (logsource for logsource in LOGSOURCES if admits(view, logsource)):
            found.setdefault(logsource, set()).update(fields)
    return found


def test_fields_that_no_line_states(rule_set: RuleSet) -> None:
    """Every field that a rule of these logsources reads is stated by some line, save those named here."""
    stated: dict[Logsource, set[str]] = {logsource: set() for logsource in LOGSOURCES}
    for item in (item for case in CASES for item in _records(case)):
        for logsource, fields in _stated(item).items():
            stated[logsource] |= fields
    read = {(plan.logsource, name) for plan in rule_set.plans if plan.logsource in stated for name in plan.fields}
    missing = {name for logsource, name in read if name not in stated[logsource] and name != KEYWORDS}
    assert missing == UNSTATED
