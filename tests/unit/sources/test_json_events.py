"""Exports and answers of searches are read as the events that they hold; what holds none is only counted."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.events import Event
from tocsin.sources import json_text
from tocsin.sources.interface import Loss, Records, Stream
from tocsin.sources.json import JsonSource
from tocsin.sources.json_events import UNKNOWN

SECURITY = {"Channel": "Security", "EventID": 4624, "Computer": "a", "TargetUserName": "eve"}
WINLOG = {
    "@timestamp": "2026-10-03T06:10:13.000Z",
    "winlog": {"channel": "Security", "event_id": 4624, "event_data": {"TargetUserName": "eve"}},
}
XML = (
    '<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event"><System><Provider Name="p"/>'
    '<EventID>4624</EventID><TimeCreated SystemTime="2026-10-03T06:10:13.000Z"/><EventRecordID>77</EventRecordID>'
    '<Channel>Security</Channel><Computer>a</Computer></System><EventData><Data Name="TargetUserName">eve</Data>'
    "</EventData></Event>"
)


def read(data: bytes) -> tuple[list[Event], list[str]]:
    """Return the events of a text and the losses."""
    items = list(JsonSource().read(Stream(io.BytesIO(data), "x.json")))
    records = [item for item in items if isinstance(item, Records)]
    events = [
        item.decoder.event(item.gate, raw, number)
        for item in records
        for raw, number in zip(item.raws, item.numbers, strict=True)
    ]
    return events, [str(item.error) for item in items if isinstance(item, Loss)]


def told(found: dict[str, Any] | list[Any]) -> list[tuple[str, str, object]]:
    """Return channel, event id and user of the events of one line."""
    events, losses = read(json.dumps(found).encode() + b"\n")
    assert not losses
    assert all(event.record == 1 for event in events)
    return [(event.gate.channel, event.gate.event_id, event.fields.get("TargetUserName")) for event in events]


LOGON = ("Security", "4624", "eve")


@pytest.mark.parametrize(
    "found",
    [
        {"results": [SECURITY, SECURITY]},
        {"preview": False, "init_offset": 0, "results": [{"_raw": XML}, {"_raw": XML, "_time": "1"}]},
        {"took": 3, "hits": {"total": {"value": 2}, "hits": [{"_index": "i", "_source": WINLOG}, {"_source": SECURITY}]}},
        {
            "Events": [
                SECURITY,
                {"Event": {"System": {"Channel": "Security", "EventID": 4624}, "EventData": {"TargetUserName": "eve"}}},
            ]
        },
        {"Records": [SECURITY, WINLOG]},
        {"records": [SECURITY, WINLOG], "count": 2},
        {"value": [SECURITY, SECURITY], "Count": 2},
        {"hits": [{"_source": SECURITY}, {"_source": WINLOG}]},
    ],
)
def test_container_yields_its_events(found: dict[str, Any]) -> None:
    """Every element of a list of events is an event, on one line, over lines, and twice on a line."""
    assert told(found) == [LOGON, LOGON]
    assert read(json.dumps(found, indent=1).encode())[0] == read(json.dumps(found).encode())[0]
    assert len(read(json.dumps(found).encode() * 2)[0]) == 4


@pytest.mark.parametrize(
    "found",
    [
        {"preview": False, "result": {"_raw": XML}},
        {
            "preview": False,
            "offset": 1,
            "result": {"_raw": f"\n{XML}\n", "_time": "x", "host": "b", "sourcetype": "XmlWinEventLog"},
        },
        {"_raw": XML},
        {
            "_index": "i",
            "_id": "1",
            "fields": {
                "winlog.channel": ["Security"],
                "winlog.event_id": ["4624"],
                "winlog.event_data.TargetUserName": ["eve"],
            },
        },
        {
            "_index": "i",
            "fields": {"winlog.channel": ["Security"], "event.code": ["4624"], "winlog.event_data.TargetUserName": ["eve"]},
        },
        {"event": {"code": "4624"}, "winlog": {"channel": "Security", "event_data": {"TargetUserName": "eve"}}},
        {"event.code": "4624", "winlog.channel": "Security", "winlog.event_data.TargetUserName": "eve"},
        {
            "event": {"code": 4624, "provider": "Microsoft-Windows-Security-Auditing"},
            "winlog": {"event_data": {"TargetUserName": "eve"}},
        },
    ],
)
def test_single_event(found: dict[str, Any]) -> None:
    """Raw XML, Kibana's fields and ECS's own names tell the event."""
    assert told(found) == [LOGON]


def test_ecs_names() -> None:
    """The provider stands for the channel only where it has one that rules read, and fills Provider_Name."""
    (event,), _ = read(
        json.dumps({"event": {"code": "1", "provider": "Microsoft-Windows-Sysmon"}, "host": {"name": "h"}}).encode()
    )
    assert (event.gate.channel, event.gate.event_id, event.host) == ("Microsoft-Windows-Sysmon/Operational", "1", "h")
    assert event.fields["Provider_Name"] == "Microsoft-Windows-Sysmon"
    dotted = {"event.code": "1", "event.provider": "Microsoft-Windows-Sysmon", "winlog.event_data.Image": "x", "host.name": "h"}
    (same,), _ = read(json.dumps(dotted).encode())
    assert (same.gate, same.fields["Image"], same.host) == (event.gate, "x", "h")
    (flat,), _ = read(json.dumps({"Channel": "Security", "EventID": 5, **dotted}).encode())
    assert (flat.gate.channel, flat.gate.event_id) == ("Security", "5")
    (again,), _ = read(json.dumps({"Channel": "Security", "EventID": 5, "a b": 1, **dotted}).encode())
    assert again.gate == flat.gate
    (other,), _ = read(json.dumps({"event": {"code": "1", "provider": "zeek"}, "message": "x"}).encode())
    assert other.gate.product == ""
    own = {"event": {"code": "9"}, "winlog": {"channel": "Security", "event_id": 4624}}
    assert read(json.dumps(own).encode())[0][0].gate.event_id == "4624"


def test_kibana_lists() -> None:
    """A list of one is its element, a longer one stays a list, and a top-level event hides `fields`."""
    fields = {"Channel": ["Security"], "EventID": [1], "Image": ["a", "b"]}
    (event,), _ = read(json.dumps({"_index": "i", "fields": fields}).encode())
    assert (event.gate.channel, event.fields["Image"]) == ("Security", ["a", "b"])
    (event,), _ = read(json.dumps({"_index": "i", "fields": fields, "Channel": "System", "EventID": 2}).encode())
    assert (event.gate.channel, event.gate.event_id) == ("System", "2")
    (event,), _ = read(json.dumps({"winlog": {"channel": "Security", "event_id": 2}, "fields": {"env": "x"}}).encode())
    assert event.gate.event_id == "2"


def test_raw_text_by_sourcetype() -> None:
    """Syslog and auditd lines are told by the sourcetype, with the time and host that Splunk knows; others stay plain."""
    line = "Oct  3 06:10:13 web-01 sshd[9]: Accepted password for eve"
    result = {"_raw": line, "_time": "2026-10-03T06:10:13.000+0000", "host": "splunk-host", "sourcetype": "linux_secure"}
    (event,), losses = read(json.dumps({"result": result}).encode())
    assert (event.gate, event.time, event.host) == (("linux", "syslog", "sshd", False), "2026-10-03T06:10:13.000000Z", "web-01")
    assert (event.text, event.record, losses) == (line, 1, [])
    audit = "type=USER_CMD msg=audit(1700000000.123:42): pid=7 auid=1000"
    result = {"_raw": f"{audit}\n{audit}", "host": "h", "sourcetype": "linux:audit"}
    events, _ = read(json.dumps({"results": [{"result": result}]}).encode())
    assert [(event.gate.event_id, event.host, event.time[:4]) for event in events] == [("USER_CMD", "h", "2023")] * 2
    (event,), _ = read(json.dumps({"result": {"_raw": "GET / 200", "sourcetype": "access_combined"}}).encode())
    assert event.gate.product == ""


def test_damaged_parts_are_told() -> None:
    """A damaged XML, and an element that is no object, are losses; their neighbours are read."""
    data = {"results": [{"_raw": "<Event><System>"}, 7, {"_raw": XML}]}
    events, losses = read(json.dumps(data).encode())
    assert [event.gate.event_id for event in events] == ["4624"]
    assert "line 1: _raw: damaged event XML" in losses[0]
    assert "line 1: element 2 of 'results' is no object but int [F006]" in losses[1]


@pytest.mark.parametrize(
    "found",
    [
        {"a": 1},
        {"events": [{"type": "x"}, {"type": "y"}], "id": 7},
        {"results": [], "x": 1},
        {"results": [1, 2]},
        {"fields": {"a": [1]}, "_index": "i"},
        {"event": "x", "data": {"b": 1}},
        {},
    ],
)
def test_unknown_object_is_one_event(found: dict[str, Any]) -> None:
    """An object that holds no known events counts once, whatever lists it has."""
    assert told(found) == [("json", "", None)]
    assert read(json.dumps(found).encode())[0][0].original == found


_WORDS = ("Channel", "EventID", "Event", "System", "winlog", "winlog.channel", "event", "event.code", "event.provider", "code")
_WORDS += (
    "provider",
    "result",
    "results",
    "hits",
    "Records",
    "value",
    "_source",
    "_index",
    "fields",
    "_raw",
    "sourcetype",
    "_time",
)
_TEXTS = st.sampled_from(
    ("Microsoft-Windows-Sysmon", "linux_audit", "syslog", "<Event>", XML, "type=X msg=audit(1.0:1): a=b", "7", "")
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(_WORDS), _VALUES, max_size=5))
def test_any_values_are_survived(found: dict[str, Any]) -> None:
    """Whatever lies where an export has its events, each object is at least one event or a loss."""
    events, losses = read(json.dumps(found).encode() + b"\n")
    assert events or losses
    assert all(event.record == 1 for event in events)


def test_unknown_elements_are_counted() -> None:
    """A container of objects that no rule knows counts each of them."""
    events, _ = read(b'{"Records":[{"eventName":"a"},{"eventName":"b"}]}\n')
    assert [event.original for event in events] == [{"eventName": "a"}, {"eventName": "b"}]


def test_unknown_is_not_decoded() -> None:
    """Objects of no shape go on as they lie in the file, so that many of them cost little."""
    items = list(JsonSource().read(Stream(io.BytesIO(b'{"a":1}\n{"b":{"Channel":"x"}} {"c":2}\n'), "x")))
    assert [(item.decoder is UNKNOWN, len(item.raws)) for item in items if isinstance(item, Records)] == [(True, 3)]


@pytest.mark.parametrize("indent", [None, 1])
def test_container_over_the_limit_is_told(monkeypatch: pytest.MonkeyPatch, indent: int | None) -> None:
    """A container longer than a record may be is a loss that says what to do."""
    monkeypatch.setattr(json_text, "RECORD_BYTES", 20_000)
    monkeypatch.setattr(json_text.utf8_blocks, "__defaults__", (4096,))
    data = json.dumps({"results": [SECURITY] * 1000}, indent=indent).encode()
    _, losses = read(b'{"a":1}\n' + data if indent is None else data)
    assert "write each event on a line of its own [F013]" in losses[0]
