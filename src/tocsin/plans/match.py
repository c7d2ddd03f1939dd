"""What a test says of one text: the meaning of each test, shared by folding, engine and explanations."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from tocsin.events.time import parse_time
from tocsin.plans.expr import Cidr, Glob, Order, Regex, Test, TimePart
from tocsin.rules.pattern import ANY, DASHES, ONE, Pattern
from tocsin.rules.regexes import searcher

TextTest = Callable[[str], bool]
_NUMBER: Final = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    "eq": lambda a, b: a == b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
}
_PARTS: Final[dict[str, Callable[[datetime], int]]] = {
    "minute": lambda moment: moment.minute,
    "hour": lambda moment: moment.hour,
    "day": lambda moment: moment.day,
    "week": lambda moment: moment.isocalendar().week,
    "month": lambda moment: moment.month,
    "year": lambda moment: moment.year,
}


def glob_matches(glob: Glob, text: str) -> bool:
    """Tell whether a text matches a pattern."""
    return glob_test(glob.pattern, glob.cased)(text if glob.cased else text.casefold())


def glob_test(pattern: Pattern, cased: bool) -> TextTest:
    """Return the test of a pattern on a text that the caller has folded unless `cased`.

    Cost: at most one search for each piece between two `*`, so that no pattern can make it hang.
    """
    tokens = pattern if cased else tuple(t.casefold() if isinstance(t, str) else t for t in pattern)
    if all(isinstance(token, str) for token in tokens):
        whole = "".join(str(token) for token in tokens)
        return lambda text: text == whole
    pieces = _pieces(tokens)
    if all(isinstance(piece, str) for piece in pieces):
        return _literal_test([str(piece) for piece in pieces])
    return _piece_test(pieces)


def _pieces(tokens: Pattern) -> list[str | re.Pattern[str]]:
    """Split at `*`; a piece with other wildcards becomes an expression of fixed length."""
    runs: list[list[str | int]] = [[]]
    for token in tokens:
        if token == ANY and isinstance(token, int):
            runs.append([])
        else:
            runs[-1].append(token)
    return [_piece(run) for run in runs]


def _piece(run: list[str | int]) -> str | re.Pattern[str]:
    if all(isinstance(token, str) for token in run):
        return "".join(str(token) for token in run)
    parts = [re.escape(token) if isinstance(token, str) else "." if token == ONE else f"[{re.escape(DASHES)}]" for token in run]
    return re.compile("".join(parts), re.DOTALL)


def _literal_test(pieces: list[str]) -> TextTest:
    first, *middle, last = pieces
    middle = [piece for piece in middle if piece]
    if not middle and not first:
        return lambda text: text.endswith(last)
    if not middle and not last:
        return lambda text: text.startswith(first)
    if len(middle) == 1 and not first and not last:
        needle = middle[0]
        return lambda text: needle in text

    def test(text: str) -> bool:
        if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
            return False
        at, end = len(first), len(text) - len(last)
        for piece in middle:
            at = text.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True

    return test


def _piece_test(pieces: list[str | re.Pattern[str]]) -> TextTest:
    compiled = [re.compile(re.escape(piece)) if isinstance(piece, str) else piece for piece in pieces]
    if len(compiled) == 1:
        return lambda text: compiled[0].fullmatch(text) is not None
    first, *middle, last = compiled
    last_size = _size(pieces[-1])

    def test(text: str) -> bool:
        head = first.match(text)
        end = len(text) - last_size
        if head is None or end < head.end() or last.fullmatch(text, end) is None:
            return False
        at = head.end()
        for piece in middle:
            found = piece.search(text, at, end)
            if found is None:
                return False
            at = found.end()
        return True

    return test


def _size(piece: str | re.Pattern[str]) -> int:
    if isinstance(piece, str):
        return len(piece)
    return len(re.sub(r"\[[^]]+\]|\\.", "x", piece.pattern, flags=re.DOTALL))


def _cidr_test(network: str) -> TextTest:
    inside = ip_network(network)

    def test(text: str) -> bool:
        address = read_address(text)
        return address is not None and address.version == inside.version and address in inside

    return test


@lru_cache(maxsize=65536)
def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a text is, or None; brackets and a zone are dropped, a v4-mapped v6 is its v4."""
    try:
        address = ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _order_test(how: str, number: float) -> TextTest:
    compare = _COMPARE[how]
    return lambda text: _NUMBER.fullmatch(text) is not None and compare(read_number(text), number)


def read_number(text: str) -> int | float:
    """Return the number of a text: whole numbers of any size stay exact. Raises: ValueError when it is none."""
    try:
        return int(text)
    except ValueError:
        return float(text)


def _time_test(test: TimePart) -> TextTest:
    part, compare = _PARTS[test.part], _COMPARE[test.how]

    def matches(text: str) -> bool:
        moment = parse_time(text)
        return moment is not None and compare(part(moment), test.number)

    return matches


@lru_cache(maxsize=1 << 16)
def text_test(test: Test) -> tuple[TextTest, bool]:
    """Return the test on one text, and whether it wants the text folded.

    Raises: TypeError for tests that are not about one text (null, exists, fieldref).
    """
    if isinstance(test, Glob):
        return glob_test(test.pattern, test.cased), not test.cased
    if isinstance(test, Regex):
        return searcher(test.expression, test.flags), False
    if isinstance(test, Cidr):
        return _cidr_test(test.network), False
    if isinstance(test, Order):
        return _order_test(test.how, test.number), False
    if isinstance(test, TimePart):
        return _time_test(test), False
    raise TypeError(test)


def compare_texts(how: str, left: str, right: str) -> bool:
    """Compare two texts as a `fieldref` does."""
    if how == "contains":
        return right in left
    if how == "startswith":
        return left.startswith(right)
    return left.endswith(right) if how == "endswith" else left == right


__all__ = ["TextTest", "compare_texts", "glob_matches", "glob_test", "read_address", "read_number", "text_test"]
