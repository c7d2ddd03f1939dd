"""`tocsin tune` as users run it: scan, mark, tune, scan again with the filter."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RUN = "import sys; sys.argv[0] = 'tocsin'; from tocsin.cli.main import run; run()"
COIL = "Modbus coil is written"
CLEARED = "Event log cleared from a command line"
WHO = ("--owner", "Control room", "--reason", "the operators' station", "--expires", "2099-12-31")


def tocsin(folder: Path, *words: object, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the command line in a folder."""
    line = [sys.executable, "-c", RUN, *map(str, words)]
    return subprocess.run(line, input=data, capture_output=True, check=False, cwd=folder, timeout=120)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a copy of the example and its findings."""
    folder = tmp_path_factory.mktemp("work")
    shutil.copytree(EXAMPLES, folder / "examples")
    assert tocsin(folder, "scan", "examples/water-utility/evidence", "-o", "findings.jsonl", "--quiet").returncode == 0
    return folder


@pytest.fixture
def work(scanned: Path, tmp_path: Path) -> Path:
    """Return a folder of the test's own with the same."""
    shutil.copytree(scanned, tmp_path / "w")
    return tmp_path / "w"


def rows(path: Path) -> list[dict[str, Any]]:
    """Return the findings of a file."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def place(row: dict[str, Any]) -> tuple[str, str, int]:
    """Return what a finding is known by."""
    return row["rule"]["id"], row["source"]["path"], row["source"]["record"]


def write(path: Path, found: list[dict[str, Any]]) -> Path:
    """Write findings as JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return path


def of(work: Path, title: str) -> list[dict[str, Any]]:
    """Return the findings of a rule."""
    return [row for row in rows(work / "findings.jsonl") if row["rule"]["title"] == title]


def by_operators(row: dict[str, Any]) -> bool:
    """Tell whether the station of the operators made a finding."""
    return row["rule"]["title"] == COIL and row["event"]["id.orig_h"] == "10.20.6.21"


@pytest.mark.parametrize(
    "way", ["findings", "standard input", "csv", "json places", "marks in the findings", "csv of a scan", "marks"]
)
def test_the_whole_loop(work: Path, way: str) -> None:
    """However the findings are marked, a scan with the filter finds everything but them."""
    before = rows(work / "findings.jsonl")
    false = [row for row in before if by_operators(row)]
    true = next(row for row in before if row["rule"]["title"] == COIL and not by_operators(row))
    write(work / "true.jsonl", [true])
    data, marks = None, ["--false-positive", "false", "--true", "true.jsonl"]
    if way == "findings":
        write(work / "false", false)
    elif way == "standard input":
        data = write(work / "false", false).read_bytes()
        marks[1] = "-"
    elif way == "csv":
        lines = [",".join(map(str, place(row))) for row in false]
        (work / "false").write_text("\r\n".join(["rule,path,record", *lines]))
    elif way == "json places":
        lines = [json.dumps(dict(zip(("rule", "path", "record"), place(row), strict=True))) for row in false]
        (work / "false").write_text("\n".join(lines))
    elif way == "marks":
        marks = ["--marks", "examples/water-utility/marks.csv"]
    elif way == "csv of a scan":
        assert tocsin(work, "scan", "examples/water-utility/evidence", "-o", "found.csv", "--quiet").returncode == 0
        lines = (work / "found.csv").read_text().splitlines(keepends=True)
        (work / "false").write_text(lines[0] + "".join(line for line in lines if COIL in line and '""10.20.6.21""' in line))
    else:
        marked = [row | ({"mark": "false_positive"} if by_operators(row) else {}) for row in before]
        write(work / "findings.jsonl", [row | ({"mark": "true"} if row == true else {}) for row in marked])
        marks = []
    done = tocsin(work, "tune", "findings.jsonl", *marks, *WHO, "-o", "filter.yml", data=data)
    assert done.returncode == 0, done.stderr.decode()
    told = done.stderr.decode()
    assert "false positives removed   4 of 4" in told
    assert "true findings kept        1 of 1" in told
    assert "unmarked that would go    0 of 2" in told
    assert "evidence scanned again    1 file" in told
    assert "next: tocsin scan PATH --rules filter.yml" in told
    assert tocsin(work, "scan", "examples/water-utility/evidence", "--rules", "filter.yml", "-o", "again.jsonl").returncode == 0
    after = {place(row) for row in rows(work / "again.jsonl")}
    assert {place(row) for row in before} - after == {place(row) for row in false}
    assert after < {place(row) for row in before}


def test_the_filter_is_written_with_its_decision(work: Path) -> None:
    """The file has owner, reason and expiry, is the same on each run, and is not replaced unasked."""
    write(work / "false.jsonl", [row for row in of(work, COIL) if by_operators(row)])
    line = ("tune", "findings.jsonl", "--false-positive", "false.jsonl", *WHO)
    assert tocsin(work, *line, "-o", "filter.yml").returncode == 0
    first = (work / "filter.yml").read_bytes()
    found = yaml.safe_load(first)
    assert (found["owner"], found["reason"], str(found["expires"])) == ("Control room", "the operators' station", "2099-12-31")
    again = tocsin(work, *line, "-o", "filter.yml")
    assert (again.returncode, b"--force" in again.stderr) == (2, True)
    assert tocsin(work, *line, "-o", "filter.yml", "--force").returncode == 0
    assert (work / "filter.yml").read_bytes() == first
    assert tocsin(work, *line).stdout == first
    over = tocsin(work, *line, "-o", "false.jsonl", "--force")
    assert (over.returncode, b"is read and the output at once" in over.stderr) == (2, True)


def test_what_cannot_be_told_apart_is_refused(work: Path) -> None:
    """The event of a positive test is never filtered; other rules of the same run are written, and the code is 4."""
    sudo = of(work, "Sudo refused an account that is not allowed")
    write(work / "false.jsonl", [*sudo, *of(work, COIL)[:1]])
    done = tocsin(work, "tune", "findings.jsonl", "--false-positive", "false.jsonl", *WHO, "-o", "filter.yml")
    assert done.returncode == 4
    assert "positive test of the rule [T004]" in done.stderr.decode()
    assert [item["filter"]["rules"] for item in yaml.safe_load_all((work / "filter.yml").read_bytes())] == [
        [of(work, COIL)[0]["rule"]["id"]]
    ]
    write(work / "false.jsonl", sudo)
    done = tocsin(work, "tune", "findings.jsonl", "--false-positive", "false.jsonl", *WHO, "-o", "none.yml")
    assert done.returncode == 4
    assert not (work / "none.yml").exists()


def test_a_correlation_is_not_tuned(work: Path) -> None:
    """The finding of a correlation is refused, and the rules to tune instead are named."""
    write(work / "false.jsonl", [row for row in rows(work / "findings.jsonl") if row["telemetry"] == "correlation"][:1])
    done = tocsin(work, "tune", "findings.jsonl", "--false-positive", "false.jsonl", *WHO)
    assert done.returncode == 4
    assert "[T003]" in done.stderr.decode()
    assert "tune the rules that it names: " in done.stderr.decode()


def test_without_the_evidence(work: Path) -> None:
    """Events that findings keep are evaluated where the evidence is gone; a text log's are not kept, which is told."""
    shutil.rmtree(work / "examples")
    write(work / "false.jsonl", of(work, CLEARED)[:1])
    write(work / "true.jsonl", of(work, CLEARED)[1:])
    done = tocsin(work, "tune", "findings.jsonl", "--false-positive", "false.jsonl", "--true", "true.jsonl", *WHO)
    assert done.returncode == 0, done.stderr.decode()
    assert b"evidence scanned again    0 files; of 1 that are not there" in done.stderr
    write(work / "false.jsonl", of(work, "Password hashes read with a text tool"))
    done = tocsin(work, "tune", "findings.jsonl", "--false-positive", "false.jsonl", *WHO)
    assert done.returncode == 4
    assert b"and the evidence is not there [T005]" in done.stderr


def test_a_text_log_is_read_again(work: Path) -> None:
    """Findings of auditd and syslog are tuned by the evidence, in an archive too."""
    write(work / "false.jsonl", of(work, "Password hashes read with a text tool"))
    done = tocsin(work, "tune", "findings.jsonl", "--false-positive", "false.jsonl", *WHO, "-o", "filter.yml")
    assert done.returncode == 0, done.stderr.decode()
    shutil.make_archive(str(work / "logs"), "zip", work / "examples" / "water-utility" / "evidence" / "historian")
    assert tocsin(work, "scan", "logs.zip", "-o", "zipped.jsonl", "--quiet").returncode == 0
    found = [row for row in rows(work / "zipped.jsonl") if "Password hashes" in row["rule"]["title"]]
    write(work / "false.jsonl", found)
    done = tocsin(work, "tune", "zipped.jsonl", "--false-positive", "false.jsonl", *WHO)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == (work / "filter.yml").read_bytes()


def test_evidence_that_changed_proves_nothing(work: Path) -> None:
    """When the evidence no longer holds a marked event, nothing is written."""
    write(work / "false.jsonl", of(work, CLEARED)[:1])
    path = work / of(work, CLEARED)[0]["source"]["path"]
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:100]))
    done = tocsin(work, "tune", "findings.jsonl", "--false-positive", "false.jsonl", *WHO, "-o", "filter.yml")
    assert done.returncode == 4
    assert b"even without the filter [T006]" in done.stderr
    assert not (work / "filter.yml").exists()


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        ("", "no finding is in it [T001]"),
        ("nonsense\n", "the line is no finding"),
        ('{"rule": "x", "path": "y"}\n', "the line has no path and record"),
        ('{"rule": "x", "path": "y", "record": 1}\n', "no finding is y:1 of rule x [T002]"),
        ("rule,path,record\nx,y,z\n", "record 'z' is no number"),
        ('{"rule": "x", "path": "y", "record": 1, "mark": "true"}\n', "the list is of false_positive [T001]"),
    ],
)
def test_marks_that_cannot_be_used(scanned: Path, tmp_path: Path, marks: str, said: str) -> None:
    """A list that is empty, damaged, or fits no finding ends the run: a true mark that got lost would lose an attack."""
    path = tmp_path / "marks"
    path.write_text(marks)
    done = tocsin(scanned, "tune", "findings.jsonl", "--false-positive", path, *WHO)
    assert done.returncode == 2
    assert said in done.stderr.decode()


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--expires", "2020-01-01", "is not in the future"),
        ("--expires", "soon", "is no day"),
        ("--owner", " ", "--owner is empty"),
        ("--reason", "", "--reason is empty"),
    ],
)
def test_a_decision_is_whole(scanned: Path, option: str, value: str, said: str) -> None:
    """Owner, reason and a day to come are needed."""
    words = [*WHO]
    words[words.index(option) + 1] = value
    done = tocsin(scanned, "tune", "findings.jsonl", *words)
    assert (done.returncode, said in done.stderr.decode()) == (2, True)


def test_one_finding_has_one_mark(work: Path) -> None:
    """A finding that is marked both ways, and a mark of another name, end the run; so does a run without marks."""
    row = of(work, COIL)[0]
    path = write(work / "both.jsonl", [row])
    done = tocsin(work, "tune", "findings.jsonl", "--false-positive", path, "--true", path, *WHO)
    assert (done.returncode, b"is marked false_positive and true [T001]" in done.stderr) == (2, True)
    write(work / "other.jsonl", [row | {"mark": "maybe"}])
    done = tocsin(work, "tune", "other.jsonl", *WHO)
    assert (done.returncode, b"unknown mark 'maybe'" in done.stderr) == (2, True)
    done = tocsin(work, "tune", "findings.jsonl", *WHO)
    assert (done.returncode, b"no finding is marked as a false positive [T002]" in done.stderr) == (2, True)


def test_filters_alone_are_added_to_the_packs(work: Path) -> None:
    """`--rules` with filters only keeps the installed packs; the filter is checked with them, and alone in what is told."""
    write(work / "false.jsonl", of(work, COIL)[:1])
    (work / "filters").mkdir()
    tocsin(work, "tune", "findings.jsonl", "--false-positive", "false.jsonl", *WHO, "-o", "filters/coil.yml")
    shown = tocsin(work, "rules", "show", COIL, "--rules", "filters")
    assert b"not filter1:selection" in shown.stdout
    checked = tocsin(work, "rules", "check", "filters/coil.yml")
    assert (checked.returncode, checked.stdout.count(b"\n")) == (0, 1)
    added = tocsin(work, "rules", "add", "filters")
    assert added.stdout.startswith(b"added pack 'filters': 1 file of filters, applied to the rules of all packs\n")
    assert b"not filter1:selection" in tocsin(work, "rules", "show", COIL).stdout
    assert tocsin(work, "rules", "remove", "filters").returncode == 0
    (work / "filters" / "other.yml").write_text((work / "filters" / "coil.yml").read_text().replace("- '5e8d", "- '6e8d"))
    assert b"invalid: " in tocsin(work, "rules", "add", "filters").stdout
    assert tocsin(work, "rules", "remove", "filters").returncode == 0
    only = tocsin(work, "rules", "list", "--rules", "essentials", "--rules", "filters").stdout
    assert b"essentials" not in only
    assert b"the filter names" in only
