"""`tocsin report` as users run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from report_samples import EXAMPLE, finding, written

RUN = "import sys; sys.argv[0] = 'tocsin'; from tocsin.cli.main import run; run()"


def tocsin(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-c", RUN, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def findings(tmp_path: Path) -> Path:
    """Write three findings, one of them of a rule that ships with Tocsin."""
    rule = {"title": "Shipped", "path": "essentials/rules/windows/security_log_cleared.yml"}
    return written(tmp_path / "findings.jsonl", [finding({}), finding({}, host="PC-2"), finding({"a": 1}, rule=rule)])


def test_scan_then_report(tmp_path: Path) -> None:
    """What a scan writes becomes a page, the same bytes each time, with the name of the site and all of its findings."""
    evidence = EXAMPLE / "evidence" / "office-pc-07.jsonl.gz"
    site = EXAMPLE / "site.yml"
    scan = ("scan", evidence, "--site", site, "-o", "f.jsonl", "--coverage", "c.json", "--quiet")
    assert tocsin(*scan, cwd=tmp_path).returncode == 0
    count = len((tmp_path / "f.jsonl").read_text().splitlines())
    for name in ("one.html", "two.html"):
        done = tocsin("report", "f.jsonl", "--coverage", "c.json", "--site", site, "-o", name, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, f"wrote {name}: a report of {count} findings\n"), done.stderr
    text = (tmp_path / "one.html").read_text()
    assert (tmp_path / "two.html").read_text() == text
    assert "<h1>Riverdale Water</h1>" in text
    assert "1 file read." in text


def test_default_output_and_texts_of_rules(findings: Path) -> None:
    """Without -o the page is report.html; rules of the packs bring their text, those of --rules instead."""
    done = tocsin("report", findings, cwd=findings.parent)
    assert (done.returncode, done.stdout) == (0, "wrote report.html: a report of 3 findings\n")
    page = findings.with_name("report.html")
    assert "log_service:" in page.read_text()
    rule = findings.with_name("rules") / "a.yml"
    rule.parent.mkdir()
    rule.write_text("title: none of the findings' rules\n")
    assert tocsin("report", findings, "--rules", rule, cwd=findings.parent).returncode == 0
    assert "log_service:" not in page.read_text()


def test_the_page_never_overwrites_what_is_read(findings: Path) -> None:
    """The findings cannot be the output."""
    before = findings.read_bytes()
    done = tocsin("report", findings, "-o", findings, cwd=findings.parent)
    assert done.returncode == 2
    assert "[U002]" in done.stderr
    assert findings.read_bytes() == before


def test_a_pdf_needs_a_browser(findings: Path) -> None:
    """Without a browser on PATH the message says which are known, and nothing is written."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, "report", str(findings), "-o", "report.pdf"],
        cwd=findings.parent,
        env={"PATH": str(findings.parent), "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "HOME": str(findings.parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, "[O003]" in done.stderr, "chromium" in done.stderr) == (1, True, True), done.stderr
    assert not findings.with_name("report.pdf").exists()


def test_what_cannot_be_used(findings: Path) -> None:
    """A file that holds no findings, no coverage or no site leaves with its code, and no page is written."""
    csv = findings.with_name("f.csv")
    csv.write_text("time,rule\n1,2\n")
    coverage = findings.with_name("c.json")
    coverage.write_text(json.dumps({"complete": True}))
    for arguments, code, told in (
        ((csv,), 1, f"{csv}:1: the line is no finding"),
        ((findings, "--coverage", coverage), 2, "is no coverage"),
        ((findings, "--site", csv), 2, "[S00"),
        ((findings.with_name("none"),), 2, "does not exist"),
    ):
        done = tocsin("report", *arguments, cwd=findings.parent)
        assert done.returncode == code, done.stderr
        assert told in done.stderr
        assert not findings.with_name("report.html").exists()
