"""Real Zeek logs, industrial ones too: every row is an event of its log, and the rule corpus finds there what is known."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from compare import fast, read_records, reference

from shared_data import DATA, need_shared, shared
from tocsin.events import KEYWORDS, TIME, Demand
from tocsin.events.values import decode
from tocsin.findings import Report
from tocsin.rules.rule import Rule
from tocsin.runs.ruleset import RuleSet
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.sinks import SINKS
from tocsin.sources.interface import EVENTS, Records

need_shared()

ICS = sorted((DATA / "ics" / "zeek").rglob("*.log"))
ICS_ROWS = {
    "conn": 21,
    "cotp": 245,
    "dnp3": 368,
    "dnp3_control": 534,
    "dnp3_objects": 503,
    "modbus": 24,
    "modbus_detailed": 26,
    "modbus_mask_write_register": 4,
    "modbus_read_write_multiple_registers": 4,
    "opcua_binary": 148,
    "opcua_binary_activate_session": 8,
    "opcua_binary_browse": 16,
    "opcua_binary_browse_description": 8,
    "opcua_binary_browse_response_references": 60,
    "opcua_binary_browse_result": 8,
    "opcua_binary_close_session": 4,
    "opcua_binary_create_monitored_items": 8,
    "opcua_binary_create_monitored_items_create_item": 8,
    "opcua_binary_create_session": 10,
    "opcua_binary_create_session_endpoints": 4,
    "opcua_binary_create_session_user_token": 8,
    "opcua_binary_create_subscription": 8,
    "opcua_binary_get_endpoints": 13,
    "opcua_binary_get_endpoints_description": 7,
    "opcua_binary_get_endpoints_user_token": 14,
    "opcua_binary_opensecure_channel": 16,
    "opcua_binary_read": 8,
    "opcua_binary_read_nodes_to_read": 4,
    "opcua_binary_read_results": 4,
    "opcua_binary_status_code_detail": 147,
    "opcua_binary_write": 16,
    "s7comm": 113,
    "s7comm_known_devices": 1,
    "s7comm_plus": 121,
    "s7comm_read_szl": 9,
    "s7comm_upload_download": 25,
}
ARCHIVES = {
    "NASHUA-zeek_logs.zip": {
        **{"conn": 479, "dce_rpc": 57, "dns": 21, "dpd": 6, "files": 379, "kerberos": 13, "notice": 1, "smb_files": 6},
        **{"smb_mapping": 5, "ssl": 376, "weird": 6, "x509": 376},
    },
    "metasploit_outflank-dumpert_lsass_memory_dump_zeek_logs.zip": {
        **{"analyzer": 21, "conn": 777, "dns": 2312, "files": 3, "http": 3, "kerberos": 5, "packet_filter": 1, "pe": 1},
        **{"smb_mapping": 1, "ssl": 2, "weird": 27, "x509": 1},
    },
    "metasploit_sharpdump_lsass_memory_dump_zeek_logs.zip": {
        **{"analyzer": 16, "conn": 895, "dns": 2872, "files": 3, "http": 3, "kerberos": 5, "packet_filter": 1, "pe": 1},
        **{"smb_mapping": 1, "ssl": 2, "weird": 26, "x509": 1},
    },
}
CLEARTEXT = "7e4bfe58-4a47-4709-828d-d86c78b7cc1f"
"""Cleartext Protocol Usage Via Netflow: web traffic of the hosts, and the intruder's first stage."""
FOUND = {
    "NASHUA-zeek_logs.zip": {(CLEARTEXT, "conn"): 3},
    "metasploit_outflank-dumpert_lsass_memory_dump_zeek_logs.zip": {(CLEARTEXT, "conn"): 4},
    "metasploit_sharpdump_lsass_memory_dump_zeek_logs.zip": {(CLEARTEXT, "conn"): 4},
}


def scan(path: Path, rule_set: RuleSet) -> tuple[Report, list[dict]]:
    """Return the report and the findings of a scan."""
    out = io.BytesIO()
    report = Scan(ScanOptions((str(path),), jobs=1), rule_set).run(SINKS["jsonl"](), out)
    return report, [json.loads(line) for line in out.getvalue().split(b"\n")[:-1]]


def rows_of(data: bytes) -> int:
    """Count the lines that are no directives."""
    return sum(1 for line in data.split(b"\n") if line and not line.startswith(b"#"))


@pytest.fixture(scope="module")
def industrial(rule_set: RuleSet) -> tuple[Report, list[dict]]:
    """Return the report and the findings of a scan of all industrial logs."""
    return scan(shared("ics", "zeek"), rule_set)


def test_every_row_of_every_industrial_log(industrial: tuple[Report, list[dict]]) -> None:
    """Each file is read whole, with as many events as it has lines that are no directives."""
    outcomes = {Path(outcome.path): outcome for outcome in industrial[0].coverage.files}
    assert len(ICS) == 113
    for path in ICS:
        outcome = outcomes[path]
        assert (outcome.format, outcome.status, outcome.reason) == ("zeek", "read", ""), path
        assert outcome.events == rows_of(path.read_bytes()), path


def test_industrial_logs_have_their_names(industrial: tuple[Report, list[dict]]) -> None:
    """Each log is a service of its own, also where the published file has lost its header."""
    counted = {name.rpartition("/")[2]: count for name, count in industrial[0].coverage.logsources.items()}
    assert counted == ICS_ROWS


def test_industrial_findings(industrial: tuple[Report, list[dict]]) -> None:
    """No rule of the corpus is about industrial protocols, and none matches there."""
    assert industrial[1] == []


@pytest.mark.parametrize("name", ARCHIVES)
def test_archive(name: str, rule_set: RuleSet) -> None:
    """Each log of a recorded network is read whole from inside its archive, and gives the findings that are known."""
    report, found = scan(shared("otrf", name), rule_set)
    assert {outcome.status for outcome in report.coverage.files} == {"read"}
    counted = {outcome.path.rpartition("!/")[2].removesuffix(".log"): outcome.events for outcome in report.coverage.files}
    assert counted == ARCHIVES[name]
    archive = zipfile.ZipFile(shared("otrf", name))
    assert counted == {member.removesuffix(".log"): rows_of(archive.read(member)) for member in archive.namelist()}
    assert Counter((entry["rule"]["id"], entry["telemetry"]) for entry in found) == FOUND[name]
    assert all(entry["time"] for entry in found)
    assert not report.coverage.rules.failed


def _records() -> list[Records]:
    return read_records([*ICS, *(shared("otrf", name) for name in ARCHIVES)])


def test_reference(rule_set: RuleSet, rules: list[Rule]) -> None:
    """On every row the fast engine and the reference count the same matches of the corpus."""
    records = _records()
    counts = fast(rule_set.plans, records)
    assert reference(rules, records) == counts
    assert (sum(len(item.raws) for item in records), counts.total()) == (11_230, 11)


def test_columns() -> None:
    """Every field of every row is the same in the columns that rules read and in the event that a finding shows."""
    for item in _records():
        events = [item.decoder.event(item.gate, raw, number) for raw, number in zip(item.raws, item.numbers, strict=True)]
        names = tuple(sorted({name for event in events for name in event.fields}))
        demand = Demand((*names, TIME, KEYWORDS), (), frozenset(names))
        slow = EVENTS.columns(item.gate, events, demand)
        found = item.decoder.columns(item.gate, item.raws, demand)
        for name in demand.fields:
            wanted = slow[name].to_pylist()
            cells = found[name].to_pylist() if name in found else [None] * len(wanted)
            assert [cell and decode(cell) for cell in cells] == [cell and decode(cell) for cell in wanted], name
