"""Suricata's EVE and Zeek's JSON: told by their keys, under their own names, with the time in UTC."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared_data import shared
from tocsin.events import Event, Gate
from tocsin.rules.logsource import views
from tocsin.rules.twins import see
from tocsin.sources.containers import Limits, open_streams
from tocsin.sources.interface import Loss, Records, Stream
from tocsin.sources.json import JsonSource
from tocsin.sources.json_shapes import json_event
from tocsin.sources.zeek import ZeekSource
from tocsin.sources.zeek_logs import log_of_keys

EVE_HEAD = {
    "timestamp": "2026-10-06T08:00:00.120034+0200",
    "flow_id": 1234567890123456,
    "in_iface": "eth1",
    "src_ip": "192.0.2.10",
    "src_port": 49712,
    "dest_ip": "192.0.2.40",
    "dest_port": 502,
    "proto": "TCP",
}
ALERT = {"alert": {"action": "allowed", "signature_id": 2250009, "signature": "Modbus write to a controller", "severity": 2}}
DNS_2 = {"dns": {"version": 2, "type": "answer", "rrname": "hist.example", "rrtype": "A", "answers": [{"rdata": "192.0.2.40"}]}}
DNS_3 = {"dns": {"version": 3, "type": "request", "queries": [{"rrname": "hist.example", "rrtype": "A"}]}}
HTTP = {
    "http": {
        "hostname": "plc.example",
        "url": "/awp/index.php?x=1",
        "http_method": "POST",
        "http_user_agent": "curl/8",
        "http_refer": "http://r.example/",
        "status": 200,
        "length": 17,
    }
}


def eve(kind: str, *parts: dict[str, Any]) -> Event:
    """Return the event of an EVE record."""
    found = {**EVE_HEAD, "event_type": kind}
    for part in parts:
        found |= part
    return json_event(found, 7)


def seen(event: Event) -> Event:
    """Return the event as rules see it."""
    (view,) = views(event.gate)
    return see(event, view)


def test_alert() -> None:
    """An alert has its nested fields under names with dots, its time in UTC, and its type as service."""
    event = eve("alert", ALERT)
    assert (event.gate, event.time, event.record) == (Gate("suricata", "alert", ""), "2026-10-06T06:00:00.120034Z", 7)
    assert event.find("alert.signature") == (True, "Modbus write to a controller")
    assert event.find("alert.signature_id") == (True, 2250009)
    assert [(tag.product, tag.service) for view in views(event.gate) for tag in view.tags] == [("suricata", "alert")]


@pytest.mark.parametrize("part", [DNS_2, DNS_3])
def test_dns(part: dict[str, Any]) -> None:
    """Questions and answers have Sigma's names in both versions of Suricata's records."""
    event = seen(eve("dns", part))
    values = [event.find(name)[1] for name in ("query", "record_type")]
    assert values in (["hist.example", "A"], [["hist.example"], ["A"]])
    assert event.find("answer") == ((True, ["192.0.2.40"]) if part is DNS_2 else (False, None))


def test_http() -> None:
    """A request has the names of proxies and web servers."""
    event = seen(eve("http", HTTP))
    wanted = {
        "c-uri-query": "x=1",
        "cs-uri-stem": "/awp/index.php",
        "c-uri-extension": "php",
        "c-useragent": "curl/8",
        "cs-host": "plc.example",
        "cs-method": "POST",
        "cs-referrer": "http://r.example/",
        "dst_ip": "192.0.2.40",
        "sc-status": 200,
        "src_ip": "192.0.2.10",
    }
    assert {name: event.find(name)[1] for name in wanted} == wanted
    assert "/awp/index.php?x=1" in event.fields["c-uri"]


def test_flow() -> None:
    """A flow is what rules of firewalls and netflow ask for."""
    event = eve("flow", {"flow": {"pkts_toserver": 3}})
    assert seen(event).find("destination.port") == (True, 502)
    assert seen(event).find("dst_ip") == (True, "192.0.2.40")
    tags = {(tag.category, tag.service) for view in views(event.gate) for tag in view.tags}
    assert tags == {("firewall", "flow"), ("", "netflow")}


def test_unknown_event_type() -> None:
    """An event type of a later version is a service of its own."""
    event = eve("doh9")
    assert [(tag.product, tag.service) for view in views(event.gate) for tag in view.tags] == [("suricata", "doh9")]


@pytest.mark.parametrize(
    "found",
    [
        {"event_type": "login", "timestamp": "2026-10-06T08:00:00Z", "user": "x"},
        {"event_type": "alert", "src_ip": "192.0.2.1", "timestamp": "yesterday"},
        {"event_type": 5, "src_ip": "192.0.2.1", "timestamp": "2026-10-06T08:00:00Z"},
        {"ts": "2026-10-06T08:00:00Z", "level": "info", "msg": "started"},
        {"ts": 1791266400.5, "uid": "C1"},
        {"_path": "conn", "uid": "C1"},
    ],
)
def test_of_no_sensor(found: dict[str, Any]) -> None:
    """Objects that only share a key with sensors' records stay plain."""
    assert json_event(found, 1).gate == Gate("", "json", "")


def test_stats_has_no_addresses() -> None:
    """Suricata's own counters are a record of it too."""
    found = {"timestamp": "2026-10-06T08:00:00.000000+0000", "event_type": "stats", "stats": {"uptime": 8}}
    assert json_event(found, 1).gate == Gate("suricata", "stats", "")


@pytest.mark.parametrize("key", ["_path", "@stream", "@path"])
def test_zeek_with_a_name(key: str) -> None:
    """The writer's name of the log is the service, and wins over the keys."""
    event = json_event({key: "modbus_detailed", "ts": 1791266400.120034, "uid": "C1", "id.orig_h": "192.0.2.10"}, 3)
    assert (event.gate, event.time) == (Gate("zeek", "modbus_detailed", ""), "2026-10-06T06:00:00.120034Z")


def test_zeek_of_corelight() -> None:
    """Times may be RFC 3339."""
    event = json_event({"_path": "conn", "_system_name": "s1", "ts": "2026-10-06T06:00:00.120034Z", "uid": "C1"}, 3)
    assert (event.gate, event.time) == (Gate("zeek", "conn", ""), "2026-10-06T06:00:00.120034Z")


def test_zeek_without_dots() -> None:
    """Names whose dots a shipper replaced are known under Zeek's own, and one that is there already is not overwritten."""
    event = json_event({"@stream": "x509", "ts": 1791266400.5, "certificate_serial": "8BB00EE", "id_orig_h": "192.0.2.10"}, 1)
    assert event.find("certificate.serial") == (True, "8BB00EE")
    assert event.find("id.orig_h") == (True, "192.0.2.10")
    assert "certificate_serial" not in event.fields
    assert event.original["certificate_serial"] == "8BB00EE"
    both = json_event({"@stream": "conn", "ts": 1791266400.5, "id.orig_h": "192.0.2.1", "id_orig_h": "192.0.2.2"}, 1)
    assert both.find("id.orig_h") == (True, "192.0.2.1")


def test_logs_are_told_by_their_keys() -> None:
    """Every row of the real logs is told as its own log when it is written as Zeek writes JSON: without the log's name."""
    paths = [shared("otrf", "metasploit_sharpdump_lsass_memory_dump_zeek_logs.zip")]
    paths += [path for path in sorted(shared("ics", "zeek").rglob("*.log")) if b"\n#fields" in path.read_bytes()]
    told = Counter((item.gate.channel, log_of_keys(keys)) for path in paths for item, keys in _keys_of_rows(path))
    assert told.total() == 5_800
    assert [pair for pair in told if pair[0] != pair[1]] == []


def _keys_of_rows(path: Path) -> Iterator[tuple[Records, frozenset[str]]]:
    for stream in open_streams(path, path.name, Limits()):
        assert not isinstance(stream, Loss)
        for item in ZeekSource().read(stream):
            assert isinstance(item, Records)
            yield from ((item, frozenset(item.decoder.event(item.gate, raw, 1).fields)) for raw in item.raws)


def test_lines() -> None:
    """Lines of several sensors and logs are sorted by gate, each with its line."""
    lines = [
        {**EVE_HEAD, "event_type": "alert", **ALERT},
        {"_path": "conn", "ts": 1791266400.5, "uid": "C1"},
        {**EVE_HEAD, "event_type": "dns", **DNS_2},
        {"level": "info"},
        {**EVE_HEAD, "event_type": "alert", **ALERT},
    ]
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    items = [item for item in JsonSource().read(Stream(io.BytesIO(data), "eve.json")) if isinstance(item, Records)]
    assert sorted((item.gate.telemetry, item.numbers) for item in items) == [
        ("alert", [1, 5]),
        ("conn", [2]),
        ("dns", [3]),
        ("json", [4]),
    ]
