"""What filters take from rules is counted by whose it is, and a filter that has expired takes nothing."""

from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path

import pytest

from scan_samples import RULES, WHOAMI, scan, write
from scan_samples import event as sample
from tocsin.events import Event
from tocsin.findings import Decision
from tocsin.runs.cache import RuleCache
from tocsin.runs.evidence import stream_events
from tocsin.runs.judged_events import Judge
from tocsin.runs.ruleset import RuleFile, RuleSet, load_rules
from tocsin.sources.interface import Stream

FILTER = """\
title: Inventory
id: 44444444-4444-4444-8444-444444444444
owner: Ops
reason: the inventory asks who it is
expires: 2027-01-31
logsource: {product: windows, category: process_creation}
filter:
  rules: [11111111-1111-4111-8111-111111111111]
  selection: {Computer: h0}
  condition: not selection
"""
WIDER = FILTER.replace("Inventory", "Wider").replace("44444444", "55555555").replace("Computer: h0", "Computer|startswith: h")
BEFORE, AFTER = date(2027, 1, 30), date(2027, 1, 31)


def loaded(*texts: str, day: date = BEFORE, cache: RuleCache | None = None) -> RuleSet:
    """Return the rules of texts as of a day."""
    return load_rules([RuleFile(f"{number}.yml", text.encode()) for number, text in enumerate(texts)], {}, cache, day=day)


def of(decisions: list[Decision], title: str) -> Decision:
    """Return one decision."""
    (found,) = [item for item in decisions if item.title == title]
    return found


def test_what_a_filter_takes_is_counted(tmp_path: Path) -> None:
    """A filter tells how many matched events of which rule it took, when, by whom, why and until when."""
    path = write(tmp_path / "a.jsonl", range(300))
    plain, all_findings, _ = scan(path, found=loaded(RULES))
    report, findings, _ = scan(path, found=loaded(RULES, FILTER))
    gone = [item for item in all_findings if item not in findings]
    assert {(item["rule"]["title"], item["host"]) for item in gone} == {("Whoami", "h0")}
    (told,) = report.coverage.decisions
    assert (told.kind, told.owner, told.reason, told.expires, told.status) == (
        "filter",
        "Ops",
        "the inventory asks who it is",
        "2027-01-31",
        "applied",
    )
    assert told.findings == len(gone) == 10
    assert (told.first, told.last) == (gone[0]["time"], gone[-1]["time"])
    assert [(rule.title, rule.findings) for rule in told.rules] == [("Whoami", 10)]
    assert plain.coverage.decisions == []
    assert report.tally.findings == len(findings)


@pytest.mark.parametrize("jobs", [1, 2])
def test_no_way_of_reading_changes_the_counts(tmp_path: Path, jobs: int) -> None:
    """One worker and two count the same, and so do both kinds of readers, as this room runs with both."""
    for number in range(4):
        write(tmp_path / "evidence" / f"{number}.jsonl", range(number * 100, number * 100 + 100))
    report, _, _ = scan(tmp_path / "evidence", found=loaded(RULES, FILTER, WIDER), jobs=jobs)
    assert [(item.title, item.findings) for item in report.coverage.decisions] == [("Inventory", 14), ("Wider", 26)]


def test_an_expired_filter_is_not_applied_and_told(tmp_path: Path) -> None:
    """From its day on a filter takes nothing, and the coverage names it, its owner and the day with a code."""
    path = write(tmp_path / "a.jsonl", range(300))
    _, plain, _ = scan(path, found=loaded(RULES))
    report, findings, _ = scan(path, found=loaded(RULES, FILTER, day=AFTER))
    assert findings == plain
    told = of(report.coverage.decisions, "Inventory")
    assert (told.status, told.findings) == ("expired", 0)
    assert told.notes == ["1.yml: the filter 'Inventory' of Ops expired on 2027-01-31 and is not applied [R052]"]


def test_an_expired_filter_does_not_live_on_in_the_cache(tmp_path: Path) -> None:
    """What was compiled before a filter expired is not used after it, nor the other way round."""
    cache = RuleCache(tmp_path / "cache")
    for day, expired in ((BEFORE, False), (BEFORE, False), (AFTER, True), (AFTER, True), (BEFORE, False)):
        found = loaded(WHOAMI, FILTER, day=day, cache=cache)
        assert not cache.problem
        assert [item.expired for item in found.filters] == [expired]
        assert len(found.suppressions) == (not expired)
        assert ("filter1:selection" in found.plans[0].selections) is not expired


def test_days_without_a_change_share_what_was_compiled(tmp_path: Path) -> None:
    """A new day on which nothing expires compiles nothing."""
    cache = RuleCache(tmp_path / "cache")
    files = [RuleFile("a.yml", WHOAMI.encode()), RuleFile("b.yml", FILTER.encode())]
    compiled: list[int] = []
    for day in (date(2026, 12, 1), date(2026, 12, 2), BEFORE):
        load_rules(files, {}, cache, lambda done, total: compiled.append(done), day)
    assert len(compiled) == 3


def test_tune_proves_without_expired_filters() -> None:
    """Both engines of a proof leave out a filter that has expired, so that they agree."""
    files = [RuleFile("a.yml", WHOAMI.encode()), RuleFile("b.yml", FILTER.replace("2027-01-31", "2020-01-31").encode())]
    judge = Judge("11111111-1111-4111-8111-111111111111", files, {})
    (event,) = stream_events(Stream(io.BytesIO(json.dumps(sample(0)).encode() + b"\n"), "a.jsonl"))
    assert isinstance(event, Event)
    assert judge.matches(event)


def test_a_wrong_day_makes_a_filter_invalid() -> None:
    """A filter whose expiry cannot be read is not applied, and is named as invalid."""
    found = loaded(WHOAMI, FILTER.replace("2027-01-31", "next year"))
    assert [(item.outcome, item.code) for item in found.rejected] == [("invalid", "R004")]
    assert not found.suppressions
