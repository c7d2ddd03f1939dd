"""Every form of output of a whole scan: valid, and the same bytes whatever the workers and the seed of hashes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sink_forms import CHECK, READ
from tocsin.sinks import SINKS

ROOT = Path(__file__).parents[2]
EXAMPLE = Path("examples/water-utility")
SCRIPT = """
import io, sys
from pathlib import Path
from tocsin.runs.ruleset import load_rules, read_rule_files, rule_text
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.sinks import SINKS, make_sink

folder, jobs, reader = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]

class All:
    name = "all"
    def __init__(self):
        self.sinks = {name: (make_sink(name, rule_text=rule_text), (folder / name).open("wb")) for name in SINKS}
    def begin(self, out):
        for sink, file in self.sinks.values():
            sink.begin(file)
    def write(self, out, line):
        for sink, file in self.sinks.values():
            sink.write(file, line)
    def end(self, out, coverage):
        for sink, file in self.sinks.values():
            sink.end(file, coverage)
            file.close()

if __name__ == "__main__":
    rules = load_rules(read_rule_files([Path("src/tocsin/packs/essentials")]), {})
    options = ScanOptions(paths=("examples/water-utility/evidence",), jobs=jobs, reader=reader)
    Scan(options, rules).run(All(), None)
"""


def scan(folder: Path, jobs: int, seed: int, reader: str) -> dict[str, bytes]:
    """Scan the example in a process of its own; return what each form is."""
    folder.mkdir()
    environment = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", SCRIPT, str(folder), str(jobs), reader]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=300)
    return {name: (folder / name).read_bytes() for name in SINKS}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory, reader: str) -> list[dict[str, bytes]]:
    """Scan with one worker and with two."""
    folder = tmp_path_factory.mktemp("outputs")
    return [scan(folder / str(jobs), jobs, seed, reader) for jobs, seed in ((1, 1), (2, 2))]


@pytest.mark.parametrize("name", SINKS)
def test_each_form_is_valid_and_the_same(name: str, outputs: list[dict[str, bytes]]) -> None:
    """Read by its own reader; each finding is in each form that has them all."""
    one, two = outputs
    assert one[name] == two[name]
    found = CHECK[name](one[name])
    assert name not in READ or len(found) == len(one["jsonl"].splitlines()) >= 40


def test_the_pattern_of_an_indicator_is_the_rule(outputs: list[dict[str, bytes]]) -> None:
    """As it lies in the pack."""
    items = json.loads(outputs[0]["stix"])["objects"]
    patterns = [item["pattern"] for item in items if item["type"] == "indicator"]
    assert len(patterns) > 20
    assert all("detection:" in pattern for pattern in patterns)
