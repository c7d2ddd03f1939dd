"""Recorded attacks as JSON, CSV and Linux audit logs in archives: every outcome known, and fast == reference on a sample."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from compare import distinct, fast, read_records, reference

from shared_data import DATA, need_shared, shared
from tocsin.events import Event
from tocsin.findings import FileOutcome, Report
from tocsin.rules.rule import Rule
from tocsin.runs.ruleset import RuleSet
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.sinks import SINKS

need_shared()

READ = (
    ("aadinternals_export_adfsdatabaseconfig_remotely.zip", "json", 285),
    ("auditpol_system_user_auditpolicy_modification.zip", "json", 13645),
    ("aws_s3_honeybucketlogs.zip", "csv", 301),
    ("cmd_mshta_vbscript_execute_psh.zip", "json", 1127),
    ("cmd_psexec_lsa_secrets_dump.zip", "json", 286),
    ("cmd_psh_stop_netprofm_eventlog_after_reboot.zip", "json", 12704),
    ("cmd_seatbelt_group_user.zip", "json", 451),
    ("cmd_sharpview_pcre_net.zip", "json", 267),
    ("cmd_wevtutil_modify_security_eventlog_path.zip", "json", 25208),
    ("covenant_dcom_executeexcel4macro_blocked.zip", "json", 1200),
    ("covenant_persistwmi.tar.gz", "json", 1001),
    ("covenant_psremoting_grunt.zip", "json", 4305),
    ("covenant_sharpsc_start_dcerpc_smb_svcctl.zip", "json", 6046),
    ("covenant_wmi_wbemcomn_dll_hijack.zip", "json", 8947),
    ("ec2_proxy_s3_exfiltration.zip", "json", 103),
    ("empire_launcher_sct_regsvr32.zip", "json", 2390),
    ("empire_mimikatz_backupkeys_dcerpc_smb_lsarpc.zip", "json", 7887),
    ("empire_mimikatz_lsadump_patch.zip", "json", 6982),
    ("empire_powerdump_sam_access.zip", "json", 1182),
    ("empire_psremoting_stager.zip", "json", 2744),
    ("empire_schtasks_creation_standard_user.zip", "json", 1297),
    ("empire_shell_net_local_users.zip", "json", 1907),
    ("empire_wmic_add_user_backdoor.zip", "json", 12278),
    ("metasploit_sharpdump_lsass_memory_dump.zip", "json", 59707),
    ("msf_record_mic.zip", "json", 6202),
    ("psh_hh_local_html_payload.zip", "json", 1221),
    ("psh_input_capture_promptforcreds.zip", "json", 163),
    ("psh_mshta_html_application_execution.zip", "json", 1553),
    ("purplesharp_pe_injection_createremotethread.zip", "json", 692),
    ("reg_stop_event_logging_controlset001_minint_key.zip", "json", 4923),
    ("schtask_modification.zip", "json", 2657),
    ("sh_arp_cache.zip", "auditd", 12),
    ("sh_binary_padding_dd.zip", "auditd", 6),
)
"""Archive, format and number of events."""
ZEEK_JSON = "NASHUA-zeek_logs.zip"
ZEEK_TABS = (
    "metasploit_outflank-dumpert_lsass_memory_dump_zeek_logs.zip",
    "metasploit_sharpdump_lsass_memory_dump_zeek_logs.zip",
)
CLOUD = "ec2_proxy_s3_exfiltration.zip"
UNREADABLE = "the format is not recognised [F002]"
SAMPLED_BYTES = 120_000
"""Archives up to this size are compared with the reference."""


@pytest.fixture(scope="module")
def scanned(rule_set: RuleSet, reader: str) -> tuple[Report, list[dict]]:
    """Return the report and the findings of a scan of the whole folder, by each reader."""
    out = io.BytesIO()
    report = Scan(ScanOptions((str(shared("otrf")),)), rule_set).run(SINKS["jsonl"](), out)
    return report, [json.loads(line) for line in out.getvalue().split(b"\n")[:-1]]


@pytest.fixture(scope="module")
def files(scanned: tuple[Report, list[dict]]) -> dict[str, list[FileOutcome]]:
    """Return the outcomes by archive."""
    found: dict[str, list[FileOutcome]] = {}
    for outcome in scanned[0].coverage.files:
        found.setdefault(Path(outcome.path.partition("!/")[0]).name, []).append(outcome)
    return found


def test_every_archive_has_outcomes(files: dict[str, list[FileOutcome]]) -> None:
    """Nothing in the folder is passed over in silence."""
    assert files.keys() == {path.name for path in (DATA / "otrf").iterdir()}


@pytest.mark.parametrize(("name", "form", "events"), READ, ids=lambda value: str(value))
def test_archive(name: str, form: str, events: int, files: dict[str, list[FileOutcome]]) -> None:
    """Each archive of one log is read whole, with as many events as it has lines; a Mac's side file is named as skipped."""
    outcomes = [outcome for outcome in files[name] if "__MACOSX" not in outcome.path]
    first, *rest = outcomes
    assert (first.format, first.status, first.events, first.reason) == (form, "read", events, "")
    assert not rest
    others = [outcome for outcome in files[name] if "__MACOSX" in outcome.path]
    assert all((outcome.status, outcome.reason) == ("skipped", UNREADABLE) for outcome in others)


def test_zeek(files: dict[str, list[FileOutcome]]) -> None:
    """Zeek's logs are read whole, as JSON and as tables; `test_zeek_logs.py` counts their rows."""
    for name, form in ((ZEEK_JSON, "json"), *((name, "zeek") for name in ZEEK_TABS)):
        assert len(files[name]) == 12
        assert {(outcome.format, outcome.status, outcome.reason) for outcome in files[name]} == {(form, "read", "")}


def test_totals(scanned: tuple[Report, list[dict]]) -> None:
    """The scan counts every event and finding, and no rule fails."""
    report, found = scanned
    assert report.coverage.complete
    assert report.coverage.events == sum(outcome.events for outcome in report.coverage.files) == 198_384
    assert sum(report.coverage.logsources.values()) == report.coverage.events
    assert not report.coverage.rules.failed
    assert len(found) == report.tally.findings == 1_906
    assert [entry["time"] for entry in found] == sorted(entry["time"] for entry in found)


def test_cloud(scanned: tuple[Report, list[dict]]) -> None:
    """The rule on assumed roles finds the calls of CloudTrail that one made, as many as their own fields tell."""
    with zipfile.ZipFile(shared("otrf", CLOUD)) as archive:
        lines = [json.loads(line) for name in archive.namelist() for line in archive.read(name).splitlines()]
    made = [line["userIdentity"]["sessionContext"]["sessionIssuer"] for line in lines if "AssumedRole" in str(line)]
    found = [entry for entry in scanned[1] if CLOUD in entry["source"]["path"]]
    assert {entry["rule"]["title"] for entry in found} == {"AWS STS AssumeRole Misuse"}
    assert len(found) == sum(issuer.get("type") == "Role" for issuer in made) == 11


def test_records_are_lines(scanned: tuple[Report, list[dict]]) -> None:
    """The record number of a finding is the line that holds its event."""
    name = "cmd_sharpview_pcre_net.zip"
    found = [entry for entry in scanned[1] if name in entry["source"]["path"]]
    records = {
        number: raw
        for item in read_records([shared("otrf", name)])
        for raw, number in zip(item.raws, item.numbers, strict=True)
    }
    assert found
    for entry in found:
        raw = records[entry["source"]["record"]]
        assert json.loads(raw if isinstance(raw, str) else bytes(raw)) == entry["event"]


def _telling(event: Event) -> str:
    """Return the event without what makes every event another one."""
    passing = ("EventRecordID", "RecordNumber", "TimeCreated", "@timestamp", "EventTime", "EventReceivedTime", "UtcTime")
    kept = {key: value for key, value in event.fields.items() if key not in passing and not key.endswith("ThreadID")}
    return json.dumps(kept, sort_keys=True, default=str)


def test_reference(rule_set: RuleSet, rules: list[Rule]) -> None:
    """On the distinct events of the smaller archives the fast engine and the reference count the same."""
    paths = [path for path in sorted((DATA / "otrf").glob("*.*z*")) if path.stat().st_size <= SAMPLED_BYTES]
    records = distinct(read_records(paths), _telling)
    counts = fast(rule_set.plans, records)
    assert reference(rules, records) == counts
    assert (sum(len(item.raws) for item in records), counts.total()) == (13588, 125)
