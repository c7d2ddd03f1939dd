"""The pack of correlations: every correlation is tested by sequences of events that it finds, and by some that it must not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import tocsin
from scan_samples import scan
from tocsin.rules.logsource import why_no_source
from tocsin.runs.rule_tests import sequence_lines
from tocsin.runs.ruleset import RuleSet, load_rules, read_rule_files

PACK = Path(tocsin.__file__).parent / "packs" / "correlations"
RULE_PATHS = sorted((PACK / "rules").rglob("*.yml"))
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "water-utility"


def _name(path: Path) -> str:
    return str(path.relative_to(PACK / "rules").with_suffix(""))


@pytest.fixture(scope="module")
def pack() -> RuleSet:
    """Return the compiled pack."""
    return load_rules(read_rule_files([PACK]), {})


def test_every_rule_compiles(pack: RuleSet) -> None:
    """All rules and correlations can be used, have ids of their own, and see events that Tocsin can read."""
    assert not pack.rejected
    assert len(RULE_PATHS) >= 25
    assert len({plan.meta.id for plan in pack.entries}) == pack.size
    assert not [plan.meta.path for plan in pack.plans if why_no_source(plan.logsource)]
    assert len([plan for plan in pack.correlations if plan.reported]) == len(RULE_PATHS)


@pytest.mark.parametrize("path", RULE_PATHS, ids=_name)
def test_correlation(path: Path, tmp_path: Path) -> None:
    """A scan of each positive sequence finds it, forwards and backwards, of each negative one nothing; there are both kinds."""
    cases = yaml.safe_load((PACK / "tests" / path.relative_to(PACK / "rules")).read_bytes())
    found = load_rules(read_rule_files([path]), {})
    assert cases["rule"] == found.correlations[-1].meta.id
    assert cases["positive"]
    assert cases["negative"]
    for wanted in ("positive", "negative"):
        for number, sequence in enumerate(cases[wanted]):
            lines = [line for entry in sequence for line in sequence_lines(entry)]
            for way, ordered in (("forwards", lines), ("backwards", lines[::-1])):
                folder = tmp_path / f"{wanted}-{number}-{way}"
                folder.mkdir()
                _write(folder, ordered)
                report, findings, _ = scan(folder, found=found, jobs=1)
                assert not report.coverage.rules.left_out, report.coverage.rules.left_out
                titles = {item["rule"]["id"] for item in findings}
                assert titles == ({cases["rule"]} if wanted == "positive" else set()), (wanted, number, way)


def _write(folder: Path, lines: list[str]) -> None:
    for name, part in (("a", lines[::2]), ("b", lines[1::2])):
        if part:
            (folder / f"{name}.log").write_text("".join(line + "\n" for line in part))


@pytest.mark.parametrize("path", RULE_PATHS, ids=_name)
def test_correlation_is_documented(path: Path) -> None:
    """Each correlation has what a finding shows."""
    body = next(yaml.safe_load_all(path.read_bytes()))
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


def test_the_example(pack: RuleSet) -> None:
    """The scan of the example finds its sweep of the controllers and the write that follows, and nothing else."""
    report, found, _ = scan(EXAMPLE / "evidence", found=pack)
    assert not report.coverage.rules.failed
    assert sorted(item["rule"]["title"] for item in found) == EXPECTED


EXPECTED = ["Controllers are looked for, and then one is written to", "One address looks for controllers"]
