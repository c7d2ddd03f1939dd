"""Read a tuning file: every problem is told with its place; nothing of a file that has one is used."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import UTC, date, time, tzinfo
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from tocsin.decisions.entry import KINDS, Kind, TuningEntry
from tocsin.errors import RuleError, TuningError
from tocsin.events.time import normal_time
from tocsin.rules.documents import load_documents, place
from tocsin.rules.rule import LEVELS
from tocsin.sites.addresses import parse_hostname, parse_network
from tocsin.sites.site import DAYS, Network, WorkingHours

Trail = tuple[str | int, ...]
FILE_BYTES: Final = 16 << 20
MOST_ENTRIES: Final = 10_000
TEXT_CHARS: Final = 1_000
_MOST: Final = 100
_EMPTY: Final[tuple[object, ...]] = (None, "", [], {})
_WHO: Final = ("owner", "reason", "expires")
_WHAT: Final = ("rules", "hosts", "assets", "zones", "addresses", "from", "until", "daily")
_ENTRY: Final = ("title", *_WHAT, *_WHO)
_DAILY: Final = ("time_zone", "days", "from", "until")
_CLOCK: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])|24:00")
_FORM: Final = "write each as - {rules: [TITLE OR ID], assets: [PLC-1], owner: NAME, reason: TEXT, expires: 2027-05-31}"
_MISSING: Final = {
    "owner": "who answers for it",
    "reason": "why it is right",
    "expires": "the day from which it is not applied, such as 2027-05-31",
    "to": f"the level that the findings get: {', '.join(LEVELS)}",
}


def load_tuning(path: Path) -> list[TuningEntry]:
    """Return the entries of a file.

    Raises: TuningError for its first problem, naming how many more there are; OSError when it cannot be read.
    """
    entries, problems = parse_tuning(read_tuning(path), str(path))
    if problems:
        first = problems[0]
        if len(problems) > 1:
            more = f"'tocsin tuning check {path}' lists all {len(problems)} problems"
            first = TuningError(first.code, first.message, where=first.where, hint="; ".join(filter(None, (first.hint, more))))
        raise first
    return entries


def read_tuning(path: Path) -> bytes:
    """Return the text of a file. Raises: TuningError T010 when it is too large, OSError when it cannot be read."""
    with path.open("rb") as file:
        text = file.read(FILE_BYTES + 1)
    if len(text) > FILE_BYTES:
        raise TuningError("T010", f"{path}: is larger than {FILE_BYTES >> 20} MiB", hint="divide it")
    return text


def parse_tuning(text: bytes, path: str) -> tuple[list[TuningEntry], list[TuningError]]:
    """Return the entries that a text describes, those that suppress first, and its problems, each with its place."""
    try:
        documents = load_documents(text, path, base_60=False)
    except RuleError as error:
        return [], [TuningError("T010", error.message, where=error.where, hint=error.hint)]
    reader = _Reader(text, path)
    if len(documents) == 1:
        entries = reader.entries(documents[0])
    else:
        entries = []
        reader.wrong("T010", f"a tuning file has one document, this one has {len(documents) or 'none'}", (), _FORM)
    placed = [place(error, text, path) for error in reader.problems[:_MOST]]
    return entries, sorted(placed, key=lambda error: (error.where.line, error.where.column) if error.where else (0, 0))


class _Reader:
    """Reads the entries of a document and gathers what is wrong with them."""

    def __init__(self, text: bytes, path: str) -> None:
        self._path = path
        self.problems: list[TuningError] = []

    def wrong(self, code: str, message: str, trail: Trail, hint: str = "") -> None:
        """Note a problem."""
        self.problems.append(TuningError(code, message, hint=hint, trail=trail))

    def entries(self, body: Any) -> list[TuningEntry]:
        """Return the entries of a document."""
        found = self._map(body, (), KINDS)
        items = [(kind, at, item) for kind in KINDS for at, item in enumerate(self._list(found, (), kind))]
        if isinstance(body, dict) and not items and not self.problems:
            self.wrong("T012", "the file has no entry", (), _FORM)
        if len(items) > MOST_ENTRIES:
            self.wrong("T013", f"the file has {len(items):,} entries, more than {MOST_ENTRIES:,}", (), "write wider ones")
        return [self._entry(kind, at, item) for kind, at, item in items[:MOST_ENTRIES]]

    def _entry(self, kind: Kind, at: int, item: Any) -> TuningEntry:
        trail: Trail = (kind, at)
        found = self._map(item, trail, (*_ENTRY, "to") if kind == "level" else _ENTRY)
        if isinstance(item, dict) and not any(key in found for key in _WHAT):
            hint = f"name what it is about: {', '.join(_WHAT)}"
            self.wrong("T014", "the entry selects every finding", trail, hint)
        for key in (key for key in _WHAT if key in found and found[key] in _EMPTY):
            hint = "leave the key out, or name something: without it the entry would select more than is meant"
            self.wrong("T012", f"the key {key!r} is empty", (*trail, f"key:{key}"), hint)
        name = f"entry {at + 1} of {kind}"
        return TuningEntry(
            kind=kind,
            title=self._text(found, trail, "title") or name,
            place=f"{self._path}, {name}",
            owner=self._required(found, trail, "owner"),
            reason=self._required(found, trail, "reason"),
            expires=self._day(found, trail),
            level=self._level(found, trail) if kind == "level" else "",
            rules=self._names(found, trail, "rules"),
            hosts=tuple(self._hosts(found, trail)),
            assets=self._names(found, trail, "assets"),
            zones=self._names(found, trail, "zones"),
            networks=tuple(self._networks(found, trail)),
            daily=self._daily(found.get("daily"), (*trail, "daily")),
            **self._span(found, trail),
        )

    def _map(self, value: Any, trail: Trail, keys: Collection[str]) -> dict[str, Any]:
        """Return a map with known keys only; empty when the value is none."""
        if not isinstance(value, dict):
            self.wrong("T013", f"expected a map with {', '.join(list(keys)[:4])} ..., not {_shown(value)}", trail, _FORM)
            return {}
        for key in value:
            if key not in keys:
                hint = _near(str(key), keys) or f"known are {', '.join(keys)}"
                self.wrong("T011", f"unknown key {str(key)!r}", (*trail, f"key:{key}"), hint)
        return {str(key): item for key, item in value.items()}

    def _list(self, found: dict[str, Any], trail: Trail, key: str) -> list[Any]:
        value = found.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.wrong("T013", f"{key!r} is a list, not {_shown(value)}", (*trail, key), "" if trail else _FORM)
            return []
        return value

    def _text(self, found: dict[str, Any], trail: Trail, key: str) -> str:
        value = found.get(key)
        if isinstance(value, (dict, list)):
            self.wrong("T013", f"{key!r} is a text, not {_shown(value)}", (*trail, key))
            return ""
        text = "" if value is None else str(value).strip()
        if len(text) > TEXT_CHARS:
            self.wrong("T013", f"{key!r} has {len(text):,} characters, more than {TEXT_CHARS:,}", (*trail, key))
        return text[:TEXT_CHARS]

    def _required(self, found: dict[str, Any], trail: Trail, key: str) -> str:
        text = self._text(found, trail, key)
        if not text and found and not isinstance(found.get(key), (dict, list)):
            self.wrong("T012", f"the key {key!r} is missing or empty", trail, _MISSING[key])
        return text

    def _day(self, found: dict[str, Any], trail: Trail) -> str:
        text = self._required(found, trail, "expires")
        try:
            return date.fromisoformat(text).isoformat() if text else ""
        except ValueError:
            self.wrong("T013", f"{text!r} is no day", (*trail, "expires"), "write for example 2027-05-31")
            return ""

    def _level(self, found: dict[str, Any], trail: Trail) -> str:
        text = self._required(found, trail, "to")
        if text and text not in LEVELS:
            self.wrong("T013", f"{text!r} is no level", (*trail, "to"), _near(text, LEVELS) or f"one of {', '.join(LEVELS)}")
        return text

    def _texts(self, found: dict[str, Any], trail: Trail, key: str) -> Iterator[tuple[Trail, str]]:
        """Yield the texts of a list, or of one text, with their trails."""
        value = found.get(key)
        if isinstance(value, str) and value:
            yield (*trail, key), value
            return
        for at, item in enumerate(self._list(found, trail, key) if value not in _EMPTY else ()):
            if isinstance(item, (dict, list, bool)) or item is None or item == "":
                self.wrong("T013", f"{key!r} has texts, not {_shown(item)}", (*trail, key, at))
            else:
                yield (*trail, key, at), str(item)

    def _names(self, found: dict[str, Any], trail: Trail, key: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(text for _, text in self._texts(found, trail, key)))

    def _hosts(self, found: dict[str, Any], trail: Trail) -> Iterator[str]:
        for at, text in self._texts(found, trail, "hosts"):
            if not parse_hostname(text):
                self.wrong(
                    "T013", f"{text!r} is no name of a host", at, "an address goes into 'addresses'; there is no wildcard"
                )
            yield text

    def _networks(self, found: dict[str, Any], trail: Trail) -> Iterator[Network]:
        for at, text in self._texts(found, trail, "addresses"):
            network = parse_network(text)
            if network is None:
                self.wrong("T013", f"{text!r} is no address and no network", at, "such as 10.20.6.5 or 10.20.6.0/24")
            else:
                yield network

    def _span(self, found: dict[str, Any], trail: Trail) -> dict[str, str]:
        times = {}
        for key, name in (("from", "since"), ("until", "until")):
            text = self._text(found, trail, key)
            times[name] = normal_time(f"{text}T00:00:00Z" if len(text) == 10 else text) if text else ""
            if text and not times[name]:
                self.wrong("T013", f"{text!r} is no time", (*trail, key), "such as 2026-10-03 or 2026-10-03T06:00:00Z")
        if times["since"] and times["until"] and times["since"] >= times["until"]:
            self.wrong("T013", f"'from' {times['since']} is not before 'until' {times['until']}", (*trail, "until"))
        return times

    def _daily(self, body: Any, trail: Trail) -> WorkingHours | None:
        if body in _EMPTY:
            return None
        found = self._map(body, trail, _DAILY)
        if not found:
            return None
        for key in (key for key in _DAILY if not found.get(key)):
            hint = 'write {time_zone: Europe/Berlin, days: [mon, tue], from: "02:00", until: "04:00"}'
            self.wrong("T012", f"the key {key!r} is missing or empty", trail, hint)
        days = frozenset(self._weekdays(found, trail))
        name = self._text(found, trail, "time_zone")
        zone = self._time_zone(name, trail)
        begin, end = self._clock(found, trail, "from"), self._clock(found, trail, "until")
        return WorkingHours(zone, name, days, begin, end, ()) if zone and begin is not None and end is not None else None

    def _weekdays(self, found: dict[str, Any], trail: Trail) -> Iterator[int]:
        for at, text in self._texts(found, trail, "days") if found.get("days") else ():
            day = text.casefold()[:3]
            if day in DAYS:
                yield DAYS.index(day)
            else:
                self.wrong("T013", f"{text!r} is no day of the week", at, f"one of {', '.join(DAYS)}")

    def _time_zone(self, name: str, trail: Trail) -> tzinfo | None:
        if name.upper() == "UTC":  # known without the database of time zones
            return UTC
        try:
            return ZoneInfo(name) if name else None
        except (KeyError, OSError, ValueError):  # an unknown name, a folder, a name with NUL or leading out of the database
            self.wrong("T013", f"{name!r} is no time zone", (*trail, "time_zone"), "a name such as Europe/Berlin or UTC")
            return None

    def _clock(self, found: dict[str, Any], trail: Trail, key: str) -> time | None:
        text = self._text(found, trail, key)
        match = _CLOCK.fullmatch(text)
        if match is None:
            if text:
                self.wrong("T013", f"{text!r} is no time of day", (*trail, key), 'such as "06:00", from 00:00 to 24:00')
            return None
        return time(int(match[1] or 0), int(match[2] or 0))


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else repr(value)


def _near(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name.casefold(), known, 1)
    return f"did you mean {close[0]!r}?" if close else ""


__all__ = ["load_tuning", "parse_tuning", "read_tuning"]
