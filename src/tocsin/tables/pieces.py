"""Write what is given of one file of a table as a Parquet file of its own: it tells nothing of what is not in it.

Rows are gathered into groups of one size, whatever was between them; no statistics are written; the same rows are the same
bytes, and the name of a file is the digest of its content.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from hashlib import file_digest
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tocsin.errors import TableError

GROUP_ROWS: Final = 131_072
_SUFFIX: Final = ".parquet"
_TEMPORARY: Final = ".new-"
_LONGEST: Final = 64
Bound = str | int | float


class Piece(msgspec.Struct, frozen=True):
    """A file that is given. `name` is the SHA-256 of its bytes, `size` their number.

    `bounds` are the smallest and the largest value of columns in it, for leaving files out; they leave the node for nobody.
    """

    name: str
    size: int
    rows: int
    bounds: dict[str, tuple[Bound, Bound]] = {}


def write_piece(folder: Path, schema: pa.Schema, tables: Iterator[pa.Table]) -> Piece | None:
    """Write rows into a folder and return the file, or None when there are none. It is on the disk when this returns.

    Raises: TableError D014 when it cannot be written.
    """
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=folder)
        with os.fdopen(descriptor, "w+b") as file:
            try:
                rows, bounds = _write(file, schema, tables)
                file.flush()
                os.fsync(file.fileno())
                file.seek(0)
                digest, size = file_digest(file, "sha256").hexdigest(), os.fstat(descriptor).st_size
                if rows:
                    Path(name).rename(piece_path(folder, digest))
                    _sync(folder)
            finally:
                Path(name).unlink(missing_ok=True)
    except OSError as error:
        message = f"{folder} cannot be written: {error.strerror or error}"
        raise TableError("D014", message, hint="make room; nothing was given") from error
    return Piece(digest, size, rows, bounds) if rows else None


def piece_path(folder: Path, name: str) -> Path:
    """Return where a piece is."""
    return folder / f"{name}{_SUFFIX}"


def keep_only(folder: Path, names: set[str]) -> None:
    """Remove files of a folder that are not among some pieces. Raises: OSError."""
    for path in folder.glob(f"*{_SUFFIX}"):
        if path.stem not in names:
            path.unlink(missing_ok=True)
    for path in folder.glob(f"{_TEMPORARY}*"):
        path.unlink(missing_ok=True)


def _write(file: Any, schema: pa.Schema, tables: Iterator[pa.Table]) -> tuple[int, dict[str, tuple[Bound, Bound]]]:
    rows = 0
    bounds: dict[str, tuple[Bound, Bound]] | None = None
    with pq.ParquetWriter(file, schema, compression="zstd", write_statistics=False, store_schema=False) as writer:
        for group in _groups(tables):
            rows += group.num_rows
            writer.write_table(group, row_group_size=GROUP_ROWS)
            found = {name: _bounds(group.column(name)) for name in schema.names}
            bounds = {name: bound for name, bound in found.items() if bound} if bounds is None else _both(bounds, found)
    return rows, bounds or {}


def _groups(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Yield the same rows in tables of one size, each in one chunk; the last may be smaller."""
    waiting: list[pa.Table] = []
    count = 0
    for table in tables:
        waiting.append(table)
        count += table.num_rows
        while count >= GROUP_ROWS:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, GROUP_ROWS).combine_chunks()
            waiting = [whole.slice(GROUP_ROWS)]
            count -= GROUP_ROWS
    if count:
        yield pa.concat_tables(waiting).combine_chunks()


def _bounds(column: pa.ChunkedArray) -> tuple[Bound, Bound] | None:
    """Return the smallest and the largest value of a column, None where they would not help or are no plain values."""
    kind = column.type
    is_moment = pa.types.is_timestamp(kind) or pa.types.is_date(kind)
    if not (is_moment or pa.types.is_integer(kind) or pa.types.is_string(kind)):
        return None
    found = pc.min_max(column)
    least, most = (_plain(found[key].as_py()) for key in ("min", "max"))
    if least is None or most is None or column.null_count:
        return None
    return least, most


def _plain(value: object) -> Bound | None:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else None
    return value if isinstance(value, int) else None


def _both(one: dict[str, tuple[Bound, Bound]], other: dict[str, tuple[Bound, Bound] | None]) -> dict[str, tuple[Bound, Bound]]:
    """Return bounds of what two have bounds for."""
    joined = {}
    for name, (least, most) in one.items():
        found = other.get(name)
        if found:
            joined[name] = (min(least, found[0]), max(most, found[1]))
    return joined


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


__all__ = ["GROUP_ROWS", "Bound", "Piece", "keep_only", "piece_path", "write_piece"]
