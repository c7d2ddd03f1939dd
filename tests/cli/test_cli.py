"""The command line as users run it: exit codes, the keys of what it writes, and messages that say what to do."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unicodedata
import zipfile
from pathlib import Path

import pytest

from scan_samples import LOGON, RULES, WHOAMI, event, write

RUN = "import sys; sys.argv[0] = 'tocsin'; from tocsin.cli.main import run; run()"
COVERAGE_KEYS = [
    "complete",
    "events",
    "files",
    "logsources",
    "rules",
    "untimed",
    "site",
    "baseline",
    "interrupted",
    "decisions",
]
FILE_KEYS = ["path", "format", "status", "events", "reason", "unseen"]
RULES_KEYS = ["compiled", "unsupported", "invalid", "not_evaluable", "blind", "failed", "serving", "left_out"]
FINDING_KEYS = ["rule", "time", "host", "logsource", "telemetry", "twin", "source", "event", "matched"]
RULE_KEYS = ["id", "title", "level", "status", "tags", "author", "references", "path"]
HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202eexe.txt\u2028\x9b31m\r\x00\x7f\U000e0041"


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give each test caches and packs of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg-cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg-data"))


@pytest.fixture
def rule_path(tmp_path: Path) -> Path:
    """Write the rules to a file."""
    path = tmp_path / "rules.yml"
    path.write_text(RULES)
    return path


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    """Write some evidence, with 4 findings."""
    return write(tmp_path / "evidence" / "a.jsonl", range(20)).parent


def tocsin(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-c", RUN, *map(str, arguments)], input=stdin, capture_output=True, timeout=120, check=False
    )


def test_exit_codes(evidence: Path, rule_path: Path, tmp_path: Path) -> None:
    """0 done, 10 found, 2 usage, 3 nothing readable, 4 strict, 1 failure of the output."""
    base = ("scan", evidence, "--rules", rule_path)
    assert tocsin(*base).returncode == 0
    assert tocsin(*base, "--fail-on", "high").returncode == 10
    assert tocsin(*base, "--fail-on", "critical").returncode == 0
    assert tocsin(*base, "--strict").returncode == 0
    assert tocsin(*base, "-o", tmp_path / "no" / "x.jsonl").returncode == 2
    assert tocsin("scan", tmp_path / "missing", "--rules", rule_path).returncode == 2
    assert tocsin("scan", rule_path, "--rules", rule_path).returncode == 3
    (evidence / "b.bin").write_bytes(b"\x00\x01unknown")
    assert tocsin(*base).returncode == 0
    assert tocsin(*base, "--strict").returncode == 4
    assert tocsin(*base, "--strict", "--fail-on", "high").returncode == 4


def test_strict_counts_rules(evidence: Path, tmp_path: Path) -> None:
    """A rule that cannot be used is 4 under --strict and no failure without it."""
    path = tmp_path / "mixed.yml"
    path.write_text(WHOAMI + "---\n" + LOGON.replace("selection and not filter", "selection and nothing"))
    assert tocsin("scan", evidence, "--rules", path).returncode == 0
    assert tocsin("scan", evidence, "--rules", path, "--strict").returncode == 4


def test_coverage_and_findings(evidence: Path, rule_path: Path, tmp_path: Path) -> None:
    """The coverage and each finding have just the documented keys, in their order."""
    output, coverage = tmp_path / "out.jsonl", tmp_path / "coverage.json"
    assert tocsin("scan", evidence, "--rules", rule_path, "-o", output, "--coverage", coverage).returncode == 0
    told = json.loads(coverage.read_bytes())
    assert list(told) == COVERAGE_KEYS
    assert [list(file) for file in told["files"]] == [FILE_KEYS]
    assert list(told["rules"]) == RULES_KEYS
    assert told["complete"] is True
    assert told["events"] == 20
    assert told["logsources"] == {"windows/process_creation/sysmon": 20}
    assert [note["title"] for note in told["rules"]["not_evaluable"]] == ["Logon"]
    found = [json.loads(line) for line in output.read_bytes().splitlines()]
    assert len(found) == 4
    for entry in found:
        assert list(entry) == FINDING_KEYS
        assert list(entry["rule"]) == RULE_KEYS
        assert list(entry["logsource"]) == ["product", "category", "service"]
        assert list(entry["source"]) == ["path", "format", "record"]
    first = found[0]
    assert first["rule"]["id"] == "11111111-1111-4111-8111-111111111111"
    assert first["time"] == "2026-10-03T06:00:00.000000Z"
    assert (first["host"], first["twin"]) == ("h0", False)
    assert first["telemetry"] == "Microsoft-Windows-Sysmon/Operational:1"
    assert first["source"] == {"path": str(evidence / "a.jsonl"), "format": "json", "record": 1}
    assert first["event"] == event(0)
    assert first["matched"] == {"selection": {"Image": ["C:\\Windows\\whoami.exe"]}}


@pytest.mark.parametrize(("name", "lines"), [("x.jsonl", 4), ("x.csv", 5), ("x.json", None), ("x", 4)])
def test_form_by_name(name: str, lines: int | None, evidence: Path, rule_path: Path, tmp_path: Path) -> None:
    """The output's name decides its form."""
    assert tocsin("scan", evidence, "--rules", rule_path, "-o", tmp_path / name).returncode == 0
    data = (tmp_path / name).read_bytes()
    assert len(json.loads(data)["findings"]) == 4 if lines is None else len(data.splitlines()) == lines


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("x.ndjson", b'{"rule":'),
        ("x.ocsf.ndjson", b'{"activity_id":'),
        ("x.ecs.ndjson", b'{"@timestamp":'),
        ("x.sarif", b'{"$schema":'),
        ("x.sarif.json", b'{"$schema":'),
        ("x.stix.json", b'{"type":"bundle"'),
        ("x.navigator.json", b'{\n  "name": "Tocsin: Enterprise"'),
        ("x.navigator-ics.json", b'{\n  "name": "Tocsin: ICS"'),
        ("x.md", b"# Findings"),
        ("x.y.json", b'{"findings"'),
    ],
)
def test_form_by_the_whole_end_of_a_name(name: str, begin: bytes, evidence: Path, rule_path: Path, tmp_path: Path) -> None:
    """The longest known end decides."""
    assert tocsin("scan", evidence, "--rules", rule_path, "-o", tmp_path / name).returncode == 0
    assert (tmp_path / name).read_bytes().startswith(begin)


def test_output_to_stdout(evidence: Path, rule_path: Path) -> None:
    """Findings on standard output are nothing but findings; the summary goes to standard error."""
    for arguments in (("-o", "-"), ("--format", "jsonl")):
        ran = tocsin("scan", evidence, "--rules", rule_path, *arguments)
        assert [json.loads(line)["rule"]["title"] for line in ran.stdout.splitlines()] == ["Whoami", "Word"] * 2
        assert ran.stderr
    quiet = tocsin("scan", evidence, "--rules", rule_path, "-o", "-", "--quiet")
    assert quiet.stdout
    assert not quiet.stderr


def test_stdin(rule_path: Path) -> None:
    """`-` reads standard input."""
    data = "".join(json.dumps(event(number)) + "\n" for number in range(20)).encode()
    ran = tocsin("scan", "-", "--rules", rule_path, "-o", "-", stdin=data)
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [(entry["source"]["path"], entry["source"]["record"]) for entry in found] == [
        ("-", 1),
        ("-", 6),
        ("-", 11),
        ("-", 16),
    ]
    assert tocsin("scan", "-", "--rules", rule_path).returncode == 3


def test_broken_pipe(evidence: Path, rule_path: Path) -> None:
    """A reader that goes away ends the scan without a traceback."""
    write(evidence / "big.jsonl", range(20000))
    command = f'"$0" -c "$1" scan "{evidence}" --rules "{rule_path}" -o - --quiet | head -n 1'
    ran = subprocess.run(["bash", "-c", command, sys.executable, RUN], capture_output=True, timeout=60, check=False)
    assert len(ran.stdout.splitlines()) == 1
    assert b"Traceback" not in ran.stderr


def _controls(data: bytes) -> set[str]:
    text = data.decode()
    return {char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs") and char != "\n"}


def test_hostile_text(tmp_path: Path) -> None:
    """Control characters of events, file names and rules never reach the screen or standard output."""
    rules_path = tmp_path / "rules.yml"
    rules_path.write_text(
        WHOAMI.replace("title: Whoami", "title: " + json.dumps("Who " + HOSTILE[:-1])).replace(
            "author: a", "author: " + json.dumps(HOSTILE[:-1])
        )
    )
    name = "a\x1b[31m\x9b\u202e.jsonl"
    folder = tmp_path / "evidence"
    folder.mkdir()
    hostile = event(0, Computer="h" + HOSTILE, Image="C:\\" + HOSTILE + "\\whoami.exe")
    (folder / name).write_text(
        json.dumps(hostile) + "\n{bad \x1b[2J" + HOSTILE.replace("\x00", "").replace("\u2028", "") + "\n"
    )
    (folder / ("b" + name)).write_bytes(b"\x00nothing")
    for arguments in ((), ("-o", "-"), ("--format", "csv"), ("--format", "json")):
        ran = tocsin("scan", folder, "--rules", rules_path, *arguments)
        assert ran.returncode == 0, ran.stderr
        assert not _controls(ran.stdout.replace(b"\r\n", b"\n")), arguments
        assert not _controls(ran.stderr), arguments
    for arguments in (("list",), ("show", "11111111-1111-4111-8111-111111111111"), ("show", HOSTILE.replace("\x00", ""))):
        ran = tocsin("rules", *arguments, "--rules", rules_path)
        assert not _controls(ran.stdout)
        assert not _controls(ran.stderr)
    (tmp_path / "one.json").write_text(json.dumps(hostile))
    ran = tocsin("explain", "--rule", rules_path, "--event", tmp_path / "one.json")
    assert ran.returncode == 0
    assert not _controls(ran.stdout)
    bad = tmp_path / "bad.yml"
    bad.write_text(WHOAMI.replace("title: Whoami", "title: " + json.dumps(HOSTILE[:-1])).replace("endswith", "ends\u202ewith"))
    ran = tocsin("rules", "check", bad)
    assert ran.returncode == 4
    assert not _controls(ran.stdout)
    assert not _controls(tocsin("scan", tmp_path / ("x" + HOSTILE.replace("\x00", ""))).stderr)


def test_hostile_text_in_coverage(tmp_path: Path, rule_path: Path) -> None:
    """The coverage file, which people page through on a terminal, has such characters escaped as findings have."""
    folder = tmp_path / "evidence"
    folder.mkdir()
    (folder / "a\x1b[31m\u009b\u202e.jsonl").write_text(json.dumps(event(0, Channel="x\u202e\x7f")) + "\n")
    coverage = tmp_path / "c.json"
    assert tocsin("scan", folder, "--rules", rule_path, "--coverage", coverage).returncode == 0
    assert json.loads(coverage.read_bytes())["files"][0]["path"].endswith("a\x1b[31m\u009b\u202e.jsonl")
    assert not _controls(coverage.read_bytes())


def test_rules_list(rule_path: Path) -> None:
    """`rules list` shows each rule with level, logsource, title and id, and the counts."""
    text = tocsin("rules", "list", "--rules", rule_path).stdout.decode()
    assert "11111111-1111-4111-8111-111111111111" in text
    assert "windows/process_creation/*" in text
    assert text.splitlines()[-1] == "3 rules compiled, 0 unsupported, 0 invalid"
    assert "packs: correlations, essentials" in tocsin("rules", "list").stdout.decode()


def test_rules_check(tmp_path: Path, rule_path: Path) -> None:
    """`rules check` is 0 for good rules, 4 with place, code, caret and a hint for a bad one."""
    assert tocsin("rules", "check", rule_path).returncode == 0
    bad = tmp_path / "bad.yml"
    bad.write_text(WHOAMI.replace("endswith", "endwith"))
    ran = tocsin("rules", "check", bad)
    assert ran.returncode == 4
    lines = ran.stdout.decode().splitlines()
    assert lines[0] == f"invalid: {bad}:11:11: unknown modifier 'endwith' on field 'Image' [R012]"
    assert lines[1] == "  11 |     Image|endwith: '\\whoami.exe'"
    assert lines[2] == "     |           ^^^^^^^"
    assert "did you mean 'endswith'?" in lines[3]


def test_rules_remove(tmp_path: Path) -> None:
    """A pack that was added is gone after `rules remove`; one that ships, or a name that is none, is exit 2."""
    path = tmp_path / "mine.yml"
    path.write_text(WHOAMI)
    assert tocsin("rules", "add", path).returncode == 0
    assert "packs: correlations, essentials, industrial, mine" in tocsin("rules", "list").stdout.decode()
    near = tocsin("rules", "remove", "mime")
    assert (near.returncode, b"did you mean 'mine'?" in near.stderr, b"[U001]" in near.stderr) == (2, True, True)
    removed = tocsin("rules", "remove", "mine")
    assert (removed.returncode, removed.stdout.startswith(b"removed pack 'mine'\n")) == (0, True)
    assert tocsin("rules", "list").stdout.decode().splitlines()[-1] == "packs: correlations, essentials, industrial"
    assert tocsin("rules", "remove", "mine").returncode == 2
    own = tocsin("rules", "remove", "essentials")
    assert (own.returncode, b"ships with Tocsin" in own.stderr) == (2, True)


@pytest.mark.parametrize(
    ("wanted", "near"),
    [("whoamy", "'Whoami'"), ("11111111-1111-4111-8111-111111111112", "'11111111-1111-4111-8111-111111111111'")],
)
def test_unknown_rule_has_near_misses(rule_path: Path, wanted: str, near: str) -> None:
    """An id or title that is almost that of a rule is answered with that rule."""
    for arguments in (("rules", "show", wanted), ("explain", "--event", rule_path, "--rule", wanted)):
        ran = tocsin(*arguments, "--rules", rule_path)
        assert ran.returncode == 2
        assert f"hint: did you mean {near}" in ran.stderr.decode()
    assert b"did you mean" not in tocsin("rules", "show", "quite another", "--rules", rule_path).stderr


def test_unusable_rule_has_one_code(tmp_path: Path) -> None:
    """A rule that cannot be used is told with its own code, once, by `rules show` and `explain`."""
    bad = tmp_path / "bad.yml"
    bad.write_text(WHOAMI.replace("endswith", "endwith"))
    for arguments in (("rules", "show", "Whoami", "--rules", bad), ("explain", "--event", bad, "--rule", bad)):
        ran = tocsin(*arguments)
        lines = ran.stderr.decode().splitlines()
        assert ran.returncode == 2
        assert lines[0] == "rule 'Whoami' is invalid: unknown modifier 'endwith' on field 'Image' [R012]"
        assert lines[1] == f"hint: 'tocsin rules check {bad}' shows the place"


def test_patterns_are_shown_as_written(tmp_path: Path, rule_path: Path) -> None:
    """A backslash of a pattern, of an expression and of a value is one backslash on the screen."""
    path = tmp_path / "r.yml"
    path.write_text(WHOAMI.replace("Image|endswith: '\\whoami.exe'", "Image|re: '\\\\who\\w+'"))
    assert "      Image '*\\whoami.exe'\n".strip() in tocsin("rules", "show", "Whoami", "--rules", rule_path).stdout.decode()
    assert "Image re '\\\\who\\w+'" in tocsin("rules", "show", "Whoami", "--rules", path).stdout.decode()
    found = tmp_path / "e.jsonl"
    found.write_text(json.dumps(event(0)))
    text = tocsin("explain", "--rule", "Whoami", "--rules", rule_path, "--event", found).stdout.decode()
    assert "+ Image '*\\whoami.exe': matched 'C:\\Windows\\whoami.exe'" in text


def test_nothing_read_names_no_rules(tmp_path: Path) -> None:
    """When no event was read one line says it, not one for each rule."""
    (tmp_path / "x").write_bytes(b"\0")
    ran = tocsin("scan", tmp_path / "x")
    assert ran.returncode == 3
    assert "nothing could have been: no event was read" in ran.stdout.decode()
    assert "Rules that this data cannot show" not in ran.stdout.decode()


def test_rules_show_and_modifiers(rule_path: Path) -> None:
    """`rules show` gives the condition and what the rule sees; `rules modifiers` lists them all."""
    text = tocsin("rules", "show", "Logon", "--rules", rule_path).stdout.decode()
    assert "condition   selection and not filter" in text
    assert "Security" in text
    missing = tocsin("rules", "show", "nothing", "--rules", rule_path)
    assert missing.returncode == 2
    assert b"[U001]" in missing.stderr
    names = {line.split()[0] for line in tocsin("rules", "modifiers").stdout.decode().splitlines()}
    assert {"contains", "base64offset", "windash", "cidr", "fieldref", "week"} <= names
    assert len(names) == 31


def test_rules_add(tmp_path: Path, evidence: Path) -> None:
    """A zip that was added is used by every scan; a name that cannot be used, or a folder without rules, is an error."""
    archive = tmp_path / "mine.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a/rule.yml", WHOAMI)
        file.writestr("../../evil.yml", LOGON)
    ran = tocsin("rules", "add", archive)
    assert ran.returncode == 0, ran.stderr
    assert b"2 rules compiled" in ran.stdout
    assert not (tmp_path / "evil.yml").exists()
    found = tocsin("scan", evidence, "-o", "-", "--quiet").stdout
    assert b"11111111-1111-4111-8111-111111111111" in found
    assert tocsin("rules", "add", archive, "--name", "../x").returncode == 2
    assert tocsin("rules", "add", archive, "--name", "essentials").returncode == 2
    assert tocsin("rules", "add", evidence).returncode == 2
    assert tocsin("rules", "add", "http://127.0.0.1:9/x.zip").returncode == 2
    assert tocsin("rules", "add", "https://127.0.0.1:9/x.zip").returncode == 2
    assert tocsin("rules", "add", tmp_path / "missing").returncode == 2


def test_explain(tmp_path: Path, rule_path: Path) -> None:
    """`explain` says which selection held and why, on a match, on none, and on an event that the rule cannot see."""
    path = tmp_path / "e.jsonl"
    path.write_text("\n".join(json.dumps(item) for item in (event(0), event(1), {**event(2), "Channel": "System"})))
    ran = tocsin("explain", "--rule", "Whoami", "--rules", rule_path, "--event", path)
    assert ran.returncode == 0, ran.stderr
    text = ran.stdout.decode()
    assert "  match: condition selection" in text
    assert "  no match: condition selection" in text
    assert "matched 'C:\\Windows\\whoami.exe'" in text
    assert "not seen: the rule's logsource is windows/process_creation/*" in text
    assert tocsin("explain", "--rule", "none", "--rules", rule_path, "--event", path).returncode == 2
    (tmp_path / "unknown").write_bytes(b"\x00")
    assert tocsin("explain", "--rule", "Whoami", "--rules", rule_path, "--event", tmp_path / "unknown").returncode == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("scan",), "missing argument"),
        (("scan", "x", "--fail-an", "high"), "--fail-on"),
        (("scan", "x", "--level", "hihg"), "high"),
        (("scan", "x", "--jobs", "0"), "0"),
        (("scan", ".", "--since", "yesterday"), "yesterday"),
        (("scan", "/no/such/file"), "U001"),
        (("scan", ".", "--rules", "no-such-pack"), "essentials"),
        (("scan", ".", "--packs", "no-such-pack"), "essentials"),
        (("scan", ".", "--config", "/no/such"), "/no/such"),
        (("rules", "lst"), "list"),
        (("scna", "x"), "scan"),
    ],
)
def test_usage_errors(arguments: tuple[str, ...], said: str) -> None:
    """A wrong option, value, verb or path is exit 2, says what is wrong, and shows no traceback."""
    ran = tocsin(*arguments)
    assert ran.returncode == 2, ran.stderr
    assert said in ran.stderr.decode()
    assert b"Traceback" not in ran.stderr
    assert len(re.findall(rb" \[U00[1-5]\]\n", ran.stderr)) == 1


def test_config(tmp_path: Path, evidence: Path) -> None:
    """Placeholders come from the configuration; one without a value makes the rule unsupported, by name."""
    path, config, coverage = tmp_path / "r.yml", tmp_path / "c.yml", tmp_path / "coverage.json"
    path.write_text(WHOAMI.replace("Image|endswith", "Image|expand").replace("'\\whoami.exe'", "'%Tools%'"))
    config.write_text("placeholders:\n  Tools: ['*\\whoami.exe']\n")
    ran = tocsin("scan", evidence, "--rules", path, "--config", config, "-o", "-", "--quiet")
    assert len(ran.stdout.splitlines()) == 2
    ran = tocsin("scan", evidence, "--rules", path, "--coverage", coverage)
    assert ran.returncode == 2
    assert b"[U003]" in ran.stderr
    config.write_text("placeholders: [1]\n")
    ran = tocsin("scan", evidence, "--rules", path, "--config", config)
    assert (ran.returncode, b"[U004]" in ran.stderr) == (2, True)


def test_since(evidence: Path, rule_path: Path) -> None:
    """--since and --until take a date or a time."""
    base = ("scan", evidence, "--rules", rule_path, "-o", "-", "--quiet")
    assert len(tocsin(*base, "--since", "2026-10-03").stdout.splitlines()) == 4
    assert not tocsin(*base, "--until", "2026-10-03").stdout
    assert (
        len(tocsin(*base, "--since", "2026-10-03T06:00:05Z", "--until", "2026-10-03T08:00:15+02:00").stdout.splitlines()) == 2
    )


def test_cache_trouble_is_told(evidence: Path, rule_path: Path, tmp_path: Path) -> None:
    """A cache that others may write is not used, and said so; the scan goes on."""
    base = ("scan", evidence, "--rules", rule_path, "-o", "-")
    first = tocsin(*base)
    (stored,) = (tmp_path / "xdg-cache" / "tocsin").glob("*.bin")
    assert oct(stored.stat().st_mode)[-2:] == "00"
    os.chmod(stored, 0o666)
    second = tocsin(*base)
    assert second.stdout == first.stdout
    assert b"[O002]" in second.stderr


def test_help_and_version() -> None:
    """Help names the exit codes; the version is the package's."""
    text = " ".join(tocsin("scan", "--help").stdout.decode().split())
    assert "10 findings at or above --fail-on" in text
    assert tocsin("--version").stdout.decode().strip() == "tocsin, version 0.1.0"
    assert tocsin().returncode in (0, 2)


def test_verbs_are_loaded_when_used() -> None:
    """Every verb is listed with what it does, and no other verb's readers and kernels are imported for it."""
    listed = tocsin("--help").stdout.decode()
    for verb in ("explain", "hunt", "incidents", "node", "record", "report", "rules", "scan", "serve", "share", "site", "tune"):
        assert f"\n  {verb} " in listed
        assert tocsin(verb, "--help").returncode == 0
    code = "import sys; from tocsin.cli.main import app; app(['share', '--help'], standalone_mode=False); "
    code += "sys.exit(bool({'numpy', 'pyarrow', 'numba', 'sqlalchemy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
