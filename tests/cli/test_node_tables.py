"""`tocsin node preview` and `profile`, as a person at a terminal uses them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from node_samples import opened
from table_samples import rule, rulebook, shares, write_table
from tocsin.runs.node import NODE_FILE, RULEBOOK

GIVES = rule("{rows: {site: north}, columns: {site: keep, user: token, address: prefix}, subject: user}", more=", k: 2")
Done = subprocess.CompletedProcess[str]
ROWS = {
    "site": ["north", "south", "north"],
    "user": ["ann", "bob\x1b[31m", "cyd"],
    "address": ["10.0.0.1", "10.0.0.2", "pump\u202e"],
    "note": ["=cmd", "<b>", "x"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give the folder of a node with a table."""
    write_table(tmp_path / "logons", ROWS)
    with opened(tmp_path / "node", rulebook(GIVES), shares=shares("../logons")):
        pass
    return tmp_path / "node"


def call(*arguments: object) -> Done:
    """Return what a command said, with its exit code."""
    line = [sys.executable, "-c", "from tocsin.cli.entry import run; run()", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60)


def test_preview_shows_what_would_be_given(folder: Path) -> None:
    """The rows of a recipient, the rule, and how many look alike; what is held back has an exit code of its own."""
    done = call("node", "preview", folder, "riverdale-water", "events/logons")
    assert done.returncode == 10, done.stderr
    said = done.stdout
    assert "events/default.logons: 2 rows for riverdale-water, by rule tables" in said
    assert "HELD BACK: the rule wants 2; 2 groups, with 2, are smaller" in said
    assert "1 values of address are no addresses" in said
    assert "ann" not in said
    assert "10.0.0.1" not in said
    assert not (folder / "released").exists()


def test_preview_of_the_owner_and_of_nobody(folder: Path) -> None:
    """The owner gets all as it is, with hostile text made visible; who gets nothing is told so."""
    done = call("node", "preview", folder, "water-cert")
    assert done.returncode == 0, done.stderr
    said = done.stdout
    assert "3 rows for water-cert, as its owner" in said
    assert "\x1b" not in said
    assert "\u202e" not in said
    done = call("node", "preview", folder, "hilltown")
    assert done.returncode == 0, done.stderr
    assert "hilltown gets nothing of it" in done.stdout


def test_preview_of_a_table_that_is_not_adopted(folder: Path) -> None:
    """A table that is new in node.yml is given to nobody, and why is told; it can be seen as it would be."""
    path = folder / NODE_FILE
    path.write_text(path.read_text().replace("{logons: ../logons}", "{logons: ../logons, more: ../logons}"))
    done = call("node", "preview", folder, "water-cert", "events/more")
    assert (
        f"events/default.more: water-cert gets nothing of it: it is not adopted yet ('tocsin node adopt {folder}')"
        in done.stdout
    )
    done = call("node", "preview", folder, "water-cert", "events/more", "--rulebook", folder / RULEBOOK)
    assert "events/default.more: 3 rows for water-cert, as its owner" in done.stdout
    assert "with the shares of node.yml" in call("node", "adopt", folder).stdout
    done = call("node", "preview", folder, "water-cert", "events/more")
    assert "events/default.more: 3 rows for water-cert, as its owner" in done.stdout


def test_preview_of_another_rulebook(folder: Path, tmp_path: Path) -> None:
    """What a rulebook would give is seen before it is in force."""
    (tmp_path / "new.yml").write_text(rulebook(rule("{columns: {note: keep}}", to="hilltown")))
    done = call("node", "preview", folder, "hilltown", "--rulebook", tmp_path / "new.yml", "--rows", 1)
    assert done.returncode == 0, done.stderr
    said = done.stdout
    assert "3 rows for hilltown" in said
    assert "=cmd" in said
    assert "<b>" not in said


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["nobody"], "N007", "no organisation"),
        (["hilltown", "events/other"], "D008", "events/default.logons"),
        (["hilltown", "logons"], "D008", "events/default.logons"),
        (["hilltown", "--purpose", "fun"], "N007", "no purpose"),
    ],
)
def test_questions_that_cannot_be_asked(arguments: list[str], code: str, told: str, folder: Path) -> None:
    """What is not there is told, with what is."""
    done = call("node", "preview", folder, *arguments)
    assert done.returncode == 2, done.stderr
    said = done.stderr
    assert code in said
    assert told in said


def test_a_rule_that_does_not_fit_the_table(folder: Path, tmp_path: Path) -> None:
    """A column that the table has not is told by the preview, with those that it has."""
    (tmp_path / "new.yml").write_text(rulebook(rule("{columns: {usr: keep}}")))
    done = call("node", "preview", folder, "riverdale-water", "--rulebook", tmp_path / "new.yml")
    assert done.returncode == 2, done.stderr
    said = done.stderr
    assert "D004" in said
    assert "site, user, address, note" in said


def test_profiles(folder: Path, tmp_path: Path) -> None:
    """A profile has what clients want, for its owner's eyes alone; a file that is there is never written over."""
    path = tmp_path / "member.share"
    done = call("node", "profile", folder, "riverdale-water", "-o", path, "--url", "https://cert.example/")
    assert done.returncode == 0, done.stderr
    found = json.loads(path.read_text())
    assert found["shareCredentialsVersion"] == 1
    assert found["endpoint"] == "https://cert.example/delta-sharing"
    assert found["bearerToken"].startswith("tocsin_")
    assert path.stat().st_mode & 0o777 == 0o600
    assert found["bearerToken"] not in done.stdout
    before = path.read_bytes()
    done = call("node", "profile", folder, "riverdale-water", "-o", path)
    assert done.returncode != 0
    assert "O001" in done.stderr
    assert path.read_bytes() == before
    done = call("node", "profile", folder, "nobody", "-o", tmp_path / "other.share")
    assert done.returncode == 2, done.stderr
    done = call("node", "profile", folder, "hilltown", "-o", tmp_path / "other.share", "--from", "10.0.0")
    assert done.returncode == 2, done.stderr
    assert not (tmp_path / "other.share").exists()
    done = call("node", "profile", folder, "hilltown", "-o", tmp_path / "third.share", "--instead-of", "0" * 12)
    assert done.returncode == 2, done.stderr
    assert "no token" in done.stderr


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"indicators": {"owner": "x", "tables": {}}}, "name of a collection"),
        ({"Events": {"owner": "x", "tables": {}}}, "no name"),
        ({"events": {"owner": "x", "tables": {"../x": "y"}}}, "no name of a table"),
        ({"events": {"owner": "x", "tables": {"a": "y", "default.a": "z"}}}, "stands twice"),
        ({"events": {"owner": "x", "tables": {"a": "y"}, "marking": ["TLP:GREY"]}}, "no marking"),
        ({"events": {"owner": "x", "tables": {"a": "y"}, "epoch": 0}}, "epoch"),
        ({"events": {"tables": {"a": "y"}}}, "owner"),
    ],
)
def test_shares_that_cannot_be_used(value: object, told: str, folder: Path) -> None:
    """A share that is wrong in node.yml is told by any command."""
    file = yaml.safe_load((folder / "node.yml").read_text())
    (folder / "node.yml").write_text(yaml.safe_dump({**file, "shares": value}))
    done = call("node", "preview", folder, "hilltown")
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
