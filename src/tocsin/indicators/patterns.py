"""STIX 2.1 patterns of the common comparison forms: which values a pattern asks for, any of which is enough.

Source: STIX 2.1, section 9 "STIX Patterning". What asks for several things at once, or for an order, is not supported.
"""

from __future__ import annotations

import re
from typing import Final

from tocsin.indicators.interface import ADDRESS, DOMAIN, FILE_NAME, HASH, URL

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<path>[a-z0-9-]+:(?:[\w-]+|'[^']*')(?:\.(?:[\w-]+|'[^']*')|\[\S+?\])*)"""
    r"|(?P<word>[A-Za-z]+|[bht]'[^']*')|(?P<number>[+-]?\d+(?:\.\d+)?)|(?P<mark>!=|<=|>=|[=<>()\[\],]))"
)
_PATHS: Final = {
    "file:name": FILE_NAME,
    "ipv4-addr:value": ADDRESS,
    "ipv6-addr:value": ADDRESS,
    "domain-name:value": DOMAIN,
    "url:value": URL,
    "network-traffic:src_ref.value": ADDRESS,
    "network-traffic:dst_ref.value": ADDRESS,
}
_HASHES: Final = re.compile(r"file:hashes\.'?(md5|sha-?1|sha-?256|sha-?512)'?", re.IGNORECASE)
_UNESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_MOST_TOKENS: Final = 100_000
Token = tuple[str, str]


def read_pattern(text: str) -> list[tuple[str, str]]:
    """Return (kind, value) of every alternative of a pattern. Raises: ValueError that says what is not supported."""
    tokens = _tokens(text)
    found: list[tuple[str, str]] = []
    at, depth = 0, 0
    while at < len(tokens):
        kind, word = tokens[at]
        if kind == "path":
            values, at = _comparison(tokens, at)
            found += values
            continue
        if word in ("[", "("):
            depth += 1
        elif word in ("]", ")"):
            depth -= 1
        elif word.upper() != "OR":
            raise ValueError(f"{word!r} is not supported: only values that are alternatives (OR) are")
        at += 1
    if depth or not found:
        raise ValueError("the pattern is not complete")
    return found


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found or len(tokens) >= _MOST_TOKENS:
            raise ValueError(f"the pattern is not understood at {text[at : at + 20]!r}")
        tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
        at = found.end()
    return tokens


def _comparison(tokens: list[Token], at: int) -> tuple[list[tuple[str, str]], int]:
    """Return the alternatives of one comparison, and the place after it."""
    path = tokens[at][1]
    kind = _PATHS.get(path) or (HASH if _HASHES.fullmatch(path) else None)
    if kind is None:
        raise ValueError(f"the object path {path} is not supported")
    operator = tokens[at + 1][1].upper() if at + 1 < len(tokens) else ""
    if operator in ("=", "ISSUBSET") and at + 2 < len(tokens) and tokens[at + 2][0] == "text":
        return [(kind, _text(tokens[at + 2][1]))], at + 3
    if operator == "IN":
        end = next((end for end in range(at + 2, len(tokens)) if tokens[end][1] == ")"), len(tokens))
        values = [_text(token) for group, token in tokens[at + 2 : end] if group == "text"]
        return [(kind, value) for value in values], end + 1
    raise ValueError(f"the comparison {operator or 'that is missing'} of {path} is not supported")


def _text(token: str) -> str:
    return _UNESCAPED.sub(r"\1", token[1:-1])


__all__ = ["read_pattern"]
