"""Read the parameters of requests to TAXII. What cannot be read is refused with 400, never left out."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

import msgspec
from starlette.datastructures import QueryParams

from tocsin.server.answers import Refusal
from tocsin.sharing.moments import read_moment
from tocsin.stores.interface import Place, Query, Versions

_TYPE: Final = re.compile(r"[a-z0-9-]{1,250}")
_SPEC: Final = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}")
_ID: Final = re.compile(r"[a-z0-9-]{1,250}--[0-9a-fA-F-]{1,64}")
_DIGITS: Final = re.compile(r"[0-9]{1,18}")
_MOST_VALUES: Final = 200
_FILTERS: Final = ("id", "type", "version", "spec_version")


def read_query(parameters: QueryParams, collections: tuple[str, ...], most: int, *allowed: str) -> Query:
    """Return the query that parameters ask for; `allowed` names the `match` filters that the endpoint has.

    Raises: Refusal with 400.
    """
    for name in parameters:
        inner = name[6:-1] if name.startswith("match[") and name.endswith("]") else None
        if inner is not None and inner not in allowed:
            there = ", ".join(f"match[{each}]" for each in allowed if each in _FILTERS)
            raise _wrong(name, f"this endpoint has {there or 'no match filters'}")
    versions, exact = _versions(_values(parameters, "version"))
    return Query(
        collections,
        after=_after(parameters),
        ids=_checked(parameters, "id", _ID),
        types=_checked(parameters, "type", _TYPE),
        versions=versions,
        exact=exact,
        spec_versions=_checked(parameters, "spec_version", _SPEC),
        limit=_limit(parameters, most),
        start=_start(parameters),
    )


def read_ids(parameters: QueryParams, most: int) -> tuple[tuple[str, ...], str, int]:
    """Return the ids of `match[id]`, the id after which to begin, and how many to answer at most. Raises: Refusal with 400."""
    wrong = next((name for name in parameters if name not in {"match[id]", "limit", "next"}), None)
    if wrong is not None:
        raise _wrong(wrong, "this endpoint has match[id], limit and next")
    start = _single(parameters, "next") or ""
    if start and not _ID.fullmatch(start):
        raise _wrong("next", "give it as the server returned it")
    return _checked(parameters, "id", _ID), start, _limit(parameters, most)


def is_id(text: str) -> bool:
    """Return whether a text has the form of a STIX id."""
    return _ID.fullmatch(text) is not None


def next_text(place: Place) -> str:
    """Return the `next` of a page that ended at a place: what its reader has seen, and nothing else."""
    return base64.urlsafe_b64encode(msgspec.json.encode((place.added, place.id, place.version, place.spec_version))).decode()


def _start(parameters: QueryParams) -> Place | None:
    text = _single(parameters, "next")
    if text is None:
        return None
    try:
        fields = msgspec.json.decode(base64.b64decode(text, b"-_", validate=True), type=tuple[int, str, int, str])
    except (binascii.Error, msgspec.DecodeError, ValueError) as error:
        raise _wrong("next", "give it as the server returned it") from error
    in_range = all(abs(moment) < 1 << 62 for moment in (fields[0], fields[2]))
    if not in_range or not is_id(fields[1]) or not _SPEC.fullmatch(fields[3]):
        raise _wrong("next", "give it as the server returned it")
    return Place(*fields)


def _limit(parameters: QueryParams, most: int) -> int:
    text = _single(parameters, "limit")
    if text is None:
        return most
    if not _DIGITS.fullmatch(text) or not int(text):
        raise _wrong("limit", "it is a whole number from 1")
    return min(int(text), most)


def _after(parameters: QueryParams) -> int | None:
    text = _single(parameters, "added_after")
    if text is None:
        return None
    moment = read_moment(text)
    if moment is None:
        raise _wrong("added_after", "it is a moment such as 2026-01-31T12:00:00.000000Z")
    return moment


def _versions(values: list[str]) -> tuple[frozenset[Versions], tuple[int, ...]]:
    names = frozenset(Versions(value) for value in values if value in set(Versions))
    moments = [read_moment(value) for value in values if value not in set(Versions)]
    exact = tuple(moment for moment in moments if moment is not None)
    if len(exact) != len(moments):
        raise _wrong("match[version]", "it is last, first, all, or moments such as 2026-01-31T12:00:00.000Z")
    if len(set(values)) < len(values) or (Versions.ALL in names and len(values) > 1):
        raise _wrong("match[version]", "give each version once, and all without any other")
    return names or (frozenset() if exact else frozenset({Versions.LAST})), exact


def _checked(parameters: QueryParams, name: str, form: re.Pattern[str]) -> tuple[str, ...]:
    values = _values(parameters, name)
    wrong = next((value for value in values if not form.fullmatch(value)), None)
    if wrong is not None:
        raise _wrong(f"match[{name}]", "one of its values has another form")
    return tuple(dict.fromkeys(values))


def _values(parameters: QueryParams, name: str) -> list[str]:
    """Return the values of a match filter, separated by commas."""
    text = _single(parameters, f"match[{name}]")
    values = [] if text is None else [value.strip() for value in text.split(",")]
    if len(values) > _MOST_VALUES:
        raise _wrong(f"match[{name}]", f"it takes up to {_MOST_VALUES} values at once")
    if "" in values:
        raise _wrong(f"match[{name}]", "one of its values is empty")
    return values


def _single(parameters: QueryParams, name: str) -> str | None:
    values = parameters.getlist(name)
    if len(values) > 1:
        raise _wrong(name, "give it once, with commas between its values")
    return values[0] if values else None


def _wrong(name: str, hint: str) -> Refusal:
    return Refusal(400, "N012", f"the parameter {name} cannot be used", hint)


__all__ = ["is_id", "next_text", "read_ids", "read_query"]
