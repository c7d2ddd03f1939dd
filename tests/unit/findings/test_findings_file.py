"""The file of findings: what is no finding is told with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from report_samples import finding, written
from tocsin.errors import SourceError
from tocsin.findings.reading import FindingsFile


def test_reads_twice(tmp_path: Path) -> None:
    """Each reading gives all findings; empty lines are none."""
    path = written(tmp_path / "f.jsonl", [finding({"a": 1}), finding({"a": 2})])
    path.write_bytes(path.read_bytes() + b"\n")
    found = FindingsFile(path)
    assert [item.event for item in found] == [item.event for item in found] == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"rule": {}}', b"\xff", b'{"a":' * 5000 + b"1" + b"}" * 5000])
def test_a_line_that_is_no_finding(tmp_path: Path, line: bytes) -> None:
    """The place of the first line that is no finding is told."""
    path = written(tmp_path / "f.jsonl", [finding({})])
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(SourceError, match="no finding") as caught:
        list(FindingsFile(path))
    assert (caught.value.code, caught.value.where and caught.value.where.line) == ("F006", 2)


def test_a_file_that_changes(tmp_path: Path) -> None:
    """A file that grows between two readings is no base for a report."""
    path = written(tmp_path / "f.jsonl", [finding({})])
    found = FindingsFile(path)
    list(found)
    written(path, [finding({}), finding({})])
    with pytest.raises(SourceError, match="changed") as caught:
        list(found)
    assert caught.value.code == "F010"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A file that cannot be opened is told as such."""
    with pytest.raises(SourceError, match="cannot be opened") as caught:
        FindingsFile(tmp_path / "none.jsonl")
    assert caught.value.code == "F001"
