"""The documentation is true: commands print what the pages show, every error code is explained, links lead somewhere."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tocsin.errors import CODES

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("suites/**/*.md")])
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
EXIT = re.compile(r"\s+# exit (\d+)$")
LONGEST = 128
TIMEOUT_S = 60


@dataclass
class Command:
    """A command of a page, the exit code that the page states, and the output lines that it shows."""

    line: str
    exit_code: int = 0
    shown: list[str] = field(default_factory=list)


def commands(block: str) -> Iterator[Command]:
    """Yield the commands of a console block."""
    found: list[Command] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            stated = EXIT.search(line)
            found.append(Command(EXIT.sub("", line[2:]), int(stated[1]) if stated else 0))
        elif line.strip() not in ("", "..."):
            found[-1].shown.append(line)
    yield from found


def blocks() -> list[object]:
    """Return the console blocks of all pages."""
    return [
        pytest.param(match[1], id=f"{page.relative_to(ROOT)}:{page.read_text()[: match.start()].count(chr(10)) + 1}")
        for page in PAGES
        for match in BLOCK.finditer(page.read_text())
    ]


def recipe(target: str) -> list[str]:
    """Return the commands that `make` runs for a target, as they would be typed."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found, f"the Makefile has no target {target}"
    return [line.strip().removeprefix("$(BIN)/") for line in found[1].splitlines()]


def tocsin(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command line of Tocsin through its console entry, as a user of a terminal that is 80 columns wide."""
    entry = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["tocsin"]
    module, _, function = entry.partition(":")
    code = f"import sys; from {module} import {function}; sys.argv[0] = 'tocsin'; sys.exit({function}())"
    own = {"XDG_CACHE_HOME": str(folder / ".cache"), "XDG_DATA_HOME": str(folder / ".data"), "COLUMNS": "80"}
    arguments = [sys.executable, "-c", code, *shlex.split(line)[1:]]
    environment = os.environ | own | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL
    )


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """Return a folder with a copy of the examples."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


@pytest.mark.parametrize("block", blocks())
def test_commands_print_what_the_page_shows(block: str, workplace: Path) -> None:
    """Each command leaves with the stated code, and the lines shown occur in its output in their order."""
    ran = 0
    for command in commands(block):
        lines = recipe(command.line.split()[1]) if command.line.startswith("make ") else [command.line]
        if not lines[0].startswith("tocsin "):
            continue
        ran += 1
        told = ""
        for line in lines:
            done = tocsin(line, workplace)
            told += done.stdout + done.stderr
            assert done.returncode == command.exit_code, f"{command.line}: exit {done.returncode}\n{done.stderr}"
        printed = iter(told.splitlines())
        for shown in command.shown:
            assert shown.rstrip() in (text.rstrip() for text in printed), f"{command.line} does not print: {shown}"
    assert ran, "the block has no command of Tocsin"


def test_the_command_of_the_demo_is_on_the_first_screen() -> None:
    """The first 40 lines of README have the command, output and what Tocsin does not do."""
    first = "\n".join((ROOT / "README.md").read_text().splitlines()[:40])
    assert "$ make demo" in first
    assert "What it does not do" in first
    assert any(isinstance(found, re.Match) for found in BLOCK.finditer(first))


def test_every_error_code_is_explained_once() -> None:
    """docs/errors.md has exactly the codes that can be printed, each with a meaning and what to do."""
    rows = re.findall(r"^\| `([A-Z]\d{3})` \| (.+) \| (.+) \|$", (ROOT / "docs/errors.md").read_text(), re.MULTILINE)
    assert [code for code, _, _ in rows] == sorted(CODES, key=list(CODES).index)
    assert all(meaning.strip() and advice.strip() for _, meaning, advice in rows)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_repository_lead_to_files(page: Path) -> None:
    """Every relative link of a page leads to something that is there."""
    links = LINK.findall(FENCED.sub("", page.read_text()))
    missing = [link for link in links if "://" not in link and not (page.parent / link.partition("#")[0]).resolve().exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_of_pages_are_not_too_long(page: Path) -> None:
    """No line is longer than one of the code may be."""
    lines = page.read_text().splitlines()
    assert not [number for number, line in enumerate(lines, 1) if len(line) > LONGEST]
