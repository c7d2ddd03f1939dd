"""Units of work: parts of a file of lines that cover it exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import SourceError
from tocsin.runs import units
from tocsin.runs.units import FileSlice, plan_units
from tocsin.sources.files import FoundFile


@given(st.lists(st.integers(0, 60), min_size=1, max_size=40), st.integers(20, 400), st.booleans())
def test_parts_cover_the_file(tmp_path_factory: pytest.TempPathFactory, sizes: list[int], part: int, ending: bool) -> None:
    """Parts follow each other from 0 to the end, each begins a line, and together they are the file."""
    data = b"\n".join(b'{"a":"%s"}' % (b"x" * size) for size in sizes) + (b"\n" if ending else b"")
    path = tmp_path_factory.getbasetemp() / "u.jsonl"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(units, "PART_BYTES", part)
        planned = plan_units([FoundFile(path, "u", len(data))], False)
    if planned[0].end < 0:
        assert len(planned) == 1
        return
    assert [unit.part for unit in planned] == list(range(len(planned)))
    read = b""
    with path.open("rb") as file:
        for unit in planned:
            assert unit.start == len(read) < unit.end
            assert unit.start == 0 or data[unit.start - 1 : unit.start] == b"\n"
            piece = FileSlice(file, unit)
            while block := piece.read(7):
                read += block
    assert read == data


def test_other_formats_are_not_divided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only JSON lines in UTF-8 are divided."""
    monkeypatch.setattr(units, "PART_BYTES", 10)
    for name, data in (("a", b'[\n{"a":1},\n{"a":2}]' * 9), ("b", b"<Event>\n" * 90), ("c", '{"a":1}\n'.encode("utf-16") * 9)):
        (tmp_path / name).write_bytes(data)
        assert [unit.end for unit in plan_units([FoundFile(tmp_path / name, name, len(data))], False)] == [-1]


def test_shrunken_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that is no longer there is F010."""
    monkeypatch.setattr(units, "PART_BYTES", 20)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a":1}\n' * 10)
    last = plan_units([FoundFile(path, "a", 80)], False)[-1]
    path.write_bytes(b'{"a":1}\n' * 2)
    with path.open("rb") as file, pytest.raises(SourceError, match="F010"):
        FileSlice(file, last).read(10)


def test_stdin_comes_first(tmp_path: Path) -> None:
    """Standard input is a unit without a path."""
    (tmp_path / "a").write_bytes(b"{}")
    planned = plan_units([FoundFile(tmp_path / "a", "a", 2)], True)
    assert [(unit.number, unit.file, unit.label) for unit in planned] == [(0, 0, "-"), (1, 1, "a")]
