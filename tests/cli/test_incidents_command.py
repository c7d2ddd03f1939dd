"""`tocsin incidents` as users run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

EVIDENCE = Path(__file__).resolve().parents[2] / "examples" / "water-utility"
RUN = "import sys; sys.argv[0] = 'tocsin'; from tocsin.cli.main import run; run()"
KEYS = [
    "id",
    "title",
    "score",
    "level",
    "first",
    "last",
    "findings",
    "summary",
    "rules",
    "tactics",
    "techniques",
    "hosts",
    "users",
    "addresses",
    "assets",
    "processes",
]


def tocsin(*words: object, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the command line."""
    return subprocess.run([sys.executable, "-c", RUN, *map(str, words)], input=data, capture_output=True, check=False)


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the findings of the example."""
    path = tmp_path_factory.mktemp("found") / "findings.jsonl"
    assert tocsin("scan", EVIDENCE / "evidence", "--site", EVIDENCE / "site.yml", "-o", path).returncode == 0
    return path


def test_screen(findings: Path) -> None:
    """The screen tells the attack on the example as one incident over three hosts, in plain words."""
    done = tocsin("incidents", findings)
    text = done.stdout.decode()
    assert done.returncode == 0
    assert text.startswith("64 findings in 7 incidents\n")
    assert "on 3 hosts" in text.splitlines()[2]
    assert "From there it is seen on JUMP-01 at" in " ".join(text.split())
    assert "[same process tree as finding 3 (mshta.exe)]" in text


def test_written(findings: Path, tmp_path: Path) -> None:
    """Incidents are written as JSON Lines with the documented keys, the same bytes each time, also from standard input."""
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    assert tocsin("incidents", findings, "-o", one).returncode == 0
    assert tocsin("incidents", "-", "-o", two, data=findings.read_bytes()).returncode == 0
    assert one.read_bytes() == two.read_bytes()
    told = [json.loads(line) for line in one.read_bytes().splitlines()]
    assert all(list(incident)[: len(KEYS)] == KEYS for incident in told)
    assert sum(incident["findings"] for incident in told) == 64


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        (b"", 0, "no finding was read"),
        (b"not json\n", 3, "the line is no finding"),
        (b'{"a": 1}\n' * 9, 3, "4 more lines"),
        (b'{"rule": ' + b"[" * 100_000 + b"\n", 3, "the line is no finding"),
    ],
)
def test_what_is_no_finding(data: bytes, code: int, said: str, tmp_path: Path) -> None:
    """A file without findings, and lines that are none, are told with their place."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(data)
    done = tocsin("incidents", path)
    assert (done.returncode, said in done.stderr.decode()) == (code, True)


def test_damaged_lines_are_told(findings: Path, tmp_path: Path) -> None:
    """A damaged line does not keep the others from being joined, and the exit code tells of it."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"{broken\n" + findings.read_bytes())
    done = tocsin("incidents", path)
    assert (done.returncode, b"64 findings in 7" in done.stdout, b"x.jsonl:1" in done.stderr) == (1, True, True)


def test_hostile_text_is_escaped(findings: Path, tmp_path: Path) -> None:
    """Nothing that a terminal obeys reaches it from a finding."""
    path = tmp_path / "x.jsonl"
    path.write_text(findings.read_text().replace("JUMP-01", "JUMP\\u001b[31m\\u202e"))
    done = tocsin("incidents", path, "--all")
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout
    assert "\u202e" not in done.stdout.decode()


def test_findings_are_not_written_over(findings: Path) -> None:
    """The findings cannot be the output too."""
    before = findings.read_bytes()
    done = tocsin("incidents", findings, "-o", findings)
    assert (done.returncode, findings.read_bytes() == before) == (2, True)
