"""The fast JSON columns are those of the slow reader, and the readers survive any bytes without losing more than is damaged."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from vocabulary import FIELDS, events, lines

from tocsin.events import KEYWORDS, TIME, Demand
from tocsin.events.values import decode
from tocsin.sources import json_text
from tocsin.sources.interface import EVENTS, Loss, Records, Stream
from tocsin.sources.json import JsonSource
from tocsin.sources.json_layouts import LayoutDecoder

_DEMANDED = (*FIELDS, "Channel", "Computer", "Provider_Name", "EventRecordID", "Execution_ProcessID", "MyField", "a", "a.b.c")
_ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.text(alphabet='\ud800\udfff\x00\x1f\u2028\U0001f600\\"/nu0041 ', max_size=6),
    st.lists(st.none() | st.text(max_size=3) | st.integers(), max_size=3),
)
_NODE = st.recursive(
    _ODD,
    lambda inner: (
        st.dictionaries(st.sampled_from(("#text", "#attributes", "b", "Name", "@Name", "x y", "c")), inner, max_size=3)
        | st.lists(inner, max_size=2)
    ),
    max_leaves=4,
)
_KEYS = st.sampled_from(
    (
        *_DEMANDED,
        "SourceName",
        "Hostname",
        "EventId",
        "@timestamp",
        "EventTime",
        "TimeCreated",
        "Event",
        "System",
        "winlog",
        "_source",
        "data",
        "event",
        "event.code",
        "fields",
        "Provider",
        "Threat Name",
        "",
    )
)
_OBJECTS = st.dictionaries(_KEYS, _NODE, max_size=6)
_GATED = st.tuples(
    _OBJECTS, st.sampled_from(("Security", "System", "", 5, None)), st.sampled_from((1, "1", 4688, 1.5, True, None, "x"))
).map(lambda three: {**three[0], "Channel": three[1], "EventID": three[2]})
_NESTED = st.tuples(
    st.dictionaries(
        st.sampled_from(
            ("Channel", "EventID", "Computer", "Provider", "TimeCreated", "Execution", "Execution_attributes", "Level")
        ),
        _NODE,
        max_size=4,
    ),
    st.none() | _NODE | _OBJECTS,
    st.booleans(),
).map(
    lambda three: {
        "Event": {"System": {"Channel": "Security", "EventID": 1, **(three[0] if three[2] else {})}, "EventData": three[1]}
    }
)
_ANY = st.one_of(_OBJECTS, _GATED, _GATED, _NESTED, _NESTED, events())


def _write(found: list[dict[str, Any]], ascii_only: bool = False) -> bytes:
    texts = [json.dumps(item, ensure_ascii=ascii_only) for item in found]
    return "\n".join(texts).encode("utf-8", "surrogatepass") + b"\n"


def _read(data: bytes) -> tuple[list[Records], list[Loss]]:
    items = list(JsonSource().read(Stream(io.BytesIO(data), "x.json")))
    return [i for i in items if isinstance(i, Records)], [i for i in items if isinstance(i, Loss)]


def _events(data: bytes) -> list[tuple[int, Any]]:
    """Return (number, fields) of every event, in order."""
    found = []
    for item in _read(data)[0]:
        for raw, number in zip(item.raws, item.numbers, strict=True):
            event = item.decoder.event(item.gate, raw, number)
            found.append((number, repr(event.fields), event.time, event.gate))
    return sorted(found, key=repr)


def _cells(column: Any) -> list[tuple | None]:
    return [None if cell is None else decode(cell) for cell in column.to_pylist()]


def _check_columns(records: list[Records], demand: Demand) -> None:
    for item in records:
        if not isinstance(item.decoder, LayoutDecoder):
            continue
        decoded = [item.decoder.event(item.gate, raw, 0) for raw in item.raws]
        assert {event.gate for event in decoded} == {item.gate}
        slow = EVENTS.columns(item.gate, decoded, demand)
        fast = item.decoder.columns(item.gate, item.raws, demand)
        for name in demand.fields:
            wanted = _cells(slow[name])
            found = _cells(fast[name]) if name in fast else [None] * len(wanted)
            assert [_seen(cell, name, demand) for cell in found] == [_seen(cell, name, demand) for cell in wanted], name


def _seen(cell: tuple | None, name: str, demand: Demand) -> object:
    """Return a cell as rules can tell it: null is absent for a field that no rule asks the presence of."""
    if cell is None:
        return None if name in demand.presence else ()
    if name in demand.presence:
        return cell
    return () if cell == (None,) else cell


@given(st.lists(_ANY, min_size=1, max_size=6), st.booleans(), st.frozensets(st.sampled_from(_DEMANDED)))
def test_fast_columns_are_the_slow_ones(found: list[dict[str, Any]], ascii_only: bool, presence: frozenset[str]) -> None:
    """Every record that the fast reader takes has the gate and the cells that the slow reader gives it."""
    records, losses = _read(_write(found, ascii_only))
    assert not losses
    assert sum(len(item.raws) for item in records) == len(found)
    _check_columns(records, Demand((*_DEMANDED, TIME, KEYWORDS), (), presence))


@given(st.lists(_ANY, min_size=1, max_size=4), st.sampled_from(_DEMANDED))
def test_columns_do_not_depend_on_others(found: list[dict[str, Any]], name: str) -> None:
    """A field has the same cells alone and with others."""
    records, _ = _read(_write(found))
    _check_columns(records, Demand((name,), (), frozenset()))


@pytest.mark.parametrize(
    "line",
    [
        b'{"Channel":"Security","EventID":1,"Image":"a","Image":"b"}',
        b'{"Channel":"Security","EventID":1,"EventID":2,"Image":"b"}',
        b'{"Channel":"Security","EventID":1,"Port":NaN,"Image":"b"}',
        b'{"Channel":"Security","EventID":1,"Port":Infinity}',
        b'{"Channel":"Security","EventID":1,"Image":"\\ud800"}',
        b'{"Channel":"Security","EventID":1,"Image":"\xff\xfe"}',
        b'{"Channel":"Security","EventID":1,"Image":"a\tb"}',
        b'{"Channel":"Security","EventID":1,"Port":1e400}',
        b'{"Channel":"Security","EventID":1,"Port":12345678901234567890123}',
        b'{"Channel":"Security","EventID":1,"Port":1.0,"My Field":"x","MyField":"y"}',
        b'{"Channel":"Security","EventID":1,"My\\u0020Field":"x"}',
        b'{"Channel":["Security"],"EventID":1,"Image":"x"}',
        b'{"Channel":"Security","EventID":[1,2],"Image":"x"}',
        b'{"Channel":"Security","EventID":true,"Image":"x"}',
        b'{"Channel":"Security","EventID":1.0,"Image":"x"}',
        b'{"Channel":null,"EventID":1,"LogName":"Security"}',
        b'{"Event":{"System":{"Channel":"Security","EventID":1},"EventData":{"Data":{"#text":["a","b"]}}}}',
        b'{"Event":{"System":{"Channel":"Security","EventID":1},"EventData":{"Data":[{"#attributes":{"Name":"Image"},"#text":"x"}]}}}',
        b'{"Event":{"System":{"Channel":"Security","EventID":1},"EventData":{"EventID":7,"Channel":"y"}}}',
        b'{"Event":{"System":{"Channel":"Security","EventID":1},"UserData":{"a":{"Image":"x"}}}}',
        b'{"Event":{"System":{"Channel":"Security","EventID":1,"Provider":{"#attributes":{"Name":"p"}}},"EventData":null}}',
        b'{"Event":{"System":{"Channel":"Security","EventID":1,"Provider_attributes":{"Name":"p"}},"EventData":{}}}',
    ],
)
def test_odd_lines(line: bytes) -> None:
    """Each odd line is one event with the same cells from both readers."""
    demand = Demand((*_DEMANDED, TIME, KEYWORDS), (), frozenset(_DEMANDED))
    records, losses = _read(line + b"\n")
    assert not losses
    assert [len(item.raws) for item in records] == [1]
    _check_columns(records, demand)


@given(st.lists(_ANY, min_size=1, max_size=6), st.integers(1, 70))
def test_blocks_change_nothing(found: list[dict[str, Any]], size: int) -> None:
    """Lines, arrays and concatenated objects are the same events at any size of block."""
    forms = (_write(found), json.dumps(found, indent=1).encode(), " ".join(json.dumps(i, indent=1) for i in found).encode())
    for data in forms:
        whole = _events(data)
        assert len(whole) == len(found)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(json_text.utf8_blocks, "__defaults__", (size,))
            assert _events(data) == whole


@given(st.lists(_ANY, min_size=1, max_size=5), st.sampled_from(("utf-16-le", "utf-16-be")), st.booleans())
def test_utf_16(found: list[dict[str, Any]], encoding: str, mark: bool) -> None:
    """UTF-16, with or without a byte order mark, is read as UTF-8 is."""
    data = _write(found, True)
    text = ("\ufeff" if mark else "") + data.decode()
    assert _events(text.encode(encoding)) == _events(data)


@given(st.lists(_ANY, min_size=1, max_size=5))
def test_array_is_its_elements(found: list[dict[str, Any]]) -> None:
    """An array gives the events of its elements, compact, spread or one element a line."""
    wanted = sorted(entry[1:] for entry in _events(_write(found, True)))
    one_a_line = "[" + ",\n".join(json.dumps(item) for item in found) + "]"
    for text in (json.dumps(found), json.dumps(found, indent=2), one_a_line, one_a_line + "\n\n"):
        records = _events(text.encode())
        assert sorted(entry[1:] for entry in records) == wanted


@given(st.lists(events(), min_size=1, max_size=5), st.data())
def test_truncated_lines(found: list[dict[str, Any]], data: st.DataObject) -> None:
    """A file cut off anywhere loses its last record at most, and says so."""
    whole = lines(found)
    cut = data.draw(st.integers(1, len(whole) - 1))
    text = whole[:cut]
    complete = text.count(b"\n") + (text.endswith(b"}") and whole[cut : cut + 1] == b"\n")
    records, losses = _read(text)
    assert sum(len(item.raws) for item in records) == complete
    assert len(losses) == (0 if text.endswith(b"\n") or whole[cut : cut + 1] == b"\n" else 1)
    assert all(loss.error.code in ("F005", "F006") for loss in losses)


@given(st.lists(events(), min_size=1, max_size=5), st.data())
def test_truncated_array(found: list[dict[str, Any]], data: st.DataObject) -> None:
    """An array cut off anywhere gives all whole elements before the cut, and says that something is lost."""
    parts = [json.dumps(item, indent=1) for item in found]
    whole = "[\n" + ",\n".join(parts) + "\n]\n"
    cut = data.draw(st.integers(1, len(whole) - 3))
    ends, at = [], 2
    for part in parts:
        at += len(part)
        ends.append(at)
        at += 2
    records, losses = _read(whole[:cut].encode())
    assert sum(len(item.raws) for item in records) == sum(end <= cut for end in ends)
    assert (
        losses or cut in range(3) or (whole[:cut].rstrip().endswith(("}", "},")) and any(end <= cut <= end + 2 for end in ends))
    )


@given(st.lists(events(), min_size=2, max_size=6), st.data())
def test_one_bad_line(found: list[dict[str, Any]], data: st.DataObject) -> None:
    """A line that is no JSON is one loss with its line, and all others are read."""
    at = data.draw(st.integers(1, len(found) - 1))
    rows = lines(found).splitlines()
    rows.insert(at, data.draw(st.sampled_from((b"{broken", b"{]", b"null", b"\xff\xff", b'{"a":1}{', b"[1,2]", b"{" * 3000))))
    records, losses = _read(b"\n".join(rows) + b"\n")
    assert sum(len(item.raws) for item in records) >= len(found)
    numbers = {number for item in records for number in item.numbers}
    assert set(range(1, len(rows) + 1)) - {at + 1} <= numbers
    assert len(losses) == 1
    assert f"line {at + 1}" in losses[0].error.message


@given(st.binary(max_size=300), st.integers(1, 64))
@example(b"{" * 300, 7)
@example(b'[{"a":' * 50, 64)
@example(b"\xff\xfe{\x00", 3)
@example(b'{"a":"\\', 1)
def test_any_bytes(data: bytes, size: int) -> None:
    """No bytes make the reader raise, and what it reads can be decoded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text.utf8_blocks, "__defaults__", (size,))
        for prefix in (b"", b'{"Channel":"Security","EventID":1}\n', b'[{"Channel":"x","EventID":'):
            records, _ = _read(prefix + data)
            for item in records:
                item.decoder.columns(item.gate, item.raws, Demand((*_DEMANDED, KEYWORDS)))
                for raw, number in zip(item.raws, item.numbers, strict=True):
                    item.decoder.event(item.gate, raw, number)
