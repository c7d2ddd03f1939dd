"""`tocsin share` as users run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tocsin.sharing.markings import TLP_2, Tlp

RUN = "import sys; sys.argv[0] = 'tocsin'; from tocsin.cli.main import run; run()"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples/sharing"
BOOK = str(EXAMPLES / "rulebook.yml")
BUNDLE = str(EXAMPLES / "bundle.json")
OTHER = str(EXAMPLES.parents[1] / "docs/openapi.json")
OBJECT = "indicator--2a8f1c3e-7d45-4b60-8f12-00000000000"
AT = ("--collection", "indicators", "--day", "2030-06-01")


def share(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `tocsin share`."""
    return subprocess.run([sys.executable, "-c", RUN, "share", *arguments], capture_output=True, text=True, timeout=60)


def test_check(tmp_path: Path) -> None:
    """Problems and warnings have places; a problem leads to exit code 4, also as JSON."""
    path = tmp_path / "rulebook.yml"
    text = Path(BOOK).read_text()
    path.write_text(text.replace("up_to: TLP:GREEN", "up_to: TLP:AMBER"))
    done = share("check", str(path), "--day", "2030-06-01")
    assert done.returncode == 4
    assert "to community at most TLP:GREEN may go [B011]" in done.stdout
    assert "    to: [community]\n" in done.stdout
    assert "1 problem, " in done.stdout
    path.write_bytes(text.replace("groups:", "rules: []\ngroups:", 1).encode())
    assert "hint: keep one of the two" in share("check", str(path)).stdout
    path.write_bytes(text.replace("Water", "W\xe4ter").encode("latin-1"))
    assert "hint: save the file as text in UTF-8" in share("check", str(path)).stdout
    path.write_text(text.replace("pap: PAP:RED", "pap: PAP:RAD"))
    done = share("check", str(path), "--json")
    assert done.returncode == 4
    assert [item["code"] for item in json.loads(done.stdout)["problems"]] == ["B004"]
    done = share("check", BOOK, "--day", "2031-07-01")
    assert done.returncode == 0
    assert "0 problems, 4 warnings" in done.stdout
    assert done.stdout.count("[B014]") == 4


def test_check_beside_a_node(tmp_path: Path) -> None:
    """In the folder of a node a rule names the collections of the node, and a node.yml that is none is told."""
    (tmp_path / "rulebook.yml").write_text(Path(BOOK).read_text())
    (tmp_path / "node.yml").write_text("title: x\nrecord: example.org/x\ncollections: {indicators: {title: x}}\n")
    done = share("check", str(tmp_path / "rulebook.yml"))
    assert done.returncode == 4
    assert "there is no collection 'warnings' [B005]" in done.stdout
    assert "'indicators'" not in done.stdout
    (tmp_path / "node.yml").write_text("title: [")
    done = share("check", str(tmp_path / "rulebook.yml"))
    assert (done.returncode, "[N006]" in done.stderr) == (2, True)


def test_simulate() -> None:
    """The table and the JSON say the same."""
    done = share("simulate", BOOK, BUNDLE, *AT)
    assert done.returncode == 0
    row = next(line.split() for line in done.stdout.splitlines() if line.split()[:1] == ["guardline"])
    assert row == ["guardline", "4/7", "0", "4", "0", "0", "0", "riverdale-provider"]
    shares = json.loads(share("simulate", BOOK, BUNDLE, *AT, "--json").stdout)["shares"]
    assert {item["organisation"]: item["given"] for item in shares}["guardline"] == 4


def test_simulate_findings(tmp_path: Path) -> None:
    """Findings of a scan are what a node would make of them: rules as indicators, what was observed, sightings."""
    found = tmp_path / "found.jsonl"
    scan = [sys.executable, "-c", RUN, "scan", str(EXAMPLES.parent / "water-utility/evidence"), "-o", str(found), "--quiet"]
    assert subprocess.run(scan, capture_output=True, timeout=120).returncode == 0
    done = share("simulate", BOOK, str(found), *AT)
    assert done.returncode == 0, done.stderr
    for kind in ("indicator", "observed-data", "sighting"):
        assert any(line.split()[1:2] == [kind] for line in done.stdout.splitlines())


def test_explain() -> None:
    """The deciding rule is told in a sentence, and what the others said."""
    done = share("explain", BOOK, f"{OBJECT}4", "hilltown", "--bundle", BUNDLE, *AT)
    assert done.returncode == 0
    first = done.stdout.splitlines()[0]
    assert first.startswith(f"hilltown does not get {OBJECT}4: rule utilities-warnings reaches hilltown as client")
    assert "  - members-indicators is for community, and hilltown is none of them" in done.stdout
    done = share("explain", BOOK, f"{OBJECT}2", "guardline", "--bundle", BUNDLE, *AT, "--json")
    found = json.loads(done.stdout)
    assert found["decision"]["rule"] == "riverdale-provider"
    assert [item["rule"] for item in found["rules"] if item["gives"]] == ["riverdale-provider"]


def test_compare(tmp_path: Path) -> None:
    """A change that widens leads to exit code 10; one that narrows, or the same book, to 0."""
    path = tmp_path / "rulebook.yml"
    path.write_text(Path(BOOK).read_text().replace("k: 3", "k: 2"))
    done = share("compare", BOOK, str(path))
    assert (done.returncode, done.stdout.splitlines()[0]) == (10, "the change widens access")
    assert "rule research-sightings" in done.stdout
    done = share("compare", str(path), BOOK)
    assert (done.returncode, done.stdout) == (0, "the change widens nothing\n")


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (("simulate", BOOK, BUNDLE), "[B031]", "rules name incidents, indicators, sightings, warnings"),
        (("simulate", BOOK, BUNDLE, "--collection", "indicator"), "[B031]", "did you mean 'indicators'?"),
        (("simulate", BOOK, BUNDLE, *AT, "--owner", "guardlin"), "[B031]", "did you mean 'guardline'?"),
        (("simulate", BOOK, OTHER, *AT), "[X002]", "findings of a scan"),
        (("simulate", BUNDLE, BUNDLE, *AT), "[B", "lists all"),
        (("explain", BOOK, "indicator--1", "hilltown", "--bundle", BUNDLE, *AT), "[B031]", "give the id of an object"),
        (("explain", BOOK, f"{OBJECT}2", "hiltown", "--bundle", BUNDLE, *AT), "[B031]", "did you mean 'hilltown'?"),
        (("explain", BOOK, f"{OBJECT}2", "hilltown", "--bundle", BUNDLE, *AT, "--purpose", "blok"), "[B031]", "'block'?"),
    ],
)
def test_questions_that_cannot_be_asked(arguments: tuple[str, ...], code: str, hint: str) -> None:
    """What is not there is an error with a hint, never an empty answer."""
    done = share(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert code in done.stderr
    assert hint in done.stderr


def test_hostile_texts_are_shown_as_text(tmp_path: Path) -> None:
    """What a terminal would obey, in a rulebook or a bundle, is written out."""
    bundle = tmp_path / "bundle.json"
    thing = {"type": "x-thing", "id": f"x-thing--{OBJECT[11:]}1", "spec_version": "2.1", "x_\x1b[2J\n": 1}
    marks = [{"selectors": ["x_\x1b[2J\n"], "marking_ref": TLP_2[Tlp.RED]}]
    objects = [{"type": "a\x1b[2J\nb", "id": "x\x1b[2J"}, {**thing, "granular_markings": marks}]
    bundle.write_text(json.dumps({"type": "bundle", "objects": objects}))
    book = tmp_path / "rulebook.yml"
    book.write_text(
        Path(BOOK).read_text().replace("name: Incident team only", 'name: "\\e[2J\\n"').replace("Water CERT", "W\u202e")
    )
    for done in (
        share("simulate", str(book), str(bundle), *AT),
        share("explain", str(book), thing["id"], "guardline", "--bundle", str(bundle), *AT),
        share("explain", str(book), f"{OBJECT}5", "guardline", "--bundle", BUNDLE, *AT),
        share("check", str(book)),
    ):
        assert done.returncode in {0, 4}, done.stderr
        assert "\x1b" not in done.stdout
        assert "\u202e" not in done.stdout


def made(number: int, **more: object) -> dict[str, object]:
    """Return a tool."""
    moment = "2030-01-01T00:00:00.000Z"
    head = {"type": "tool", "id": f"tool--{OBJECT[11:]}{number}", "spec_version": "2.1", "created": moment, "modified": moment}
    return {**head, "name": "n", **more}


def test_parts(tmp_path: Path) -> None:
    """What is left out of an object is told with its rule; what cannot be left out holds for the whole."""
    green, red, amber = (TLP_2[level] for level in (Tlp.GREEN, Tlp.RED, Tlp.AMBER))
    marked = {"object_marking_refs": [green]}
    objects = [
        made(1, **marked, granular_markings=[{"marking_ref": red, "selectors": ["name"]}]),
        made(2, granular_markings=[{"marking_ref": green, "selectors": ["name"]}]),
        made(3, **marked, granular_markings=[{"lang": "en", "selectors": ["name"]}]),
        made(4, **marked, description="d", granular_markings=[{"marking_ref": amber, "selectors": ["description"]}]),
        {"type": "tool"},
    ]
    bundle = tmp_path / "bundle.json"
    bundle.write_text(json.dumps({"type": "bundle", "objects": objects}))
    told = []
    for item in objects[:4]:
        done = share("explain", BOOK, str(item["id"]), "riverside-university", "--bundle", str(bundle), *AT, "--json")
        told.append(json.loads(done.stdout)["marking"])
    assert told == ["TLP:RED", "TLP:AMBER+STRICT", "TLP:GREEN", "TLP:GREEN"]
    lines = share(
        "explain", BOOK, str(objects[3]["id"]), "riverside-university", "--bundle", str(bundle), *AT
    ).stdout.splitlines()
    assert "without description: rule members-indicators is for up to TLP:GREEN, and this is TLP:AMBER" in lines
    done = share("simulate", BOOK, str(bundle), *AT)
    assert done.returncode == 4
    heads, row = (
        line.split() for line in done.stdout.splitlines() if line.split()[:1] in (["organisation"], ["riverside-university"])
    )
    assert (heads[1:4], row[1:3]) == (["objects", "in", "part"], ["2/4", "1"])
    assert "1  tool  TLP:GREEN, a part TLP:AMBER" in done.stdout
    assert "bundle.json: objects[4]: there is no `id`" in done.stdout
