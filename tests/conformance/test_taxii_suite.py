"""The black-box suite of TAXII 2.1: our own node passes every case, and a faulty server does not."""

from __future__ import annotations

import ast
import base64
import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from faulty_taxii import FAULTS

from served_node import make_node, make_token, served

SUITE = Path(__file__).resolve().parents[2] / "suites" / "taxii21"
COLLECTIONS = {
    "shared": "5b1f7f30-8f3c-4d63-9d0b-6f1a4c2e7a01",
    "published": "5b1f7f30-8f3c-4d63-9d0b-6f1a4c2e7a02",
    "reports": "5b1f7f30-8f3c-4d63-9d0b-6f1a4c2e7a03",
    "secret": "5b1f7f30-8f3c-4d63-9d0b-6f1a4c2e7a04",
}
SETTINGS: dict[str, Any] = {
    "title": "Suite",
    "most_megabytes": 1,
    "collections": {alias: {"title": alias.title(), "id": name} for alias, name in COLLECTIONS.items()},
}
if importlib.util.find_spec("tocsin.runs.limits"):  # a node that limits how often it is asked gets more than it asks for
    SETTINGS["limits"] = {"requests_per_minute": 1_000_000, "requests_at_once": 1_000_000}
    SETTINGS["limits"] |= {"failures_per_minute": 1_000_000, "failures_at_once": 1_000_000}
RULEBOOK = """\
community: Suite
operator: operator
organisations:
  operator: {name: Operator, identity: identity--1f4e5c1e-6c0b-4f0d-9a53-3b1de3a5a001, relations: [{member_of: community}]}
  member: {name: Member, identity: identity--1f4e5c1e-6c0b-4f0d-9a53-3b1de3a5a002, relations: [{member_of: community}]}
markings: {unmarked: TLP:AMBER+STRICT}
rules:
  - {id: members-read, to: [community], collections: [shared, published], up_to: TLP:GREEN}
  - {id: members-write, may: write, to: [community], collections: [shared, reports]}
  - {id: operator-writes, may: write, to: [operator], collections: [published, secret]}
"""
ALONE = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
"""The suite runs with pytest and httpx alone."""


def _options(url: str, token: str) -> list[str]:
    """Return the options of the suite that make every case run."""
    named = zip(("", "read-only-", "write-only-", "hidden-"), COLLECTIONS.values(), strict=True)
    collections = [f"--{kind}collection={name}" for kind, name in named]
    return [f"--taxii-url={url}", f"--taxii-token={token}", "--taxii-user=member", f"--taxii-password={token}", *collections]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the report of the suite about our own node, served over TLS."""
    folder = tmp_path_factory.mktemp("node")
    make_node(folder, RULEBOOK, SETTINGS)
    token = make_token(folder, "member", "read", "write")
    written = folder / "report.json"
    with served(folder, tls=True) as node:
        options = [*_options(node.url, token), f"--taxii-ca={node.certificate}", f"--taxii-report={written}"]
        command = [sys.executable, "-m", "pytest", str(SUITE), "-q", "--color=no", *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False, cwd=SUITE, env=ALONE)
    assert written.exists(), done.stdout[-2000:] + done.stderr[-2000:]
    found: dict[str, Any] = json.loads(written.read_text())
    return found


def test_node_passes_every_case(report: dict[str, Any]) -> None:
    """Every case of the suite is run against the node and passes; none is skipped."""
    wrong = [f"{row['case']}: {row['result']}: {row['why']}" for row in report["cases"] if row["result"] != "pass"]
    assert not wrong, "\n".join(wrong)


def test_report_counts_its_cases(report: dict[str, Any]) -> None:
    """The report has a row for every case, with section, level and the sentence of the requirement."""
    assert report["counts"] == {"pass": 0, "fail": 0, "not met": 0, "skip": 0} | Counter(
        row["result"] for row in report["cases"]
    )
    assert len(report["cases"]) >= 100
    assert all(row["section"] and row["level"] in {"MUST", "SHOULD"} and row["requirement"] for row in report["cases"])


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, str]]:
    """Return the outcomes of the suite for a server in memory, without a fault (empty) and with each."""
    command = [sys.executable, str(Path(__file__).with_name("run_faults.py"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False, env=ALONE)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


def test_server_without_a_fault_passes(outcomes: dict[str, dict[str, str]], report: dict[str, Any]) -> None:
    """The suite has nothing to say about a server that is right, but for TLS, which needs a network."""
    wrong = {case: outcome for case, outcome in outcomes[""].items() if outcome != "passed"}
    assert wrong == {"test_server_speaks_tls[1.2]": "skipped", "test_server_speaks_tls[1.3]": "skipped"}
    assert len(outcomes[""]) == len(report["cases"])


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_found(outcomes: dict[str, dict[str, str]], fault: str) -> None:
    """A server with a fault fails the case that is about it, which it passes without."""
    found = {case for case, outcome in outcomes[fault].items() if outcome in {"failed", "unmet"}}
    assert found, f"{outcomes[fault]}"
    assert all(outcomes[""][case] == "passed" for case in found)


def test_readme_counts_the_cases(report: dict[str, Any]) -> None:
    """The page of the suite says how many cases there are for each section."""
    readme = (SUITE / "README.md").read_text(encoding="utf-8")
    told = readme.partition("<!-- counts: begin -->\n")[2].partition("<!-- counts: end -->")[0]
    assert told == _counts(report["cases"]), f"put this between the marks:\n{_counts(report['cases'])}"


def _counts(cases: list[dict[str, Any]]) -> str:
    """Return the table of cases for each section, and how many there are."""
    found = Counter((row["section"], row["level"]) for row in cases)
    sections = sorted({row["section"] for row in cases}, key=lambda section: [int(part) for part in section.split(".")])
    names = _names()
    total = {level: sum(count for (_, each), count in found.items() if each == level) for level in ("MUST", "SHOULD")}
    interop = len({row["interop"] for row in cases} - {""})
    lines = [f"{len(cases)} cases: {total['MUST']} of a MUST, {total['SHOULD']} of a SHOULD."]
    lines += [f"They name {interop} tests of the interoperability document, by its sections.", ""]
    lines += ["| section | about | MUST | SHOULD |", "|---|---|---|---|"]
    lines += [f"| {each} | {names[each]} | {found[each, 'MUST'] or ''} | {found[each, 'SHOULD'] or ''} |" for each in sections]
    return "\n".join(lines) + "\n"


def _names() -> dict[str, str]:
    """Return what the sections of the standard are about, as the suite names them."""
    tree = ast.parse((SUITE / "requirements.py").read_text(encoding="utf-8"))
    assigned = {ast.unparse(item.targets[0]): item.value for item in tree.body if isinstance(item, ast.Assign)}
    found: dict[str, str] = ast.literal_eval(assigned["SECTIONS"])
    return found


def _suite(tmp_path: Path, *options: str) -> tuple[int, str, dict[str, Any]]:
    """Return the exit code, the output and the report of a run of the suite without a server."""
    written = tmp_path / "report.json"
    command = [sys.executable, "-m", "pytest", str(SUITE), "-q", f"--taxii-report={written}", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=SUITE, env=ALONE)
    return done.returncode, done.stdout + done.stderr, json.loads(written.read_text())


def test_nothing_passes_without_a_server(tmp_path: Path) -> None:
    """Without a URL every case is skipped, with the reason."""
    code, _, found = _suite(tmp_path)
    assert code == 0
    assert {(row["result"], row["why"]) for row in found["cases"]} == {("skip", "--taxii-url is not given")}


def test_no_secret_is_printed(tmp_path: Path) -> None:
    """When all fails, neither the token nor the password is in the output or in the report."""
    url = "http://127.0.0.1:9/taxii2/"
    login = ["--taxii-token=correct-horse", "--taxii-user=user", "--taxii-password=battery-staple"]
    options = [f"--taxii-url={url}", f"--api-root={url}", "--collection=none", "-k", "login or basic", *login]
    code, output, found = _suite(tmp_path, *options)
    assert code == 1
    assert {row["result"] for row in found["cases"]} == {"fail", "not met"}
    secrets = ("correct-horse", "battery-staple", base64.b64encode(b"user:battery-staple").decode()[:20])
    assert not [secret for secret in secrets if secret in output + json.dumps(found)]


def test_unmet_should_is_no_failure(outcomes: dict[str, dict[str, str]]) -> None:
    """A SHOULD that is not met is told as such, and a MUST fails."""
    assert set(outcomes["pages by offset"].values()) == {"unmet"}
    assert "failed" in outcomes["limit ignored"].values()


def test_case_without_its_option_is_skipped(outcomes: dict[str, dict[str, str]]) -> None:
    """What needs a collection that was not named is skipped, and all else passes."""
    skipped = {case for case, outcome in outcomes["without options"].items() if outcome == "skipped"}
    assert {"test_read_only_collection_takes_nothing", "test_hidden_collection_is_not_listed"} <= skipped
    assert "test_bad_object_is_told[no-id]" in skipped
    assert {outcome for case, outcome in outcomes["without options"].items() if case not in skipped} == {"passed"}
