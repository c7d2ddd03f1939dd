"""Read how a rule gives tables: every problem with its place. What cannot be read gives nothing."""

from __future__ import annotations

import re
from typing import Any, Final

from tocsin.errors import RulebookError
from tocsin.rules.yaml_maps import MapReader, Trail, near, shown
from tocsin.sharing.table_policies import Change, Condition, Policies, Shown, TablePolicy, TimeUnit

DEFAULT_SCHEMA: Final = "default"
TABLE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\.[a-z0-9][a-z0-9_-]{0,62}")
_KEYS: Final = ("columns", "rows", "quasi", "subject")
_CONDITION_KEYS: Final = ("from", "below", "recipient")
_WORDS: Final = ("keep", "drop", "token", "prefix")
_MAPS: Final = ("time", "network", "bucket", "constant")
_COLUMN_HINT: Final = (
    "keep, drop, token, prefix, {time: hour}, {network: 24}, {network: [24, 48]}, {bucket: 100} or {constant: VALUE}"
)
_ROW_HINT: Final = "a value, a list of values, {from: VALUE, below: VALUE} or {recipient: true}"
_MOST_BITS: Final = (32, 128)


def read_tables(reader: MapReader[RulebookError], value: Any, trail: Trail) -> Policies:
    """Return how tables are given, by their names; those without a schema are of `default`."""
    found: dict[str, TablePolicy] = {}
    for key, entry in reader.read_map(value, trail, ()).items():
        name = key if "." in key else f"{DEFAULT_SCHEMA}.{key}"
        where: Trail = (*trail, f"key:{key}")
        if not TABLE_NAME.fullmatch(name):
            hint = "SCHEMA.TABLE or TABLE, of lower case letters, digits, '-' and '_'"
            reader.wrong("B004", f"{key!r} is no name of a table", where, hint)
        elif name in found:
            reader.wrong("B006", f"the table {name} is given twice", where, "leave it in one place")
        else:
            found[name] = _policy(reader, entry, (*trail, key))
    return found


def _policy(reader: MapReader[RulebookError], entry: Any, trail: Trail) -> TablePolicy:
    found = reader.read_map(entry, trail, _KEYS)
    columns = []
    for name, change in reader.read_map(found.get("columns", {}), (*trail, "columns"), ()).items():
        column = _column(reader, name, change, (*trail, "columns", name))
        columns += [column] if column else []
    if found and not columns:
        reader.wrong("B003", "no column is given", trail, f"write each as NAME: {_COLUMN_HINT}")
    rows = reader.read_map(found["rows"], (*trail, "rows"), ()) if "rows" in found else {}
    conditions = tuple(_condition(reader, name, value, (*trail, "rows", name)) for name, value in rows.items())
    given = {column.name for column in columns}
    quasi = list(reader.read_texts(found, trail, "quasi"))
    for at, name in quasi:
        if name not in given:
            reader.unknown("column that is given", name, given, at)
    return TablePolicy(tuple(columns), conditions, tuple(name for _, name in quasi), reader.read_text(found, trail, "subject"))


def _column(reader: MapReader[RulebookError], name: str, change: Any, trail: Trail) -> Shown | None:
    """Return what becomes of a column, None when it is not given."""
    if isinstance(change, dict) and len(change) == 1:
        key, value = next(iter(change.items()))
        read = {"time": _time, "network": _network, "bucket": _bucket, "constant": _constant}.get(str(key))
        column = read(name, value) if read else None
        if column:
            return column
    elif change in _WORDS:
        return None if change == "drop" else Shown(name, Change(change))
    hint = (near(change, _WORDS) if isinstance(change, str) else "") or _COLUMN_HINT
    said = "a map" if isinstance(change, dict) else shown(change)
    reader.wrong("B004", f"the column {name!r} cannot become {said}", trail, hint)
    return None


def _time(name: str, value: Any) -> Shown | None:
    return Shown(name, Change.TIME, value) if value in list(TimeUnit) else None


def _network(name: str, value: Any) -> Shown | None:
    bits = value if isinstance(value, list) else [value, 48]
    fits = len(bits) == len(_MOST_BITS) and all(
        type(bit) is int and 0 < bit <= most for bit, most in zip(bits, _MOST_BITS, strict=True)
    )
    return Shown(name, Change.NETWORK, networks=(bits[0], bits[1])) if fits else None


def _bucket(name: str, value: Any) -> Shown | None:
    return Shown(name, Change.BUCKET, value) if type(value) in (int, float) and value > 0 else None


def _constant(name: str, value: Any) -> Shown | None:
    return Shown(name, Change.CONSTANT, value) if _is_scalar(value) else None


def _condition(reader: MapReader[RulebookError], name: str, value: Any, trail: Trail) -> Condition:
    """Return what rows have to be by a column; what cannot be read is fit by none."""
    if _is_scalar(value):
        return Condition(name, (value,))
    if isinstance(value, list) and value and all(map(_is_scalar, value)):
        return Condition(name, tuple(value))
    if isinstance(value, dict) and value:
        found = reader.read_map(value, trail, _CONDITION_KEYS)
        if found == {"recipient": True}:
            return Condition(name, recipient=True)
        if "recipient" not in found and all(map(_is_scalar, found.values())):
            return Condition(name, at_least=found.get("from"), below=found.get("below"))
    reader.wrong("B004", f"rows cannot be chosen by {name!r} in this way", trail, _ROW_HINT)
    return Condition(name)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float, bool)) and value != ""


__all__ = ["DEFAULT_SCHEMA", "TABLE_NAME", "read_tables"]
