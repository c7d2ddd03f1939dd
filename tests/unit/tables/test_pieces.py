"""Files that are given: the same rows are the same bytes, whatever was between them, and nothing else is in them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import TableError
from tocsin.tables import pieces
from tocsin.tables.pieces import Piece, keep_only, piece_path, write_piece

SCHEMA = pa.schema([("user", pa.string()), ("port", pa.int64())])


def table(count: int, start: int = 0) -> pa.Table:
    """Return rows of which each is another."""
    rows = range(start, start + count)
    return pa.table({"user": [f"user {at}" for at in rows], "port": list(rows)}, SCHEMA)


def write(folder: Path, *tables: pa.Table) -> Piece:
    """Write tables into a file."""
    found = write_piece(folder, SCHEMA, iter(tables))
    assert found
    return found


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_how_rows_come_leaves_no_trace(sizes: list[int]) -> None:
    """The bytes depend on the rows, and not on the batches that they come in."""
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "GROUP_ROWS", 16)
        whole = write(Path(name) / "whole", table(sum(sizes)))
        starts = [sum(sizes[:at]) for at in range(len(sizes))]
        parts = write(Path(name) / "parts", *(table(size, start) for size, start in zip(sizes, starts, strict=True)))
        assert whole == parts
        assert pq.read_table(piece_path(Path(name) / "parts", parts.name)) == table(sum(sizes))


def test_a_file_has_no_statistics_and_no_metadata(tmp_path: Path) -> None:
    """A file tells no smallest and largest values, and nothing of the file that its rows came from."""
    tagged = table(10).replace_schema_metadata({"secret": "pump house"})
    made = write_piece(tmp_path, SCHEMA, iter([tagged]))
    assert made
    found = pq.ParquetFile(piece_path(tmp_path, made.name))
    group = found.metadata.row_group(0)
    assert all(group.column(at).statistics is None for at in range(group.num_columns))
    assert not found.metadata.metadata
    assert b"pump house" not in piece_path(tmp_path, made.name).read_bytes()
    assert made.bounds == {"user": ("user 0", "user 9"), "port": (0, 9)}
    assert (made.rows, made.size) == (10, piece_path(tmp_path, made.name).stat().st_size)


def test_no_rows_are_no_file(tmp_path: Path) -> None:
    """Nothing is written for nothing, and nothing is left."""
    assert write_piece(tmp_path, SCHEMA, iter([])) is None
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_longer_given_is_removed(tmp_path: Path) -> None:
    """Files that are not among those that are given go, and so does what was left half written."""
    kept, gone = write(tmp_path, table(1)), write(tmp_path, table(2))
    (tmp_path / ".new-half").write_bytes(b"half")
    keep_only(tmp_path, {kept.name})
    assert [path.stem for path in tmp_path.iterdir()] == [kept.name]
    assert kept.name != gone.name


def test_a_fault_leaves_nothing(tmp_path: Path) -> None:
    """A table that fails half way, or a disk that cannot be written, leaves no file behind."""

    def failing() -> object:
        yield table(3)
        raise TableError("D002", "cannot be read")

    with pytest.raises(TableError, match="cannot be read"):
        write_piece(tmp_path, SCHEMA, failing())
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(TableError) as error:
        write_piece(tmp_path / "file", SCHEMA, iter([table(1)]))
    assert error.value.code == "D014"
