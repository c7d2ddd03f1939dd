"""The files of a table: a folder of Parquet files, or a Delta table. What is in the folder and is no part of it is told."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyarrow.fs import LocalFileSystem

from tocsin.errors import TableError

_LOG: Final = "_delta_log"
_SUFFIX: Final = ".parquet"
_BATCH_ROWS: Final = 131_072


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of a table. `identity` changes when its content may have."""

    path: Path
    identity: str
    fragment: ds.ParquetFileFragment


@dataclass(frozen=True, slots=True)
class Source:
    """A table as it is now: its columns, and its files in the order of their names."""

    path: Path
    schema: pa.Schema
    files: tuple[SourceFile, ...]

    @property
    def fingerprint(self) -> str:
        """Return what changes when any of the files does."""
        return sha256("\n".join(file.identity for file in self.files).encode()).hexdigest()

    def batches(self, file: SourceFile, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Yield some columns of one file, in its order.

        Raises: TableError D002 when it cannot be read to its end, or changed meanwhile.
        """
        try:
            yield from file.fragment.to_batches(schema=self.schema, columns=columns, batch_size=_BATCH_ROWS)
            same = _identity(file.path) == file.identity
        except (pa.ArrowException, OSError) as error:
            raise TableError("D002", f"{file.path} cannot be read: {error}", hint="mend or remove the file") from error
        if not same:
            raise TableError("D002", f"{file.path} changed while it was read", hint="write new files instead of changing them")


def open_source(path: Path) -> Source:
    """Return the table of a folder.

    Raises: TableError D001 when it is none, D002 for a damaged file, D003 for one that is no part of it.
    """
    if not path.is_dir():
        raise TableError("D001", f"{path} is no folder", hint="a table is a folder of Parquet files, or a Delta table")
    try:
        found = _delta(path) if (path / _LOG).is_dir() else _folder(path)
    except (DeltaError, pa.ArrowException, OSError) as error:
        raise TableError("D001", f"{path} is no table that can be read: {error}") from error
    schema, fragments = found
    files = sorted((Path(path, name), fragment) for name, fragment in fragments)
    return Source(path, schema, tuple(SourceFile(file, _identity(file), fragment) for file, fragment in files))


def glance(path: Path) -> str:
    """Return what changes when a file comes to a table, goes, or is written again; nothing is opened.

    Of a Delta table it is its log that is looked at. Raises: TableError D001 when the folder cannot be read.
    """
    folder = path / _LOG if (path / _LOG).is_dir() else path
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.name, entry.stat()) for entry in entries)
    except OSError as error:
        raise TableError("D001", f"{path} is no table that can be read: {error}") from error
    parts = (f"{name} {its.st_ino} {its.st_size} {its.st_mtime_ns} {its.st_ctime_ns}" for name, its in found)
    return sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _delta(path: Path) -> tuple[pa.Schema, list[tuple[str, ds.ParquetFileFragment]]]:
    """Return the columns and files of the last version. Raises: DeltaError for one that needs a newer reader."""
    dataset = DeltaTable(path).to_pyarrow_dataset()
    return dataset.schema, [(fragment.path, fragment) for fragment in dataset.get_fragments()]


def _folder(path: Path) -> tuple[pa.Schema, list[tuple[str, ds.ParquetFileFragment]]]:
    names = sorted(_names(path))
    if not names:
        raise TableError("D001", f"{path} has no file whose name ends in {_SUFFIX}", hint="put the first one there")
    kind, files = ds.ParquetFileFormat(), LocalFileSystem()
    fragments: list[tuple[str, ds.ParquetFileFragment]] = []
    schema: pa.Schema | None = None
    for name in names:
        try:
            fragment = kind.make_fragment(str(path / name), files)
            own = fragment.physical_schema.remove_metadata()
        except (pa.ArrowException, OSError) as error:
            raise TableError("D002", f"{path / name} cannot be read: {error}", hint="mend or remove the file") from error
        schema = schema or own
        if not own.equals(schema):
            differs = next((field.name for field in own if field not in schema), "its columns")
            message = f"{path / name} has other columns than {path / names[0]}: {differs}"
            raise TableError("D003", message, hint="all files of a table have the same columns, of the same types")
        fragments.append((name, fragment))
    assert schema is not None
    return schema, fragments


def _names(path: Path) -> Iterator[str]:
    """Yield the names of the files of a folder. Raises: TableError D003 for what would be left out without a word."""
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name.startswith(("_", ".")):
                continue
            mode = entry.stat(follow_symlinks=False).st_mode
            if entry.name.endswith(_SUFFIX) and stat.S_ISREG(mode):
                yield entry.name
            elif entry.name.endswith(_SUFFIX) or stat.S_ISDIR(mode):
                what = "a folder" if stat.S_ISDIR(mode) else "no plain file"
                hint = "a folder of Parquet has its files beside each other; a Delta table may have partitions"
                raise TableError("D003", f"{path / entry.name} is {what}", hint=hint)


def _identity(path: Path) -> str:
    found = path.stat()
    return sha256(
        f"{path.name}\n{found.st_size}\n{found.st_mtime_ns}\n{found.st_ino}".encode(errors="surrogateescape")
    ).hexdigest()


__all__ = ["Source", "SourceFile", "glance", "open_source"]
