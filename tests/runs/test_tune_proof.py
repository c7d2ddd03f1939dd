"""The proof of a filter catches what a proposal gets wrong; hostile events and other filters change nothing."""

from __future__ import annotations

import json
import shutil
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from tocsin.errors import TocsinError
from tocsin.events import Event
from tocsin.findings import FoundSource
from tocsin.runs import tune
from tocsin.runs.evidence import read_events
from tocsin.runs.judged_events import kept_events
from tocsin.runs.marks import Judged, Marks, Place, RuleId, marked_findings
from tocsin.runs.ruleset import load_rules, read_rule_files
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.runs.tune import Refused, Tuned, TuneOptions, Tuning
from tocsin.sinks import JsonLinesSink
from tocsin.tuning import Decision, Feature, Kind, Proposal
from tocsin.tuning.feature import feature_of

TESTS = Path(__file__).resolve().parents[1]
ID = "44444444-4444-4444-8444-444444444444"
RULE = f"""\
title: Whoami
id: {ID}
level: low
logsource: {{product: windows, category: process_creation}}
detection:
  s: {{CommandLine|contains: whoami}}
  condition: s
"""
SYSMON = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 1, "Provider_Name": "Microsoft-Windows-Sysmon"}
TEST = f"rule: {ID}\npositive: [{json.dumps(SYSMON | {'CommandLine': 'whoami /priv'})}]\nnegative: [{json.dumps(SYSMON)}]\n"
DECISION = Decision("o", "r", date(2099, 1, 1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a rule, its test, and a log."""
    for name, text in (("rules/a.yml", RULE), ("tests/a.yml", TEST)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    return tmp_path


def scan(folder: Path, *commands: str, **more: Any) -> Path:
    """Write an event for each command line, scan them, and return the findings."""
    events = [SYSMON | {"Image": r"C:\W\whoami.exe", "CommandLine": command} | more for command in commands]
    (folder / "log.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return rescan(folder)


def rescan(folder: Path) -> Path:
    """Scan the log and return the findings."""
    found = load_rules(read_rule_files([folder / "rules"]), {})
    options = ScanOptions((str(folder / "log.jsonl"),), output=folder / "findings.jsonl", jobs=1)
    Scan(options, found).run(JsonLinesSink(), None)
    return folder / "findings.jsonl"


def run(folder: Path, false: tuple[int, ...], true: tuple[int, ...] = ()) -> Tuned | Refused:
    """Return what became of the rule with marks on lines of the log."""
    marks = Marks({Place(ID, str(folder / "log.jsonl"), at): "false_positive" for at in false})
    marks.places |= {Place(ID, str(folder / "log.jsonl"), at): "true" for at in true}
    files = read_rule_files([folder / "rules"])
    options = TuneOptions(folder / "findings.jsonl", DECISION)
    (result,) = Tuning(options, files, {}, load_rules(files, {})).run(marks)
    return result


def feature(field: str, text: str) -> Feature:
    """Return a test of a field."""
    found = feature_of(field, [{field: (text,)}], frozenset())
    assert found
    return found


IMAGE = feature("Image", r"C:\W\whoami.exe")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (feature("CommandLine", "whoami /other"), "would still be found"),
        (IMAGE, "would be lost, though it is true"),
        (Feature("CommandLine", "startswith", ("whoami",), Kind.PROGRAM, ()), "the positive test 1 of the rule"),
    ],
)
def test_a_wrong_proposal_is_caught(folder: Path, monkeypatch: pytest.MonkeyPatch, wrong: Feature, said: str) -> None:
    """A proposal that misses a false positive, loses a true one or the rule's test is never written."""
    scan(folder, "whoami /all", "cmd /c whoami")
    monkeypatch.setattr(tune, "propose", lambda *args: Proposal(((wrong,),)))
    result = run(folder, (1,), (2,))
    assert isinstance(result, Refused)
    assert result.error.code == "T006"
    assert said in result.error.message


def test_an_invalid_filter_is_caught(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that our own parser refuses is never written."""
    scan(folder, "whoami /all")
    wrong = Feature("CommandLine", "cidr", ("nonsense",), Kind.PROGRAM, ())
    monkeypatch.setattr(tune, "propose", lambda *args: Proposal(((wrong,),)))
    result = run(folder, (1,))
    assert isinstance(result, Refused)
    assert result.error.code == "T006"


@pytest.mark.parametrize(
    "value",
    [
        r"whoami *.* \* ? \\host\share\ ",
        "whoami '\"",
        "whoami: - # & ! %x% {a}",
        "whoami\x00\x1b[2J\u202e\ud800",
        "whoami " * 9000,
    ],
)
def test_hostile_values(folder: Path, value: str) -> None:
    """Wildcards, quotes, YAML, control characters and very long values go, and only they."""
    scan(folder, value, "whoami /x", "x whoami")
    result = run(folder, (1,), (2,))
    assert isinstance(result, Tuned), result
    assert (result.proof.false_positives, result.proof.true, result.proof.positive) == (1, 1, 1)
    assert (result.proof.unmarked, result.proof.of_unmarked, result.proof.scanned) == (0, 1, 1)


def test_hostile_names_of_fields(folder: Path) -> None:
    """A field whose name would be a modifier, a path or YAML is never a ground."""
    more = {"Image|re": "x", "a\nb": "x", "": "x", "CommandLine": "whoami /all", "a.b": {"c": "x"}}
    scan(folder, "whoami /all", **more)
    result = run(folder, (1,))
    assert isinstance(result, Tuned), result
    assert {item.field for selection in result.proposal.selections for item in selection} <= {"CommandLine", "Image", "a.b.c"}


def test_filters_that_are_there_already_count(folder: Path) -> None:
    """A finding that another filter removes by now cannot be marked; the others are tuned beside it."""
    scan(folder, "whoami /all", "whoami /b")
    head = "logsource: {product: windows}\n"
    body = f"filter: {{rules: [{ID}], s: {{CommandLine: whoami /all}}, condition: not s}}\n"
    (folder / "rules" / "f.yml").write_text("title: F\n" + head + body)
    refused = run(folder, (1,))
    assert isinstance(refused, Refused)
    assert refused.error.code == "T005"
    tuned = run(folder, (2,))
    assert isinstance(tuned, Tuned)
    assert tuned.proof.of_unmarked == 0


def test_what_correlations_count_is_told(folder: Path) -> None:
    """A rule that serves a correlation has a note, since the correlation counts less with the filter."""
    correlation = (
        f"title: Many\ncorrelation: {{type: event_count, rules: [{ID}], timespan: 1h, condition: {{gte: 5}}, generate: true}}\n"
    )
    (folder / "rules" / "c.yml").write_text(correlation)
    scan(folder, "whoami /all")
    result = run(folder, (1,))
    assert isinstance(result, Tuned), result
    assert "what it removes no longer counts for the correlations Many" in result.cautions
    assert "What it removes no longer counts for the correlations Many." in result.text


def test_unmarked_findings_are_counted_and_listed(folder: Path) -> None:
    """Unmarked findings that are the same events go, are counted by the scan, and the first are listed."""
    path = scan(folder, *["whoami /all"] * 30, "whoami /b")
    result = run(folder, (1, 2))
    assert isinstance(result, Tuned)
    assert (result.proof.unmarked, result.proof.of_unmarked) == (28, 29)
    assert [place.record for place in result.proof.listed] == list(range(3, 13))
    (folder / "log.jsonl").unlink()
    again = run(folder, (1, 2))
    assert isinstance(again, Tuned)
    assert (again.proof.unmarked, again.proof.of_unmarked, again.proof.absent) == (28, 29, (str(folder / "log.jsonl"),))
    assert [place.record for place in again.proof.listed] == list(range(3, 13))
    assert path.is_file()


def test_a_rule_that_is_not_loaded(folder: Path) -> None:
    """A finding of a rule that is not among the rules is refused with what to give."""
    scan(folder, "whoami")
    (folder / "rules" / "a.yml").write_text(RULE.replace(ID, "other"))
    result = run(folder, (1,))
    assert isinstance(result, Refused)
    assert result.error.code == "T003"


def test_a_rule_that_cannot_be_decided(folder: Path) -> None:
    """An expression that is cut off on an unmarked event refuses the rule, rather than counting it as no match."""
    slow = r"{CommandLine|re: '^(?=a)(a|aa)+$|whoami'}"
    (folder / "rules" / "a.yml").write_text(RULE.replace("{CommandLine|contains: whoami}", slow))
    path = scan(folder, "whoami /all", "whoami /b")
    evil = path.read_text().splitlines()[1].replace("whoami /b", "a" * 60 + "c")
    path.write_text(path.read_text() + evil.replace('"record":2', '"record":3') + "\n")
    result = run(folder, (1,))
    assert isinstance(result, Refused), result
    assert result.error.code == "E001"


def test_too_many_marks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks are bounded."""
    path = scan(folder, "whoami 1", "whoami 2")
    monkeypatch.setattr("tocsin.runs.marks.MOST_MARKED", 1)
    path.write_text("".join(json.dumps(json.loads(line) | {"mark": "true"}) + "\n" for line in path.read_text().splitlines()))
    with pytest.raises(TocsinError, match="are marked"):
        marked_findings(path, Marks())


LOGS = sorted(
    [*(TESTS / "kits" / "samples").iterdir(), *(TESTS.parent / "examples" / "water-utility" / "evidence").rglob("*.*")]
)


@pytest.mark.parametrize("log", LOGS, ids=lambda path: path.name)
def test_an_event_that_a_finding_keeps_is_the_event_or_nothing(log: Path) -> None:
    """Of every format, what is understood from a finding alone has just the fields that the evidence has."""
    if log.suffix == ".pcap" and not shutil.which("tshark"):
        pytest.skip("captures need tshark")
    events = [item for item in islice(read_events(log), 400) if isinstance(item, Event)]
    assert events
    understood = 0
    for event in events:
        kept = Raw(event.json or msgspec.json.encode(event.original, enc_hook=str))
        source = FoundSource(str(log), "", event.record)
        found = kept_events(Judged(RuleId(ID), "", event.gate.telemetry, source, kept))
        assert [(item.gate, item.fields) for item in found] in ([(event.gate, event.fields)], [])
        understood += len(found)
    assert understood == len(events) or events[0].gate.product != "windows"


def test_only_what_can_be_understood_exactly_is_evaluated_from_a_finding(folder: Path) -> None:
    """The event that a finding keeps is the event that was read: the same fields, or none."""
    path = scan(folder, "whoami /all", Hashes="MD5=1", Empty="", Number=7)
    place = Place(ID, str(folder / "log.jsonl"), 1)
    (finding,) = marked_findings(path, Marks({place: "true"}))
    (event,) = kept_events(finding)
    assert isinstance(event, Event)
    assert event.find("CommandLine") == (True, "whoami /all")
    other = Judged(finding.rule, finding.time, "Security:4688", finding.source, finding.event)
    assert kept_events(other) == []
