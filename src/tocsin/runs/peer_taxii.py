"""What a node asks of a peer that speaks TAXII 2.1. Source: TAXII 2.1 (OASIS Standard, 2021), sections 3 to 5."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from tocsin.errors import PeerError
from tocsin.feeds.carried import ASKS_MARKS
from tocsin.runs.outbound import Answer, Outbound
from tocsin.sharing.moments import added_text, read_moment

_TAXII: Final = "application/taxii+json;version=2.1"
_ASKED: Final = 5_000
"""Objects that are asked for at once; a peer gives fewer where it likes to."""
_SHOWN: Final = 300
_ABSENT: Final = 404
_LATER: Final = {429, 503}
_ASKED_AGAIN: Final = 5
_BETWEEN_S: Final = 1
_LONGEST_WAIT_S: Final = 30
_REMEMBERED: Final = 100
_MOST_EMPTY: Final = 20
_LONGEST_PLACE: Final = 8_192
_UUID: Final = re.compile(r"[0-9a-fA-F-]{36}")
RECEIPT: Final = "x-tocsin-receipt"
T = TypeVar("T")


class _Error(msgspec.Struct):
    title: str = ""
    description: str = ""
    error_code: str = ""


class Root(msgspec.Struct):
    """What is asked of an API root: the longest body that it takes, and whether markings may travel beside objects."""

    max_content_length: int = 0
    x_tocsin_marks: bool = False


class Described(msgspec.Struct):
    """A version in a manifest."""

    id: str
    version: str


class _Failure(msgspec.Struct):
    id: str
    message: str = ""
    version: object = None


class _Status(msgspec.Struct):
    id: str
    status: str
    failures: list[_Failure] = []
    pending_count: int = 0


class _Envelope(msgspec.Struct):
    more: bool = False
    next: str | None = None
    objects: list[msgspec.Raw] = []
    x_tocsin_marks: list[msgspec.Raw] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Objects that were added after a moment, as they came. Moments are in microseconds since 1970 UTC.

    `last` is when the last of them was added, and `answered` when the peer answered, by its clock; None where it does not say.
    `is_marked` says that markings came beside the objects.
    """

    body: bytes
    count: int
    more: bool
    last: int | None
    answered: int | None
    is_marked: bool


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What a peer says of objects that were posted: its receipt, why it refused some by id and version, how many are pending.

    A version is in microseconds since 1970 UTC, None where the peer names none that can be read: all versions are meant.
    """

    receipt: str
    refused: Mapping[tuple[str, int | None], str]
    pending: int

    def why_refused(self, stix_id: str, version: int | None) -> str:
        """Return why a version was refused, empty when it was not; None stands for an object that has no version of its own."""
        named = [why for (name, number), why in self.refused.items() if name == stix_id and None in (number, version)]
        return self.refused.get((stix_id, version)) or next(iter(named), "")


class TaxiiPeer:
    """A collection of a peer, by its API root and its id or alias. What it answers with "later" is asked again, a few times."""

    def __init__(self, root: str, collection: str, outbound: Outbound) -> None:
        self._root = f"{root.rstrip('/')}/"
        self._at = f"{self._root}collections/{quote(collection, safe='')}/"
        self._outbound = outbound

    def root(self) -> Root:
        """Return what the API root says. Raises: PeerError N060 to N067."""
        answer = self._ask("GET", self._root)
        check_answer(answer, self._root, 200)
        return _decoded(answer, Root, self._root)

    def post(self, body: bytes) -> Acknowledged:
        """Add the objects of an envelope, and return what the peer says of them. Raises: PeerError N060 to N067."""
        answer = self._ask("POST", f"{self._at}objects/", {"Content-Type": _TAXII}, body)
        check_answer(answer, self._at, 200, 201, 202)
        receipt = answer.headers.get(RECEIPT, "")[:_SHOWN]
        found = _decoded(answer, _Status, self._at)
        receipt = receipt or f"status {found.id[:_SHOWN]}"
        for _ in range(_ASKED_AGAIN):
            if found.status != "pending" or not _UUID.fullmatch(found.id):
                break
            time.sleep(_BETWEEN_S)
            answer = self._ask("GET", f"{self._root}status/{found.id}/")
            check_answer(answer, self._root, 200)
            found = _decoded(answer, _Status, self._root)
        refused = {_refused(item): item.message[:_SHOWN] or "the peer gives no reason" for item in found.failures}
        return Acknowledged(receipt, refused, found.pending_count)

    def withdraw(self, stix_id: str, version: str, spec_version: str) -> str | None:
        """Withdraw a version, or all when it is empty; return the peer's receipt, None when it has none to withdraw.

        Raises: PeerError N060 to N067.
        """
        asked = {"match[spec_version]": spec_version, **({"match[version]": version} if version else {})}
        answer = self._ask("DELETE", f"{self._at}objects/{quote(stix_id, safe='')}/?{urlencode(asked)}")
        if answer.status == _ABSENT:
            return None
        check_answer(answer, self._at, 200, 202, 204)
        return answer.headers.get(RECEIPT, "")[:_SHOWN] or f"status {answer.status}"

    def pages(self, after: int | None) -> Iterator[Page]:
        """Yield what was added after a moment, in the order in which it was.

        Raises: PeerError N060 to N067; N069 when a page leads nowhere new.
        """
        asked = {} if after is None else {"added_after": added_text(after)}
        for answer, found in self._pages(f"{self._at}objects/", asked):
            yield Page(
                answer.body, len(found.objects), found.more, _last(answer), _date(answer), found.x_tocsin_marks is not None
            )

    def manifest(self) -> Iterator[list[Described]]:
        """Yield which versions there are, page by page. Raises: as `pages`."""
        for _, found in self._pages(f"{self._at}manifest/", {"match[version]": "all", "match[spec_version]": "2.0,2.1"}):
            try:
                yield [msgspec.json.decode(item, type=Described) for item in found.objects]
            except msgspec.DecodeError as error:
                raise PeerError("N067", f"{self._at} answers no manifest: {str(error)[:_SHOWN]}") from error

    def _pages(self, url: str, asked: dict[str, str]) -> Iterator[tuple[Answer, _Envelope]]:
        """Yield the pages of an address until none follows."""
        asked = {"limit": str(_ASKED), **asked}
        seen: deque[str] = deque(maxlen=_REMEMBERED)
        empty = 0
        while True:
            answer = self._ask("GET", f"{url}?{urlencode(asked)}", {ASKS_MARKS: "1"})
            check_answer(answer, url, 200)
            found = _decoded(answer, _Envelope, url)
            yield answer, found
            if not found.more:
                return
            last = _last(answer)
            if found.next is not None:
                asked["next"] = found.next
            elif last is not None:
                asked["added_after"] = added_text(last)
            place = urlencode(asked)
            empty = 0 if found.objects else empty + 1
            if place in seen or (found.next is None and last is None) or empty > _MOST_EMPTY:
                raise PeerError("N069", f"{url} leads to pages that it gave before, or that are empty")
            if len(place) > _LONGEST_PLACE:
                raise PeerError("N067", f"{url} gives a 'next' of {len(place):,} characters")
            seen.append(place)

    def _ask(self, method: str, url: str, headers: Mapping[str, str] | None = None, content: bytes = b"") -> Answer:
        answer = self._outbound.ask(method, url, {"Accept": _TAXII, **(headers or {})}, content)
        for _ in range(_ASKED_AGAIN):
            if answer.status not in _LATER:
                break
            told = answer.headers.get("retry-after", "")
            wait = int(told[:6]) if told.isdecimal() else _BETWEEN_S
            if wait > _LONGEST_WAIT_S:
                break
            time.sleep(wait)
            answer = self._outbound.ask(method, url, {"Accept": _TAXII, **(headers or {})}, content)
        return answer


def _decoded(answer: Answer, kind: type[T], where: str) -> T:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (ValueError, RecursionError) as error:
        raise PeerError("N067", f"{where} answers something else than TAXII 2.1: {str(error)[:_SHOWN]}") from error


def check_answer(answer: Answer, where: str, *good: int) -> None:
    """Raise PeerError N066 with the reason that the peer gives when an answer has another status than it should."""
    if answer.status in good:
        return
    try:
        told = msgspec.json.decode(answer.body, type=_Error)
        said = ": ".join(text for text in (told.title, told.description) if text)
    except (ValueError, RecursionError):
        said = ""
    raise PeerError("N066", f"{where} answers {answer.status}{f': {said}' if said else ''}"[: 2 * _SHOWN])


def _refused(item: _Failure) -> tuple[str, int | None]:
    """Return the id and version that a failure is about."""
    return item.id, read_moment(item.version) if isinstance(item.version, str) else None


def _last(answer: Answer) -> int | None:
    """Return when the last object of a page was added."""
    return read_moment(answer.headers.get("x-taxii-date-added-last", ""))


def _date(answer: Answer) -> int | None:
    """Return the moment of an answer by the peer's clock."""
    try:
        return int(parsedate_to_datetime(answer.headers["date"]).timestamp()) * 1_000_000
    except (KeyError, ValueError, OverflowError):
        return None


__all__ = ["Acknowledged", "Described", "Page", "Root", "TaxiiPeer", "check_answer"]
