"""What texts of one field have in common, as a value of a rule: the exact text, or one with wildcards where it changes.

Parts that are different on each run (numbers of processes, times, GUIDs, versions in paths) become wildcards even when they are
the same in all texts, so that the same false positive is removed tomorrow. What has a fixed length becomes as many `?`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import ip_network
from typing import Final

from tocsin.findings.text import safe_text
from tocsin.plans.match import read_address
from tocsin.rules.pattern import ANY, ONE, Pattern, Token, join

LONGEST: Final = 8_000
"""The longest text, in characters, that is taken whole; of a longer one the beginning and the end are."""
_HEAD: Final = 4_000
_TAIL: Final = 1_000
MOST_VALUES: Final = 8
"""The most values that stand side by side in a list."""
_LEAST_LITERAL: Final = 6
_ALIKE: Final = 0.5
_EXAMPLES: Final = 3
"""So many different texts show that what is different in them changes; fewer stand side by side."""
_WIDEST: Final = {4: 24, 6: 64}
_PARTS: Final = re.compile(r"([\\/\s,;=\"':|&().@_-]+)")
_ALNUM: Final = re.compile(r"\w")
_CHANGING: Final = re.compile(
    r"""
    (?P<keep>%%\d+|\bS-1-\d+(?:-\d+)+|(?<![\\/\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.\\]))
    |(?P<guid>(?<![0-9a-fA-F])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![0-9a-fA-F]))
    |(?P<policy>__PSScriptPolicyTest_[a-z0-9]{8}\.[a-z0-9]{3}\.)
    |(?P<any>\d{4}-\d\d-\d\d(?:[T\ _]\d\d[:.-]?\d\d(?:[:.-]?\d\d(?:\.\d+)?)?Z?)?
      |(?<=0x)(?!0000)[0-9a-fA-F]{5,}\b
      |(?<=[\\/])\d+(?:\.\d+){2,}(?:-\d+)?(?=[\\/])
      |(?<=[\\/])[^\\/\s"']+(?=\.tmp\b))
    |(?P<hex>\b(?=[a-fA-F]*\d)[0-9a-fA-F]{16,}\b)
    |(?P<number>(?<![\w.])\d{5,}(?![\w.]))
    """,
    re.VERBOSE,
)


@lru_cache(maxsize=4096)
def shape_of(text: str) -> Pattern:
    """Return a text with wildcards where it changes from run to run, and for each character that cannot be shown."""
    if len(text) <= LONGEST:
        return join(_tokens(text))
    return join(iter((*_tokens(text[:_HEAD]), ANY, *_tokens(text[-_TAIL:]))))


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    for match in _CHANGING.finditer(text):
        yield from _visible(text[at : match.start()])
        yield from _changing(match)
        at = match.end()
    yield from _visible(text[at:])


def _changing(match: re.Match[str]) -> Iterator[Token]:
    text = match[0]
    if match["guid"]:
        yield from ("-" if char == "-" else ONE for char in text)
    elif match["policy"]:
        yield from ("__PSScriptPolicyTest_", *(ONE,) * 8, ".", *(ONE,) * 3, ".")
    elif match["hex"]:
        yield from (ONE,) * len(text)
    elif match["any"] or match["number"]:
        yield ANY
    else:
        yield text


def _visible(text: str) -> Iterator[Token]:
    """Yield a text; a character that a terminal or editor would obey or hide becomes one wildcard."""
    if safe_text(text) == text:
        yield text
        return
    for char in text:
        yield char if safe_text(char) == char else ONE


def is_exact(pattern: Pattern) -> bool:
    """Tell whether a pattern has no wildcard."""
    return not any(isinstance(token, int) for token in pattern)


def literal_size(pattern: Pattern) -> int:
    """Return how many letters, digits and underscores a pattern has."""
    return sum(len(_ALNUM.findall(token)) for token in pattern if isinstance(token, str))


def is_telling(pattern: Pattern) -> bool:
    """Tell whether a pattern says enough to be a test of its own: it has no wildcard, or enough text beside them."""
    return is_exact(pattern) or literal_size(pattern) >= _LEAST_LITERAL


def exact(texts: Sequence[str]) -> tuple[Pattern, ...]:
    """Return the texts as patterns, with what changes as it is; none when there are too many, or one is too long."""
    first = {text.casefold(): text for text in sorted(set(texts), reverse=True)}
    if len(first) > MOST_VALUES or any(len(text) > LONGEST for text in first):
        return ()
    return tuple(join(_visible(first[fold])) for fold in sorted(first))


def common(texts: Sequence[str]) -> tuple[Pattern, ...]:
    """Return the fewest patterns of which one holds for each of the texts; none when they have too little in common.

    Texts that differ stand side by side when they are few or recur; where each is new, what they share is taken.
    """
    shapes: dict[Pattern, int] = {}
    for text in texts:
        shape = _folded(shape_of(text))
        shapes[shape] = shapes.get(shape, 0) + 1
    originals = _written(texts, shapes)
    found = tuple(originals[shape] for shape in sorted(shapes, key=str))
    if not all(is_telling(shape) for shape in found):
        return ()
    if len(found) == 1:
        return found
    few = len(found) <= MOST_VALUES
    recur = len(found) < _EXAMPLES or len(found) * 2 <= len(texts)
    shared = None if few and recur else _shared(found, changing=few)
    return (shared,) if shared else found if few else ()


def _folded(pattern: Pattern) -> Pattern:
    return tuple(token.casefold() if isinstance(token, str) else token for token in pattern)


def _written(texts: Iterable[str], shapes: Iterable[Pattern]) -> dict[Pattern, Pattern]:
    """Return for each folded shape the first, in order of text, as it was written."""
    found: dict[Pattern, Pattern] = {}
    for text in sorted(set(texts)):
        found.setdefault(_folded(shape_of(text)), shape_of(text))
    return {shape: found[shape] for shape in shapes}


def _shared(patterns: Sequence[Pattern], changing: bool) -> Pattern | None:
    """Return how all patterns begin and end, in whole parts; None when that is less than half of the longest.

    With `changing` what lies between must look as if made anew each time, with digits or wildcards, rather than chosen.
    """
    rows = [list(_parts(pattern)) for pattern in patterns]
    folds = [[part.casefold() if isinstance(part, str) else part for part in row] for row in rows]
    shortest = min(map(len, folds))
    head = _same(folds, shortest)
    tail = _same([row[::-1] for row in folds], shortest - head)
    if changing and not all(_looks_made(row[head : len(row) - tail]) for row in rows):
        return None
    first = rows[0]
    shared = join(iter((*first[:head], ANY, *first[len(first) - tail :])))
    longest = max(map(literal_size, patterns))
    enough = literal_size(shared) >= max(_LEAST_LITERAL, _ALIKE * longest)
    return shared if enough else None


def _parts(pattern: Pattern) -> Iterator[Token]:
    for token in pattern:
        if isinstance(token, int):
            yield token
        else:
            yield from (part for part in _PARTS.split(token) if part)


def _looks_made(parts: Sequence[Token]) -> bool:
    return any(isinstance(part, int) or any(map(str.isdigit, part)) for part in parts)


def _same(rows: Sequence[Sequence[Token]], most: int) -> int:
    """Return how many tokens all rows begin with."""
    for at in range(most):
        if any(row[at] != rows[0][at] or type(row[at]) is not type(rows[0][at]) for row in rows):
            return at
    return most


def network_of(texts: Sequence[str]) -> str:
    """Return the smallest network that holds all addresses, empty when one is none or the network would be wide."""
    found = [read_address(text) for text in texts]
    versions = {address.version if address else 0 for address in found}
    if len(versions) != 1 or 0 in versions:
        return ""
    numbers = [int(address) for address in found if address]
    version = versions.pop()
    bits = {4: 32, 6: 128}[version]
    prefix = bits - (min(numbers) ^ max(numbers)).bit_length()
    if prefix < _WIDEST[version]:
        return ""
    first = next(address for address in found if address)
    return str(ip_network(f"{first}/{prefix}", strict=False))


__all__ = ["LONGEST", "MOST_VALUES", "common", "exact", "is_exact", "is_telling", "literal_size", "network_of", "shape_of"]
