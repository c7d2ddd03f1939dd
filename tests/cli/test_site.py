"""`tocsin site` and `scan --site` as users run them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scan_samples import WHOAMI, write
from shared_data import shared

RUN = "import sys; sys.argv[0] = 'tocsin'; from tocsin.cli.main import run; run()"
SITE = """\
site: Riverdale Water
zones:
  control: {level: 2, networks: [10.20.6.0/24]}
assets:
  HMI-1: {addresses: [10.20.6.5, h0], roles: [hmi], zone: control}
"""
RULE = """\
title: Panel
id: 44444444-4444-4444-8444-444444444444
level: high
logsource: {product: windows, category: process_creation}
detection:
  s:
    Computer|expand: '%HMIs%'
    Image|endswith: '\\whoami.exe'
  condition: s
"""


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give each test caches and packs of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg-cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg-data"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Write a site file."""
    path = tmp_path / "site.yml"
    path.write_text(SITE)
    return path


def tocsin(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-c", RUN, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )


def test_check(site: Path) -> None:
    """A good file shows what it gives; a bad one each problem with its place, and leaves with 4."""
    done = tocsin("site", "check", site)
    assert done.returncode == 0
    for line in (
        "0 problems, 0 warnings",
        "Riverdale Water: 1 zones, 1 assets, 0 conversations",
        "  %HMIs% 4 values",
        "  Address in a zone of the site that belongs to no asset: can be evaluated",
        "  Engineering work outside working hours: not evaluable: the site file gives no working hours",
    ):
        assert line in done.stdout.splitlines()
    site.write_text(SITE.replace("zone: control", "zone: contrl") + "asets: {}\n")
    done = tocsin("site", "check", site)
    assert done.returncode == 4
    assert f"{site}:5:59: there is no zone 'contrl' [S005]" in done.stdout
    assert "hint: did you mean 'control'?" in done.stdout
    assert f"{site}:6:1: unknown key 'asets' [S002]" in done.stdout
    assert done.stdout.endswith("2 problems, 0 warnings\n")


def test_scan_stops_at_a_wrong_site_file(site: Path, tmp_path: Path) -> None:
    """A site file with a problem is a wrong configuration: exit code 2, the place, and where the others are listed."""
    site.write_text(SITE + "a: 1\nb: 2\n")
    done = tocsin("scan", write(tmp_path / "e" / "a.jsonl", range(5)), "--site", site)
    assert done.returncode == 2
    assert f"{site}:6:1: unknown key 'a' [S002]" in done.stderr
    assert "lists all 2 problems" in done.stderr


def test_learn_check_scan(tmp_path: Path) -> None:
    """What is learnt from real logs passes the check, and a scan of the same logs finds nothing new."""
    logs = shared("ics", "zeek", "dnp3")
    path = tmp_path / "learnt.yml"
    done = tocsin("site", "learn", logs, "-o", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"wrote {path}: 1 zones, 2 assets, 1 conversations; a proposal to go through\n"
    assert tocsin("site", "learn", logs).stdout == path.read_text()
    body = yaml.safe_load(path.read_text())
    assert body["conversations"] == [
        {
            "from": "host-10.10.20.5",
            "to": "host-10.10.20.8",
            "protocol": "dnp3",
            "port": 20000,
            "writes": True,
            "functions": ["OPERATE", "READ", "SELECT"],
            "seen": {"count": 534},
        }
    ]
    assert tocsin("site", "check", path).returncode == 0
    rule = tmp_path / "rule.yml"
    rule.write_text(WHOAMI)
    done = tocsin("scan", logs, "--rules", rule, "--site", path, "-o", tmp_path / "f.jsonl")
    assert done.returncode == 0
    assert (tmp_path / "f.jsonl").read_bytes() == b""
    assert "0 of 1 rule could see these events, and 3 checks against the site file." in done.stdout
    assert "Checks against the site file: 3 of 4 evaluated" in done.stdout


def test_learn_tells_what_it_could_not_read(tmp_path: Path) -> None:
    """A file that is no log is told; with nothing to read the code is 3; a missing path is a usage error."""
    (tmp_path / "x.bin").write_bytes(b"\x00\x01\x02" * 100)
    done = tocsin("site", "learn", tmp_path / "x.bin")
    assert done.returncode == 3
    assert "x.bin: skipped: the format is not recognised [F002]" in done.stderr
    assert "nothing to learn from: none of the files could be read" in done.stderr
    assert tocsin("site", "learn", tmp_path / "missing").returncode == 2
    (tmp_path / "empty").mkdir()
    done = tocsin("site", "learn", tmp_path / "empty")
    assert done.returncode == 3
    assert f"nothing to learn from: no file was found in {tmp_path / 'empty'}" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("hint: give logs of Zeek")


def test_placeholders_of_the_site(site: Path, tmp_path: Path) -> None:
    """The site fills placeholders for every verb; a list in --config replaces the one of its name."""
    rule, evidence = tmp_path / "rule.yml", write(tmp_path / "e" / "a.jsonl", range(31))
    rule.write_text(RULE)
    assert "0 rules compiled, 1 unsupported" in tocsin("rules", "check", rule).stdout
    assert "1 rules compiled, 0 unsupported" in tocsin("rules", "check", rule, "--site", site).stdout
    assert "%HMIs%" not in tocsin("rules", "show", "Panel", "--rules", rule, "--site", site).stdout
    out = tmp_path / "f.jsonl"
    tocsin("scan", evidence, "--rules", rule, "--site", site, "-o", out)
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [item["host"] for item in found] == ["h0", "h0"]
    assert found[0]["assets"] == {"h0": {"name": "HMI-1", "roles": ["hmi"], "zone": "control"}}
    config = tmp_path / "config.yml"
    config.write_text("placeholders: {HMIs: [h1]}\n")
    tocsin("scan", evidence, "--rules", rule, "--site", site, "--config", config, "-o", out)
    assert {json.loads(line)["host"] for line in out.read_text().splitlines()} == {"h1"}


def test_forms_of_findings(site: Path, tmp_path: Path) -> None:
    """JSON, JSON Lines and CSV name assets, and the screen lists those of findings."""
    rule, evidence = tmp_path / "rule.yml", write(tmp_path / "e" / "a.jsonl", range(31))
    rule.write_text(WHOAMI)
    done = tocsin("scan", evidence, "--rules", rule, "--site", site, "-o", tmp_path / "f.json")
    lines = done.stdout.splitlines()
    assert lines[lines.index("Assets of the site") + 1] == "  2  HMI-1 (hmi, zone control)"
    findings = json.loads((tmp_path / "f.json").read_text())["findings"]
    assert [list(item)[-1] for item in findings] == ["assets"] * 4
    tocsin("scan", evidence, "--rules", rule, "--site", site, "-o", tmp_path / "f.csv")
    head, *rows = (tmp_path / "f.csv").read_text().splitlines()
    assert head.endswith(",matched,event,assets")
    assert sum(row.endswith('"h0 = HMI-1 (hmi, zone control)"') for row in rows) == 2
    tocsin("scan", evidence, "--rules", rule, "-o", tmp_path / "g.csv")
    assert (tmp_path / "g.csv").read_text().splitlines()[0].endswith(",matched,event")


def test_coverage_names_checks(site: Path, tmp_path: Path) -> None:
    """The coverage has each check with its status and reason, and the name of the site."""
    rule, evidence = tmp_path / "rule.yml", write(tmp_path / "e" / "a.jsonl", range(5))
    rule.write_text(WHOAMI)
    tocsin("scan", evidence, "--rules", rule, "--site", site, "--coverage", tmp_path / "c.json", "--quiet")
    coverage = json.loads((tmp_path / "c.json").read_text())
    assert coverage["site"] == "Riverdale Water"
    assert [list(check) for check in coverage["baseline"]] == [["id", "title", "status", "reason"]] * 4
    done = tocsin("scan", evidence, "--rules", rule, "--coverage", tmp_path / "c.json")
    coverage = json.loads((tmp_path / "c.json").read_text())
    assert (coverage["site"], {check["reason"] for check in coverage["baseline"]}) == ("", {"no site file was given (--site)"})
    assert "site file" not in done.stdout


def test_missing_site_is_told_once_where_it_matters(tmp_path: Path) -> None:
    """With network logs and no site file, one line says that the checks could not be evaluated."""
    rule = tmp_path / "rule.yml"
    rule.write_text(WHOAMI)
    done = tocsin("scan", shared("ics", "zeek", "dnp3"), "--rules", rule)
    assert "Checks against the site file: 0 of 4 evaluated" in done.stdout
    assert done.stdout.count("no site file was given (--site)") == 1


def test_learn_keeps_what_is_there(tmp_path: Path) -> None:
    """A site file that somebody wrote is replaced only when asked to."""
    path = tmp_path / "site.yml"
    path.write_text("mine")
    logs = shared("ics", "zeek", "modbus")
    refused = tocsin("site", "learn", logs, "-o", path)
    assert (refused.returncode, path.read_text(), "--force" in refused.stderr) == (2, "mine", True)
    assert tocsin("site", "learn", logs, "-o", path, "--force").returncode == 0
    assert path.read_text().startswith("#")


def test_learn_from_nothing(tmp_path: Path) -> None:
    """Logs that tell of no conversation give no empty proposal."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"Channel": "Security", "EventID": 4624, "Computer": "A"}\n')
    done = tocsin("site", "learn", path, "-o", tmp_path / "site.yml")
    assert (done.returncode, "no conversation was seen" in done.stderr, (tmp_path / "site.yml").exists()) == (3, True, False)
