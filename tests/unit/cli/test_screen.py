"""What the end of a scan and its progress look like."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from tocsin.cli.screen import ScanProgress, show_report
from tocsin.findings import Coverage, DecidedRule, Decision, FileOutcome, Report, RuleCoverage, RuleNote, Tally
from tocsin.findings.text import safe_text

HOSTILE = "\x1b[2J\x1b]0;x\x07[bold red]mark[/]\u202eup\r\nnext\x9b\ud800"
SHOWN = "\\x1b[2J\\x1b]0;x\\x07[bold red]mark[/]\\u202eup\\x0d\\x0anext\\x9b\\ud800"


def report(
    tally: Tally | None = None,
    files: list[FileOutcome] | None = None,
    rules: RuleCoverage | None = None,
    complete: bool = True,
    events: int = 10,
    interrupted: bool = False,
) -> Report:
    """Return a report; by default one rule looked at one file and found nothing."""
    files = [FileOutcome("a.evtx", "evtx", "read", events)] if files is None else files
    rules = rules or RuleCoverage(compiled=[RuleNote("1")])
    logsources = {"windows/security": events} if events else {}
    coverage = Coverage(complete and not interrupted, events, files, logsources, rules, interrupted=interrupted)
    return Report(coverage, tally or Tally(), 2.0, 3_000_000)


def show(found: Report, width: int = 80, path: str | None = None) -> list[str]:
    """Return the lines that are shown, without colour; none is wider than the console or ends in spaces."""
    out = io.StringIO()
    show_report(found, Console(file=out, width=width, color_system=None), path)
    lines = out.getvalue().split("\n")
    assert max(map(cell_len, lines)) <= width
    assert [line.rstrip() for line in lines] == lines
    return lines


def block(lines: list[str], heading: str) -> list[str]:
    """Return the lines under a heading."""
    start = lines.index(heading) + 1
    return lines[start : lines.index("", start)]


def tally() -> Tally:
    """Return counts of every kind."""
    return Tally(
        findings=1234,
        duplicates=1,
        levels=Counter(low=1190, critical=3, high=41),
        rules=Counter({("Common", "low"): 1190, ("Worst", "critical"): 3, ("Bad", "high"): 40, ("Also bad", "high"): 1}),
        hosts=Counter({"pc1": 1200, "": 34}),
        tactics=Counter({"impact": 1, "defense_evasion": 2, "defense-evasion": 3, "odd": 4, "initial-access": 5}),
    )


def test_findings_without_a_time_are_told() -> None:
    """They are counted under the heading, since a range of time does not leave them out."""
    found = tally()
    found.untimed = 2
    lines = block(show(report(found)), "1,234 findings, 1 duplicate left out")
    assert lines[0] == "  2 findings without a time: --since and --until keep these"


def test_findings_are_counted_by_severity_rule_host_and_tactic() -> None:
    """The worst comes first, tactics come in the order of an attack."""
    lines = show(report(tally()), path="out.jsonl")
    assert block(lines, "1,234 findings, 1 duplicate left out, written to out.jsonl") == [
        "      3  critical",
        "     41  high",
        "  1,190  low",
    ]
    assert block(lines, "Rules that matched") == [
        "      3  critical       Worst",
        "     40  high           Bad",
        "      1  high           Also bad",
        "  1,190  low            Common",
    ]
    assert block(lines, "Hosts") == ["  1,200  pc1", "     34  (no host in the event)"]
    assert block(lines, "ATT&CK tactics") == ["  5  initial access", "  5  defense evasion", "  1  impact", "  4  odd"]


def test_only_the_first_rules_and_hosts_are_shown() -> None:
    """The number of the others is told."""
    many = Tally(
        99,
        levels=Counter(high=99),
        rules=Counter({(f"r{n}", "high"): 1 for n in range(40)}),
        hosts=Counter(map(str, range(16))),
    )
    lines = show(report(many))
    assert len(block(lines, "Rules that matched")) == 16
    assert block(lines, "Rules that matched")[-1] == "     and 25 more"
    assert block(lines, "Hosts")[-1] == "     and 1 more"


def test_coverage_counts_files_events_and_rules() -> None:
    """The numbers come with the time that was needed."""
    assert block(show(report()), "Coverage of this scan") == [
        "  files   1 read, 0 in part, 0 skipped (3.0 MB in 2.0 s, 1.5 MB/s)",
        "  events  10",
        "  rules   1 evaluated, 0 unsupported, 0 invalid",
    ]
    assert block(show(report()), "Events by logsource") == ["  10  windows/security"]


def test_each_file_that_was_lost_is_named_with_its_reason() -> None:
    """First those that were read in part, then those that were skipped."""
    files = [
        FileOutcome("ok.log", "syslog", "read", 1),
        FileOutcome("cut.evtx", "evtx", "partial", 1200, "the file ends in the middle of a record [F005]"),
        FileOutcome("x.bin", "", "skipped", 0, "the format is not recognised [F002]"),
    ]
    lines = show(report(files=files))
    assert block(lines, "Files read in part: 1") == [
        "  cut.evtx (1,200 events read)",
        "      the file ends in the middle of a record [F005]",
    ]
    assert block(lines, "Files skipped: 1") == ["  1  x.bin: the format is not recognised [F002]"]


def test_many_files_read_in_part_are_cut_short() -> None:
    """Fifteen are named, the coverage file has all."""
    files = [FileOutcome(f"f{number}", "", "partial", 1, "why [F005]") for number in range(1017)]
    shown = block(show(report(files=files)), "Files read in part: 1,017")
    assert len(shown) == 31
    assert shown[-1] == "  and 1,002 more: see --coverage"


def test_skipped_files_that_may_hold_evidence_come_first() -> None:
    """A thousand files that are no logs do not hide the one that could not be opened."""
    files = [FileOutcome(f"f{number}", "", "skipped", 0, "the format is not recognised [F002]") for number in range(1000)]
    files += [FileOutcome(f"l{number}", "", "skipped", 0, f"is the same file as 'x{number}' [F011]") for number in range(20)]
    files += [FileOutcome("secret.zip!/a.evtx", "", "skipped", 0, "is encrypted [F008]")]
    files += [FileOutcome("Security.evtx", "", "skipped", 0, "cannot be opened: Permission denied [F001]")]
    assert block(show(report(files=files)), "Files skipped: 1,022") == [
        "      1  secret.zip!/a.evtx: is encrypted [F008]",
        "      1  Security.evtx: cannot be opened: Permission denied [F001]",
        "  1,000  the format is not recognised [F002]",
        "           f0, f1, f2 and 997 more",
        "     20  read under another path [F011]",
        "           l0, l1, l2 and 17 more",
    ]


def test_many_reasons_of_skipped_files_are_cut_short() -> None:
    """Fifteen reasons are told, the coverage file has all."""
    files = [FileOutcome(f"f{number}", "", "skipped", 0, f"why {number} [F004]") for number in range(40)]
    shown = block(show(report(files=files)), "Files skipped: 40")
    assert len(shown) == 16
    assert shown[-1] == "     and 25 more: see --coverage"


def test_files_that_no_rule_can_see_are_named() -> None:
    """They were read, so they are in no other list; their logsources are told however small they are."""
    files = [
        FileOutcome("known.evtx", "evtx", "read", 500),
        FileOutcome("firewall.csv", "csv", "read", 12, "its 12 events fit no known log: no rule can see them", 12),
        FileOutcome("mixed.jsonl", "json", "partial", 50, "line 3: not valid JSON [F006]", 1),
    ]
    found = report(files=files, events=562)
    found.coverage.logsources |= {f"windows/s{number}": 100 - number for number in range(20)} | {
        "unknown/csv": 12,
        "unknown/json": 1,
    }
    lines = show(found)
    assert block(lines, "Read, but no rule can see it: 2 files, 13 events") == [
        "  firewall.csv (12 events)",
        "  mixed.jsonl (1 of 50 events)",
        "  They fit no log that Tocsin knows: look at them by hand.",
    ]
    assert block(lines, "Events by logsource")[-3:] == [
        "   12  unknown/csv",
        "    1  unknown/json",
        "       and 6 more: see --coverage",
    ]


def test_copies_of_rules_are_told_by_pack() -> None:
    """Two packs with the same rules are one line, not one for each rule."""
    copies = [
        RuleNote(
            str(n), f"Rule {n}", f"the id {n} is that of /d/first.zip!/rules/{n}.yml [R005]", f"/d/second.zip!/rules/{n}.yml"
        )
        for n in range(30)
    ]
    lines = show(report(rules=RuleCoverage([RuleNote("1")], invalid=copies)))
    assert block(lines, "Rules invalid: 30") == [
        "  30  second.zip has the same ids as first.zip, whose rules are used [R005]",
        "        Rule 0, Rule 1, Rule 2 and 27 more",
    ]


def test_long_paths_are_wrapped_after_a_slash() -> None:
    """A folder's or file's name is broken only when it is longer than a line."""
    path = "/".join(["evidence", *(f"folder-number-{n}" for n in range(9)), "x" * 90])
    lines = block(show(report(files=[FileOutcome(path, "evtx", "partial", 1, "cut [F005]")])), "Files read in part: 1")
    assert "".join(line.strip() for line in lines[:-1]) == f"{path} (1 event read)"
    assert [line.strip()[-1] for line in lines[:3]] == ["/", "/", "/"]
    assert all(line.startswith("  ") for line in lines)


def test_long_paths_and_reasons_are_wrapped_whole() -> None:
    """No part of a file's name or reason is cut off."""
    path, reason = "dir/" * 60 + "end.log", "word " * 60 + "[F004]"
    lines = show(report(files=[FileOutcome(path, "", "skipped", 0, reason)]), width=50)
    joined = "".join(line.strip() for line in block(lines, "Files skipped: 1"))
    assert path in joined
    assert joined.count("word") == 60


def test_reasons_of_rules_are_grouped() -> None:
    """Most frequent first; a rule alone with its reason is named."""
    rules = RuleCoverage(
        compiled=[RuleNote(str(number)) for number in range(30)],
        unsupported=[RuleNote(str(number), "T", "no source [R040]") for number in range(12)],
        invalid=[RuleNote("", "Title", "bad key [R003]", "rules/a.yml")],
        not_evaluable=[RuleNote(str(n), "T", f"reason {n % 12}") for n in range(24)],
        blind=[RuleNote("1", "Half", "selection: no User")],
        failed=[RuleNote("id-9", "", "cut off (on 1 event)")],
    )
    lines = show(report(rules=rules))
    assert block(lines, "Rules unsupported: 12") == ["  12  no source [R040]", "        T, T, T and 9 more"]
    assert block(lines, "Rules invalid: 1") == ["  1  rules/a.yml: bad key [R003]"]
    shown = block(lines, "Rules that this data cannot show: 24")
    assert shown[:3] == ["  2  reason 0", "       T, T", "  2  reason 1"]
    assert shown[20:] == ["     and 4 more: see --coverage"]
    assert block(lines, "Rules that see this data only in part: 1") == ["  1  Half: selection: no User"]
    assert block(lines, "Rules that failed on events: 1") == ["  1  id-9: cut off (on 1 event)"]


NOTES = [RuleNote(str(number)) for number in range(5)]


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (report(rules=RuleCoverage(NOTES)), "Nothing was found. 5 of 5 rules could see these events."),
        (
            report(rules=RuleCoverage(NOTES, not_evaluable=NOTES[:2], blind=NOTES[3:])),
            "Nothing was found. 3 of 5 rules could see these events, 2 of them only in part.",
        ),
        (
            report(rules=RuleCoverage(NOTES, not_evaluable=NOTES)),
            "Nothing was found, and nothing could have been: no rule could be evaluated on this data.",
        ),
        (report(events=0), "Nothing was found, and nothing could have been: no event was read."),
        (report(files=[], events=0), "Nothing was found, and nothing could have been: no event was read."),
        (report(complete=False), "Nothing was found in what was read. 1 of 1 rule could see these events."),
    ],
)
def test_nothing_found_says_whether_anything_could_have_been(found: Report, sentence: str) -> None:
    """A plain sentence instead of a list of zeros."""
    lines = show(found, width=200)
    assert sentence in lines
    assert "Rules that matched" not in lines


def test_an_incomplete_scan_says_so_first_and_last() -> None:
    """It cannot be overlooked, with or without colour."""
    lines = [line for line in show(report(tally(), interrupted=True)) if line]
    assert lines[0].startswith(" INCOMPLETE: ")
    assert lines[-1] == lines[0]
    assert not [line for line in show(report(tally())) if "INCOMPLETE" in line]


def test_levels_have_colours_on_a_terminal() -> None:
    """The colour only repeats what the word says."""
    out = io.StringIO()
    show_report(report(tally()), Console(file=out, width=80, force_terminal=True, color_system="standard"), None)
    assert "\x1b[1;37;41mcritical\x1b[0m" in out.getvalue()
    assert "\x1b[1;31mhigh\x1b[0m" in out.getvalue()


def hostile(text: str) -> Report:
    """Return a report with the text in every place."""
    notes = [RuleNote(text, text, text, text)]
    found = Tally(2, 0, Counter({"high": 1, text: 1}), Counter({(text, text): 2}), Counter({text: 2}), Counter({text: 2}))
    rules = RuleCoverage(notes, notes, notes, notes, notes, notes)
    files = [FileOutcome(text, text, "partial", 1, text, 1), FileOutcome(text, text, "skipped", 0, text)]
    rule = DecidedRule(text, text, 1)
    decisions = [Decision(kind, *([text] * 7), 1, text, text, [rule], [text]) for kind in ("filter", "level", text)]
    return Report(Coverage(False, 1, files, {text: 1}, rules, interrupted=True, decisions=decisions), found, 1.0, 1)


def test_hostile_text_is_shown_as_text() -> None:
    """Escapes, markup, line breaks and overrides of direction in titles, hosts, paths and reasons are made visible."""
    lines = show(hostile(HOSTILE), width=300, path=HOSTILE)
    text = "\n".join(lines)
    assert [safe_text(line) for line in lines] == lines
    assert text.count(SHOWN) >= 15
    for heading in ("Hosts", "Events by logsource"):
        assert block(lines, heading)[0].endswith(f"  {SHOWN}")


@settings(deadline=None)
@given(st.text(), st.integers(20, 120))
def test_any_text_fits_any_console(text: str, width: int) -> None:
    """Whatever is shown, lines stay inside the console and are safe."""
    out = io.StringIO()
    show_report(hostile(text), Console(file=out, width=width, color_system=None), text)
    for line in out.getvalue().split("\n"):
        assert cell_len(line) <= width
        assert safe_text(line) == line


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def progress(width: int = 100, terminal: bool = True, total: int = 2_000_000_000) -> tuple[ScanProgress, Clock, io.StringIO]:
    """Return a bar with its clock and output."""
    out, clock = io.StringIO(), Clock()
    console = Console(file=out, width=width, force_terminal=terminal, _environ={"TERM": "xterm"})
    return ScanProgress(console, total, clock), clock, out


def test_progress_tells_amount_rate_and_remaining_time() -> None:
    """One line that replaces itself."""
    bar, clock, out = progress()
    clock.now = 4.0
    bar.update(500_000_000, 1_000_000, 7)
    expected = " 25 %  500.0 MB of 2.0 GB  125.0 MB/s  12.0 s left  7 findings  250,000 events/s"
    assert out.getvalue() == f"\r\x1b[K{expected}"
    clock.now = 800.0
    bar.update(1_000_000_000, 1_000_000, 1)
    assert "13:20 min left  1 finding  " in out.getvalue()
    bar.close()
    assert out.getvalue().endswith("\r\x1b[K")


def test_no_rate_is_told_from_a_moment() -> None:
    """What the first tenth of a second read says nothing of a rate."""
    bar, clock, out = progress()
    clock.now = 0.4
    bar.update(500_000_000, 1_000_000, 7)
    assert out.getvalue() == "\r\x1b[K 25 %  500.0 MB of 2.0 GB  7 findings"


def test_progress_is_not_shown_too_often() -> None:
    """At most ten times a second."""
    bar, clock, out = progress()
    for step in range(100):
        clock.now = step / 100
        bar.update(step, step, 0)
    assert out.getvalue().count("\r") <= 11


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_silent_without_a_terminal(terminal: bool) -> None:
    """Neither in a pipe nor before the first update."""
    bar, clock, out = progress(terminal=terminal)
    clock.now = 1.0
    if not terminal:
        bar.update(1, 1, 1)
    bar.close()
    assert out.getvalue() == ""


def test_progress_of_more_than_was_expected_has_no_end() -> None:
    """Expanded archives are larger than their files, and a pipe has no size."""
    for total in (0, 1000):
        bar, clock, out = progress(total=total)
        clock.now = 2.0
        bar.update(3_000_000, 10, 0)
        assert out.getvalue() == "\r\x1b[K3.0 MB read  1.5 MB/s  0 findings  5 events/s"


@pytest.mark.parametrize("width", [10, 40, 60, 80])
def test_progress_stays_on_one_line(width: int) -> None:
    """Parts that do not fit are left out."""
    bar, clock, out = progress(width)
    clock.now = 3.0
    bar.update(999_999_999, 10**9, 10**6)
    assert len(out.getvalue().removeprefix("\r\x1b[K")) < width
