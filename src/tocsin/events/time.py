"""Times of events: read from the forms that logs use, written as RFC 3339 in UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

_ISO: Final = re.compile(
    r"\s*(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*(Z|z|UTC|[+-]\d\d:?\d\d)?\s*"
)
_EPOCH: Final = re.compile(r"\s*(\d{9,11})(?:\.(\d{1,9}))?\s*")
_MILLIS: Final = re.compile(r"\s*(?:(\d{12,13})|/Date\((\d{1,14})\)/)\s*")
_NORMAL: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_SHORT_FORM: Final = 27  # 2023-09-05T09:51:51.566000Z


def today() -> date:
    """Return the day in UTC, by which it is judged what has expired."""
    return datetime.now(UTC).date()


def parse_time(value: object) -> datetime | None:
    """Read an event's time, or return None when it is none.

    Accepted: RFC 3339 and its common relatives (a space for the T, a comma for the point, no zone: UTC) and seconds
    or milliseconds since the epoch, PowerShell's `/Date(n)/` included. Digits below a microsecond are dropped.
    """
    if isinstance(value, bool) or value is None:
        return None
    text = value if isinstance(value, str) else str(value)
    match = _ISO.fullmatch(text)
    try:
        return _from_iso(match) if match else _from_epoch(text)
    except (ValueError, OverflowError):
        return None


def _from_iso(match: re.Match[str]) -> datetime:
    year, month, day, hour, minute = (int(part) for part in match.groups()[:5])
    second, fraction, zone = match.group(6), match.group(7), match.group(8)
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    moment = datetime(year, month, day, hour, minute, min(int(second or 0), 59), micros, tzinfo=UTC)
    if zone and zone[0] in "+-":
        digits = zone[1:].replace(":", "")
        shift = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        moment = moment - shift if zone[0] == "+" else moment + shift
    return moment


def _from_epoch(text: str) -> datetime | None:
    millis = _MILLIS.fullmatch(text)
    if millis:
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(millis.group(1) or millis.group(2)))
    match = _EPOCH.fullmatch(text)
    if not match:
        return None
    micros = int((match.group(2) or "0")[:6].ljust(6, "0"))
    return datetime.fromtimestamp(int(match.group(1)), UTC) + timedelta(microseconds=micros)


def format_time(moment: datetime) -> str:
    """Write a time as RFC 3339 in UTC with microseconds, so that texts sort as times do."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond:06d}Z".rjust(_SHORT_FORM, "0")


def normal_time(value: object) -> str:
    """Return a value's time as RFC 3339 in UTC, or an empty text when it is none."""
    if type(value) is str and _NORMAL.fullmatch(value) and _exists(value):
        return value
    moment = parse_time(value)
    return format_time(moment) if moment else ""


def _exists(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


__all__ = ["format_time", "normal_time", "parse_time", "today"]
