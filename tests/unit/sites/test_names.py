"""Names and placeholders: which asset an address is, and what a site fills in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tocsin.events import Event, Gate
from tocsin.runs.ruleset import RuleFile, load_rules
from tocsin.sites.names import NamedAsset, Names
from tocsin.sites.parse import parse_site
from tocsin.sites.placeholders import placeholders_of
from tocsin.sites.roles import ROLES, is_role, placeholder_name
from tocsin.sites.site import Site

TEXT = """\
site: Riverdale Water
zones:
  plant: {networks: [10.20.0.0/16]}
  field: {networks: [10.20.7.0/24, "fd00:7::/64"]}
assets:
  PLC-1: {addresses: [10.20.7.11, "fd00:7::b", "00:1b:1b:aa:bb:cc"], roles: [plc], zone: field}
  RTU-9: {addresses: [10.20.7.19], roles: [rtu, plc]}
  ENG-WS-02: {addresses: [10.20.6.32, eng-ws-02.riverdale.example], roles: [engineering_station], zone: plant}
  SCADA-1: {addresses: [10.20.6.20], roles: [scada_server, historian], zone: plant}
  HMI-1: {addresses: [10.20.6.21], roles: [hmi], zone: plant}
  LAB: {roles: [water_lab]}
conversations:
  - {from: role:hmi, to: role:plc, protocol: modbus, writes: true}
  - {from: 10.20.6.77, to: PLC-1, protocol: modbus, writes: true}
  - {from: ENG-WS-02, to: PLC-1, protocol: modbus}
placeholders:
  Administrators: [adm.fischer, adm.weber]
  Historians: [OLD-HIST]
"""


def site(text: str = TEXT) -> Site:
    """Return the site of a text without problems."""
    found, problems, _ = parse_site(text.encode(), "site.yml")
    assert not problems
    return found


@pytest.mark.parametrize(
    ("text", "name", "zone"),
    [
        ("10.20.7.11", "PLC-1", "field"),
        ("::ffff:10.20.7.11", "PLC-1", "field"),
        ("FD00:7:0:0:0:0:0:B", "PLC-1", "field"),
        ("00-1B-1B-AA-BB-CC", "PLC-1", "field"),
        ("plc-1", "PLC-1", "field"),
        ("PLC-1.riverdale.example", "PLC-1", "field"),
        ("\\\\ENG-WS-02", "ENG-WS-02", "plant"),
        ("eng-ws-02.riverdale.example.", "ENG-WS-02", "plant"),
        ("10.20.7.19", "RTU-9", "field"),
        ("10.20.7.200", "", "field"),
        ("10.20.9.9", "", "plant"),
        ("192.0.2.1", "", ""),
        ("PLC-11", "", ""),
        ("10.20.7.11 PLC-1", "", ""),
        ("", "", ""),
    ],
)
def test_find(text: str, name: str, zone: str) -> None:
    """An address or name of a host, in any spelling, is that of one asset; else its smallest network gives the zone."""
    asset, found = Names(site()).find(text)
    assert (asset.name if asset else "", found) == (name, zone)


def test_of_event() -> None:
    """Only fields of addresses are looked at, lists and the host included, and never free text."""
    fields = {
        "id.orig_h": "10.20.6.32",
        "id.resp_h": ["10.20.7.11", "192.0.2.9"],
        "source": {"ip": "10.20.6.20"},
        "message": "10.20.6.21",
        "Computer": {"name": "HMI-1"},
    }
    found = Names(site()).of_event(Event(Gate("zeek", "conn", ""), fields, fields, host="SCADA-1"))
    assert found == {
        "SCADA-1": NamedAsset("SCADA-1", ("scada_server", "historian"), "plant"),
        "10.20.6.32": NamedAsset("ENG-WS-02", ("engineering_station",), "plant"),
        "10.20.7.11": NamedAsset("PLC-1", ("plc",), "field"),
    }


def test_placeholders() -> None:
    """Each role fills the placeholder of its plural, masters come from roles and conversations, own lists are joined."""
    found = placeholders_of(site())
    assert list(found) == sorted(found)
    assert found["PLCs"] == [
        "10.20.7.11",
        "::ffff:10.20.7.11",
        "fd00:7::b",
        "fd00:7:0:0:0:0:0:b",
        "00:1b:1b:aa:bb:cc",
        "PLC-1",
        "10.20.7.19",
        "::ffff:10.20.7.19",
        "RTU-9",
    ]
    assert found["RTUs"] == ["10.20.7.19", "::ffff:10.20.7.19", "RTU-9"]
    assert found["Controllers"] == found["PLCs"]
    assert found["Administrators"] == ["adm.fischer", "adm.weber"]
    assert found["Historians"] == ["10.20.6.20", "::ffff:10.20.6.20", "SCADA-1", "OLD-HIST"]
    assert found["WaterLabs"] == ["LAB"]
    masters = {"10.20.6.20", "SCADA-1", "10.20.6.21", "HMI-1", "10.20.6.77"}
    assert {text for text in found["ICSMasters"] if not text.startswith("::")} == masters
    assert "JumpHosts" not in found


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("engineering_station", "EngineeringStations"),
        ("hmi", "HMIs"),
        ("plc", "PLCs"),
        ("rtu", "RTUs"),
        ("historian", "Historians"),
        ("jump_host", "JumpHosts"),
        ("scada_server", "SCADAServers"),
        ("opc_server", "OPCServers"),
        ("protocol_gateway", "ProtocolGateways"),
        ("switch", "Switches"),
        ("battery", "Batteries"),
        ("relay", "Relays"),
        ("cell_7", "Cell7s"),
    ],
)
def test_placeholder_names(role: str, name: str) -> None:
    """The name is the plural of the role in camel case."""
    assert is_role(role)
    assert placeholder_name(role) == name


def test_roles_have_names_of_their_own() -> None:
    """No two known roles fill the same placeholder."""
    assert len({placeholder_name(role) for role in ROLES}) == len(ROLES)


def test_rules_use_them() -> None:
    """A rule with a placeholder of the site compiles; without the site it is unsupported and names it."""
    rule = RuleFile(
        "r.yml",
        b"title: T\nlevel: low\nlogsource: {product: zeek, service: modbus}\n"
        b"detection: {s: {id.resp_h|expand: '%PLCs%'}, condition: s}\n",
    )
    assert len(load_rules([rule], placeholders_of(site())).plans) == 1
    (rejected,) = load_rules([rule], {}).rejected
    assert (rejected.outcome, rejected.code) == ("unsupported", "R030")
    assert "%PLCs%" in rejected.message


def test_roles_are_documented() -> None:
    """docs/site-file.md lists just the known roles, with what they are and their placeholders."""
    text = (Path(__file__).resolve().parents[3] / "docs" / "site-file.md").read_text()
    rows = re.findall(r"^\| `([a-z_]+)` \| (.+) \| `%(\w+)%` \|$", text, re.MULTILINE)
    assert rows == [(role, what, placeholder_name(role)) for role, what in ROLES.items()]
