"""What becomes of a table by a policy, a value at a time, as plainly as can be said. The tests hold `shaping` to it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from math import floor
from typing import Any

import ipcrypt

from tocsin.sharing.table_policies import Change, Condition, Scalar, Shown, TablePolicy, TimeUnit
from tocsin.tables.keys import Keys

Row = Mapping[str, Any]


def given_rows(rows: Iterable[Row], policy: TablePolicy, keys: Keys | None, recipient: str) -> Iterator[dict[str, Any]]:
    """Yield the rows that are given, as they are given."""
    for row in rows:
        if all(_fits(row[item.column], item, recipient) for item in policy.rows):
            yield {shown.name: _value(row.get(shown.name), shown, keys) for shown in policy.columns}


def _fits(value: Any, condition: Condition, recipient: str) -> bool:
    if value is None:
        return False
    if condition.recipient:
        return bool(value == recipient)
    if condition.one_of:
        return any(value == _like(wanted, value) for wanted in condition.one_of)
    if condition.at_least is None and condition.below is None:
        return False
    least, below = condition.at_least, condition.below
    return (least is None or value >= _like(least, value)) and (below is None or value < _like(below, value))


def _like(wanted: Scalar, value: Any) -> Any:
    """Return a value of the rulebook as one that can be compared with a column's."""
    if isinstance(value, datetime):
        found = datetime.fromisoformat(str(wanted))
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return date.fromisoformat(str(wanted)) if isinstance(value, date) else wanted


def _value(value: Any, shown: Shown, keys: Keys | None) -> Any:
    if shown.change is Change.CONSTANT:
        return shown.value
    if value is None or shown.change is Change.KEEP:
        return value
    if shown.change is Change.TIME:
        return _cut(value, TimeUnit(str(shown.value)))
    if shown.change is Change.BUCKET:
        assert isinstance(shown.value, (int, float))
        return floor(value / shown.value) * shown.value if isinstance(value, float) else value // shown.value * shown.value
    if shown.change is Change.NETWORK:
        found = _address(value)
        return str(ip_network((found, shown.networks[found.version == 6]), strict=False)) if found else None
    assert keys is not None
    if shown.change is Change.TOKEN:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return hmac.new(keys.token, text.encode(), hashlib.sha256).hexdigest()[:32]
    found = _address(value)
    return str(ipcrypt.pfx_encrypt(str(found), keys.prefix)) if found else None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(found, IPv4Address):
        return found
    return None if found.scope_id else found.ipv4_mapped or found


def _cut(value: datetime, unit: TimeUnit) -> datetime:
    order = [TimeUnit.YEAR, TimeUnit.MONTH, TimeUnit.DAY, TimeUnit.HOUR, TimeUnit.MINUTE]
    parts = [value.year, value.month, value.day, value.hour, value.minute]
    kept = order.index(unit) + 1
    cut = [part if at < kept else int(at < 3) for at, part in enumerate(parts)]
    return datetime(cut[0], cut[1], cut[2], cut[3], cut[4], tzinfo=UTC)


__all__ = ["Row", "given_rows"]
