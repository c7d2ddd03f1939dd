"""Regular expressions: linear time where the engine accepts them, guarded otherwise.

RE2 cannot be made to hang. What it does not accept (look-around, back-references) is run by the `regex` package with a time
limit, and a value that trips it is an error that names the expression, never a silent "no match".
Source: Sigma semantics 13; measured in docs/decisions/regular-expressions.md.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import re2
import regex

from tocsin.errors import RegexTimeout

TIMEOUT_S: Final = 1.0
"""How long a backtracking expression may work on one value, in seconds."""
_RE2_MEMORY_BYTES: Final = 64 << 20


def _re2_options(flags: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.never_nl = False
    options.case_sensitive = "i" not in flags
    options.dot_nl = "s" in flags
    options.max_mem = _RE2_MEMORY_BYTES
    return options


def _with_flags(expression: str, flags: str) -> str:
    return f"(?m){expression}" if "m" in flags else expression


@lru_cache(maxsize=65536)
def searcher(expression: str, flags: str = "") -> Callable[[str], bool]:
    """Return a function that tells whether the expression is found in a text.

    Raises: re2.error or regex.error when neither engine takes it; the function raises RegexTimeout E001.
    """
    try:
        search = re2.compile(_with_flags(expression, flags), _re2_options(flags)).search
    except re2.error:
        return _guarded(expression, flags)
    return lambda text: search(text) is not None


@lru_cache(maxsize=4096)
def _re2(expression: str, flags: str) -> Any:
    try:
        return re2.compile(_with_flags(expression, flags), _re2_options(flags))
    except re2.error:
        return None


def find_span(expression: str, flags: str, text: str) -> tuple[int, int] | None:
    """Return where an expression is first found in a text, None when it is not, or needs an engine that can be made to hang."""
    compiled = _re2(expression, flags)
    found = compiled.search(text) if compiled else None
    return (found.start(), found.end()) if found else None


def _guarded(expression: str, flags: str) -> Callable[[str], bool]:
    compiled = regex.compile(expression, sum(getattr(regex, flag.upper()) for flag in flags))

    def found(text: str) -> bool:
        try:
            return compiled.search(text, timeout=TIMEOUT_S) is not None
        except TimeoutError as error:
            message = f"regular expression {expression!r} ran longer than {TIMEOUT_S:g} s on one value"
            raise RegexTimeout("E001", message, hint="rewrite it without nested repetition") from error

    return found


def check_regex(expression: str, flags: str = "") -> str:
    """Return what is wrong with an expression, or an empty text."""
    try:
        searcher(expression, flags)
    except (re2.error, regex.error, OverflowError, RecursionError) as error:
        return str(error)
    return ""


__all__ = ["TIMEOUT_S", "check_regex", "find_span", "searcher"]
