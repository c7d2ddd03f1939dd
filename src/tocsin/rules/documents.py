"""YAML documents: loaded by the C parser, with places found only for those that are wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final, TypeVar

import yaml

from tocsin.errors import RuleError, TocsinError, Where

E = TypeVar("E", bound=TocsinError)
_SPELT_AS_CLOCK: Final = re.compile(r"[-+0-9]+:")
_TWICE: Final = "is written twice"
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.CSafeLoader):
    """The safe C loader; a date stays a text, a key written twice is an error instead of a loss."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - declared so by the base class
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        if isinstance(node, yaml.MappingNode) and len(mapping) != len(node.value):
            seen: set[str] = set()
            for key, _ in node.value:
                if str(key.value) in seen:
                    problem = f"the key {key.value!r} {_TWICE}"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen.add(str(key.value))
        return mapping


class _PlainLoader(_Loader):
    """A loader by which 18:00 stays a text; YAML 1.1 reads it as a number to the base of 60."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - declared so by the base class
        first: [
            (tag, re.compile(f"(?!{_SPELT_AS_CLOCK.pattern}){pattern.pattern}", pattern.flags)) for tag, pattern in resolvers
        ]
        for first, resolvers in _Loader.yaml_implicit_resolvers.items()
    }


def load_documents(text: bytes, path: str, base_60: bool = True) -> list[Any]:
    """Return the YAML documents of a file; without `base_60`, `18:00` and the like stay texts.

    Raises: RuleError R001 with its place when the text is no YAML.
    """
    try:
        return [document for document in yaml.load_all(text, _Loader if base_60 else _PlainLoader) if document is not None]
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise _yaml_error(error, text, path) from error


def _yaml_error(error: Exception, text: bytes, path: str) -> RuleError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    where = _where(text, path, mark.line, mark.column) if mark else Where(path)
    return RuleError("R001", f"not valid YAML: {problem}", where=where, hint=_hint(error, problem))


def _hint(error: Exception, problem: str) -> str:
    if isinstance(error, UnicodeDecodeError | yaml.reader.ReaderError):
        return "save the file as text in UTF-8"
    return "keep one of the two" if problem.endswith(_TWICE) else "check indentation and quotes"


def _where(text: bytes, path: str, line: int, column: int, width: int = 1) -> Where:
    lines = text.decode("utf-8", "replace").splitlines()
    source = lines[line] if line < len(lines) else ""
    return Where(path, line + 1, column + 1, source, width)


def place(error: E, text: bytes, path: str, index: int = 0) -> E:
    """Return the error with the place that its trail leads to in the document of that index.

    A step `key:NAME` means a key instead of its value, and `part:2` after it the second modifier of that key.
    """
    return error if error.where else _placed(error, _document_node(text, index), text, path)


def places(errors: list[E], text: bytes, path: str) -> list[E]:
    """Return errors of the first document with their places, as `place` does for one."""
    node = _document_node(text, 0) if errors else None
    return [error if error.where else _placed(error, node, text, path) for error in errors]


def _placed(error: E, node: Any, text: bytes, path: str) -> E:
    if node is None:
        return error.at(Where(path))
    part = 0
    for step in error.trail:
        below = _below(node, step)
        if below is None:
            part = _part_number(step)
            break
        node = below
    mark, end = node.start_mark, node.end_mark
    width = end.column - mark.column if end.line == mark.line else 1
    where = _where(text, path, mark.line, mark.column, max(1, width))
    return error.at(_narrowed(where, part) if part else where)


def _part_number(step: str | int) -> int:
    """Return which part of a key, divided at `|`, a step of the form `part:2` means; 0 when it is none."""
    name, _, number = str(step).partition(":")
    return int(number) if name == "part" and number.isdecimal() else 0


def _narrowed(where: Where, part: int) -> Where:
    """Return the place of one part of a key, without the quotes around the key."""
    start = where.column - 1
    pieces = where.source[start : start + where.width].split("|")
    if part >= len(pieces):
        return where
    before = sum(len(piece) + 1 for piece in pieces[:part])
    width = len(pieces[part].rstrip("\"' "))
    return replace(where, column=where.column + before, width=max(1, width))


def _document_node(text: bytes, index: int) -> Any:
    try:
        nodes: Iterator[Any] = yaml.compose_all(text, _Loader)
        for at, node in enumerate(nodes):
            if at == index:
                return node
    except yaml.YAMLError:
        return None
    return None


def _below(node: Any, step: str | int) -> Any:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step]
    if isinstance(node, yaml.MappingNode):
        last = isinstance(step, str) and step.startswith("key:")
        wanted = str(step)[4:] if last else str(step)
        for key, value in node.value:
            if str(key.value) == wanted:
                return key if last else value
    return None


__all__ = ["load_documents", "place", "places"]
