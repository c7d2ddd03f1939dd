"""Rule sets: every document has an outcome, with its place."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from scan_samples import KEYWORD, LOGON, WHOAMI
from tocsin.errors import UsageError
from tocsin.rules.condition import write_condition
from tocsin.rules.lint import lint
from tocsin.rules.parse import parse_text
from tocsin.rules.rule import Filter
from tocsin.runs.ruleset import RuleFile, RuleSet, load_rules, read_rule_files, rule_text

FILTER = """\
title: No service accounts
id: 99999999-9999-4999-8999-999999999999
logsource: {product: windows, category: process_creation}
filter:
  rules: [11111111-1111-4111-8111-111111111111]
  selection:
    User: svc
  condition: selection
"""


def load(*texts: str) -> RuleSet:
    """Load texts as files."""
    return load_rules([RuleFile(f"{number}.yml", text.encode()) for number, text in enumerate(texts)], {})


def test_duplicate_ids() -> None:
    """Of two rules with one id the first is used, and the second named with R005."""
    found = load(WHOAMI, WHOAMI.replace("Whoami", "Other"))
    assert [plan.meta.title for plan in found.plans] == ["Whoami"]
    assert [(item.code, item.note.title, item.note.path) for item in found.rejected] == [("R005", "Other", "1.yml")]


def test_duplicate_ids_in_one_file() -> None:
    """Two documents of one file with one id are no less a duplicate."""
    found = load(WHOAMI + "---\n" + WHOAMI.replace("Whoami", "Other"))
    assert [item.code for item in found.rejected] == ["R005"]


@pytest.mark.parametrize(
    ("text", "code", "place", "caret"),
    [
        ("title: [x\nb: 1\n", "R001", "0.yml:2:", None),
        ("title: a\ntitle: b\n", "R001", "0.yml:2:1:", "title: b"),
        (WHOAMI.replace("endswith", "endzwith"), "R012", "0.yml:11:11:", "    Image|endzwith: '\\whoami.exe'"),
        (WHOAMI.replace("condition: selection", "condition: nothing"), "R021", "0.yml:12:14:", "  condition: nothing"),
        (WHOAMI.replace("level: high", "level: huge"), "R004", "0.yml:4:8:", "level: huge"),
        (WHOAMI.replace("title: Whoami\n", ""), "R003", "0.yml:", None),
        ("- a\n- b\n", "R002", "0.yml:1:1:", "- a"),
        ("", "R002", "0.yml", None),
        ("just text", "R002", "0.yml:1:1:", "just text"),
        (WHOAMI.replace("Image|endswith: '\\whoami.exe'", "Image|re: '('"), "R015", "0.yml:11:", "    Image|re: '('"),
        (
            WHOAMI.replace("Image|endswith: '\\whoami.exe'", "Ip|cidr: 10.0.0.1/8"),
            "R014",
            "0.yml:11:",
            "    Ip|cidr: 10.0.0.1/8",
        ),
        ("\x00\x01", "R001", "0.yml", None),
    ],
)
def test_bad_rule_is_placed(text: str, code: str, place: str, caret: str | None) -> None:
    """A bad rule is named with its code, place, the line and a caret; the good one beside it compiles."""
    found = load(text, LOGON)
    assert [plan.meta.title for plan in found.plans] == ["Logon"]
    (item,) = found.rejected
    assert (item.code, item.outcome) == (code, "invalid")
    assert item.message.startswith(place)
    if caret:
        lines = item.message.splitlines()
        assert lines[1].endswith(" | " + caret)
        assert "^" in lines[2]
        assert lines[2].index("^") >= lines[1].index("| ") + 2


@pytest.mark.parametrize(
    ("line", "code", "marked"),
    [
        ("    Image|contains|endzwith: 'x'", "R012", "endzwith"),
        ("    'Image|endzwith': 'x'", "R012", "endzwith"),
        ("    Image||contains: 'x'", "R012", "|"),
        ("    Image|re|contains: 'x'", "R013", "contains"),
        ("    Image|wide|contains: 'x'", "R016", "wide"),
        ("    Image|re: '('", "R015", "'('"),
        ("    Port|gte: [1, two, 3]", "R014", "two"),
        ("    Port|gte: [1, [2]]", "R004", "[2]"),
        ("    User|expand: ['a', '%None%']", "R030", "'%None%'"),
    ],
)
def test_caret_is_under_the_fault(line: str, code: str, marked: str) -> None:
    """The caret marks the modifier or the value at fault, not the whole item."""
    (item,) = load(WHOAMI.replace("    Image|endswith: '\\whoami.exe'", line)).rejected
    _, source, caret, *_ = item.message.splitlines()
    assert item.code == code
    start, end = caret.index("^"), caret.rindex("^") + 1
    assert source[start:end] == marked


def test_bad_document_among_good_ones() -> None:
    """One bad document of a file does not hide the others."""
    found = load("---\n".join((WHOAMI, "x: 1\n", LOGON, KEYWORD)))
    assert [plan.meta.title for plan in found.plans] == ["Whoami", "Logon", "Word"]
    assert [item.code for item in found.rejected] == ["R002"]


def test_filters() -> None:
    """A filter suppresses in the rule that it names, and only there; one for a rule that is not loaded is named."""
    found = load(WHOAMI, LOGON, FILTER)
    assert [write_condition(plan.condition) for plan in found.plans] == [
        "selection and not filter1:selection",
        "selection and not filter",
    ]
    found = load(LOGON, FILTER)
    assert [item.code for item in found.rejected] == ["R050"]


@pytest.mark.parametrize(
    ("condition", "told"),
    [("selection", "as suppression"), ("not selection", ""), ("selection and not other", "only that is still reported"),
     ("not other and selection", "only that is still reported"), ("not (selection and not other)", ""),
     ("not selection and not other", "")],
)  # fmt: skip
def test_filters_that_can_be_read_in_two_ways(condition: str, told: str) -> None:
    """A filter that names something outside of every `not` is told, also where there is a `not` beside it."""
    text = FILTER.replace("  condition: selection", f"  other:\n    User: eve\n  condition: {condition}")
    ((_, parsed),) = parse_text(text.encode(), "f.yml")
    assert isinstance(parsed, Filter)
    assert [(item.code, told in item.message) for item in lint(parsed)] == ([("R051", True)] if told else [])


def test_zip_and_folder(tmp_path: Path) -> None:
    """Rules in a zip are those of the folder, under labels that name both; a pack's tests and other files are left out."""
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as archive:
        archive.writestr("b/whoami.yml", WHOAMI)
        archive.writestr("a.yaml", LOGON)
        archive.writestr("pack.yml", "name: p")
        archive.writestr("tests/x.yml", "positive: []")
        archive.writestr("c/tests/unpack.YML", LOGON)
        archive.writestr("readme.md", "#")
    files = read_rule_files([tmp_path / "r.zip"])
    assert [file.label for file in files] == [
        f"{tmp_path}/r.zip!/{name}" for name in ("a.yaml", "b/whoami.yml", "c/tests/unpack.YML")
    ]
    assert [plan.meta.title for plan in load_rules(files[:2], {}).plans] == ["Logon", "Whoami"]


def test_paths(tmp_path: Path) -> None:
    """A file reached twice is read once; a missing path and a broken zip are errors of use."""
    (tmp_path / "a.yml").write_text(WHOAMI)
    (tmp_path / "b.yml").symlink_to(tmp_path / "a.yml")
    assert len(read_rule_files([tmp_path, tmp_path / "a.yml"])) == 1
    with pytest.raises(UsageError, match="U001"):
        read_rule_files([tmp_path / "missing"])
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(UsageError, match="U004"):
        read_rule_files([tmp_path / "bad.zip"])


def test_the_text_of_a_rule_is_found_again(tmp_path: Path) -> None:
    """In a file, as one of several documents, in a zip, in an installed pack; nothing where it is no longer."""
    one, two = f"{WHOAMI}", f"{KEYWORD}"
    ids = [line.split()[1] for text in (one, two) for line in text.splitlines() if line.startswith("id:")]
    both = tmp_path / "both.yml"
    both.write_text(f"{one}\n---\n{two}")
    assert rule_text(str(both), ids[0]).strip() == one.strip()
    assert rule_text(str(both), ids[1]).strip() == two.strip()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("r/one.yml", one)
    assert rule_text(f"{tmp_path}/a.zip!/r/one.yml", ids[0]) == one
    assert "detection:" in rule_text("essentials/rules/windows/proc_mshta_remote_or_inline.yml", "3915b662")
    assert rule_text(str(both), "99999999-0000-4000-8000-000000000000") == ""
    assert rule_text(f"{tmp_path}/a.zip!/none.yml", ids[0]) == ""
    assert rule_text("baseline/new-conversation", ids[0]) == ""
