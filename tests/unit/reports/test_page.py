"""The page as text: its policy, its data, and what every section says."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tracemalloc
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tocsin.reports
from report_samples import EXAMPLE, finding, page, written
from tocsin.findings import Coverage, DecidedRule, Decision, FileOutcome, Finding, RuleCoverage, RuleNote
from tocsin.findings.reading import FindingsFile
from tocsin.incidents import Incident, join
from tocsin.reports import Report, write_report
from tocsin.reports.attack import attack, technique_name
from tocsin.rules.rule import LEVELS
from tocsin.sites.parse import load_site
from tocsin.sites.site import Asset, Site, Zone

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\" onmouseover='alert(3)' \x1b[31m\u202e"
LOADING = {"src", "srcset", "action", "formaction", "data", "poster", "background", "ping", "manifest"}


class Elements(HTMLParser):
    """Gathers the elements of a page with their attributes, and the text of those asked for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.found.append((tag, dict(attributes)))
        self.texts.append("")

    def handle_data(self, data: str) -> None:
        """Add to the text of the element that was opened last."""
        if self.texts:
            self.texts[-1] += data

    def named(self, tag: str, class_: str = "") -> list[str]:
        """Return the texts of elements of a name and class."""
        pairs = zip(self.found, self.texts, strict=True)
        return [text for (name, own), text in pairs if name == tag and (not class_ or own.get("class") == class_)]


def data(text: str) -> tuple[list[list[Any]], list[dict[str, Any]]]:
    """Return the rows of the index and the events that a page holds."""
    elements = Elements(text)
    rows: list[list[Any]] = []
    for block in elements.named("script", "index"):
        found = json.loads(block)
        assert found["first"] == len(rows)
        rows += found["rows"]
    packed = elements.named("script", "events")
    events = [json.loads(line) for item in packed for line in zlib.decompress(base64.b64decode(item)).splitlines()]
    return rows, events


def hostile_report() -> Report:
    """Return a report of which every text is hostile."""
    note = RuleNote(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    rules = RuleCoverage(*([[note]] * 6))
    coverage = Coverage(False, 1, [FileOutcome(HOSTILE, HOSTILE, "partial", 1, HOSTILE)], {HOSTILE: 1}, rules, site=HOSTILE)
    rule = DecidedRule(HOSTILE, HOSTILE, 1)
    coverage.decisions = [Decision(kind, *([HOSTILE] * 7), 1, HOSTILE, HOSTILE, [rule], [HOSTILE]) for kind in ("x", "level")]
    site = Site(HOSTILE, {HOSTILE: Zone(HOSTILE, 2.0)}, {HOSTILE: Asset(HOSTILE, zone=HOSTILE, roles=(HOSTILE,))})
    found = msgspec.convert(hostile_finding(), Finding)
    return Report(coverage, site, hostile_incidents(found), {HOSTILE: HOSTILE})


def hostile_incidents(found: Finding) -> tuple[Incident, ...]:
    """Return incidents in which every text is hostile."""
    plain = msgspec.to_builtins(join([found]).incidents)
    return msgspec.convert(_spoiled(plain), tuple[Incident, ...])


def _spoiled(value: Any) -> Any:
    if isinstance(value, str):
        return HOSTILE
    if isinstance(value, dict):
        return {key: _spoiled(item) for key, item in value.items()}
    return [_spoiled(item) for item in value] if isinstance(value, (list, tuple)) else value


def hostile_finding() -> dict[str, Any]:
    """Return a finding of which every text is hostile, save the level and a tag."""
    made: dict[str, Any] = _spoiled(finding({HOSTILE: HOSTILE, "User": HOSTILE, "CommandLine": HOSTILE}))
    made["rule"] |= {"level": "high", "tags": [f"attack.{HOSTILE}", "attack.t1059"]}
    made["event"] |= {"id.orig_h": HOSTILE, "id.resp_h": "10.0.0.1"}
    made["assets"] = {HOSTILE: {"name": HOSTILE, "roles": [HOSTILE], "zone": HOSTILE}}
    made["matched"] = {HOSTILE: {HOSTILE: [HOSTILE], "CommandLine": [HOSTILE]}}
    return made


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a page of which every text is hostile."""
    return page(written(tmp_path_factory.mktemp("page") / "f.jsonl", [hostile_finding()]), hostile_report())


def test_the_policy_names_exactly_what_the_page_has(hostile_page: str) -> None:
    """One program and one style, each by its digest, and nothing from elsewhere."""
    elements = Elements(hostile_page)
    policy = next(own["content"] for tag, own in elements.found if own.get("http-equiv") == "Content-Security-Policy")
    programs = re.findall(r"<script>(.*?)</script>", hostile_page, re.DOTALL)
    styles = re.findall(r"<style>(.*?)</style>", hostile_page, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (*programs, *styles)]
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{digests[0]}'; style-src 'sha256-{digests[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert len(digests) == 2


def test_no_text_becomes_markup(hostile_page: str) -> None:
    """Hostile texts make no element and no attribute; nothing loads, runs or has a style of its own."""
    elements = Elements(hostile_page)
    assert "img" not in {tag for tag, _ in elements.found}
    assert "alert(1)" in hostile_page
    for tag, own in elements.found:
        assert not [name for name in own if name.startswith("on") or name == "style" or name in LOADING], (tag, own)
        assert tag != "script" or set(own) <= {"type", "class", "id"}
        assert (own.get("href") or "#").startswith("#")
    assert sum(tag == "script" and not own for tag, own in elements.found) == 1


def test_no_character_obeys_or_hides(hostile_page: str) -> None:
    """Control and bidirectional characters are written out."""
    assert not set(hostile_page) & {"\x1b", "\u202e"}
    assert "\\x1b[31m\\u202e" in hostile_page


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.tuples(VALUES, st.text(), st.booleans()), min_size=1, max_size=6))
def test_events_come_back(tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[Any, str, bool]]) -> None:
    """Whatever findings hold, the page's data gives each of them back in its place."""
    items = [finding(event, host=text, time="" if timed else "2026-01-01T00:00:00Z") for event, text, timed in parts]
    path = written(tmp_path_factory.mktemp("page") / "f.jsonl", items)
    rows, events = data(page(path))
    assert len(rows) == len(events) == len(items)
    for item, event in zip(items, events, strict=True):
        assert event["time"] == item["time"]
        assert event["matched"] == [["selection", "Image", ["a.exe"], [[]]]]
        if isinstance(item["event"], str):
            assert event["rows"] == [["event", item["event"]]]


def test_blocks_follow_each_other(tmp_path: Path) -> None:
    """Many findings and large ones are divided into blocks; order and number stay."""
    items = [finding({"n": at, "text": "x" * (100_000 if at % 50 == 0 else 10)}) for at in range(1200)]
    text = page(written(tmp_path / "f.jsonl", items))
    _, events = data(text)
    assert [int(event["rows"][0][1]) for event in events] == list(range(1200))
    assert len(Elements(text).named("script", "events")) >= 5


def test_same_bytes(tmp_path: Path) -> None:
    """Two pages of the same findings are the same."""
    path = written(tmp_path / "f.jsonl", [finding({"a": at}, host=f"PC-{at % 7}") for at in range(300)])
    site = load_site(EXAMPLE / "site.yml")
    assert page(path, Report(site=site)) == page(path, Report(site=site))


def test_memory_is_bounded(tmp_path: Path) -> None:
    """Megabytes of findings need a fraction of that to become a page."""
    path = written(tmp_path / "f.jsonl", (finding({"n": at, "text": f"{at} " * 2000}) for at in range(2500)))
    assert path.stat().st_size > 24_000_000
    tracemalloc.start()
    with (tmp_path / "report.html").open("wb") as out:
        write_report(out, FindingsFile(path), Report())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10_000_000


def test_the_program_knows_the_same_levels() -> None:
    """The page's program orders levels as rules do."""
    text = (Path(tocsin.reports.__file__).parent / "assets" / "text.js").read_text("utf-8")
    found = re.search(r"^const LEVELS = (\[.*\]);$", text, re.MULTILINE)
    assert found
    assert tuple(json.loads(found[1])) == LEVELS


def test_nothing_found_is_no_all_clear(tmp_path: Path) -> None:
    """A page without findings and without coverage says that it does not know what was looked at."""
    path = tmp_path / "none.jsonl"
    path.touch()
    text = " ".join(Elements(page(path)).texts)
    assert "No rule matched." in text
    assert "Not known: this report was made without the coverage" in text


def test_what_was_not_read_is_in_the_summary(tmp_path: Path) -> None:
    """Interrupted scans, files in part and skipped ones, and rules that could not see, stand in the summary."""
    files = [
        FileOutcome("a.evtx", "evtx", "partial", 3, "2 records are damaged [F004]"),
        FileOutcome("b.zip", "zip", "skipped", 0, "no password fits [F008]"),
        FileOutcome("c.bin", "", "skipped", 0, "not recognised [F002]"),
    ]
    rules = RuleCoverage(compiled=[RuleNote("1")] * 5, not_evaluable=[RuleNote("1", reason="no event")] * 2)
    coverage = Coverage(False, 3, files, {}, rules, interrupted=True)
    path = written(tmp_path / "f.jsonl", [finding({})])
    text = " ".join(Elements(page(path, Report(coverage))).texts)
    for told in (
        "The scan was interrupted",
        "1 file read only in part.",
        "1 file that may hold evidence could not be read.",
        "1 file skipped",
        "2 of 5 rules look for what this evidence cannot show.",
        "Not all evidence was read.",
        "2 records are damaged [F004]",
    ):
        assert told in text


def test_incidents_tell_reasons_and_processes(tmp_path: Path) -> None:
    """An incident has its score, tactics in order, members with reasons and links, and its process tree."""
    event = {"Image": "C:\\a\\cmd.exe", "ParentProcessId": "99"}
    items = [
        finding(event | {"ProcessId": str(100 + at), "CommandLine": f"cmd {at}"}, rule={"title": f"Rule {at}"})
        for at in range(3)
    ]
    path = written(tmp_path / "f.jsonl", items)
    incidents = join([msgspec.convert(item, Finding) for item in items]).incidents
    text = page(path, Report(incidents=incidents))
    assert f'aria-label="score {incidents[0].score} of 100"' in text
    for told in (incidents[0].members[2].reasons[0], 'href="#finding-3"', "cmd.exe", "cmd 2", "Execution"):
        assert told in text
    rows, _ = data(text)
    assert [row[7] for row in rows] == [0, 0, 0]


def test_techniques_stand_under_the_tactics_of_their_rule(tmp_path: Path) -> None:
    """A technique is in the columns that the rule names, one of ICS in its own matrix, an unknown one with its id."""
    tags = ["attack.persistence", "attack.t1053.003", "attack.t0855", "attack.t1999"]
    text = page(written(tmp_path / "f.jsonl", [finding({}, rule={"tags": tags})]))
    assert "34 techniques" not in text
    assert text.count('data-value="t1053.003"') == 1
    assert text.count('data-value="t0855"') == 1
    assert "ATT&amp;CK ICS: 1 technique of 1 tactic" in text
    assert "name not known" in text


def test_names_of_techniques() -> None:
    """A part of a technique is named after it."""
    assert technique_name("t1059.001") == "Command and Scripting Interpreter: PowerShell"
    assert technique_name("T0855") == "Unauthorized Command Message"
    assert technique_name("t1") == ""
    assert "© 2025 The MITRE Corporation" in attack().notice


def test_zones_hold_every_asset(tmp_path: Path) -> None:
    """The picture has each asset of the site in the band of its level, and strangers outside."""
    event = {"id.orig_h": "203.0.113.9", "id.resp_h": "10.20.8.13"}
    path = written(tmp_path / "f.jsonl", [finding(event, host="")])
    site = load_site(EXAMPLE / "site.yml")
    text = page(path, Report(site=site))
    titles = re.findall(r"<title>([^<]*)</title><rect", text)
    assert sorted(title.partition(":")[0] for title in titles) == sorted([*site.assets, "203.0.113.9"])
    assert "203.0.113.9 to WELL-2: 1 finding, high" in text
    levels = ["Outside", "Level 4", "Level 3.5", "Level 2", "Level 1"]
    assert re.findall(r'class="purdue">([^<]*)<', text) == levels


def test_notice_of_mitre(hostile_page: str) -> None:
    """The page reproduces the notice that names of ATT&CK need."""
    assert attack().notice in hostile_page
