"""A text that every match of a regular expression holds, so that most values need not be searched at all."""

from __future__ import annotations

from typing import Final

_QUANTIFIERS: Final = "*?{"
_BREAKS: Final = ".^$+"
_SHORT_ESCAPES: Final = "dDwWsSbBAzZnrtfv"
"""Letters after a backslash that stand for one class or character by themselves; after any other more may belong to it."""


def required_literal(expression: str) -> str:
    """Return the longest run of plain characters at the expression's top level, folded; empty when nothing can be said.

    Only characters that stand for themselves and must occur count: groups, classes, escapes of letters and what a
    quantifier makes optional end a run; an alternative at the top level leaves nothing.
    """
    runs = [""]
    at = 0
    while at < len(expression):
        char = expression[at]
        if char in _QUANTIFIERS:
            runs[-1] = runs[-1][:-1]
            runs.append("")
            at += expression.find("}", at) - at + 1 if char == "{" and "}" in expression[at:] else 1
            continue
        size, literal = _piece(expression, at)
        if not size:
            return ""
        if literal:
            runs[-1] += literal
        else:
            runs.append("")
        at += size
    return max(runs, key=len).casefold()


def _piece(expression: str, at: int) -> tuple[int, str]:
    """Return the size of what stands at a place, 0 when nothing can be said of the whole, and the character it stands for."""
    char = expression[at]
    if char == "|":
        return 0, ""
    if char == "(":
        return _group_size(expression, at), ""
    if char == "[":
        return _class_size(expression, at), ""
    if char == "\\":
        following = expression[at + 1 : at + 2]
        if following.isalnum():
            return (2 if following in _SHORT_ESCAPES else 0), ""
        return 2, following
    return 1, "" if char in _BREAKS else char


def _class_size(expression: str, at: int) -> int:
    """Return the number of characters of the class that begins at a place; 0 when it does not end."""
    end = at + 1
    if expression[end : end + 1] == "^":
        end += 1
    if expression[end : end + 1] == "]":
        end += 1
    while end < len(expression):
        if expression[end] == "\\":
            end += 2
        elif expression.startswith("[:", end) and ":]" in expression[end:]:
            end = expression.index(":]", end) + 2
        elif expression[end] == "]":
            return end + 1 - at
        else:
            end += 1
    return 0


def _group_size(expression: str, at: int) -> int:
    """Return the number of characters of the group that begins at a place; 0 when it does not end, or sets the flag `x`."""
    depth, end = 0, at
    if expression.startswith("(?", at) and "x" in expression[at : expression.find(")", at)].partition(":")[0]:
        return 0
    while end < len(expression):
        char = expression[end]
        if char == "\\":
            end += 2
            continue
        if char == "[":
            size = _class_size(expression, end)
            if not size:
                return 0
            end += size
            continue
        depth += (char == "(") - (char == ")")
        end += 1
        if depth == 0:
            return end - at
    return 0


__all__ = ["required_literal"]
