"""The checks of the baseline, on exchanges made by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared_data import shared
from tocsin.sites.baseline import CHECKS, NEW_ASSET, NEW_CONVERSATION, NEW_FUNCTION, OUT_OF_HOURS, Baseline, is_within, missing
from tocsin.sites.names import Names
from tocsin.sites.parse import parse_site
from tocsin.sites.protocols import LOGS, exchange_of, is_transfer, is_write
from tocsin.sites.site import Site

TEXT = """\
site: Riverdale Water
zones:
  office: {networks: [10.20.4.0/24]}
  control: {networks: [10.20.6.0/24]}
  field: {networks: [10.20.7.0/24]}
assets:
  PC-7: {addresses: [10.20.4.17], zone: office}
  ENG-WS-02: {addresses: [10.20.6.32], roles: [engineering_station], zone: control}
  SCADA-1: {addresses: [10.20.6.20], roles: [scada_server], zone: control}
  PLC-1: {addresses: [10.20.7.11], roles: [plc], zone: field}
  PLC-2: {addresses: [10.20.7.12], roles: [plc], zone: field}
conversations:
  - {from: SCADA-1, to: role:plc, protocol: modbus, port: 502, writes: true, functions: [READ_COILS, WRITE_SINGLE_COIL]}
  - {from: ENG-WS-02, to: PLC-1, protocol: modbus}
  - {from: zone:office, to: ENG-WS-02, protocol: rdp, port: 3389}
  - {from: external, to: zone:office, port: 443}
  - {from: 10.20.4.0/28, to: zone:field}
working_hours: {time_zone: UTC, days: [mon, tue, wed, thu, fri], from: '06:00', until: '18:00'}
"""
NOON, NIGHT, SUNDAY = "2026-10-06T12:00:00.000000Z", "2026-10-06T18:00:00.000000Z", "2026-10-04T12:00:00.000000Z"


def site(text: str = TEXT) -> Site:
    """Return the site of a text without problems."""
    found, problems, _ = parse_site(text.encode(), "site.yml")
    assert not problems, problems
    return found


def look(channel: str, time: str = NOON, text: str = TEXT, **cells: Any) -> dict[str, dict[str, dict[str, list[str]]]]:
    """Return what an event shows that is new: name of the check -> why."""
    names = {"source": "id.orig_h", "target": "id.resp_h", "port": "id.resp_p"}
    known = site(text)
    exchange = exchange_of(channel, {names.get(key, key): str(value) for key, value in cells.items()})
    assert exchange is not None
    return {item.check.name: item.why for item in Baseline(known, Names(known)).deviations(channel, exchange, time)}


def modbus(source: str, target: str, func: str, **more: Any) -> dict[str, Any]:
    """Return what a request of Modbus shows that is new."""
    return look("modbus_detailed", source=source, target=target, port=502, func=func, **more)


def conn(source: str, target: str, port: int, **more: Any) -> dict[str, Any]:
    """Return what a connection shows that is new."""
    return look("conn", source=source, target=target, port=port, proto="tcp", **{"conn_state": "SF", **more})


def test_what_is_listed_is_not_new() -> None:
    """Listed conversations and functions are expected, by asset, role, zone, network and for whom is outside."""
    assert modbus("10.20.6.20", "10.20.7.12", "WRITE_SINGLE_COIL") == {}
    assert conn("10.20.6.20", "10.20.7.11", 502, service="modbus") == {}
    assert conn("10.20.6.20", "10.20.7.11", 502) == {}
    assert conn("10.20.4.17", "10.20.6.32", 3389, service="rdp,ssl") == {}
    assert conn("198.51.100.7", "10.20.4.17", 443, service="ssl") == {}
    assert conn("10.20.4.3", "10.20.7.11", 9999) == {
        "new-asset": {"no asset of zone office has the address": {"id.orig_h": ["10.20.4.3"]}}
    }


def test_new_asset() -> None:
    """An address in a network of a zone that no asset has is new, at either end; one elsewhere is not."""
    assert list(conn("10.20.6.99", "10.20.6.20", 445)) == ["new-asset"]
    assert list(conn("10.20.6.20", "10.20.6.99", 445)) == ["new-asset"]
    assert "new-asset" not in conn("192.0.2.1", "10.20.6.20", 445)


@pytest.mark.parametrize(
    ("target", "more"),
    [
        ("10.20.6.99", {"conn_state": "S0"}),
        ("10.20.6.99", {"conn_state": "SH"}),
        ("10.20.6.255", {}),
        ("10.20.6.0", {}),
        ("224.0.0.251", {}),
        ("255.255.255.255", {}),
        ("0.0.0.0", {}),
    ],
)
def test_no_asset_there(target: str, more: dict[str, str]) -> None:
    """A target that never answered, or is no single device, is no new asset."""
    assert conn("10.20.6.20", target, 445, **more) == {}


def test_new_conversation() -> None:
    """Across zones, what is not listed is new: another source, protocol or port; inside a zone nothing is."""
    assert list(conn("10.20.4.17", "10.20.7.11", 502)) == ["new-conversation"]
    assert list(conn("10.20.6.20", "10.20.7.11", 502, service="ssh")) == ["new-conversation"]
    assert list(conn("10.20.6.20", "10.20.7.11", 1502, service="modbus")) == ["new-conversation"]
    assert list(conn("10.20.6.32", "198.51.100.23", 443, service="ssl")) == ["new-conversation"]
    assert conn("10.20.6.32", "10.20.6.20", 445) == {}
    assert conn("192.0.2.1", "198.51.100.23", 443) == {}
    (why,) = conn("10.20.4.17", "10.20.7.11", 8080)["new-conversation"].items()
    assert why == (
        "no conversation is listed from zone office to zone field over tcp port 8080",
        {"id.orig_h": ["10.20.4.17"], "id.resp_h": ["10.20.7.11"], "id.resp_p": ["8080"]},
    )


def test_a_sweep_is_one_new_thing() -> None:
    """Targets that do not exist share a key for each zone; those that answer, and assets, have one each."""
    known = site()
    baseline = Baseline(known, Names(known))
    keys = set()
    for number in range(30, 60):
        cells = {"id.orig_h": "10.20.4.17", "id.resp_h": f"10.20.7.{number}", "id.resp_p": "502", "conn_state": "S0"}
        exchange = exchange_of("conn", cells)
        assert exchange is not None
        keys.update(item.key for item in baseline.deviations("conn", exchange, NOON))
    assert keys == {"10.20.4.17\tzone field\tmodbus"}


def test_new_function() -> None:
    """A function that the conversation does not list is new; where none are listed for it, any may be used."""
    assert list(modbus("10.20.6.20", "10.20.7.11", "WRITE_MULTIPLE_REGISTERS")) == ["new-function"]
    assert modbus("10.20.6.20", "10.20.7.11", "read_coils") == {}
    assert modbus("10.20.6.20", "10.20.7.11", "READ_COILS_EXCEPTION") == {}
    assert modbus("10.20.6.32", "10.20.7.11", "WRITE_MULTIPLE_REGISTERS") == {}
    assert list(modbus("10.20.7.12", "10.20.7.11", "DIAGNOSTICS")) == ["new-function"]
    assert modbus("10.20.7.12", "10.20.7.11", "READ_COILS") == {}


def test_answers_have_no_function() -> None:
    """The function of a response is not one that anybody asked for."""
    cells = {"source": "10.20.6.20", "target": "10.20.7.11", "port": 20000, "function_code": "RESPONSE"}
    text = TEXT.replace("modbus, port: 502", "dnp3").replace("READ_COILS", "READ")
    assert look("dnp3_control", text=text, is_orig="false", **cells) == {}
    assert list(look("dnp3_control", text=text, is_orig="true", **cells)) == ["new-function"]


def test_either_end_may_ask() -> None:
    """A BACnet request of the responder goes the other way."""
    cells = {"source_h": "10.20.7.11", "destination_h": "10.20.6.20", "pdu_type": "CONFIRMED_REQUEST", "id.orig_p": "47808"}
    exchange = exchange_of(
        "bacnet", {"id.orig_h": "10.20.6.20", "id.resp_h": "10.20.7.11", "pdu_service": "write_property", **cells}
    )
    assert exchange is not None
    assert (exchange.source, exchange.target, exchange.port) == ("10.20.7.11", "10.20.6.20", 47808)
    assert (exchange.writes, exchange.fields) == (True, ("source_h", "destination_h"))


@pytest.mark.parametrize(("time", "new"), [(NOON, False), (NIGHT, True), (SUNDAY, True), ("", False)])
def test_out_of_hours(time: str, new: bool) -> None:
    """Industrial and remote work of an engineering station is told outside the hours, and never without a time."""
    assert ("out-of-hours" in modbus("10.20.6.32", "10.20.7.11", "READ_COILS", time=time)) is new
    assert ("out-of-hours" in conn("10.20.4.17", "10.20.6.32", 3389, service="rdp", time=time)) is new
    assert "out-of-hours" not in modbus("10.20.6.20", "10.20.7.11", "READ_COILS", time=time)
    assert "out-of-hours" not in conn("10.20.6.32", "10.20.6.20", 53, service="dns", time=time)


@pytest.mark.parametrize(
    ("begin", "end", "time", "within"),
    [
        ("06:00", "18:00", "2026-10-06T06:00:00.000000Z", True),
        ("06:00", "18:00", "2026-10-06T17:59:59.999999Z", True),
        ("06:00", "18:00", "2026-10-06T18:00:00.000000Z", False),
        ("22:00", "06:00", "2026-10-06T23:00:00.000000Z", True),
        ("22:00", "06:00", "2026-10-10T05:00:00.000000Z", True),  # Saturday morning, of Friday's shift
        ("22:00", "06:00", "2026-10-05T05:00:00.000000Z", False),  # Monday morning, of Sunday's
        ("00:00", "24:00", "2026-10-06T23:59:59.000000Z", True),
        ("00:00", "24:00", "2026-10-10T00:00:00.000000Z", False),
        ("06:00", "18:00", "9999-12-31T23:59:59.000000Z", False),
    ],
)
def test_is_within(begin: str, end: str, time: str, within: bool) -> None:
    """Hours begin inclusive and end exclusive, and a shift over midnight belongs to the day on which it began."""
    (hours,) = site(TEXT.replace("from: '06:00', until: '18:00'", f"from: '{begin}', until: '{end}'")).hours
    assert is_within(hours, time) is within


def test_hours_are_local() -> None:
    """The hours are those of the time zone, summer time included."""
    (hours,) = site(TEXT.replace("UTC", "Europe/Berlin")).hours
    assert is_within(hours, "2026-07-06T04:00:00.000000Z")
    assert not is_within(hours, "2026-12-07T04:00:00.000000Z")


@pytest.mark.parametrize(
    ("check", "without"),
    [
        (NEW_ASSET, "networks"),
        (NEW_CONVERSATION, "conversations"),
        (NEW_FUNCTION, "functions"),
        (OUT_OF_HOURS, "working hours"),
    ],
)
def test_missing(check: Any, without: str) -> None:
    """A check without what it needs says so, and finds nothing."""
    assert missing(site(), check) == ""
    assert without in missing(site("site: x\nzones: {a: {}}\nassets: {b: {zone: a}}\n"), check)


def test_tags_are_techniques() -> None:
    """Each technique of a check is one of ATT&CK for ICS, under one of the check's tactics, and each tactic has one."""
    objects = json.loads(shared("attack", "ics-attack.json").read_bytes())["objects"]
    tactics = {
        item["external_references"][0]["external_id"].lower(): {phase["phase_name"] for phase in item["kill_chain_phases"]}
        for item in objects
        if item["type"] == "attack-pattern" and not item.get("revoked")
    }
    for check in CHECKS:
        names = [tag.removeprefix("attack.") for tag in check.tags]
        techniques = [tactics[name] for name in names if name.startswith("t0")]
        wanted = {name for name in names if not name.startswith("t0")}
        assert techniques
        assert all(found & wanted for found in techniques)
        assert wanted <= set().union(*techniques)


@pytest.mark.parametrize(
    ("protocol", "writes", "reads"),
    [
        (
            "modbus",
            ("WRITE_SINGLE_COIL", "MASK_WRITE_REGISTER", "READ_WRITE_MULTIPLE_REGISTERS"),
            ("READ_COILS", "DIAGNOSTICS"),
        ),
        ("dnp3", ("OPERATE", "DIRECT_OPERATE_NR", "COLD_RESTART"), ("READ", "CONFIRM", "DELAY_MEASURE")),
        ("s7comm", ("Write Variable", "PLC Stop", "PLC Control: PLC Start / Stop"), ("Read Variable", "Start Upload")),
        ("s7comm_plus", ("Set Multi Variables", "Delete Object"), ("Get Multi Variables", "Explore")),
        ("cip", ("Set Attributes Single", "Write Data", "Read Write Modify Data", "Stop"), ("Get Attributes All", "Read Data")),
        ("bacnet", ("write_property", "reinitialized_device"), ("read_property", "who_is")),
        ("opcua", ("WriteRequest", "CallRequest"), ("ReadRequest", "BrowseRequest")),
        ("iec104", ("C_SC_NA_1", "C_SE_NC_1", "P_ME_NA_1"), ("M_SP_NA_1", "C_IC_NA_1", "C_CI_NA_1")),
    ],
)
def test_writes(protocol: str, writes: tuple[str, ...], reads: tuple[str, ...]) -> None:
    """Functions that change something are told from those that only read."""
    assert all(is_write(protocol, name) for name in writes)
    assert not any(is_write(protocol, name) for name in reads)


def test_transfers() -> None:
    """Moving programs and stopping controllers is engineering."""
    assert all(map(is_transfer, ("Request Download", "Start Upload", "PLC Stop")))
    assert not any(map(is_transfer, ("Read Variable", "WRITE_SINGLE_COIL")))


def test_logs_of_no_conversation() -> None:
    """Other logs, and events that lack an end, tell of none."""
    assert exchange_of("weird", {"id.orig_h": "10.0.0.1", "id.resp_h": "10.0.0.2"}) is None
    assert all(exchange_of(name, {"id.orig_h": "10.0.0.1"}) is None for name in LOGS)
