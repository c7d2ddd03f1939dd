"""`tocsin tuning check` and `scan --tuning` as users run them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scan_samples import RULES, write

RUN = "import sys; sys.argv[0] = 'tocsin'; from tocsin.cli.main import run; run()"
SITE = "site: Plant\nzones: {control: {}}\nassets: {HMI-1: {addresses: [h0], zone: control}}\n"
ENTRY = "suppress:\n  - {assets: [HMI-1], rules: [Whoami], owner: Ops, reason: known, expires: 2027-05-31}\n"


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Work in a folder with evidence, rules, a site file and a tuning file, with caches of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg-cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg-data"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("PYTHONPATH", str(Path("src").resolve()))
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "evidence" / "a.jsonl", range(300))
    for name, text in (("rules.yml", RULES), ("site.yml", SITE), ("t.yml", ENTRY)):
        (tmp_path / name).write_text(text)


def tocsin(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    return subprocess.run([sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, timeout=60)


def test_check_tells_entries_and_when_they_end() -> None:
    """A sound file is listed; an entry that ends within two weeks, or has ended, is a warning."""
    options = ("--site", "site.yml", "--rules", "rules.yml")
    for day, warning in (
        ("2027-05-16", ""),
        ("2027-05-17", "warning: t.yml, entry 1 of suppress: decided by Ops, expires on 2027-05-31 [T018]"),
        ("2027-05-31", "warning: t.yml, entry 1 of suppress: decided by Ops, expired on 2027-05-31 and is not applied [T017]"),
    ):
        done = tocsin("tuning", "check", "t.yml", *options, "--today", day)
        assert done.returncode == 0, done.stderr
        count = "1 warning" if warning else "0 warnings"
        last = "suppress             until 2027-05-31  Ops: entry 1 of suppress"
        assert done.stdout.splitlines() == [*filter(None, [warning]), f"0 problems, {count}", last]


def test_check_tells_problems_and_unknown_names() -> None:
    """A problem has its place and leaves with 4; an unknown name is a warning."""
    Path("t.yml").write_text(ENTRY.replace("owner: Ops, ", "") + "levels: []\n")
    done = tocsin("tuning", "check", "t.yml", "--site", "site.yml", "--rules", "rules.yml")
    assert done.returncode == 4
    assert "t.yml:2:5: the key 'owner' is missing or empty [T012]" in done.stdout
    assert "t.yml:3:1: unknown key 'levels' [T011]" in done.stdout
    assert "did you mean 'level'?" in done.stdout
    Path("t.yml").write_text(ENTRY.replace("Whoami", "Whoam\\x1b"))
    done = tocsin("tuning", "check", "t.yml", "--site", "site.yml", "--rules", "rules.yml")
    assert done.returncode == 0
    assert "[T015]" in done.stdout
    assert "\x1b" not in done.stdout
    done = tocsin("tuning", "check", "t.yml", "--rules", "rules.yml")
    assert done.returncode == 4
    assert "[T016]" in done.stdout


def test_a_scan_tells_who_suppressed_what() -> None:
    """On the screen, in the coverage, in the report and in a file of their own; from its day on an entry is not applied."""
    scan = ("scan", "evidence", "--rules", "rules.yml", "--site", "site.yml", "--tuning", "t.yml", "--coverage", "c.json")
    done = tocsin(*scan, "-o", "f.jsonl", "--suppressed", "s.jsonl", "--today", "2027-05-30")
    assert done.returncode == 0, done.stderr
    at = done.stdout.splitlines().index("Suppressed: 10 findings")
    assert done.stdout.splitlines()[at + 1 : at + 3] == [
        "  10  entry 1 of suppress (suppression)",
        "        by Ops, until 2027-05-31: known",
    ]
    assert len(Path("s.jsonl").read_text().splitlines()) == 10
    assert len(Path("f.jsonl").read_text().splitlines()) == 50
    (told,) = json.loads(Path("c.json").read_text())["decisions"]
    assert (told["owner"], told["findings"], told["rules"][0]["title"]) == ("Ops", 10, "Whoami")
    assert tocsin("report", "f.jsonl", "--coverage", "c.json").returncode == 0
    assert "10 findings suppressed by filters or the tuning file" in Path("report.html").read_text()
    done = tocsin(*scan, "-o", "f.jsonl", "--today", "2027-05-31")
    assert "expired on 2027-05-31 and is not applied [T017]" in " ".join(done.stdout.split())
    assert len(Path("f.jsonl").read_text().splitlines()) == 60


def test_that_all_was_suppressed_is_not_taken_for_nothing() -> None:
    """Where every finding is suppressed, no form says that no rule matched."""
    Path("t.yml").write_text("suppress:\n  - {from: 2000-01-01, owner: Ops, reason: known, expires: 2027-05-31}\n")
    scan = ("scan", "evidence", "--rules", "rules.yml", "--tuning", "t.yml", "--today", "2027-05-30")
    assert "No finding is left: 60 findings suppressed" in tocsin(*scan, "-o", "r.md").stdout
    assert tocsin(*scan, "-o", "r.html", "--quiet").returncode == 0
    for name in ("r.md", "r.html"):
        text = Path(name).read_text()
        assert "No finding is left: 60 findings suppressed" in text
        assert "no rule matched" not in text.lower().partition("timeline")[0]


def test_the_new_level_decides_about_the_exit_code() -> None:
    """`--fail-on` looks at the level that a finding has in the end."""
    scan = ("scan", "evidence", "--rules", "rules.yml", "--fail-on", "critical", "--quiet", "--today", "2027-05-30")
    assert tocsin(*scan).returncode == 0
    Path("t.yml").write_text("level:\n  - {to: critical, rules: [Word], owner: Ops, reason: known, expires: 2027-05-31}\n")
    assert tocsin(*scan, "--tuning", "t.yml").returncode == 10


def test_what_is_read_is_not_written_over() -> None:
    """The tuning file and the evidence are no output."""
    for output in ("t.yml", "evidence/a.jsonl"):
        done = tocsin(
            "scan", "evidence", "--rules", "rules.yml", "--site", "site.yml", "--tuning", "t.yml", "--suppressed", output
        )
        assert done.returncode == 2
        assert "[U002]" in done.stderr
    assert tocsin("scan", "evidence", "--rules", "rules.yml", "--tuning", "t.yml").returncode == 2
    assert tocsin("scan", "evidence", "--rules", "rules.yml", "--today", "soon").returncode == 2
