"""SARIF, layers of the Navigator and the report: what they count and what they say was not looked at."""

from __future__ import annotations

import json
from typing import Any

from sink_forms import PROCESS, coverage, line, read_layer, read_markdown, read_sarif, write
from tocsin.findings import DecidedRule, Decision, FileOutcome, RuleNote
from tocsin.findings.report import Coverage
from tocsin.sinks import markdown
from tocsin.sinks.markdown import shown


def lossy() -> Coverage:
    """Return the coverage of a scan that lost a file and has a rule that it cannot use."""
    told = coverage(False)
    told.files.append(FileOutcome("a|b`c.evtx", "", "skipped", 0, "it is <b>damaged</b> [F005]"))
    told.files.append(FileOutcome("whole.evtx", "evtx", "read", 3))
    told.rules.unsupported.append(RuleNote("id-9", "Too new", "needs what is not there"))
    return told


def test_sarif_results_and_rules() -> None:
    """Each rule once, each finding with its place."""
    data = write("sarif", [line(PROCESS), line({}, title="Low one", level="low"), line({})])
    first, second, third = read_sarif(data)
    assert [first["level"], second["level"], third["level"]] == ["error", "note", "error"]
    place = first["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "file:///cases/a%20b.zip!/x.jsonl"}, "region": {"startLine": 7}}
    assert first["properties"]["time"] == "2024-01-02T03:04:05.678901Z"
    rules = json.loads(data)["runs"][0]["tool"]["driver"]["rules"]
    assert [rule["name"] for rule in rules] == ["A title", "Low one"]
    assert rules[0]["properties"]["security-severity"] == "8.0"


def test_sarif_tells_what_was_not_looked_at() -> None:
    """As notifications of the tool."""
    data = write("sarif", [], lossy())
    read_sarif(data)
    (invocation,) = json.loads(data)["runs"][0]["invocations"]
    (file,) = invocation["toolExecutionNotifications"]
    assert file["level"] == "error"
    assert file["message"]["text"] == "skipped: it is <b>damaged</b> [F005]"
    assert file["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%7Cb%60c.evtx"
    (rule,) = invocation["toolConfigurationNotifications"]
    assert rule["message"]["text"] == "Too new: unsupported: needs what is not there"


def layer(name: str, lines: list[bytes]) -> dict[str, dict[str, Any]]:
    """Return the techniques of a layer by id."""
    return {one["techniqueID"]: one for one in read_layer(write(name, lines))["techniques"]}


def test_layers_count_their_own_techniques() -> None:
    """Enterprise and ICS apart; a technique above a sub-technique is opened and has no score of its own."""
    lines = [line({}, time=""), line({}), line({}, title="Other", tags=("attack.t1059.001",)), line({}, tags=())]
    enterprise = layer("navigator", lines)
    assert set(enterprise) == {"T1059", "T1059.001"}
    assert "score" not in enterprise["T1059"]
    assert enterprise["T1059"]["showSubtechniques"]
    assert enterprise["T1059.001"]["score"] == 3
    assert enterprise["T1059.001"]["comment"] == "2 A title\n1 Other"
    assert enterprise["T1059.001"]["metadata"][0] == {"name": "first", "value": "2024-01-02T03:04:05.678901Z"}
    ics = layer("navigator-ics", lines)
    assert {name: one["score"] for name, one in ics.items()} == {"T0855": 2}


def test_a_layer_tells_what_it_leaves_out() -> None:
    """Findings without a technique of its matrix, and a scan that was not complete."""
    told = read_layer(write("navigator-ics", [line({}), line({}, tags=())], lossy()))["description"]
    assert told == "2 findings, 1 of them without a technique of this matrix. Not all of the evidence was read."


def test_the_report_counts_and_tells() -> None:
    """Levels, rules, hosts, techniques, and what was not looked at."""
    data = write("markdown", [line({}, time=""), line(PROCESS), line({}, title="Low one", level="low", host="")], lossy())
    rows = read_markdown(data)
    text = data.decode()
    assert "**3 findings** of 2 rules, from 2024-01-02T03:04:05 to 2024-01-02T03:04:05 UTC" in text
    assert "1 finding without a time." in text
    assert "**Not all of the evidence was read: see the last section.**" in text
    assert ["high", "2"] in rows
    assert ["high", "2", "A title", "T1059.001 T0855", "2024-01-02T03:04:05", "2024-01-02T03:04:05"] in rows
    assert ["PC1", "2"] in rows
    assert ["T1059.001", "3"] in rows
    assert ["a\\x7cb\\x60c.evtx", "skipped", "it is <b>damaged</b> [F005]"] in rows
    assert ["1", "needs what is not there", "Too new"] in rows


def test_a_report_without_findings() -> None:
    """Says what that means."""
    assert "does not mean that nobody was there" in write("markdown", []).decode()


def test_hosts_are_told_apart_up_to_a_limit(monkeypatch: Any) -> None:
    """The others are counted together, and a long table says what it leaves out."""
    monkeypatch.setattr(markdown, "_MOST_NAMES", 60)
    data = write("markdown", [line({}, host=f"host-{number}") for number in range(100)])
    assert ["(others, not told apart)", "40"] in read_markdown(data)
    assert "10 more are not shown." in data.decode()


def test_text_is_only_text() -> None:
    """Words stay as they are, all else stands in a span that nothing ends."""
    assert shown("ENG-WS-02 (lab)") == "ENG-WS-02 (lab)"
    assert shown("a`b|c") == "`a\\x60b\\x7cc`"
    assert shown("[x](http://y)") == "`[x](http://y)`"
    assert shown("www") == "`www`"
    assert shown("a_b_c") == "`a_b_c`"
    assert shown("\u202ex") == "`\\u202ex`"
    assert shown("A" * 300) == f"`{'A' * 200}... [cut: 100 more characters]`"


def test_markdown_tells_what_was_suppressed_and_by_whom() -> None:
    """Count, who, why and until when, as text that no reader of Markdown takes for more."""
    hostile = "a|b `c` <img src=x>\n# d \x1b[31m"
    told = coverage(True)
    rule = DecidedRule("id", hostile, 1234)
    told.decisions = [
        Decision(
            "filter", hostile, hostile, hostile, "2027-05-31", "f.yml", "applied", "", 1234, "2026-01-02", "2026-01-03", [rule]
        ),
        Decision("level", "Entry", "Ops", "", "", "t.yml", "expired", "low", notes=[hostile]),
    ]
    text = write("markdown", [line({})], told).decode()
    read_markdown(text.encode())
    safe = shown(hostile)
    assert safe == "`a\\x7cb \\x60c\\x60 <img src=x>\\x0a# d \\x1b[31m`"
    title = shown(f"{hostile} (filter)")
    assert f"| 1,234 | {title} | {safe} | {safe} | 2027-05-31 | 2026-01-02 | 2026-01-03 | {safe} |" in text.splitlines()
    assert "| 0 | Entry (level low, expired) | Ops | no reason is given | without an end |  |  |  |" in text.splitlines()
    assert f"| {safe} |" in text.splitlines()
