"""The pack that ships with Tocsin: every rule is tested by its own events, and the example shows what it finds."""

from __future__ import annotations

import gzip
import importlib.util
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import tocsin
from scan_samples import scan
from tocsin.engine.executor import FastEngine
from tocsin.engine.reference import matches
from tocsin.events import batch_of
from tocsin.plans.expr import Plan
from tocsin.rules.logsource import why_no_source
from tocsin.rules.parse import parse_text
from tocsin.rules.rule import Rule
from tocsin.runs.packs import add_pack, installed_packs, resolve_rules
from tocsin.runs.ruleset import RuleSet, load_rules, read_rule_files
from tocsin.sources import recognise
from tocsin.sources.interface import Records, Stream

PACK = Path(tocsin.__file__).parent / "packs" / "essentials"
RULE_PATHS = sorted((PACK / "rules").rglob("*.yml"))
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "water-utility"


@pytest.fixture(scope="module")
def pack() -> RuleSet:
    """Return the compiled pack."""
    return load_rules(read_rule_files([PACK]), {})


def _cases(path: Path) -> dict[str, Any]:
    return yaml.safe_load((PACK / "tests" / path.relative_to(PACK / "rules")).read_bytes())


def _read(entry: dict | str) -> list[Records]:
    text = entry if isinstance(entry, str) else json.dumps(entry, default=str)
    stream = Stream(io.BytesIO(text.encode() + b"\n"), "case")
    source = recognise(stream.head)
    assert source is not None, text
    items = list(source.read(stream))
    assert all(isinstance(item, Records) for item in items), items
    return [item for item in items if isinstance(item, Records)]


def _by_reference(rule: Rule, records: list[Records]) -> bool:
    pairs = ((item, raw, number) for item in records for raw, number in zip(item.raws, item.numbers, strict=True))
    return any(matches(rule, item.decoder.event(item.gate, raw, number)) for item, raw, number in pairs)


def _by_engine(plan: Plan, records: list[Records]) -> bool:
    engine, found = FastEngine([plan]), False
    for item in records:
        columns = item.decoder.columns(item.gate, item.raws, engine.gate_plan(item.gate).demand)
        answer = engine.match(batch_of(item.gate, columns, len(item.raws), lambda row: None))
        assert not answer.faults
        found = found or bool(answer.found)
    return found


def test_every_rule_compiles(pack: RuleSet) -> None:
    """All rules compile, without a warning, have ids of their own, and see events that Tocsin can read."""
    assert not pack.rejected
    assert len(pack.plans) == len(RULE_PATHS) >= 50
    assert len({plan.meta.id for plan in pack.plans}) == len(pack.plans)
    assert not [plan.meta.path for plan in pack.plans if why_no_source(plan.logsource)]


@pytest.mark.parametrize("path", RULE_PATHS, ids=lambda path: path.stem)
def test_rule(path: Path, pack: RuleSet) -> None:
    """Every positive event matches by reference and fast engine, no negative one does, and there are both kinds."""
    ((_, rule),) = parse_text(path.read_bytes(), str(path))
    assert isinstance(rule, Rule)
    plan = next(plan for plan in pack.plans if plan.meta.id == rule.meta.id)
    cases = _cases(path)
    assert cases["rule"] == rule.meta.id
    assert cases["positive"]
    assert cases["negative"]
    for wanted, entries in ((True, cases["positive"]), (False, cases["negative"])):
        for entry in entries:
            records = _read(entry)
            assert _by_reference(rule, records) is wanted, entry
            assert _by_engine(plan, records) is wanted, entry


@pytest.mark.parametrize("path", RULE_PATHS, ids=lambda path: path.stem)
def test_rule_is_documented(path: Path) -> None:
    """Each rule has what a finding shows: an id, a status, an author, a description, a level and ATT&CK tags."""
    body = yaml.safe_load(path.read_bytes())
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", body["id"])
    assert body["status"] in ("stable", "test", "experimental")
    assert body["level"] in ("informational", "low", "medium", "high", "critical")
    assert body["author"]
    assert len(body["description"]) > 20
    assert any(tag.startswith("attack.t") for tag in body["tags"])
    assert body["falsepositives"]


def test_no_test_without_a_rule() -> None:
    """Each file of tests belongs to a rule."""
    tests = {path.relative_to(PACK / "tests") for path in (PACK / "tests").rglob("*.yml")}
    assert tests == {path.relative_to(PACK / "rules") for path in RULE_PATHS}


def _evidence(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            yield str(path.relative_to(folder)), gzip.decompress(data) if path.suffix == ".gz" else data


def test_example_is_generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The committed evidence is what generate.py writes, byte for byte, compressed files by their content."""
    spec = importlib.util.spec_from_file_location("generate", EXAMPLE / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "generate", module)
    monkeypatch.syspath_prepend(str(EXAMPLE))
    spec.loader.exec_module(module)
    module.main(tmp_path)
    assert dict(_evidence(tmp_path)) == dict(_evidence(EXAMPLE / "evidence"))


def test_example_findings(pack: RuleSet) -> None:
    """The scan of the example gives 40 findings of 39 rules on all its hosts, and loses nothing."""
    report, found, _ = scan(EXAMPLE / "evidence", found=pack)
    assert all((file.status, file.reason) == ("read", "") for file in report.coverage.files)
    assert (len(found), len({entry["rule"]["id"] for entry in found})) == (40, 39)
    assert not report.coverage.rules.failed


def test_pack_can_be_added(tmp_path: Path) -> None:
    """Rules added as a pack are the same rules, used beside the built-in ones, and stored with the same bytes each time."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for path in RULE_PATHS[:3]:
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "readme.txt").write_text("no rule")
    added, found = add_pack(str(folder), "").pack, add_pack(str(folder), "").rules
    assert [item.name for item in installed_packs()] == ["correlations", "essentials", "industrial", "mine"]
    assert [plan.meta.title for plan in found.plans] == [
        plan.meta.title for plan in load_rules(read_rule_files([folder]), {}).plans
    ]
    first = added.path.read_bytes()
    assert add_pack(str(folder), "mine").pack.path.read_bytes() == first
    assert add_pack(str(added.path), "again").pack.path.read_bytes() == first
    assert resolve_rules((), ("mine",)) == [added.path]
    assert len(resolve_rules((), ())) == 5
