"""Site files: every key is understood, and every problem is told with its place, a code and a hint."""

from __future__ import annotations

from datetime import time
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from tocsin.errors import SiteError
from tocsin.sites.parse import load_site, parse_site
from tocsin.sites.protocol_names import FUNCTIONS, PROTOCOLS
from tocsin.sites.protocols import INDUSTRIAL, SERVICES
from tocsin.sites.site import Endpoint, Site
from tocsin.sources import capture_dnp3_names, capture_modbus

WHOLE = """\
site: Riverdale Water
description: invented
zones:
  office: {level: 4, networks: [10.20.4.0/24]}
  dmz: {level: 3.5, networks: [10.20.5.0/24, "fd00:5::/64"]}
  control: {level: 2, networks: [10.20.6.0/24]}
  field: {level: 1, networks: [10.20.7.0/24]}
assets:
  PLC-1:
    addresses: [10.20.7.11, "00-1B-1B-AA-BB-CC", plc-1.riverdale.example]
    roles: [plc]
    zone: field
    criticality: critical
    description: pump
    proposed_roles: [rtu]
    seen: {count: 3}
  ENG-WS-02: {addresses: 10.20.6.32, roles: engineering_station, zone: control}
  JUMP-01: {addresses: [10.20.5.10, "FD00:5::A"], roles: [jump_host, water_gate], zone: dmz}
conversations:
  - from: [ENG-WS-02, zone:control]
    to: role:plc
    protocol: S7COMM
    port: 102
    writes: true
    functions: [Read Variable, Write Variable]
  - {from: any, to: external}
  - {from: 10.20.4.0/24, to: 10.20.5.10, protocol: dnp3_tcp}
working_hours:
  time_zone: Europe/Berlin
  days: [mon, Tuesday, wed]
  from: 06:00
  until: 18:00
placeholders:
  Administrators: [adm.fischer]
"""


def parse(text: str) -> tuple[Site, list[SiteError], list[SiteError]]:
    """Parse a text as the file site.yml."""
    return parse_site(text.encode(), "site.yml")


def test_whole_file() -> None:
    """All keys become what they mean."""
    site, problems, warnings = parse(WHOLE)
    assert (problems, warnings) == ([], [])
    assert site.name == "Riverdale Water"
    assert (site.zones["dmz"].level, site.zones["dmz"].networks[1]) == (3.5, ip_network("fd00:5::/64"))
    plc = site.assets["PLC-1"]
    assert plc.addresses == (ip_address("10.20.7.11"),)
    assert (plc.macs, plc.hostnames) == (("00:1b:1b:aa:bb:cc",), ("plc-1.riverdale.example",))
    assert (plc.roles, plc.zone, plc.criticality) == (("plc",), "field", "critical")
    assert site.assets["ENG-WS-02"].roles == ("engineering_station",)
    first, second, third = site.conversations
    assert first.sources == (Endpoint("asset", "ENG-WS-02"), Endpoint("zone", "control"))
    assert first.targets == (Endpoint("role", "plc"),)
    assert (first.protocol, first.port, first.writes, first.functions) == (
        "s7comm",
        102,
        True,
        ("Read Variable", "Write Variable"),
    )
    assert (second.sources, second.targets, second.writes) == ((Endpoint("any"),), (Endpoint("external"),), False)
    assert (third.sources[0].network, third.protocol) == (ip_network("10.20.4.0/24"), "dnp3")
    (hours,) = site.hours
    assert (hours.zone_name, hours.days) == ("Europe/Berlin", frozenset({0, 1, 2}))
    assert (hours.begin, hours.end, hours.roles) == (time(6), time(18), ("engineering_station",))
    assert site.placeholders == {"Administrators": ("adm.fischer",)}


BASE = (
    "site: x\nzones:\n  control: {level: 2, networks: [10.20.6.0/24]}\n"
    "assets:\n  HMI-1: {addresses: [10.20.6.5], zone: control}\n"
)


@pytest.mark.parametrize(
    ("text", "place", "code", "says"),
    [
        ("site: [\n", "site.yml:2:1", "S001", "not valid YAML"),
        ("site: x\nsite: y\n", "site.yml:2:1", "S001", "written twice"),
        ("", "site.yml", "S004", "one document"),
        ("- 1\n", "site.yml:1:1", "S004", "expected a map"),
        ("zones: {}\n", "site.yml:1:1", "S003", "'site'"),
        ("site: x\nzone: {}\n", "site.yml:2:1", "S002", "unknown key 'zone'"),
        ("site: x\nzones:\n  a: {level: 6}\n", "site.yml:3:14", "S004", "no level"),
        ("site: x\nzones:\n  a: {networks: [10.0.0.1/24]}\n", "site.yml:3:18", "S004", "no network"),
        ("site: x\nzones:\n  a: {networks: [10.0.0.0/8]}\n  b: {networks: [10.0.0.0/8]}\n", "site.yml:4:18", "S006", "'a' and"),
        (BASE + "  B: {addresses: [10.20.6.5]}\n", "site.yml:6:19", "S006", "'10.20.6.5' is given to 'HMI-1' and to 'B'"),
        (BASE + "  B: {addresses: [hmi-1]}\n", "site.yml:6:19", "S006", "'hmi-1'"),
        (BASE + "  B: {addresses: [10.20.6.500]}\n", "site.yml:6:19", "S004", "no address"),
        (BASE + "  B: {addresses: [10.20.6.0/24]}\n", "site.yml:6:19", "S004", "no address"),
        (BASE + "  B: {addresses: [3232235777]}\n", "site.yml:6:19", "S004", "no address"),
        (BASE + "  B: {zone: contrl}\n", "site.yml:6:13", "S005", "no zone 'contrl'"),
        (BASE + "  B: {roles: [Engineering Station]}\n", "site.yml:6:15", "S004", "no role"),
        (BASE + "  B: {criticality: hgh}\n", "site.yml:6:20", "S004", "no criticality"),
        (BASE + "conversations:\n  - {from: HMI-1}\n", "site.yml:7:5", "S003", "'to'"),
        (BASE + "conversations:\n  - {from: HMI-l, to: any}\n", "site.yml:7:12", "S005", "no asset 'HMI-l'"),
        (BASE + "conversations:\n  - {from: zone:contrl, to: any}\n", "site.yml:7:12", "S005", "no zone 'contrl'"),
        (BASE + "conversations:\n  - {from: role:plz, to: any}\n", "site.yml:7:12", "S005", "no role 'plz'"),
        (BASE + "conversations:\n  - {from: any, to: any, port: 70000}\n", "site.yml:7:32", "S004", "no port"),
        (BASE + "conversations:\n  - {from: any, to: any, writes: maybe}\n", "site.yml:7:34", "S004", "true or false"),
        (
            BASE + "working_hours: {time_zone: Mars/City, days: [mon], from: '06:00', until: '18:00'}\n",
            "site.yml:6:28",
            "S004",
            "Mars",
        ),
        (
            BASE + "working_hours: {time_zone: UTC, days: [mon], from: '26:00', until: '18:00'}\n",
            "site.yml:6:52",
            "S004",
            "26:00",
        ),
        (
            BASE + "working_hours: {time_zone: UTC, days: [xyz], from: '06:00', until: '18:00'}\n",
            "site.yml:6:40",
            "S004",
            "'xyz'",
        ),
        (BASE + "placeholders: {Administrators: {a: b}}\n", "site.yml:6:32", "S004", "a list"),
        (BASE + "placeholders: {'%A%': [b]}\n", "site.yml:6:16", "S004", "'%A%'"),
    ],
)
def test_problems(text: str, place: str, code: str, says: str) -> None:
    """Each problem has its line and column, its code, and names the value."""
    _, problems, _ = parse(text)
    assert (str(problems[0].where), problems[0].code) == (place, code)
    assert says in problems[0].message


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("site: x\nasets: {}\n", "did you mean 'assets'?"),
        (BASE + "  B: {zone: contrl}\n", "did you mean 'control'?"),
        (BASE + "conversations: [{from: HMI-l, to: any}]\n", "did you mean 'HMI-1'?"),
        (BASE + "conversations: [{from: control, to: any}]\n", "did you mean 'zone:control'?"),
        (BASE + "  B: {criticality: hgh}\n", "did you mean 'high'?"),
    ],
)
def test_near_misses(text: str, hint: str) -> None:
    """A name that is almost right is answered with the one that is meant."""
    assert parse(text)[1][0].hint == hint


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("zones: {}\n", "'site' is missing", "'site: Riverdale Water'"),
        ("", "this one has none", "'site: Riverdale Water'"),
        ("site: x\n---\nsite: y\n", "this one has 2", "without lines of '---'"),
        ("site: x\nassets:\n  - name: PLC1\n", "expected a map, not a list", "write each as NAME: {addresses"),
        ("site: x\nzones: [a]\n", "expected a map, not a list", "write each as NAME: {level"),
        ("site: x\nconversations: {}\n", "is a list, not a map", "- {from: PANEL-01"),
        (BASE + "working_hours: {time_zone: UTC, days: [mon], from: 25:00, until: 18:00}\n", "'25:00' is no time", '"06:00"'),
        (BASE + "working_hours: {time_zone: UTC, days: [mon], from: 18:00:61, until: 18:00}\n", "'18:00:61' is no", '"06:00"'),
    ],
)
def test_problems_say_what_to_do(text: str, says: str, hint: str) -> None:
    """What a beginner gets wrong is told as it was written, with what to write instead."""
    problem = parse(text)[1][0]
    assert says in problem.message
    assert hint in problem.hint


def test_clocks_without_quotes_stay_texts() -> None:
    """Times and hardware addresses that YAML takes for numbers to the base of 60 are read as they are written."""
    site, problems, _ = parse(
        BASE
        + "  B: {addresses: [10:20:30:40:50:59]}\n"
        + "working_hours: {time_zone: UTC, days: [mon], from: 5:30, until: 24:00}\n"
    )
    assert not problems
    assert site.assets["B"].macs == ("10:20:30:40:50:59",)
    assert (site.hours[0].begin, site.hours[0].end) == (time(5, 30), time(0))


TALK = BASE + "conversations:\n  - {from: HMI-1, to: any, "


@pytest.mark.parametrize(
    ("text", "place", "says", "hint"),
    [
        (TALK + "protocol: Modbuss}\n", "site.yml:7:38", "protocol 'Modbuss'", "did you mean 'modbus'?"),
        (TALK + "protocol: dmp3, seen: {count: 1}}\n", "site.yml:7:38", "protocol 'dmp3'", "did you mean 'dnp3'?"),
        (TALK + "protocol: plantbus}\n", "site.yml:7:38", "protocol 'plantbus'", "docs/site-file.md"),
        (TALK + "protocol: modbus, functions: READ}\n", "site.yml:7:57", "function 'READ'", "READ_COILS"),
        (
            TALK + "protocol: modbus, functions: [read_coils, WRITE_COIL]}\n",
            "site.yml:7:70",
            "'WRITE_COIL'",
            "WRITE_SINGLE_COIL",
        ),
        (TALK + "protocol: dnp3, functions: [OPERAT]}\n", "site.yml:7:56", "'OPERAT'", "'OPERATE'"),
        (
            BASE + "conversations: [{from: role:hmi, to: any}]\n",
            "site.yml:6:24",
            "no asset has the role 'hmi'",
            "give the role",
        ),
    ],
)
def test_names_that_fit_nothing_are_doubtful(text: str, place: str, says: str, hint: str) -> None:
    """A protocol, function or role that can fit no event is told with its place, and the file is used."""
    _, problems, (warning,) = parse(text)
    assert not problems
    assert (str(warning.where), warning.code) == (place, "S005")
    assert says in warning.message
    assert hint in warning.hint


@pytest.mark.parametrize(
    "rest",
    [
        "protocol: modbus, functions: [read_coils, unknown-100]}",
        "protocol: dnp3_tcp, functions: READ}",
        "protocol: s7comm, functions: [Anything at all]}",
        "protocol: cip, functions: READ}",
        "functions: READ}",
        "protocol: any}",
        "protocol: spicy_plantbus, seen: {count: 3}}",
    ],
)
def test_names_that_logs_have_are_not_doubtful(rest: str) -> None:
    """Names in any case, of protocols without a closed list, or learnt from a log give no warning."""
    assert parse(TALK + rest + "\n")[1:] == ([], [])


def test_closed_lists_are_those_of_captures() -> None:
    """Where functions are a closed list, it has every name that the logs of captures have."""
    assert FUNCTIONS["modbus"] == set(capture_modbus._FUNCTIONS.values())
    assert FUNCTIONS["dnp3"] == set(capture_dnp3_names.FUNCTIONS.values())
    assert all(SERVICES.get(name, name) in PROTOCOLS for name in (*SERVICES, *INDUSTRIAL))


def test_all_problems_are_told() -> None:
    """One wrong value hides no other, and the good parts of the file are there."""
    site, problems, _ = parse(BASE + "  B: {zone: nowhere, roles: [a b], addresses: [1.2.3.4]}\nworking_hours: {}\nx: 1\n")
    assert sorted(problem.code for problem in problems) == ["S002", "S004", "S005"]
    assert site.assets["B"].addresses == (ip_address("1.2.3.4"),)


def test_warnings() -> None:
    """An address outside its zone and a role that is almost a known one are doubtful, and the file is used."""
    _, problems, warnings = parse(BASE + "  B: {addresses: [10.9.9.9], zone: control, roles: [enginering_station]}\n")
    assert not problems
    assert [(warning.code, str(warning.where)) for warning in warnings] == [
        ("S007", "site.yml:6:36"),
        ("S005", "site.yml:6:53"),
    ]
    assert warnings[1].hint == "did you mean 'engineering_station'?"


def test_load_names_how_many_there_are(tmp_path: Path) -> None:
    """Loading stops at the first problem, and says where the others are listed."""
    path = tmp_path / "site.yml"
    path.write_text("site: x\na: 1\nb: 2\n")
    with pytest.raises(SiteError, match="unknown key 'a'") as caught:
        load_site(path)
    assert "lists all 2 problems" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "site: x\nzones: [1]\nassets: 5\nconversations: {}\nworking_hours: 3\nplaceholders: []\n",
        "site: [1]\nzones: {a: 1, 2: [3]}\nassets: {b: [1], c: {addresses: {}, roles: {}, zone: []}}\n",
        "site: x\nconversations: [1, null, [2], {from: {}, to: [[]], protocol: [], functions: {a: b}}]\n",
        "site: x\nworking_hours: [1, {days: 1, from: [], until: {}, time_zone: 7, roles: [1]}]\n",
        "site: x\nassets: {a: {addresses: [null, '', {}, 3232235777, .inf, 2026-01-01]}}\n",
        "\x00",
        "{[",
        "&a [*a]\n",
    ],
)
def test_anything_is_answered(text: str) -> None:
    """Whatever has the wrong form is a problem, never a failure."""
    _, problems, _ = parse(text)
    assert problems
    assert all(problem.where and str(problem.where).startswith("site.yml") for problem in problems)
