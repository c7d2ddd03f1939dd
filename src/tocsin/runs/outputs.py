"""Where results are written: whole or not at all, never over evidence or in place of a device."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from tocsin.errors import OutputError, TocsinError, UsageError

_INCOMPLETE: Final = "the scan was interrupted: these findings are not all\n"
_HINT: Final = "check folder, rights and free space"
_APART: Final = "write it to another file, outside of the evidence"


def check_output(path: Path) -> None:
    """Find out before a long scan whether a file can be written; nothing is changed.

    Raises: UsageError U002 when it is or lies in no folder, OutputError O001 when it cannot be written.
    """
    try:
        if not path.name or not path.parent.is_dir() or path.is_dir():
            raise UsageError("U002", f"{path} cannot be written: there is no such folder, or it is one")
        if _is_special(path):
            if not os.access(path, os.W_OK):
                raise PermissionError(13, "no right to write to it")
        else:
            with tempfile.TemporaryFile(dir=path.resolve().parent):
                pass
    except OSError as error:
        raise _cannot_write(path, error) from error


def check_apart(outputs: Sequence[Path]) -> None:
    """Refuse to write two results to one file. Raises: UsageError U002."""
    for number, path in enumerate(outputs):
        for other in outputs[:number]:
            if not _is_special(path) and path.resolve() == other.resolve():
                hint = "give each a file of its own"
                raise UsageError("U002", f"{path} would hold the findings and the coverage at once", hint=hint)


def check_not_read(outputs: Iterable[Path], path: Path, label: str) -> None:
    """Refuse to write over a file that is read. Raises: UsageError U002."""
    for output in outputs:
        try:
            same = not _is_special(output) and output.samefile(path)
        except OSError:
            continue  # one of them does not exist, or cannot be told
        if same:
            raise UsageError("U002", f"{label} is read and the output at once", hint=_APART)


def note_path(path: Path) -> Path:
    """Return the note beside findings that says that the scan was interrupted."""
    return path.with_name(f"{path.name}.incomplete")


@contextmanager
def writing(path: Path | None, out: BinaryIO | None = None) -> Iterator[BinaryIO]:
    """Give the stream to write to: `out`, else the path, else nowhere.

    A file is written aside and renamed, so that it is whole or not there; links are followed, and a device or a pipe is
    written to. Raises: OutputError.
    """
    if out is not None:
        yield from _streaming(out)
        return
    if path is None:
        with Path(os.devnull).open("wb") as nowhere:
            yield nowhere
        return
    try:
        if _is_special(path):
            with path.open("wb") as file:
                yield file
            return
        yield from _replacing(path.resolve())
    except TocsinError:
        raise
    except OSError as error:
        raise _cannot_write(path, error) from error


def mark(path: Path, interrupted: bool) -> None:
    """Put a note beside findings that an interrupted scan left, so that nobody takes them for all; remove an old one.

    Raises: OutputError.
    """
    if _is_special(path):
        return
    note = note_path(path)
    try:
        if interrupted:
            note.write_text(_INCOMPLETE, encoding="utf-8")
        elif note.is_file() and note.read_bytes() == _INCOMPLETE.encode():
            note.unlink()
    except OSError as error:
        raise _cannot_write(note, error) from error


def _is_special(path: Path) -> bool:
    """Tell whether something that is no regular file has the path."""
    return path.exists() and not path.is_file()


def _streaming(out: BinaryIO) -> Iterator[BinaryIO]:
    """Give standard output; whoever reads it may close it early."""
    try:
        yield out
        out.flush()
    except (TocsinError, BrokenPipeError):
        raise
    except OSError as error:
        raise OutputError("O001", f"standard output cannot be written: {error.strerror or error}", hint=_HINT) from error


def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a file beside the path, which takes its name when it is whole."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".tocsin-", suffix=".part", delete=False) as file:
        part = Path(file.name)
        try:
            yield cast(BinaryIO, file.file)
            file.flush()
            part.chmod(0o666 & ~_umask())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _cannot_write(path: Path, error: OSError) -> OutputError:
    return OutputError("O001", f"{path}: cannot be written: {error.strerror or error}", hint=_HINT)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


__all__ = ["check_apart", "check_not_read", "check_output", "mark", "note_path", "writing"]
