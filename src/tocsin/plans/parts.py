"""Which parts of a value a test is about, for people to see. Whether a value matches is asked of the test alone."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from typing import Final

import re2

from tocsin.plans.expr import Glob, Regex, Test
from tocsin.plans.match import text_test
from tocsin.rules.pattern import ANY, DASH, DASHES, Pattern, Token
from tocsin.rules.regexes import find_span

LONGEST: Final = 1 << 16
"""The longest value that is looked into, in characters."""


def parts_of(test: Test, text: str) -> tuple[str, ...]:
    """Return the parts of a text that a test matched, in their order; none when it matched no part but the whole, or nothing.

    Of a pattern with `*` they are the texts between, of a regular expression it is the first text found.
    """
    if len(text) > LONGEST:
        return ()
    if isinstance(test, Regex):
        span = find_span(test.expression, test.flags, text)
        return (text[slice(*span)],) if span and span[0] < span[1] else ()
    if isinstance(test, Glob) and ANY in test.pattern:
        holds, folded = text_test(test)
        found = _searcher(test.pattern, test.cased).search(text) if holds(text.casefold() if folded else text) else None
        return tuple(part for part in found.groups() if part) if found else ()
    return ()


@lru_cache(maxsize=4096)
def _searcher(pattern: Pattern, cased: bool) -> re2._Regexp:
    """Return an expression with a group for each piece between two `*`."""
    options = re2.Options()
    options.log_errors = False
    options.never_nl = False
    options.dot_nl = True
    options.case_sensitive = cased
    runs = groupby(pattern, lambda token: token == ANY and isinstance(token, int))
    parts = [".*?" if is_any else f"({''.join(map(_piece, run))})" for is_any, run in runs]
    return re2.compile(f"^{''.join(parts)}$", options)


def _piece(token: Token) -> str:
    if isinstance(token, str):
        return str(re2.escape(token))
    return f"[{re2.escape(DASHES)}]" if token == DASH else "."


__all__ = ["LONGEST", "parts_of"]
