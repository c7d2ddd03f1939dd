"""Records of network sensors that are read fast have the gate, the events and the cells that the slow reader gives them."""

from __future__ import annotations

import io
import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from json_compare import FastJson, blocks, read_slowly
from tocsin.events import KEYWORDS, Demand
from tocsin.events.values import decode
from tocsin.sources.interface import EVENTS, Records, Stream
from tocsin.sources.json import JsonSource
from tocsin.sources.json_layouts import EVE, ZEEK_ROWS
from tocsin.sources.json_shapes import json_event
from tocsin.sources.json_text import load_object

FAST = FastJson()
_FIELDS = (
    *("src_ip", "dest_port", "dns.rrname", "dns.answers.rdata", "dns.queries.rrname", "alert.signature", "alert.metadata.x.y"),
    *("id.orig_h", "id_orig_h", "query", "certificate.serial", "answers", "event_type", "dns", "id", "a.b.c.d.e.f"),
)
_VALUES = st.one_of(
    st.sampled_from(("10.0.0.1", "", "\x00n", "x", 53, 2**63, 2**70, -1, 1.5, 1e300, True, None)),
    st.lists(st.sampled_from(("a", 1, None, [], {"rdata": "x"})), max_size=3),
)
_ANSWERS = st.dictionaries(st.sampled_from(("rdata", "rrname", "rdata.x")), _VALUES, max_size=2)
_OBJECTS = st.dictionaries(
    st.sampled_from(("rrname", "answers", "queries", "signature", "metadata", "metadata.x", "x", "orig_h", "serial")),
    st.one_of(_VALUES, _ANSWERS, st.lists(_ANSWERS, max_size=3), st.just({"x": {"y": 1}})),
    max_size=4,
)
_DNS = st.fixed_dictionaries({"rrname": st.just("x.example"), "answers": st.lists(_ANSWERS, max_size=3)})
_MORE = st.dictionaries(
    st.sampled_from(("src_ip", "dest_port", "dns", "alert", "id", "id.orig_h", "id_orig_h", "query", "answers", "certificate")),
    st.one_of(_VALUES, _OBJECTS, _OBJECTS, _DNS, st.lists(_OBJECTS, max_size=2)),
    max_size=5,
)
_RARE = st.one_of(
    *[st.just({})] * 5,
    st.dictionaries(
        st.sampled_from(
            ("Channel", "EventID", "event_id", "fields", "_source", "dns.rrname", "dns.answers", "alert.metadata", "@x")
        ),
        st.one_of(_VALUES, _OBJECTS),
        max_size=2,
    ),
)
_TIMES = st.sampled_from(
    (
        *("2023-09-06T04:51:46.500310+0000", "2023-09-06T04:51:46.500310Z", "2024-02-29T23:59:59.1-0730"),
        *("2023-02-30T04:51:46.5Z", "2023-09-06 04:51:46", "x", "", 1693975906.50031, 1693975906, 1693975906123, 5, 1e12, None),
    )
)
_EVE = st.fixed_dictionaries(
    {"timestamp": _TIMES, "event_type": st.sampled_from(("dns", "alert", "dns", "flow", "", None, 5))},
    optional={"flow_id": st.sampled_from((1, 2**63, None, "x")), "src_ip": st.sampled_from(("10.0.0.1", None, 5))},
)
_ZEEK = st.fixed_dictionaries(
    {"ts": _TIMES},
    optional={
        "_path": st.sampled_from(("dns", "x509", "", None, 5)),
        "@stream": st.sampled_from(("dns", "conn")),
        **dict.fromkeys(("uid", "AA", "TC", "RD", "RA"), st.just("C1")),
    },
)
_RECORDS = st.tuples(_EVE | _ZEEK, _MORE, _RARE, st.integers(0, 99)).map(
    lambda four: _shuffled({**four[1], **four[2], **four[0]}, four[3])
)


def _shuffled(found: dict[str, Any], order: int) -> dict[str, Any]:
    items = list(found.items())
    Random(order).shuffle(items)
    return dict(items)


def _read(found: list[dict[str, Any]]) -> list[Records]:
    data = "".join(json.dumps(item) + "\n" for item in found).encode()
    items = list(JsonSource().read(Stream(io.BytesIO(data), "x.json")))
    assert all(isinstance(item, Records) for item in items)
    return [item for item in items if isinstance(item, Records)]


def _cells(column: Any, rows: int, exact: bool) -> list[object]:
    """Return cells as rules can tell them: null is absent for a field that no rule asks the presence of."""
    cells = [None if cell is None else decode(cell) for cell in column.to_pylist()] if column is not None else [None] * rows
    return cells if exact else [None if cell == (None,) else cell for cell in cells]


@settings(max_examples=600)
@given(st.lists(_RECORDS, min_size=1, max_size=6), st.frozensets(st.sampled_from(_FIELDS), max_size=8), st.booleans())
def test_columns_are_those_of_events(found: list[dict[str, Any]], fields: frozenset[str], presence: bool) -> None:
    """A record has the gate that its event has, and each field the cell that its event gives."""
    demand = Demand((*sorted(fields), KEYWORDS), (), fields if presence else frozenset())
    records = _read(found)
    assert sum(len(item.raws) for item in records) == len(found)
    for item in records:
        if item.decoder not in (EVE, ZEEK_ROWS):
            continue
        events = [item.decoder.event(item.gate, raw, 1) for raw in item.raws]
        assert {event.gate for event in events} == {item.gate}
        slow = EVENTS.columns(item.gate, events, demand)
        fast = item.decoder.columns(item.gate, item.raws, demand)
        for name in demand.fields:
            size = len(item.raws)
            wanted = _cells(slow.get(name), size, presence)
            assert _cells(fast.get(name), size, presence) == wanted, name


@given(st.lists(_RECORDS, min_size=1, max_size=6))
def test_no_record_is_taken_wrongly(found: list[dict[str, Any]]) -> None:
    """Every record becomes the event that its object gives, whichever way it went."""
    read = [
        (number, item.decoder.event(item.gate, raw, number))
        for item in _read(found)
        for raw, number in zip(item.raws, item.numbers, strict=True)
    ]
    for (number, event), item in zip(sorted(read, key=lambda pair: pair[0]), found, strict=True):
        wanted = json_event(load_object(json.dumps(item)), number)
        assert (event.gate, repr(event.fields), event.time) == (wanted.gate, repr(wanted.fields), wanted.time)


@given(st.lists(_RECORDS, min_size=1, max_size=6), st.booleans())
def test_blocks_read_the_same(found: list[dict[str, Any]], windows_first: bool) -> None:
    """The reader of blocks gives the same events, whether the file begins with a sensor's records or not."""
    first = b'{"Channel":"Security","EventID":1}\n' if windows_first else b""
    data = first + blocks([json.dumps(item).encode() for item in found])
    fast, slow = FAST.read(data), read_slowly(data)
    assert (fast.events, fast.losses) == (slow.events, slow.losses)
    assert fast.events.total() == len(found) + windows_first


@pytest.mark.parametrize("kind", ["dns", "flow"])
def test_common_records_are_read_fast(kind: str) -> None:
    """Lines as Suricata and Zeek write them take the fast way, also when several kinds alternate."""
    eve = {"timestamp": "2023-09-06T04:51:46.500310+0000", "flow_id": 5, "event_type": kind, "src_ip": "10.0.0.1", kind: {}}
    zeek = {"_path": "conn", "ts": 1693975906.50031, "uid": "C1", "id.orig_h": "10.0.0.1"}
    other = {"level": "info", "message": "x"}
    records = _read([eve, eve, zeek, other, eve, zeek])
    assert {(item.decoder, len(item.raws)) for item in records if item.decoder in (EVE, ZEEK_ROWS)} == {
        (EVE, 3),
        (ZEEK_ROWS, 2),
    }
