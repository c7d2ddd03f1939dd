"""`tocsin scan -o report.html`: the page of a scan in one step."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "water-utility"
RUN = "import sys; sys.argv[0] = 'tocsin'; from tocsin.cli.main import run; run()"


def tocsin(*words: object) -> subprocess.CompletedProcess[bytes]:
    """Run the command line."""
    return subprocess.run([sys.executable, "-c", RUN, *map(str, words)], capture_output=True, check=False)


def test_one_step_is_two_steps(tmp_path: Path) -> None:
    """A scan writes the page that a report of its findings and coverage is, to a file and to standard output."""
    site = ("--site", EXAMPLE / "site.yml")
    scan = ("scan", EXAMPLE / "evidence", *site)
    findings, coverage = tmp_path / "findings.jsonl", tmp_path / "coverage.json"
    assert tocsin(*scan, "-o", findings, "--coverage", coverage).returncode == 0
    assert tocsin("report", findings, "--coverage", coverage, *site, "-o", tmp_path / "two.html").returncode == 0
    assert tocsin(*scan, "-o", tmp_path / "one.html").returncode == 0
    page = (tmp_path / "two.html").read_bytes()
    assert (tmp_path / "one.html").read_bytes() == page
    assert tocsin(*scan, "--format", "html", "--quiet").stdout == page
    assert b"Riverdale Water" in page
    assert b"7 incidents" in page


def test_nothing_found(tmp_path: Path) -> None:
    """A scan without findings is a page that says what was looked at, and no error."""
    log = tmp_path / "a.jsonl"
    log.write_text('{"Channel": "Security", "EventID": 4624, "Computer": "A"}\n')
    done = tocsin("scan", log, "-o", tmp_path / "page.html")
    assert done.returncode == 0
    assert b"<h2" in (tmp_path / "page.html").read_bytes()


def test_nothing_stays_behind(tmp_path: Path) -> None:
    """The findings that were kept aside are gone after the scan."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    code = f"import os; os.environ['TMPDIR'] = {str(folder)!r}; {RUN}"
    command = [sys.executable, "-c", code, "scan", str(EXAMPLE / "evidence"), "-o", str(tmp_path / "page.html")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert not list(folder.iterdir())
