"""Scans with a tuning file: findings are suppressed or have another level, none is lost, and who decided is told."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from scan_samples import RULES, WHOAMI, rules, scan, write
from shared_data import shared
from tocsin.decisions import parse_tuning
from tocsin.errors import TuningError
from tocsin.findings import Decision
from tocsin.runs.decisions import Tuning
from tocsin.runs.ruleset import RuleFile, load_rules, read_rule_files
from tocsin.sites.parse import parse_site
from tocsin.sites.site import Site

WHO = "owner: Ops, reason: known, expires: 2027-05-31"
DAY = date(2027, 5, 30)
SITE = """\
site: Plant
zones: {control: {networks: [10.0.0.0/24]}, office: {networks: [10.0.1.0/24]}}
assets: {HMI-1: {addresses: [h0], zone: control}, PC-1: {addresses: [h1], zone: office}}
"""
MANY = """\
title: Many
id: 66666666-6666-4666-8666-666666666666
level: high
correlation:
  type: event_count
  rules: [11111111-1111-4111-8111-111111111111]
  group-by: [Computer]
  timespan: 1h
  condition: {gte: 5}
"""


def tuning(*suppress: str, level: tuple[str, ...] = (), day: date = DAY) -> Tuning:
    """Return the tuning of entries, each without who, why and until when."""
    lines = [
        f"{kind}:\n" + "".join(f"  - {{{item}, {WHO}}}\n" for item in items)
        for kind, items in (("suppress", suppress), ("level", level))
        if items
    ]
    entries, problems = parse_tuning("".join(lines).encode(), "t.yml")
    assert not problems, problems
    return Tuning(tuple(entries), day)


def site() -> Site:
    """Return the site file."""
    found, problems, _ = parse_site(SITE.encode(), "site.yml")
    assert not problems
    return found


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    """Write evidence in several files: events of three hosts, with addresses."""
    for number in range(3):
        path = write(tmp_path / "evidence" / f"{number}.jsonl", range(number * 100, number * 100 + 100))
        found = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text(
            "".join(json.dumps({**item, "SourceIp": f"10.0.{at % 2}.{at % 50}"}) + "\n" for at, item in enumerate(found))
        )
    return tmp_path / "evidence"


def bare(finding: dict[str, Any]) -> dict[str, Any]:
    """Return a finding as it is without a decision."""
    found = {key: value for key, value in finding.items() if key != "decision"}
    decision = finding.get("decision", {})
    return {**found, "rule": {**found["rule"], "level": decision["level"]}} if decision.get("level") else found


@pytest.mark.parametrize(
    ("entry", "takes"),
    [
        ("rules: [Whoami]", lambda item: item["rule"]["title"] == "Whoami"),
        ("hosts: [H1]", lambda item: item["host"] == "h1"),
        ("rules: [Word], hosts: [h0, h2]", lambda item: item["rule"]["title"] == "Word" and item["host"] in ("h0", "h2")),
        ("assets: [HMI-1]", lambda item: item["host"] == "h0"),
        ("zones: [office]", lambda item: "office" in {asset["zone"] for asset in item["assets"].values()}),
        ("addresses: [10.0.1.0/28]", lambda item: item["event"]["SourceIp"] in {f"10.0.1.{n}" for n in range(16)}),
        ("from: '2026-10-03T06:02:00Z'", lambda item: item["time"] >= "2026-10-03T06:02"),
        (
            "daily: {time_zone: Europe/Berlin, days: [sat], from: 8:01, until: 8:03}",
            lambda item: "2026-10-03T06:01" <= item["time"] < "2026-10-03T06:03",
        ),
    ],
)
def test_what_an_entry_takes_is_written_aside(tmp_path: Path, evidence: Path, entry: str, takes: Any) -> None:
    """What is suppressed is not reported, is written aside with whose decision it is, and nothing is lost."""
    _, plain, _ = scan(evidence, site=site())
    aside = tmp_path / "aside.jsonl"
    report, left, _ = scan(evidence, site=site(), tuning=tuning(entry), suppressed=aside)
    gone = [json.loads(line) for line in aside.read_text().splitlines()]
    assert [bare(item) for item in gone] == [item for item in plain if takes(item)]
    assert left == [item for item in plain if not takes(item)]
    assert gone
    assert left
    assert {json.dumps(item["decision"]) for item in gone} == {
        '{"kind": "suppress", "title": "entry 1 of suppress", "owner": "Ops", "reason": "known", "expires": "2027-05-31", '
        '"path": "t.yml, entry 1 of suppress", "level": ""}'
    }
    (told,) = report.coverage.decisions
    assert (told.kind, told.owner, told.reason, told.expires, told.status) == (
        "suppress",
        "Ops",
        "known",
        "2027-05-31",
        "applied",
    )
    assert (told.findings, told.first, told.last) == (len(gone), gone[0]["time"], gone[-1]["time"])
    assert sum(rule.findings for rule in told.rules) == len(gone)
    assert report.tally.findings == len(left)


def test_another_level(evidence: Path) -> None:
    """The finding has the new level and tells the rule's own, and is counted by the new one."""
    report, found, _ = scan(evidence, tuning=tuning(level=("to: critical, rules: [Word], hosts: [h1]",)))
    _, plain, _ = scan(evidence)
    changed = [item for item in found if "decision" in item]
    assert {(item["rule"]["title"], item["rule"]["level"], item["decision"]["level"]) for item in changed} == {
        ("Word", "critical", "medium")
    }
    assert [bare(item) for item in found] == plain
    assert report.tally.levels["critical"] == len(changed) == report.coverage.decisions[0].findings == 10
    assert report.coverage.decisions[0].level == "critical"


def test_the_number_of_workers_and_a_second_run_change_nothing(tmp_path: Path, evidence: Path) -> None:
    """The same bytes are reported, written aside and told."""
    chosen = tuning("hosts: [h1]", "rules: [Whoami], hosts: [h2]", level=("to: low, rules: [Word]",))
    seen = set()
    for number, jobs in enumerate((1, 2, 2)):
        aside = tmp_path / f"{number}.jsonl"
        report, _, written = scan(evidence, tuning=chosen, suppressed=aside, jobs=jobs)
        seen.add((written, aside.read_bytes(), str(report.coverage.decisions)))
    assert len(seen) == 1


def test_an_expired_entry_is_not_applied_and_told(evidence: Path) -> None:
    """On its day an entry is over."""
    _, plain, _ = scan(evidence)
    report, found, _ = scan(evidence, tuning=tuning("hosts: [h1]", day=date(2027, 5, 31)))
    assert found == plain
    (told,) = report.coverage.decisions
    assert (told.status, told.findings) == ("expired", 0)
    assert told.notes == ["t.yml, entry 1 of suppress: decided by Ops, expired on 2027-05-31 and is not applied [T017]"]


def test_unknown_names_are_told(evidence: Path) -> None:
    """A rule, asset or zone that is not known is named, and the other names are used."""
    report, found, _ = scan(
        evidence, site=site(), tuning=tuning("rules: [Whoami, Whoamy], assets: [HMI-1, HMI-2], zones: [control, nowhere]")
    )
    (told,) = report.coverage.decisions
    place = "t.yml, entry 1 of suppress: there is no"
    assert told.notes == [
        f"{place} rule 'Whoamy', did you mean 'Whoami'? [T015]",
        f"{place} asset 'HMI-2', did you mean 'HMI-1'? [T015]",
        f"{place} zone 'nowhere' [T015]",
    ]
    assert told.findings == 10
    assert ("Whoami", "h0") not in {(item["rule"]["title"], item["host"]) for item in found}


@pytest.mark.parametrize("entry", ["assets: [HMI-1]", "zones: [control]"])
def test_without_a_site_file_there_are_no_assets(evidence: Path, entry: str) -> None:
    """An entry that could never hold ends the scan before it begins."""
    with pytest.raises(TuningError) as raised:
        scan(evidence, tuning=tuning(entry))
    assert raised.value.code == "T016"


def test_correlations_see_what_is_suppressed_at_the_end(tmp_path: Path) -> None:
    """The tuning file takes findings, so that a correlation still counts their events; a filter takes the events."""
    path = write(tmp_path / "a.jsonl", range(300))
    found = rules("---\n".join((WHOAMI, MANY)))
    count = {}
    for name, entry in (("rule", "rules: [Whoami]"), ("correlation", "rules: [Many]"), ("addresses", "addresses: ['::/0']")):
        report, findings, _ = scan(path, found=found, tuning=tuning(entry))
        count[name] = (len(findings), report.coverage.decisions[0].findings)
    assert count == {"rule": (3, 0), "correlation": (0, 3), "addresses": (3, 0)}
    taking = """\
title: Taking
owner: Ops
logsource: {product: windows}
filter:
  rules: [11111111-1111-4111-8111-111111111111]
  selection: {Computer: h0}
  condition: not selection
"""
    report, findings, _ = scan(path, found=rules("---\n".join((WHOAMI, MANY, taking))))
    assert {item["event"]["group"]["Computer"] for item in findings} == {"h1", "h2"}
    (told,) = report.coverage.decisions
    assert (told.title, told.owner, told.findings, told.expires) == ("Taking", "Ops", 10, "")


def test_a_suppressed_copy_is_a_duplicate_too(tmp_path: Path) -> None:
    """Under `dedupe` a record that was read twice is suppressed once."""
    for name in ("a", "b"):
        write(tmp_path / "evidence" / f"{name}.jsonl", range(100))
    report, _, _ = scan(tmp_path / "evidence", tuning=tuning("rules: [Whoami]"), dedupe=True)
    assert report.coverage.decisions[0].findings == 10
    assert report.tally.findings == 10


def test_times_that_are_left_out_are_not_counted(tmp_path: Path) -> None:
    """What `since` and `until` leave out is no finding, so that nobody suppressed it."""
    path = write(tmp_path / "a.jsonl", range(300))
    report, _, _ = scan(path, tuning=tuning("rules: [Whoami]"), since="2026-10-03T06:04:00.000000Z")
    assert report.coverage.decisions[0].findings == 6


def test_recorded_attacks(tmp_path: Path) -> None:
    """Of the events of recorded attacks nothing is lost: what is reported and what is suppressed are all findings."""
    evidence = shared("evtx-attack-samples", "Lateral Movement")
    found = load_rules(read_rule_files([Path("src/tocsin/packs/essentials")]), {}, day=DAY)
    _, plain, _ = scan(evidence, found=found)
    host = plain[0]["host"]
    title = next(item["rule"]["title"] for item in plain if item["host"] != host)
    aside = tmp_path / "aside.jsonl"
    chosen = tuning(f"hosts: [{host}]", level=(f"to: critical, rules: ['{title}']",))
    report, left, _ = scan(evidence, found=found, tuning=chosen, suppressed=aside)
    gone = [json.loads(line) for line in aside.read_text().splitlines()]
    assert {item["host"] for item in gone} == {host}
    assert sorted(json.dumps(bare(item)) for item in [*left, *gone]) == sorted(map(json.dumps, plain))
    told: list[Decision] = report.coverage.decisions
    assert told[0].findings == len(gone) > 0
    assert told[1].findings == sum("decision" in item for item in left) > 0


def test_what_a_filter_takes_is_not_tuned_again(tmp_path: Path) -> None:
    """A filter comes first: an entry for the same findings finds nothing left."""
    path = write(tmp_path / "a.jsonl", range(300))
    text = "title: F\nlogsource: {product: windows}\nfilter: {rules: any, s: {Computer: h0}, condition: not s}\n"
    found = load_rules([RuleFile("rules.yml", f"{RULES}---\n{text}".encode())], {})
    report, _, _ = scan(path, found=found, tuning=tuning("hosts: [h0]"))
    assert [(item.kind, item.findings) for item in report.coverage.decisions] == [("filter", 20), ("suppress", 0)]
    assert {rule.title for rule in report.coverage.decisions[0].rules} == {"Whoami", "Word"}
